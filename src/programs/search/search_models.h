/* search_models.h - the models of roles that are played on this machine, each opened once. */
#ifndef SEARCH_MODELS_H
#define SEARCH_MODELS_H

#include "api/open_model.h"
#include "base/digest.h"
#include "search/policy_engine.h"
#include "search/search_options.h"

typedef struct search_models {
    opened_model models[CSO_ROLES];   /* of which `count` are open */
    cso_adapter *adapters[CSO_ROLES]; /* the same for adapter_count */
    size_t count, adapter_count;
    const opened_model *of_role[CSO_ROLES];        /* NULL: an endpoint plays it */
    const cso_adapter *adapter_of_role[CSO_ROLES]; /* NULL: none */
} search_models;

/* Opens what the own roles name. Where a role's context is 0, it becomes the model's. Errors name the role. */
cso_status search_models_open(search_models *models, cso_search_config *config, cso_error *err);
void search_models_close(search_models *models); /* takes a zeroed one too */
/* What plays a role, weights, tokenizer, template, arithmetic and adapter, as a digest; "": an endpoint. */
void search_models_digest(const search_models *models, const cso_search_config *config, size_t role, char hex[CSO_DIGEST_HEX]);
/* How the engine plays the roles. */
void search_models_players(const search_models *models, const cso_search_config *config, cso_engine_player players[CSO_ROLES]);

#endif

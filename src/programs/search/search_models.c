/* search_models.c - see search_models.h. */
#include "search_models.h"

#include <string.h>

static bool same_model(const cso_own_role *a, const cso_own_role *b) {
    return !strcmp(a->path, b->path) && !strcmp(a->tokenizer, b->tokenizer) && !strcmp(a->chat_template, b->chat_template);
}

/* The role's model: that of an earlier role where it is the same. */
static cso_status open_role(search_models *m, const cso_search_config *config, size_t role, cso_error *err) {
    const cso_own_role *own = &config->own[role];
    for (size_t i = 0; i < role; i++)
        if (m->of_role[i] && same_model(&config->own[i], own)) {
            m->of_role[role] = m->of_role[i];
            if (!strcmp(config->own[i].adapter, own->adapter)) {
                m->adapter_of_role[role] = m->adapter_of_role[i];
                return CSO_OK;
            }
        }
    if (!m->of_role[role]) {
        opened_model *opened = &m->models[m->count];
        CSO_TRY(open_model(opened, own->path, own->tokenizer, own->chat_template, err));
        m->of_role[role] = opened;
        m->count++;
    }
    if (!own->adapter[0])
        return CSO_OK;
    CSO_TRY(opened_model_adapter(&m->adapters[m->adapter_count], m->of_role[role], own->adapter, err));
    m->adapter_of_role[role] = m->adapters[m->adapter_count++];
    return CSO_OK;
}

cso_status search_models_open(search_models *m, cso_search_config *config, cso_error *err) {
    *m = (search_models){0};
    for (size_t i = 0; i < CSO_ROLES; i++) {
        if (!config->own[i].path[0])
            continue;
        cso_status status = open_role(m, config, i, err);
        if (status != CSO_OK)
            return cso_error_prefix(err, status, "role.%s", cso_role_words[i]);
        if (!config->role[i].context)
            config->role[i].context = m->of_role[i]->model->hparams.max_positions;
    }
    return CSO_OK;
}

void search_models_close(search_models *m) {
    for (size_t i = 0; i < m->adapter_count; i++)
        cso_adapter_free(m->adapters[i]);
    for (size_t i = 0; i < m->count; i++)
        close_model(&m->models[i]);
    *m = (search_models){0};
}

void search_models_digest(const search_models *m, const cso_search_config *config, size_t role, char hex[CSO_DIGEST_HEX]) {
    const opened_model *opened = m->of_role[role];
    cso_digest digest;
    char part[33];
    hex[0] = '\0';
    if (!opened)
        return;
    cso_digest_begin(&digest);
    cso_weights_fingerprint(opened->model->weights, part);
    cso_digest_add(&digest, part, sizeof part);
    cso_tokenizer_fingerprint(opened->tokenizer, part);
    cso_digest_add(&digest, part, sizeof part);
    const char *words[] = {cso_chat_template_name(opened->chat), cso_decode_words[config->own[role].compute]};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        cso_digest_add(&digest, words[i], strlen(words[i]) + 1);
    if (m->adapter_of_role[role]) {
        cso_adapter_fingerprint(m->adapter_of_role[role], part);
        cso_digest_add(&digest, part, sizeof part);
    }
    cso_digest_hex(&digest, hex);
}

void search_models_players(const search_models *m, const cso_search_config *config, cso_engine_player players[CSO_ROLES]) {
    for (size_t i = 0; i < CSO_ROLES; i++) {
        const opened_model *opened = m->of_role[i];
        const cso_endpoint_options *role = &config->role[i];
        players[i] = (cso_engine_player){0};
        if (opened)
            players[i] = (cso_engine_player){.model = opened->model,
                                             .adapter = m->adapter_of_role[i],
                                             .tokenizer = opened->tokenizer,
                                             .chat_template = opened->chat,
                                             .compute = config->own[i].compute,
                                             .temperature = role->temperature,
                                             .max_tokens = role->max_tokens,
                                             .context = role->context,
                                             .max_retries = role->max_retries};
    }
}

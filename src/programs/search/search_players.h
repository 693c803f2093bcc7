/* search_players.h - who plays the roles of a run: endpoints, models on this machine, or some of each, behind one policy. */
#ifndef SEARCH_PLAYERS_H
#define SEARCH_PLAYERS_H

#include "kernels/context.h"
#include "search/policy_endpoint.h"
#include "search/policy_engine.h"
#include "search/prompts.h"
#include "search_models.h"

typedef struct search_players {
    cso_endpoint_options services[CSO_ROLES]; /* of the pool, one for each role that an endpoint plays */
    const char *service_names[CSO_ROLES];
    cso_endpoint_players endpoints; /* pool NULL: none */
    cso_policy_engine *engine;      /* NULL: none */
    cso_context *ctx;
    bool own[CSO_ROLES]; /* the engine plays it */
    cso_policy of_endpoints, of_engine, policy;
} search_players;

/* Opens a pool for the roles of endpoints and an engine for the others; models outlive it. The players stay where they are until they
 * are closed: the policy points to them. */
cso_status search_players_open(search_players *players, const cso_search_config *config, const search_models *models,
                               const cso_prompts *prompts, cso_error *err);
void search_players_close(search_players *players); /* takes a zeroed one too; no thread may be asking */
/* Ends all asking with CSO_STOPPED. */
void search_players_stop(search_players *players);

typedef struct search_players_stats {
    cso_endpoint_stats requests;
    cso_engine_stats engine;
    bool has_endpoints, has_engine;
} search_players_stats;
void search_players_stats_get(search_players *players, search_players_stats *stats);

#endif

/* search_players.c - see search_players.h. */
#include "search_players.h"

#include "programs/common/open_context.h"

#include <string.h>

static const char *const SERVICES[CSO_ROLES] = {"role.strategy", "role.supporter", "role.seeker", "role.judge"}; /* for messages */
static const double GIB = 1073741824.0;

/* Answers of a part of the questions, which begins at `first`. */
typedef struct part {
    cso_answer_taker take;
    void *context;
    size_t first;
} part;

static cso_status take_of_part(void *context, size_t index, cso_answer *answer, cso_error *err) {
    const part *p = context;
    return p->take(p->context, p->first + index, answer, err);
}

/* Questions to both go to them in parts; a search asks one role at a time, so there is one part. */
static cso_status ask(void *self, const cso_question *questions, size_t count, cso_answer_taker take, void *context,
                      cso_error *err) {
    const search_players *players = self;
    for (size_t i = 0, end; i < count; i = end) {
        bool own = players->own[questions[i].role];
        const cso_policy *policy = own ? &players->of_engine : &players->of_endpoints;
        part p = {take, context, i};
        for (end = i + 1; end < count && players->own[questions[end].role] == own; end++) {
        }
        CSO_TRY(policy->ask(policy->self, questions + i, end - i, take_of_part, &p, err));
    }
    return CSO_OK;
}

static cso_status open_endpoints(search_players *players, const cso_search_config *config, cso_error *err) {
    size_t count = 0;
    for (size_t i = 0; i < CSO_ROLES; i++)
        if (!players->own[i]) {
            players->services[count] = config->role[i];
            players->service_names[count] = SERVICES[i];
            players->endpoints.service[i] = count++;
        }
    return count ? cso_endpoint_pool_open(&players->endpoints.pool, players->services, players->service_names, count, err) : CSO_OK;
}

static cso_status open_engine(search_players *players, const cso_search_config *config, const search_models *models,
                              const cso_prompts *prompts, cso_error *err) {
    cso_engine_options options = {.strategies = prompts->strategies, .memory = (size_t)(config->search.memory_gib * GIB)};
    if (!models->count)
        return CSO_OK;
    search_models_players(models, config, options.players);
    CSO_TRY(open_context(&players->ctx, (int)config->search.threads, err));
    return cso_policy_engine_open(&players->engine, players->ctx, &options, err);
}

static void make_policy(search_players *players, const cso_search_config *config) {
    players->of_endpoints = cso_policy_of_endpoints(&players->endpoints, config->role);
    players->policy = players->of_endpoints; /* limits of the roles */
    if (players->engine)
        players->of_engine = cso_policy_of_engine(players->engine);
    for (size_t i = 0; i < CSO_ROLES; i++)
        players->policy.scores[i] = players->own[i];
    players->policy.ask = ask;
    players->policy.self = players;
}

cso_status search_players_open(search_players *players, const cso_search_config *config, const search_models *models,
                               const cso_prompts *prompts, cso_error *err) {
    *players = (search_players){0};
    for (size_t i = 0; i < CSO_ROLES; i++)
        players->own[i] = models->of_role[i] != NULL;
    cso_status status = open_endpoints(players, config, err);
    if (status == CSO_OK)
        status = open_engine(players, config, models, prompts, err);
    if (status == CSO_OK)
        make_policy(players, config);
    else
        search_players_close(players);
    return status;
}

void search_players_close(search_players *players) {
    cso_policy_engine_close(players->engine);
    cso_context_free(players->ctx);
    cso_endpoint_pool_close(players->endpoints.pool);
    *players = (search_players){0};
}

void search_players_stop(search_players *players) {
    if (players->engine)
        cso_policy_engine_stop(players->engine);
    if (players->endpoints.pool)
        cso_endpoint_pool_stop(players->endpoints.pool);
}

void search_players_stats_get(search_players *players, search_players_stats *stats) {
    *stats = (search_players_stats){.has_endpoints = players->endpoints.pool, .has_engine = players->engine};
    if (stats->has_endpoints)
        cso_endpoint_pool_stats(players->endpoints.pool, &stats->requests);
    if (stats->has_engine)
        cso_policy_engine_stats(players->engine, &stats->engine);
}

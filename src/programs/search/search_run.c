/* search_run.c - a run of cso-search: what the journals tell first, then what is left to ask. */
#include "base/clock.h"
#include "base/file.h"
#include "base/folder_lock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/signals.h"
#include "config/search_config.h"
#include "search_commands.h"
#include "search_outputs.h"
#include "search_plan.h"
#include "search_players.h"
#include "search_table.h"
#include "search_trial.h"
#include "search_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double TICK_SECONDS = 0.2;
enum { MOST_WARNINGS = 10 };

/* What a run is made of. */
typedef struct run {
    const search_options *options;
    cso_search_config config;
    cso_prompts prompts;
    cso_seeds seeds;
    cso_searches_options searches_options;
    cso_searches *searches;
    search_models models;
    search_players players;
    bool asking; /* the players are open */
    cso_log log;
    search_watch watch;
    bool cost_reached;
    bool damaged; /* a journal cannot be read */
} run;

static cso_status read_seeds(run *r, cso_error *err) {
    const char *names[CSO_MAX_STRATEGIES];
    size_t count = r->prompts.strategies->count;
    if (count > CSO_MAX_STRATEGIES)
        return cso_fail(err, CSO_ERR_USAGE, "%s: has %zu strategies (expected %d at most)", r->config.search.prompts, count,
                        CSO_MAX_STRATEGIES);
    for (size_t i = 0; i < count; i++)
        names[i] = r->prompts.strategies->items[i].name;
    return cso_seeds_read(&r->seeds, &r->config.search.seeds, names, count, err);
}

static cso_status read_all(run *r, cso_error *err) {
    const search_options *o = r->options;
    if (strcmp(o->resume, "auto") != 0 && strcmp(o->resume, "never") != 0)
        return cso_fail(err, CSO_ERR_USAGE, "--resume: must be auto or never, got '%.100s'", o->resume);
    CSO_TRY(cso_search_config_read(&r->config, o->config, o->set.items, o->set.count, err));
    CSO_TRY(cso_prompts_read(&r->prompts, r->config.search.prompts, err));
    CSO_TRY(read_seeds(r, err));
    return search_models_open(&r->models, &r->config, err);
}

static cso_status finished(void *context, const cso_search_result *result, const cso_extract_mark *marks, cso_error *err) {
    const run *r = context;
    return r->config.search.html ? search_outputs_tree(r->config.search.dir, result, marks, err) : CSO_OK;
}

static cso_status write_config(const run *r, cso_error *err) {
    char *text = NULL, *path = cso_path_join(r->config.search.dir, "config.toml");
    cso_status status = path ? cso_search_config_print(&r->config, &text, err) : cso_fail_memory(err, "a path");
    if (status == CSO_OK)
        status = cso_save_text(path, text, strlen(text), err);
    free(text);
    free(path);
    return status;
}

static cso_status open_folder(run *r, cso_error *err) {
    const char *dir = r->config.search.dir;
    r->searches_options = (cso_searches_options){
        .config = &r->config, .prompts = &r->prompts, .seeds = &r->seeds, .finished = finished, .context = r};
    for (size_t i = 0; i < CSO_ROLES; i++)
        search_models_digest(&r->models, &r->config, i, r->searches_options.models[i]);
    CSO_TRY(cso_searches_open(&r->searches, &r->searches_options, !strcmp(r->options->resume, "auto"), err));
    return r->config.search.html ? search_outputs_begin(dir, err) : CSO_OK;
}

static bool stop_is_wanted(run *r) {
    if (!cso_signals_stop())
        return false;
    cso_searches_stop(r->searches);
    if (r->asking)
        search_players_stop(&r->players);
    return true;
}

/* Waits until all searches have ended, or a signal came and those that ran have stopped. */
static void wait_for_all(run *r) {
    cso_searches_stats stats;
    search_players_stats players;
    while (!cso_searches_wait(r->searches, TICK_SECONDS)) {
        if (stop_is_wanted(r) || !r->asking)
            continue;
        cso_searches_stats_get(r->searches, &stats);
        search_players_stats_get(&r->players, &players);
        search_watch_tick(&r->watch, &stats, &players);
    }
    cso_log_clear(&r->log);
}

/* The first failure is that of the run; the others are warnings, as far as they are few. */
static cso_status fail_first(run *r, const char *hint, cso_error *err) {
    const cso_search_summary *first = NULL;
    size_t failed = 0, number = 0;
    for (size_t i = 0; i < r->seeds.count; i++) {
        const cso_search_summary *s = cso_searches_summary(r->searches, i);
        if (!s->begun || s->state != CSO_SEARCH_FAILED)
            continue;
        if (failed++ < MOST_WARNINGS && first)
            cso_log_warning(&r->log, "search %zu: %s", i + 1, s->message ? s->message : "out of memory");
        else if (!first)
            first = s, number = i + 1;
    }
    if (!failed)
        return CSO_OK;
    return cso_fail(err, first->status, "search %zu: %s (%zu of %zu searches failed%s)", number,
                    first->message ? first->message : "out of memory", failed, r->seeds.count, hint);
}

/* Journals of another configuration end the run: nothing is changed, and nothing asked. A talk that is too long for a model fails again
 * here, as it did before, and alone. */
static cso_status check_replayed(run *r, cso_error *err) {
    for (size_t i = 0; i < r->seeds.count; i++) {
        const cso_search_summary *s = cso_searches_summary(r->searches, i);
        r->damaged |= s->begun && s->state == CSO_SEARCH_FAILED && s->status != CSO_ERR_USAGE;
        if (s->begun && s->changed)
            return cso_fail(err, CSO_ERR_USAGE, "%s", s->message ? s->message : "out of memory");
    }
    return CSO_OK;
}

/* What the journals have is played again. *left: searches that are not complete. */
static cso_status replay(run *r, size_t *left, cso_error *err) {
    cso_searches_stats stats;
    CSO_TRY(cso_searches_start(r->searches, NULL, err));
    wait_for_all(r);
    cso_searches_stats_get(r->searches, &stats);
    *left = stats.count - stats.complete;
    CSO_TRY(check_replayed(r, err));
    if (!*left)
        cso_log_line(&r->log, "all %zu searches are complete: nothing is left to ask", stats.count);
    else if (stats.replayed)
        cso_log_line(&r->log, "going on: %zu of %zu searches are complete, %zu answers are there", stats.complete, stats.count,
                     stats.replayed);
    return CSO_OK;
}

/* What the run took. */
static void tell(run *r) {
    cso_searches_stats stats;
    search_players_stats players;
    char line[SEARCH_ENGINE_TEXT];
    cso_searches_stats_get(r->searches, &stats);
    search_players_stats_get(&r->players, &players);
    if (players.has_endpoints)
        cso_log_line(&r->log, "%zu requests, %zu of them again; %zu answers, %zu of them from before", players.requests.requests,
                     players.requests.retries, stats.calls, stats.replayed);
    else
        cso_log_line(&r->log, "%zu answers, %zu of them from before", stats.calls, stats.replayed);
    if (players.has_engine)
        cso_log_line(&r->log, "%s", search_engine_text(&players.engine, line));
    r->cost_reached = players.requests.cost_reached;
}

static cso_status ask(run *r, cso_error *err) {
    cso_searches_stats stats;
    cso_searches_stats_get(r->searches, &stats);
    CSO_TRY(search_players_open(&r->players, &r->config, &r->models, &r->prompts, err));
    r->asking = true;
    if (r->players.endpoints.pool)
        cso_endpoint_pool_limit_cost(r->players.endpoints.pool, r->config.search.max_cost, stats.replayed_cost);
    search_watch_begin(&r->watch, &r->log, &r->config, &stats);
    cso_status status = cso_searches_start(r->searches, &r->players.policy, err);
    if (status == CSO_OK)
        wait_for_all(r);
    tell(r);
    r->asking = false;
    search_players_close(&r->players);
    return status;
}

/* Records, pages and table, of whatever is complete. */
static cso_status write_outputs(run *r, cso_error *err) {
    size_t count = r->seeds.count;
    const cso_search_summary **summaries = cso_calloc(count, sizeof *summaries);
    if (!summaries)
        return cso_fail_memory(err, "the table");
    for (size_t i = 0; i < count; i++)
        summaries[i] = cso_searches_summary(r->searches, i);
    cso_status status = r->damaged ? CSO_OK : cso_searches_write_records(r->searches, err);
    if (status == CSO_OK && r->config.search.html)
        status = search_outputs_index(r->config.search.dir, summaries, r->seeds.items, count, err);
    if (status == CSO_OK)
        status = search_print_table(summaries, count, cso_search_method_words[r->config.search.method], r->options->json, err);
    free(summaries);
    return status;
}

static cso_status search_all(run *r, cso_error *err) {
    size_t left;
    cso_signals_hold();
    CSO_TRY(open_folder(r, err));
    CSO_TRY(replay(r, &left, err));
    CSO_TRY(write_config(r, err));
    if (left && !cso_signals_stop())
        CSO_TRY(ask(r, err));
    CSO_TRY(write_outputs(r, err));
    if (cso_signals_stop())
        return cso_fail(err, CSO_STOPPED, "stopped; the same command goes on");
    return fail_first(r,
                      r->damaged        ? "; esc-pro.jsonl is as it was: cso-search extract writes it from the trees"
                      : r->cost_reached ? "; the same command goes on with them once search.max_cost is higher"
                                        : "; the same command goes on with them",
                      err);
}

/* A dry run makes nothing in the run's folder, and asks no endpoint. */
static cso_status plan_all(run *r, cso_error *err) {
    search_players players;
    search_trial trial;
    CSO_TRY(cso_folder_check_lock(r->config.search.dir, &cso_search_owner, err));
    CSO_TRY(search_players_open(&players, &r->config, &r->models, &r->prompts, err));
    search_players_close(&players);
    CSO_TRY(search_trial_run(&trial, &r->config, &r->prompts, &r->seeds, &r->models, &r->log, err));
    return search_print_plan(&r->config, &r->prompts, &r->seeds, &trial, r->options->json, err);
}

cso_status search_run(const search_options *options, cso_error *err) {
    run r = {.options = options};
    cso_log_init(&r.log, options->quiet);
    cso_status status = read_all(&r, err);
    if (status == CSO_OK)
        status = options->dry_run ? plan_all(&r, err) : search_all(&r, err);
    cso_log_clear(&r.log);
    cso_searches_close(r.searches);
    search_models_close(&r.models);
    cso_seeds_free(&r.seeds);
    cso_prompts_free(&r.prompts);
    cso_search_config_free(&r.config);
    return status;
}

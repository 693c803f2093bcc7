/* search_trial.c - see search_trial.h. */
#include "search_trial.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/signals.h"
#include "base/text.h"
#include "search/searches.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double TRIAL_SECONDS = 60, TICK_SECONDS = 0.2;

static cso_status search_for_a_while(search_trial *trial, cso_searches *searches, search_players *players, cso_log *log,
                                     cso_error *err) {
    cso_searches_stats stats;
    search_players_stats done;
    double began = cso_clock();
    bool stopped = false;
    CSO_TRY(cso_searches_start(searches, &players->policy, err));
    while (!cso_searches_wait(searches, TICK_SECONDS)) {
        double spent = cso_clock() - began;
        if (!stopped && (spent >= TRIAL_SECONDS || cso_signals_stop())) {
            cso_searches_stop(searches);
            search_players_stop(players);
            stopped = true;
        }
        if (log->live) {
            char text[64];
            snprintf(text, sizeof text, "measuring: %.0f of %.0f s", spent, TRIAL_SECONDS);
            const char *fields[] = {text};
            cso_log_fields(log, fields, 1);
        }
    }
    cso_log_clear(log);
    cso_searches_stats_get(searches, &stats);
    search_players_stats_get(players, &done);
    *trial = (search_trial){stats.calls > 0, cso_clock() - began, stats.calls, done.engine};
    for (size_t i = 0; i < stats.count; i++) {
        const cso_search_summary *s = cso_searches_summary(searches, i);
        if (s->begun && s->state == CSO_SEARCH_FAILED)
            return cso_fail(err, s->status, "search %zu: %s", i + 1, s->message ? s->message : "out of memory");
    }
    return cso_signals_stop() ? cso_fail(err, CSO_STOPPED, "stopped by signal %d", cso_signals_stop()) : CSO_OK;
}

/* The run's configuration, in another folder. */
static cso_status search_in(search_trial *trial, char *dir, const cso_searches_options *of_run, search_players *players,
                            cso_log *log, cso_error *err) {
    cso_search_config config = *of_run->config;
    cso_searches_options options = *of_run;
    cso_searches *searches = NULL;
    config.search.dir = dir;
    options.config = &config;
    cso_status status = cso_searches_open(&searches, &options, true, err);
    if (status == CSO_OK)
        status = search_for_a_while(trial, searches, players, log, err);
    cso_searches_close(searches);
    return status;
}

cso_status search_trial_run(search_trial *trial, const cso_search_config *config, const cso_prompts *prompts,
                            const cso_seeds *seeds, const search_models *models, cso_log *log, cso_error *err) {
    const char *place = getenv("TMPDIR");
    cso_searches_options options = {.config = config, .prompts = prompts, .seeds = seeds};
    search_players players;
    *trial = (search_trial){0};
    for (size_t i = 0; i < CSO_ROLES; i++) {
        if (!models->of_role[i])
            return CSO_OK;
        search_models_digest(models, config, i, options.models[i]);
    }
    char *dir = cso_format("%s/cso-search-XXXXXX", place && *place ? place : "/tmp");
    if (!dir || !mkdtemp(dir)) {
        cso_status status = dir ? cso_fail_errno(err, "make", dir) : cso_fail_memory(err, "a path");
        free(dir);
        return status;
    }
    cso_signals_hold();
    cso_status status = search_players_open(&players, config, models, prompts, err);
    if (status == CSO_OK)
        status = search_in(trial, dir, &options, &players, log, err);
    search_players_close(&players);
    cso_remove_tree(dir, NULL);
    cso_signals_release();
    free(dir);
    return status;
}

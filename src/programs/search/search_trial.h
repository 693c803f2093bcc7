/* search_trial.h - a minute of a search, to see how fast it is: for --dry-run where models on this machine play all roles. */
#ifndef SEARCH_TRIAL_H
#define SEARCH_TRIAL_H

#include "base/log.h"
#include "search/seeds.h"
#include "search_players.h"

typedef struct search_trial {
    bool made;      /* false: endpoints would be asked, and are not; or nothing was answered */
    double seconds; /* that it searched */
    size_t calls;   /* that were answered */
    cso_engine_stats engine;
} search_trial;

/* Searches from the seeds, in a temporary folder that is removed, until a minute is over or all searches have ended. A signal ends it with
 * CSO_STOPPED. */
cso_status search_trial_run(search_trial *trial, const cso_search_config *config, const cso_prompts *prompts,
                            const cso_seeds *seeds, const search_models *models, cso_log *log, cso_error *err);

#endif

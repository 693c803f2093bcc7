/* search_plan.h - what a search will take: calls, tokens and price, before anything is asked. */
#ifndef CSO_SEARCH_PLAN_H
#define CSO_SEARCH_PLAN_H

#include "search/searches.h"
#include "search_trial.h"

/* Prints the plan of --dry-run on standard output. */
cso_status search_print_plan(const cso_search_config *config, const cso_prompts *prompts, const cso_seeds *seeds,
                             const search_trial *trial, bool json, cso_error *err);

#endif

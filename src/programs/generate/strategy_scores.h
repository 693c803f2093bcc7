/* strategy_scores.h - how probable it is that replies begin with each of the strategies. */
#ifndef CSO_STRATEGY_SCORES_H
#define CSO_STRATEGY_SCORES_H

#include "generate_session.h"

/* After each of n prompts: probabilities (n, strategies->count) of "(NAME)", among all names; those of a prompt sum to 1. */
cso_status strategy_scores(const generate_session *session, const cso_ids *const *prompts, size_t n, double *probabilities,
                           cso_error *err);

#endif

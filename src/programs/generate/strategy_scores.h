/* strategy_scores.h - how probable it is that the next reply begins with each of the strategies. */
#ifndef CSO_STRATEGY_SCORES_H
#define CSO_STRATEGY_SCORES_H

#include "generate_session.h"

/* probabilities (strategies->count): of "(NAME)" after the prompt, among all names; they sum to 1. */
cso_status strategy_scores(const generate_session *session, const cso_ids *prompt, double *probabilities, cso_error *err);

#endif

/* talk.h - the five things that a search asks for, in words of the procedure (docs/search.md): scores of the strategies, a
 * supporter's reply, a seeker's answer, the opening of a talk, and the judge's levels.
 */
#ifndef CSO_SEARCH_TALK_H
#define CSO_SEARCH_TALK_H

#include "answers.h"
#include "caller.h"
#include "prompts.h"
#include "turns.h"

typedef struct cso_talk {
    cso_caller *caller;
    const cso_prompts *prompts;
    const char *situation, *emotion; /* the seed's description and scene */
    bool bounded;                    /* histories are cut to what a role takes */
    size_t turns_left_out;           /* in all, because of that */
} cso_talk;

/* Scores for the talk up to a seeker's text. */
cso_status cso_talk_scores(cso_talk *talk, const cso_search_turns *turns, cso_scores *scores, cso_error *err);
/* The same for several talks at once: turns (count) are the first `lengths[i]` turns of one talk; scores (count). */
cso_status cso_talk_scores_along(cso_talk *talk, const cso_search_turns *turns, const size_t *lengths, size_t count,
                                 cso_scores *scores, cso_error *err);
/* The supporter's next reply in a strategy; of the caller, who frees it. */
cso_status cso_talk_reply(cso_talk *talk, const cso_search_turns *turns, size_t strategy, char **reply, cso_error *err);
/* The seeker's answer to the last reply of the turns, whose `seeker` is NULL; ended: the seeker closes the talk, *answer is "". Of the
 * caller, who frees it. */
cso_status cso_talk_answer(cso_talk *talk, const cso_search_turns *turns, char **answer, bool *ended, cso_error *err);
/* The seeker's first words after the greeting, which do not end the talk. */
cso_status cso_talk_opening(cso_talk *talk, const cso_search_turns *greeting, char **opening, cso_error *err);
/* The judge's levels of the last reply of the first `first`, `first` + 1, ..., turns->count turns; levels (turns->count - first + 1). */
cso_status cso_talk_levels(cso_talk *talk, const cso_search_turns *turns, size_t first, double (*levels)[CSO_CRITERIA],
                           cso_error *err);
/* talk_likelihood.c: how probable the judge's model finds these replies, each with its strategy, where the talk is shown to it as training
 * shows records: 4 exp(mean log-probability of a token), 0 to 4; scores (turns->count - first + 1). */
cso_status cso_talk_likelihoods(cso_talk *talk, const cso_search_turns *turns, size_t first, double *scores, cso_error *err);

#endif

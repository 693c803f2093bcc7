/* search.h - one search: a tree grown over the strategies of a talk (docs/search.md has the procedure step by step).
 *
 * Source: Chain-of-Strategy Optimization (Zhao et al. 2025, arXiv 2503.05362), section 3.2, and its published code.
 */
#ifndef CSO_SEARCH_H
#define CSO_SEARCH_H

#include "extract.h"
#include "search_options.h"
#include "seeds.h"
#include "talk.h"

/* What a search says of itself while it runs. */
typedef struct cso_search_observer {
    void (*advanced)(void *context, const cso_search_result *now); /* after each iteration or play; may be NULL */
    void *context;
} cso_search_observer;

typedef struct cso_search_plan {
    const cso_search_options *rules;
    const cso_extract_options *extract;  /* which paths count, where negatives are filled */
    size_t budget;                       /* calls that a baseline may make */
    const cso_search_observer *observer; /* NULL: nobody */
} cso_search_plan;

/* Searches from a seed until the rules end it. The result is filled in as far as the search came, whatever is returned: a search that
 * fails goes on, with the same answers, when it is run again with the same journal. The caller frees the result. Strategies are those of the talk's prompts. */
cso_status cso_search_run(const cso_search_plan *plan, const cso_seed *seed, cso_talk *talk, cso_search_result *result,
                          cso_error *err);

/* The most calls that so many iterations from a seed of so many golden turns (0: none) can take. */
size_t cso_search_most_calls(const cso_search_options *rules, size_t iterations, size_t golden_turns);

#endif

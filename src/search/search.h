/* search.h - one search: a tree grown over the strategies of a talk (docs/search.md has the procedure step by step).
 *
 * Source: Chain-of-Strategy Optimization (Zhao et al. 2025, arXiv 2503.05362), section 3.2, and its published code.
 */
#ifndef CSO_SEARCH_H
#define CSO_SEARCH_H

#include "extract.h"
#include "seeds.h"
#include "talk.h"

typedef enum cso_search_mode { CSO_SEARCH_DEFAULT, CSO_SEARCH_PUBLISHED } cso_search_mode;
extern const char *const cso_search_mode_words[]; /* "default", "published", NULL */
typedef enum cso_search_method { CSO_SEARCH_MCTS, CSO_SEARCH_BEST_OF_N, CSO_SEARCH_GREEDY } cso_search_method;
extern const char *const cso_search_method_words[]; /* "mcts", "best-of-n", "greedy", NULL */

/* The numbers of the procedure. */
typedef struct cso_search_rules {
    cso_search_mode mode;
    cso_search_method method;
    size_t iterations_min, iterations_max, ended_min, ended_max;
    size_t rounds; /* simulated after a new node */
    double c, prior_temperature;
    double reward_weights[CSO_CRITERIA], reward_bias;
    size_t early_stop; /* iterations without a better path; 0: never */
    uint64_t seed;
    size_t turns_max; /* supporter turns of a baseline's dialogue */
    bool fill_negatives;
    cso_extract_options extract; /* which paths negatives are filled for */
} cso_search_rules;

/* What a search says of itself while it runs. */
typedef struct cso_search_observer {
    void (*advanced)(void *context, const cso_search_result *now); /* after each iteration or play; may be NULL */
    void *context;
} cso_search_observer;

/* Searches from a seed until the rules end it. The result is filled in as far as the search came, whatever is returned: a search that
 * fails goes on, with the same answers, when it is run again with the same journal. budget: calls that a baseline may make.
 * The caller frees the result. Strategies are those of the talk's prompts. */
cso_status cso_search_run(const cso_search_rules *rules, const cso_seed *seed, cso_talk *talk, size_t budget,
                          const cso_search_observer *observer, cso_search_result *result, cso_error *err);

/* The most calls that so many iterations from a seed of so many golden turns (0: none) can take. */
size_t cso_search_most_calls(const cso_search_rules *rules, size_t iterations, size_t golden_turns);

#endif

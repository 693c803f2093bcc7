/* search_parts.h - the steps that the methods of a search have in common; inside src/search only. */
#ifndef CSO_SEARCH_PARTS_H
#define CSO_SEARCH_PARTS_H

#include "search.h"

typedef struct search {
    const cso_search_options *rules; /* the plan's */
    const cso_search_plan *plan;
    const cso_seed *seed;
    cso_talk *talk;
    cso_search_result *result;
    cso_search_tree *tree; /* the result's */
} search;

/* A talk on its way from a node: what the roles are shown, and the texts that are in no node. */
typedef struct search_rollout {
    cso_search_turns turns;
    char **texts; /* (text_count) replies and answers that the turns point to */
    size_t text_count, text_capacity;
} search_rollout;
void search_rollout_free(search_rollout *rollout); /* takes a zeroed one too */

/* The root, and of a golden seed the path of its turns. */
cso_status search_plant(search *s, cso_error *err);

/* softmax(score / temperature) over the scores, in their order. */
void search_priors(const cso_scores *scores, double temperature, double *priors);
/* A lazy child of the node for each score, in their order. */
cso_status search_add_children(search *s, size_t node, const cso_scores *scores, cso_error *err);
/* Asks for the reply and the answer of a node that has none yet. */
cso_status search_generate(search *s, size_t node, cso_error *err);
/* How a simulated or played round takes its strategy from a score answer: a place among the scores. */
typedef struct search_choice {
    size_t (*choose)(void *context, const cso_scores *scores, const double *priors);
    void *context;
} search_choice;
extern const search_choice search_highest; /* the highest prior, the first of equals */

/* A round that was played: the scores, which of them was taken, and whether the seeker ended the talk. */
typedef struct search_round {
    cso_scores scores;
    size_t chosen;
    bool ended;
} search_round;
/* Plays one round at the end of a rollout: scores, strategy, reply, answer. */
cso_status search_play_round(search *s, search_rollout *rollout, const search_choice *choice, search_round *round, cso_error *err);
/* The reward of a talk whose supporter turns are judged from number `first` (from 1: the greeting's turn is the first) on. */
cso_status search_reward(search *s, const cso_search_turns *turns, size_t first, double *reward, cso_error *err);
/* Plays up to `rounds` further rounds from a generated node and gives the reward. */
cso_status search_simulate(search *s, size_t node, double *reward, cso_error *err);
void search_advanced(search *s);

/* The methods. */
cso_status search_mcts(search *s, cso_error *err);
cso_status search_best_of_n(search *s, cso_error *err);
cso_status search_greedy(search *s, cso_error *err);
/* After a search: the lazy siblings of turns on a counted path that have no negative are generated and judged. */
cso_status search_fill_negatives(search *s, cso_error *err);

#endif

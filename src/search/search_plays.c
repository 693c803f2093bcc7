/* search_plays.c - the baselines: whole dialogues, played once each (greedy), or until a budget of calls is spent (best-of-n). */
#include "search_parts.h"

#include "base/rng.h"

#include <math.h>

/* Calls of one turn of a play: scores, reply, answer; and the judge's later. */
enum { TURN_CALLS = 3, JUDGE_CALLS = 1 };

/* Draws a place among the scores by their priors. */
static size_t draw(void *context, const cso_scores *scores, const double *priors) {
    double left = cso_rng_float(context);
    size_t i = 0;
    for (; i + 1 < scores->count && left >= priors[i]; i++)
        left -= priors[i];
    return i;
}

/* Whether the budget has one more turn for a dialogue that has so many. */
static bool can_go_on(const search *s, size_t turns) {
    size_t made = s->talk->caller->next;
    return turns < s->rules->turns_max && made + TURN_CALLS + JUDGE_CALLS * (turns + 1) <= s->plan->budget;
}

/* The node of the last turn of a rollout, below its parent. */
static cso_status add_turn(search *s, const search_rollout *rollout, const search_round *round, size_t *node, cso_error *err) {
    double priors[CSO_MAX_STRATEGIES];
    const cso_prompt_turn *turn = &rollout->turns.items[rollout->turns.count - 1];
    search_priors(&round->scores, s->rules->prior_temperature, priors);
    CSO_TRY(cso_search_tree_add(s->tree, *node, round->scores.strategy[round->chosen], priors[round->chosen], node, err));
    return cso_search_tree_set_texts(s->tree, *node, turn->supporter, turn->seeker, round->ended, err);
}

/* One dialogue from the opening, judged turn by turn and backed up. */
static cso_status play(search *s, search_rollout *rollout, const search_choice *choice, cso_error *err) {
    size_t node = 0, turns = 0;
    search_round round = {0};
    double reward;
    CSO_TRY(cso_search_turns_to(&rollout->turns, s->tree, 0, err));
    for (; !round.ended && can_go_on(s, turns); turns++) {
        CSO_TRY(search_play_round(s, rollout, choice, &round, err));
        CSO_TRY(add_turn(s, rollout, &round, &node, err));
    }
    if (!turns)
        return CSO_OK;
    CSO_TRY(search_reward(s, &rollout->turns, 1, &reward, err));
    cso_search_tree_back_up(s->tree, node, reward);
    s->result->iterations++;
    return CSO_OK;
}

static cso_status play_one(search *s, const search_choice *choice, cso_error *err) {
    search_rollout rollout = {0};
    cso_status status = play(s, &rollout, choice, err);
    search_rollout_free(&rollout);
    search_advanced(s);
    return status;
}

cso_status search_best_of_n(search *s, cso_error *err) {
    cso_rng rng = cso_rng_make(s->rules->seed, CSO_STREAM_SEARCH, s->seed->index);
    const search_choice choice = {draw, &rng};
    while (can_go_on(s, 0))
        CSO_TRY(play_one(s, &choice, err));
    return CSO_OK;
}

cso_status search_greedy(search *s, cso_error *err) {
    return play_one(s, &search_highest, err);
}

/* search_parts.c - see search_parts.h. */
#include "search_parts.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

static const double GOLDEN_VALUE = 4;      /* of a golden turn, before the bias: the judge's best */
static const uint64_t GOLDEN_VISITS = 100; /* that it counts for */
static const double GOLDEN_PRIOR = 0.1;    /* of a golden strategy that the strategy role left out */

void search_rollout_free(search_rollout *rollout) {
    for (size_t i = 0; i < rollout->text_count; i++)
        free(rollout->texts[i]);
    free(rollout->texts);
    cso_search_turns_free(&rollout->turns);
    *rollout = (search_rollout){0};
}

/* Keeps a text for as long as the rollout; frees it on failure. */
static cso_status keep_text(search_rollout *rollout, char *text, cso_error *err) {
    if (!cso_grow(&rollout->texts, &rollout->text_capacity, rollout->text_count + 1, sizeof *rollout->texts)) {
        free(text);
        return cso_fail_memory(err, "a dialogue");
    }
    rollout->texts[rollout->text_count++] = text;
    return CSO_OK;
}

void search_priors(const cso_scores *scores, double temperature, double *priors) {
    double highest = 0, sum = 0;
    for (size_t i = 0; i < scores->count; i++)
        highest = fmax(highest, scores->score[i]);
    for (size_t i = 0; i < scores->count; i++)
        sum += priors[i] = exp((scores->score[i] - highest) / temperature);
    for (size_t i = 0; i < scores->count; i++)
        priors[i] /= sum;
}

cso_status search_add_children(search *s, size_t node, const cso_scores *scores, cso_error *err) {
    double priors[CSO_MAX_STRATEGIES];
    size_t child;
    search_priors(scores, s->rules->prior_temperature, priors);
    for (size_t i = 0; i < scores->count; i++)
        CSO_TRY(cso_search_tree_add(s->tree, node, scores->strategy[i], priors[i], &child, err));
    return CSO_OK;
}

/* The reply in a strategy and the answer to it, after the last of the turns, which then have one more. */
static cso_status play_turn(search *s, search_rollout *rollout, size_t strategy, bool *ended, cso_error *err) {
    char *reply, *answer;
    CSO_TRY(cso_talk_reply(s->talk, &rollout->turns, strategy, &reply, err));
    CSO_TRY(keep_text(rollout, reply, err));
    CSO_TRY(cso_search_turns_add(&rollout->turns, s->tree->strategies[strategy], reply, NULL, err));
    CSO_TRY(cso_talk_answer(s->talk, &rollout->turns, &answer, ended, err));
    CSO_TRY(keep_text(rollout, answer, err));
    rollout->turns.items[rollout->turns.count - 1].seeker = answer;
    return CSO_OK;
}

cso_status search_generate(search *s, size_t node, cso_error *err) {
    const cso_search_node *n = &s->tree->nodes[node];
    if (n->generated)
        return CSO_OK;
    search_rollout rollout = {0};
    bool ended;
    cso_status status = cso_search_turns_to(&rollout.turns, s->tree, n->parent, err);
    if (status == CSO_OK)
        status = play_turn(s, &rollout, n->strategy, &ended, err);
    if (status == CSO_OK) {
        const cso_prompt_turn *turn = &rollout.turns.items[rollout.turns.count - 1];
        status = cso_search_tree_set_texts(s->tree, node, turn->supporter, turn->seeker, ended, err);
    }
    search_rollout_free(&rollout);
    return status;
}

static size_t choose_highest(void *context, const cso_scores *scores, const double *priors) {
    size_t best = 0;
    (void)context;
    for (size_t i = 1; i < scores->count; i++)
        if (priors[i] > priors[best])
            best = i;
    return best;
}

const search_choice search_highest = {choose_highest, NULL};

cso_status search_play_round(search *s, search_rollout *rollout, const search_choice *choice, search_round *round, cso_error *err) {
    double priors[CSO_MAX_STRATEGIES];
    CSO_TRY(cso_talk_scores(s->talk, &rollout->turns, &round->scores, err));
    search_priors(&round->scores, s->rules->prior_temperature, priors);
    round->chosen = choice->choose(choice->context, &round->scores, priors);
    return play_turn(s, rollout, round->scores.strategy[round->chosen], &round->ended, err);
}

/* scores (turns->count - first): of the judge's levels. */
static cso_status judged_scores(search *s, const cso_search_turns *turns, size_t first, double *scores, cso_error *err) {
    size_t judged = turns->count - first;
    double(*levels)[CSO_CRITERIA] = cso_calloc(judged, sizeof *levels);
    if (!levels)
        return cso_fail_memory(err, "the judge's levels");
    cso_status status = cso_talk_levels(s->talk, turns, first + 1, levels, err);
    for (size_t i = 0; status == CSO_OK && i < judged; i++)
        for (size_t k = 0; k < CSO_CRITERIA; k++)
            scores[i] += s->rules->reward_weights[k] * levels[i][k];
    free(levels);
    return status;
}

cso_status search_reward(search *s, const cso_search_turns *turns, size_t first, double *reward, cso_error *err) {
    size_t judged = turns->count - first;
    double *scores = cso_calloc(judged, sizeof *scores), sum = 0;
    if (!scores)
        return cso_fail_memory(err, "scores");
    cso_status status = s->rules->reward == CSO_REWARD_LIKELIHOOD ? cso_talk_likelihoods(s->talk, turns, first + 1, scores, err)
                                                                  : judged_scores(s, turns, first, scores, err);
    for (size_t i = 0; i < judged; i++)
        sum += scores[i];
    *reward = sum / (double)judged + s->rules->reward_bias;
    free(scores);
    return status;
}

cso_status search_simulate(search *s, size_t node, double *reward, cso_error *err) {
    search_rollout rollout = {0};
    search_round last = {.ended = s->tree->nodes[node].ended};
    cso_status status = cso_search_turns_to(&rollout.turns, s->tree, node, err);
    size_t first = rollout.turns.count - 1;
    for (size_t round = 0; status == CSO_OK && round < s->rules->rounds && !last.ended; round++)
        status = search_play_round(s, &rollout, &search_highest, &last, err);
    if (status == CSO_OK)
        status = search_reward(s, &rollout.turns, first, reward, err);
    search_rollout_free(&rollout);
    return status;
}

void search_advanced(search *s) {
    const cso_search_observer *observer = s->plan->observer;
    if (observer && observer->advanced)
        observer->advanced(observer->context, s->result);
}

static void set_golden(search *s, size_t node) {
    cso_search_node *n = &s->tree->nodes[node];
    n->q = GOLDEN_VALUE + s->rules->reward_bias;
    n->n = n->seed = GOLDEN_VISITS;
}

/* The child with the golden strategy, which is added last where the scores lack it. */
static cso_status golden_child(search *s, size_t parent, size_t strategy, size_t *child, cso_error *err) {
    for (*child = s->tree->nodes[parent].first_child; *child != CSO_NO_NODE; *child = s->tree->nodes[*child].next_sibling)
        if (s->tree->nodes[*child].strategy == strategy)
            return CSO_OK;
    for (size_t i = s->tree->nodes[parent].first_child; i != CSO_NO_NODE; i = s->tree->nodes[i].next_sibling)
        s->tree->nodes[i].prior *= 1 - GOLDEN_PRIOR;
    return cso_search_tree_add(s->tree, parent, strategy, GOLDEN_PRIOR, child, err);
}

/* The golden turns as a path, each beside the alternatives that the strategy role scored there. scores: (turn_count). */
static cso_status plant_path(search *s, const cso_scores *scores, cso_error *err) {
    size_t parent = 0, child;
    for (size_t i = 0; i < s->seed->turn_count; i++, parent = child) {
        const cso_seed_turn *turn = &s->seed->turns[i];
        bool last = i + 1 == s->seed->turn_count;
        CSO_TRY(search_add_children(s, parent, &scores[i], err));
        CSO_TRY(golden_child(s, parent, turn->strategy, &child, err));
        CSO_TRY(cso_search_tree_set_texts(s->tree, child, turn->supporter, last ? "" : turn->seeker, last, err));
        set_golden(s, child);
    }
    return CSO_OK;
}

/* What the roles are shown of a golden dialogue: the greeting and its opening, then turn by turn. */
static cso_status golden_turns(const search *s, cso_search_turns *turns, cso_error *err) {
    CSO_TRY(cso_search_turns_to(turns, s->tree, 0, err));
    for (size_t i = 0; i < s->seed->turn_count; i++) {
        const cso_seed_turn *turn = &s->seed->turns[i];
        CSO_TRY(cso_search_turns_add(turns, s->tree->strategies[turn->strategy], turn->supporter, turn->seeker, err));
    }
    return CSO_OK;
}

/* All turns are known, so all are asked for at once. */
static cso_status plant_golden(search *s, cso_error *err) {
    cso_search_turns turns = {0};
    size_t count = s->seed->turn_count, *lengths = cso_calloc(count, sizeof *lengths);
    cso_scores *scores = cso_calloc(count, sizeof *scores);
    cso_status status = lengths && scores ? golden_turns(s, &turns, err) : cso_fail_memory(err, "a golden dialogue");
    for (size_t i = 0; status == CSO_OK && i < count; i++)
        lengths[i] = i + 1;
    if (status == CSO_OK)
        status = cso_talk_scores_along(s->talk, &turns, lengths, count, scores, err);
    if (status == CSO_OK)
        status = plant_path(s, scores, err);
    cso_search_turns_free(&turns);
    free(scores);
    free(lengths);
    return status;
}

/* The seeker's first words: given, or made from scene and description. */
static cso_status plant_root(search *s, cso_error *err) {
    const char *greeting = s->talk->prompts->greeting;
    cso_search_turns turns = {0};
    char *opening = NULL;
    size_t root;
    CSO_TRY(cso_search_tree_add(s->tree, CSO_NO_NODE, CSO_NO_NODE, 1, &root, err));
    if (s->seed->opening)
        return cso_search_tree_set_texts(s->tree, root, greeting, s->seed->opening, false, err);
    cso_status status = cso_search_turns_add(&turns, CSO_START_STRATEGY, greeting, NULL, err);
    if (status == CSO_OK)
        status = cso_talk_opening(s->talk, &turns, &opening, err);
    if (status == CSO_OK)
        status = cso_search_tree_set_texts(s->tree, root, greeting, opening, false, err);
    free(opening);
    cso_search_turns_free(&turns);
    return status;
}

cso_status search_plant(search *s, cso_error *err) {
    CSO_TRY(plant_root(s, err));
    if (!s->seed->turn_count || s->rules->method != CSO_METHOD_MCTS)
        return CSO_OK;
    CSO_TRY(plant_golden(s, err));
    set_golden(s, 0);
    return CSO_OK;
}

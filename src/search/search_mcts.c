/* search_mcts.c - Monte Carlo tree search: select, generate, expand, simulate, reward, back up. */
#include "search_parts.h"

#include <math.h>

/* Of the whole search, what a stop needs to know. */
typedef struct progress {
    double best;    /* q of the best path that ended, NAN: there is none */
    size_t best_at; /* iterations when it was found */
} progress;

static void note_best(const search *s, progress *p) {
    for (size_t i = 0; i < s->tree->count; i++) {
        const cso_search_node *n = &s->tree->nodes[i];
        if (n->ended && n->n && !(n->q <= p->best)) {
            p->best = n->q;
            p->best_at = s->result->iterations;
        }
    }
}

/* Before an iteration: `ended` nodes were there before its node was selected and generated. */
static bool must_stop(const search *s, const progress *p, size_t ended, size_t selected) {
    const cso_search_options *r = s->rules;
    size_t done = s->result->iterations;
    if (done >= r->iterations_max)
        return true;
    if (s->tree->nodes[selected].ended)
        return false;
    if (r->mode == CSO_SEARCH_DEFAULT && r->early_stop && !isnan(p->best) && done - p->best_at >= r->early_stop)
        return true;
    return (done >= r->iterations_min && ended >= r->ended_min) || ended >= r->ended_max;
}

/* Gives the selected node children, and one of them its texts. */
static cso_status expand(search *s, size_t node, size_t *child, cso_error *err) {
    cso_search_turns turns = {0};
    cso_scores scores;
    cso_status status = cso_search_turns_to(&turns, s->tree, node, err);
    if (status == CSO_OK)
        status = cso_talk_scores(s->talk, &turns, &scores, err);
    cso_search_turns_free(&turns);
    if (status == CSO_OK)
        status = search_add_children(s, node, &scores, err);
    if (status != CSO_OK)
        return status;
    *child = cso_search_tree_best_prior(s->tree, node);
    return search_generate(s, *child, err);
}

static cso_status iterate(search *s, progress *p, bool *stop, cso_error *err) {
    size_t ended = cso_search_tree_ended(s->tree), node = cso_search_tree_select(s->tree, s->rules->c);
    double reward;
    CSO_TRY(search_generate(s, node, err));
    *stop = must_stop(s, p, ended, node);
    if (*stop)
        return CSO_OK;
    if (!s->tree->nodes[node].ended) {
        CSO_TRY(expand(s, node, &node, err));
        CSO_TRY(search_simulate(s, node, &reward, err));
        s->tree->nodes[node].simulated = true;
    } else {
        CSO_TRY(search_simulate(s, node, &reward, err));
    }
    cso_search_tree_back_up(s->tree, node, reward);
    s->result->iterations++;
    note_best(s, p);
    return CSO_OK;
}

cso_status search_mcts(search *s, cso_error *err) {
    progress p = {.best = NAN};
    note_best(s, &p);
    for (bool stop = false; !stop;) {
        CSO_TRY(iterate(s, &p, &stop, err));
        search_advanced(s);
    }
    return s->rules->fill_negatives ? search_fill_negatives(s, err) : CSO_OK;
}

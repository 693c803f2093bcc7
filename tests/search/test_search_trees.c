/* test_search_trees.c - random searches with scripted roles: what holds in every tree; and every allocation failing in turn. */
#include "../faults.h"
#include "../test_folder.h"
#include "base/memory.h"
#include "base/rng.h"
#include "scripted.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TREES = 300, MOST_NODES = 4096 };

/* Roles that answer by chance. */

typedef struct chance {
    cso_rng rng;
    double ends, wrong; /* shares of answers that end a talk, or are not what was asked */
    size_t asked, refused;
} chance;

static bool happens(chance *c, double share) {
    return cso_rng_float(&c->rng) < share;
}

static size_t below(chance *c, size_t limit) {
    return (size_t)cso_rng_below(&c->rng, limit);
}

static char *scores(chance *c) {
    static const char *const names[] = {"Ask", "tell", "HOLD"};
    size_t first = below(c, 3), count = 1 + below(c, 3);
    cso_text text = {0};
    cso_text_format(&text, "`{\"Other\": 99");
    for (size_t i = 0; i < count; i++)
        cso_text_format(&text, ", \"%s\": %zu", names[(first + i) % 3], below(c, 4) * 3);
    cso_text_format(&text, "}`");
    if (text.failed) {
        free(text.data);
        return NULL;
    }
    return text.data;
}

static char *answer(void *context, const cso_question *question) {
    chance *c = context;
    c->asked++;
    if (happens(c, c->wrong)) {
        c->refused++;
        return cso_strdup("\"\"");
    }
    switch (question->role) {
    case CSO_ROLE_STRATEGY:
        return scores(c);
    case CSO_ROLE_SUPPORTER:
        return cso_format("reply %zu", c->asked);
    case CSO_ROLE_SEEKER:
        return strstr(question->user, "seeker: ") && happens(c, c->ends) ? cso_strdup("</end/>")
                                                                         : cso_format("answer %zu", c->asked);
    default:
        return cso_format("1: %zu\n2: %zu\n3: %zu\n4: %zu", below(c, 5), below(c, 5), below(c, 5), below(c, 5));
    }
}

/* What the tree was after the iteration before. */
typedef struct watch {
    const cso_search_options *rules;
    size_t count, iterations;
    cso_search_node before[MOST_NODES];
    double sums[MOST_NODES]; /* of the rewards that passed, as the values tell them */
} watch;

static double puct(const watch *w, size_t child, const cso_search_node *tree) {
    const cso_search_node *n = &w->before[child];
    return n->q + w->rules->c * n->prior * sqrt((double)w->before[tree[child].parent].n) / (1 + (double)n->n);
}

/* The child below a node whose visits grew; CSO_NO_NODE: none did. */
static size_t grown_child(const watch *w, const cso_search_tree *tree, size_t node) {
    size_t grown = CSO_NO_NODE;
    for (size_t i = tree->nodes[node].first_child; i != CSO_NO_NODE; i = tree->nodes[i].next_sibling) {
        uint64_t before = i < w->count ? w->before[i].n : 0;
        if (tree->nodes[i].n == before)
            continue;
        assert_int_equal(tree->nodes[i].n, before + 1);
        assert_int_equal(grown, CSO_NO_NODE);
        grown = i;
    }
    return grown;
}

/* The child taken had the highest PUCT, the first of equals. */
static void check_taken(const watch *w, const cso_search_tree *tree, size_t taken) {
    double value = puct(w, taken, tree->nodes);
    bool after = false;
    for (size_t i = tree->nodes[tree->nodes[taken].parent].first_child; i != CSO_NO_NODE; i = tree->nodes[i].next_sibling) {
        after |= i == taken;
        assert_true(i == taken || (after ? puct(w, i, tree->nodes) <= value : puct(w, i, tree->nodes) < value));
    }
}

/* A child made in this iteration has the highest prior, the first of equals. */
static void check_simulated(const cso_search_tree *tree, size_t taken) {
    assert_true(tree->nodes[taken].simulated);
    bool after = false;
    for (size_t i = tree->nodes[tree->nodes[taken].parent].first_child; i != CSO_NO_NODE; i = tree->nodes[i].next_sibling) {
        after |= i == taken;
        assert_true(after ? tree->nodes[i].prior <= tree->nodes[taken].prior : tree->nodes[i].prior < tree->nodes[taken].prior);
    }
}

static void check_path(watch *w, const cso_search_tree *tree) {
    size_t node = 0;
    assert_int_equal(tree->nodes[0].n, w->before[0].n + 1);
    for (size_t child; (child = grown_child(w, tree, node)) != CSO_NO_NODE; node = child) {
        if (child < w->count)
            check_taken(w, tree, child);
        else
            check_simulated(tree, child);
    }
    assert_true(tree->nodes[node].generated && (node >= w->count || tree->nodes[node].ended));
    /* One reward went up the whole path. */
    double reward = tree->nodes[node].q * (double)tree->nodes[node].n - (node < w->count ? w->sums[node] : 0);
    for (size_t i = node; i != CSO_NO_NODE; i = tree->nodes[i].parent)
        w->sums[i] += reward;
}

static void keep(watch *w, const cso_search_tree *tree) {
    assert_true(tree->count <= MOST_NODES);
    memcpy(w->before, tree->nodes, tree->count * sizeof *tree->nodes);
    w->count = tree->count;
}

/* After an iteration, and once more where the search stops instead of one. */
static void advanced(void *context, const cso_search_result *now) {
    watch *w = context;
    if (now->iterations == w->iterations)
        return;
    check_path(w, &now->tree);
    w->iterations = now->iterations;
    keep(w, &now->tree);
}

static void check_node(const watch *w, const cso_search_tree *tree, size_t index) {
    const cso_search_node *n = &tree->nodes[index];
    uint64_t visits = 0;
    double priors = 0;
    for (size_t i = n->first_child; i != CSO_NO_NODE; i = tree->nodes[i].next_sibling) {
        visits += tree->nodes[i].n - tree->nodes[i].seed;
        priors += tree->nodes[i].prior;
    }
    assert_true(n->ended ? n->first_child == CSO_NO_NODE : n->n == visits + n->seed + n->simulated);
    assert_true(n->first_child == CSO_NO_NODE || fabs(priors - 1) < 1e-12);
    assert_true(n->generated || (!n->n && !n->ended && !n->filled));
    assert_true(!n->filled || !n->n);
    if (n->n)
        assert_float_equal(n->q, w->sums[index] / (double)n->n, 1e-9);
}

static double between(chance *c, double low, double high) {
    return low + (high - low) * (double)cso_rng_float(&c->rng);
}

static void choose_rules(chance *c, scripted_search *s) {
    cso_search_options *r = &s->rules;
    r->mode = (cso_search_mode)below(c, 2);
    r->iterations_min = 1 + below(c, 15);
    r->iterations_max = r->iterations_min + below(c, 15);
    r->ended_min = below(c, 3);
    r->ended_max = 1 + r->ended_min + below(c, 6);
    r->rounds = below(c, 4);
    r->c = below(c, 4) ? between(c, 0, 4) : 0;
    r->prior_temperature = between(c, 0.5, 10);
    r->reward_bias = between(c, -3, -1);
    r->fill_negatives = below(c, 2);
    c->ends = between(c, 0, 0.6);
    c->wrong = below(c, 3) ? 0 : 0.05;
    s->max_retries = 20;
}

static char opening[] = "o", first[] = "g1", second[] = "g2", between_them[] = "a1";
static cso_seed_turn golden_turns[] = {{2, first, between_them}, {0, second, NULL}};

/* One search; its first tree is what seeding makes, the values of which count 100. */
static void check_tree(const cso_prompts *prompts, uint64_t number) {
    static watch w;
    chance c = {0};
    c.rng = cso_rng_make(number, 0, 0);
    scripted_search s = scripted_begin(prompts);
    choose_rules(&c, &s);
    if (below(&c, 2)) {
        s.seed.opening = opening;
        s.seed.turns = golden_turns;
        s.seed.turn_count = 2;
    }
    memset(&w, 0, sizeof w);
    w.rules = &s.rules;
    const cso_search_observer observer = {advanced, &w};
    cso_search_result planted, result;
    cso_error err = {0};
    s.roles = (scripted){answer, &c};
    chance begin = c;
    scripted_search only = s; /* the same tree before its first iteration */
    only.rules.iterations_max = only.rules.iterations_min = 0;
    only.rules.fill_negatives = false;
    assert_int_equal(scripted_run(&only, &planted, &err), CSO_OK);
    keep(&w, &planted.tree);
    for (size_t i = 0; i < planted.tree.count; i++)
        w.sums[i] = planted.tree.nodes[i].q * (double)planted.tree.nodes[i].n;
    c = begin;
    s.watcher = &observer;
    assert_int_equal(scripted_run(&s, &result, &err), CSO_OK);
    assert_int_equal(w.iterations, result.iterations);
    assert_in_range(result.iterations, 0, s.rules.iterations_max);
    for (size_t i = 0; i < result.tree.count; i++)
        check_node(&w, &result.tree, i);
    cso_search_result_free(&planted);
    cso_search_result_free(&result);
}

static void random_trees(void **state) {
    (void)state;
    cso_prompts prompts = scripted_prompts();
    for (uint64_t i = 0; i < TREES; i++)
        check_tree(&prompts, i);
    cso_prompts_free(&prompts);
}

/* Answers that were refused count as tries, and too many of them end the search. */
static void refused_answers(void **state) {
    (void)state;
    cso_prompts prompts = scripted_prompts();
    scripted_search s = scripted_begin(&prompts);
    cso_search_result result;
    cso_error err = {0};
    chance c = {.wrong = 1};
    s.roles = (scripted){answer, &c};
    s.max_retries = 3;
    assert_int_equal(scripted_run(&s, &result, &err), CSO_ERR_SYSTEM);
    assert_int_equal(result.state, CSO_SEARCH_FAILED);
    assert_int_equal(c.asked, 4);
    assert_non_null(strstr(err.message, "role.seeker: no answer of 4 was what was asked"));
    cso_search_result_free(&result);
    cso_prompts_free(&prompts);
}

/* A history that never fits ends the search with what the key must be; one that is cut does not. */
static void short_context(void **state) {
    (void)state;
    cso_prompts prompts = scripted_prompts();
    scripted_search s = scripted_begin(&prompts);
    cso_search_result result;
    cso_error err = {0};
    chance c = {.ends = 0};
    s.roles = (scripted){answer, &c};
    s.rules.iterations_min = s.rules.iterations_max = 8;
    s.rules.c = 0;
    s.max_tokens = 10;
    s.context = 12;
    assert_int_equal(scripted_run(&s, &result, &err), CSO_ERR_USAGE);
    assert_non_null(strstr(err.message, "role.seeker.context is 12"));
    cso_search_result_free(&result);
    s.context = 60;
    assert_int_equal(scripted_run(&s, &result, &err), CSO_OK);
    cso_search_result_free(&result);
    cso_prompts_free(&prompts);
}

static void failing_allocations(void **state) {
    (void)state;
    cso_prompts prompts = scripted_prompts();
    scripted_search s = scripted_begin(&prompts);
    s.rules.iterations_min = s.rules.iterations_max = 5;
    s.rules.fill_negatives = true;
    s.seed.opening = opening;
    s.seed.turns = golden_turns;
    s.seed.turn_count = 2;
    s.max_retries = 20;
    size_t number = 0;
    for (bool failed = true; failed;) {
        cso_search_result result;
        cso_error err = {0};
        chance c = {.ends = 0.3, .wrong = 0.1};
        c.rng = cso_rng_make(5, 0, 0);
        s.roles = (scripted){answer, &c};
        fault_memory_begin(++number, false);
        cso_status status = scripted_run(&s, &result, &err);
        failed = fault_memory_end();
        if (status != (failed ? CSO_ERR_SYSTEM : CSO_OK))
            fail_msg("allocation %zu: status %d: %s", number, (int)status, err.message);
        assert_true(failed ? strstr(err.message, "memory") != NULL : !err.message[0]);
        cso_search_result_free(&result);
    }
    assert_true(number > 100);
    cso_prompts_free(&prompts);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_trees), cmocka_unit_test(refused_answers),
                                       cmocka_unit_test(short_context), cmocka_unit_test(failing_allocations)};
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

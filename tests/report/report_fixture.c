/* report_fixture.c - see report_fixture.h. */
#include "report_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const report_hostile[] = {
    "</script><script>window.__hit=1;alert(1)</script>",
    "<img src=x onerror=\"window.__hit=2\">",
    "<!-- <script> window.__hit=3 --> <svg/onload=window.__hit=4>",
    "]]> ' onfocus=window.__hit=5 autofocus \" onmouseover=\"window.__hit=6\"",
    "javascript:window.__hit=7 <a href=javascript:window.__hit=8>here</a> <iframe src=//example.invalid/></iframe>",
    "${window.__hit=9} {{window.__hit=10}} `window.__hit=11`",
    "zero \xC0\x80 bell \a escape \033[31;1mred\033]0;title\a delete \x7F next \xC2\x85 separators \xE2\x80\xA8 \xE2\x80\xA9",
    "right to left \xE2\x80\xAE"
    "elddim\xE2\x80\xAC and isolate \xE2\x81\xA6 open",
    "Donaudampfschifffahrtselektrizit\xC3\xA4tenhauptbetriebswerkbauunterbeamtengesellschaftsvorsitzendenstellvertreterausbildungso"
    "rdnung",
    "\xF0\x9F\x98\x80 \xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x92\xBB "
    "\xE4\xBD\xA0\xE5\xA5\xBD\xEF\xBC\x8C\xE4\xBB\x8A\xE5\xA4\xA9\xE6\x80\x8E\xE4\xB9\x88\xE6\xA0\xB7 "
    "\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D e\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81",
    "quote \" backslash \\ end \\\" \\N \\G &amp; &lt;b&gt; &#60; line\nbreak\ttab\\",
    "\\",
    "",
};
const size_t report_hostile_count = sizeof report_hostile / sizeof *report_hostile;

static const char *const names[] = {
    "Emotional Validation",         "Affirmation",
    "Collaborative Planning",       "Empathetic Statements",
    "Avoid Judgment and Criticism", "Provide Different Perspectives",
    "Reframe Negative Thoughts",    "Share Information",
};
static const char *const replies[] = {
    "That sounds like a lot to carry on your own. No wonder you feel worn out.",
    "You kept going through all of this. That takes more strength than you give yourself credit for.",
    "Shall we look at tomorrow morning together and pick one small thing that would help?",
    "I can hear how much this matters to you, and how lonely the last weeks have been.",
    "There is no right way to feel about it. Whatever comes up is welcome here.",
    "I wonder how a good friend of yours would describe what happened that day.",
    "What if it is not that you failed, but that the plan asked for more hours than a day has?",
    "Many people find that a fixed time for worries, ten minutes in the evening, makes the nights quieter.",
};
static const char *const answers[] = {
    "Yes. I have not said that out loud to anybody before.",
    "Maybe. I just keep thinking that I should have seen it coming.",
    "I could write to my manager, but I am afraid of the answer.",
    "It helps a little to hear that I am not the only one.",
    "I don't know. Some days are fine and then it all comes back.",
    "Okay, I could try that. Just the morning, not the whole day.",
};
enum { NAMES = sizeof names / sizeof *names, ANSWERS = sizeof answers / sizeof *answers };

/* Not NULL. */
static void *need(void *memory) {
    if (!memory)
        abort();
    return memory;
}

static char *copy(const char *text) {
    return need(strdup(text));
}

void report_tree_begin(report_tree *tree, const char *const *strategies, size_t count) {
    *tree = (report_tree){.result = {.index = 3,
                                     .method = copy("mcts"),
                                     .mode = copy("default"),
                                     .scene = copy("work stress"),
                                     .description = copy("I work nights and cannot sleep by day. I start to make mistakes."),
                                     .prompts = copy("99aa06d3014798d86001c324468d497f"),
                                     .iterations = 104,
                                     .calls = {210, 410, 402, 498}}};
    cso_search_tree *t = &tree->result.tree;
    t->strategies = need(calloc(count + 1, sizeof *t->strategies));
    for (t->strategy_count = 0; t->strategy_count < count; t->strategy_count++)
        t->strategies[t->strategy_count] = copy(strategies[t->strategy_count]);
}

size_t report_tree_add(report_tree *tree, size_t parent, size_t strategy, double prior, const char *reply, const char *answer) {
    cso_search_tree *t = &tree->result.tree;
    if (t->count == t->capacity) {
        t->capacity = 2 * t->capacity + 16;
        t->nodes = need(realloc(t->nodes, t->capacity * sizeof *t->nodes));
        tree->marks = need(realloc(tree->marks, t->capacity * sizeof *tree->marks));
    }
    size_t index = t->count++;
    tree->marks[index] = CSO_MARK_NONE;
    t->nodes[index] = (cso_search_node){.parent = parent,
                                        .first_child = CSO_NO_NODE,
                                        .last_child = CSO_NO_NODE,
                                        .next_sibling = CSO_NO_NODE,
                                        .strategy = strategy,
                                        .prior = prior,
                                        .generated = reply != NULL,
                                        .ended = reply && !answer,
                                        .reply = reply ? copy(reply) : NULL,
                                        .answer = reply ? copy(answer ? answer : "") : NULL};
    if (parent != CSO_NO_NODE) {
        cso_search_node *above = &t->nodes[parent];
        if (above->last_child == CSO_NO_NODE)
            above->first_child = index;
        else
            t->nodes[above->last_child].next_sibling = index;
        above->last_child = index;
    }
    return index;
}

void report_tree_value(report_tree *tree, size_t node, double q, uint64_t n, cso_extract_mark mark) {
    tree->result.tree.nodes[node].q = q;
    tree->result.tree.nodes[node].n = n;
    tree->marks[node] = mark;
}

void report_tree_free(report_tree *tree) {
    cso_search_result *result = &tree->result;
    for (size_t i = 0; i < result->tree.count; i++) {
        free(result->tree.nodes[i].reply);
        free(result->tree.nodes[i].answer);
    }
    for (size_t i = 0; i < result->tree.strategy_count; i++)
        free(result->tree.strategies[i]);
    free(result->tree.strategies);
    free(result->tree.nodes);
    free(result->method);
    free(result->mode);
    free(result->scene);
    free(result->description);
    free(result->prompts);
    free(tree->marks);
    *tree = (report_tree){0};
}

void report_tree_small(report_tree *tree, const char *text) {
    report_tree_begin(tree, names, NAMES);
    free(tree->result.scene);
    free(tree->result.description);
    tree->result.scene = copy(text);
    tree->result.description = copy(text);
    report_tree_add(tree, CSO_NO_NODE, CSO_NO_NODE, 0, "Hello, what brings you here?", "I cannot sleep.");
    report_tree_add(tree, 0, 1, 0.5, text, "Yes, exactly.");
    report_tree_add(tree, 0, 7, 0.25, "Adults need seven hours of sleep.", text);
    report_tree_add(tree, 0, 2, 0.25, NULL, NULL);
    report_tree_add(tree, 1, 0, 1, "That is good to hear. Sleep well.", NULL);
    report_tree_value(tree, 0, 0.5, 5, CSO_MARK_PREFERRED);
    report_tree_value(tree, 1, 0.75, 4, CSO_MARK_PREFERRED);
    report_tree_value(tree, 2, -0.5, 1, CSO_MARK_NEGATIVE);
    report_tree_value(tree, 4, 0.875, 3, CSO_MARK_PREFERRED);
}

/* From 0 to 1 (xorshift). */
static double chance(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (double)(*state >> 11) / 9007199254740992.0;
}

static size_t depth_of(const cso_search_tree *t, size_t node) {
    size_t depth = 0;
    for (; t->nodes[node].parent != CSO_NO_NODE; node = t->nodes[node].parent)
        depth++;
    return depth;
}

/* Gives a node its texts. */
static void generate(report_tree *tree, size_t index, bool hostile, uint64_t *state) {
    cso_search_tree *t = &tree->result.tree;
    cso_search_node *node = &t->nodes[index];
    bool end = depth_of(t, index) >= 6 && chance(state) < 0.35;
    const char *reply = replies[node->strategy % NAMES], *answer = answers[(size_t)(chance(state) * ANSWERS)];
    if (hostile && index % 3 == 0) {
        reply = report_hostile[index / 3 % report_hostile_count];
        answer = report_hostile[(index / 3 + 5) % report_hostile_count];
    }
    node->generated = true;
    node->ended = end;
    node->reply = copy(reply);
    node->answer = copy(end ? "" : answer);
}

static size_t select_leaf(const cso_search_tree *t) {
    size_t node = 0;
    while (t->nodes[node].first_child != CSO_NO_NODE) {
        size_t best = CSO_NO_NODE;
        double most = -INFINITY;
        for (size_t child = t->nodes[node].first_child; child != CSO_NO_NODE; child = t->nodes[child].next_sibling) {
            const cso_search_node *c = &t->nodes[child];
            double puct = c->q + c->prior * sqrt((double)t->nodes[node].n) / (1 + (double)c->n);
            if (puct > most) {
                most = puct;
                best = child;
            }
        }
        node = best;
    }
    return node;
}

/* Adds children until the tree has `count` nodes; returns the one of highest prior. */
static size_t expand(report_tree *tree, size_t parent, size_t count, uint64_t *state) {
    double weights[NAMES], sum = 0;
    for (size_t i = 0; i < NAMES; i++)
        sum += weights[i] = exp(2.2 * chance(state));
    size_t best = CSO_NO_NODE, turn = (size_t)(chance(state) * NAMES);
    for (size_t i = 0; i < NAMES && tree->result.tree.count < count; i++) {
        size_t strategy = (i + turn) % NAMES;
        size_t child = report_tree_add(tree, parent, strategy, weights[strategy] / sum, NULL, NULL);
        if (best == CSO_NO_NODE || weights[strategy] / sum > tree->result.tree.nodes[best].prior)
            best = child;
    }
    return best;
}

/* The marks that extraction gives with its defaults. */
static void mark(report_tree *tree) {
    cso_search_tree *t = &tree->result.tree;
    for (size_t i = 0; i < t->count; i++)
        if (t->nodes[i].ended && t->nodes[i].q >= 0.5 && t->nodes[i].n >= 2)
            for (size_t up = i; up != CSO_NO_NODE; up = t->nodes[up].parent)
                tree->marks[up] = CSO_MARK_PREFERRED;
    for (size_t i = 0; i < t->count; i++) {
        const cso_search_node *node = &t->nodes[i];
        if (tree->marks[i] != CSO_MARK_PREFERRED)
            continue;
        for (size_t child = node->first_child; child != CSO_NO_NODE; child = t->nodes[child].next_sibling)
            if (tree->marks[child] == CSO_MARK_NONE && t->nodes[child].generated && t->nodes[child].n && t->nodes[child].q <= 0.5)
                tree->marks[child] = CSO_MARK_NEGATIVE;
        bool forks = false; /* only siblings of preferred nodes are negatives */
        for (size_t child = node->first_child; child != CSO_NO_NODE; child = t->nodes[child].next_sibling)
            forks = forks || tree->marks[child] == CSO_MARK_PREFERRED;
        for (size_t child = node->first_child; child != CSO_NO_NODE && !forks; child = t->nodes[child].next_sibling)
            tree->marks[child] = CSO_MARK_NONE;
    }
}

void report_tree_search(report_tree *tree, size_t count, bool hostile, uint64_t seed) {
    uint64_t state = seed * 2 + 1;
    report_tree_begin(tree, names, NAMES);
    cso_search_tree *t = &tree->result.tree;
    report_tree_add(tree, CSO_NO_NODE, CSO_NO_NODE, 0, "Hello, I am glad you are here. What would you like to talk about?",
                    hostile ? report_hostile[0]
                            : "I lost the night shift job that paid for my studies, and I do not know how to go on.");
    if (hostile) {
        free(tree->result.scene);
        free(tree->result.description);
        tree->result.scene = copy(report_hostile[1]);
        tree->result.description = copy(report_hostile[0]);
        free(t->strategies[7]);
        t->strategies[7] = copy(report_hostile[1]);
    }
    for (tree->result.iterations = 0; tree->result.iterations < 1000; tree->result.iterations++) {
        size_t node = select_leaf(t);
        if (!t->nodes[node].generated)
            generate(tree, node, hostile, &state);
        if (!t->nodes[node].ended) {
            if (t->count >= count)
                break;
            node = expand(tree, node, count, &state);
            generate(tree, node, hostile, &state);
            t->nodes[node].simulated = true;
        }
        double reward = -0.4 + 1.1 * chance(&state) + 0.09 * (double)depth_of(t, node);
        for (size_t up = node; up != CSO_NO_NODE; up = t->nodes[up].parent) {
            cso_search_node *at = &t->nodes[up];
            at->q = (at->q * (double)at->n + reward) / (double)(at->n + 1);
            at->n++;
        }
    }
    mark(tree);
}

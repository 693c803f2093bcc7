/* loss_cases.c - see loss_cases.h. */
#include "loss_cases.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static cso_loss_options long_tails(cso_loss_options o) {
    o.ld_alpha = 0.25;
    return o;
}
static cso_loss_options heavy_strategies(cso_loss_options o) {
    o.strategy_weight = 3;
    return o;
}
static cso_loss_options wpo(cso_loss_options o) {
    o.use_weighting = true;
    return o;
}
static cso_loss_options weighed(cso_loss_options o) {
    o.balance = CSO_BALANCE_STRATEGY;
    o.q_weighting = true;
    o.visit_smoothing = 3;
    return o;
}
static cso_loss_options jensen(cso_loss_options o) {
    o.f_divergence_type = CSO_DIVERGENCE_JS;
    return o;
}

static const struct {
    const char *name, *types[3];
    cso_loss_options (*change)(cso_loss_options options);
} more[] = {
    {"ld_alpha", {"cso"}, long_tails},
    {"strategy_weight", {"cso"}, heavy_strategies},
    {"strategy_weight of orpo", {"orpo"}, heavy_strategies},
    {"use_weighting", {"ipo"}, wpo},
    {"weights of examples", {"cso"}, weighed},
    {"weights of lists", {"plackett_luce"}, weighed},
    {"js_divergence", {"hinge"}, jensen},
    {"a mix", {"cso", "bco_pair", "sft"}, NULL},
    {"a mix with aot", {"aot", "sft"}, NULL},
    {"a mix without reference", {"simpo", "sft"}, NULL},
    {"a mix of lists", {"plackett_luce", "sft"}, NULL},
};

bool loss_case(size_t number, cso_objective *objective, const char **name) {
    cso_loss_options options = cso_loss_default_options();
    const double weights[] = {0.5, 0.25, 2};
    cso_error err = {0};
    size_t n = 0;
    while (cso_loss_all()[n])
        n++;
    options.label_smoothing = 0.1;
    if (number < n) {
        *name = cso_loss_all()[number]->name;
        golden_ok(cso_objective_make(objective, name, NULL, 1, &options, &err), &err);
        return true;
    }
    number -= n;
    if (number >= sizeof more / sizeof *more)
        return false;
    *name = more[number].name;
    for (n = 0; n < 3 && more[number].types[n];)
        n++;
    options = more[number].change ? more[number].change(options) : options;
    golden_ok(cso_objective_make(objective, more[number].types, n > 1 ? weights : NULL, n, &options, &err), &err);
    return true;
}

/* The prompt of one sequence and the reply of another. */
static cso_example_sequence join(const cso_example_sequence *prompt, const cso_example_sequence *reply) {
    static const char *const strategies[] = {"Affirmation", "Share Information", "Affirmation", NULL};
    size_t start = prompt->score_start, tail = reply->length - reply->score_start;
    int32_t *ids = malloc((start + tail) * sizeof *ids);
    memcpy(ids, prompt->ids, start * sizeof *ids);
    memcpy(ids + start, reply->ids + reply->score_start, tail * sizeof *ids);
    return (cso_example_sequence){.ids = ids,
                                  .length = start + tail,
                                  .score_start = start,
                                  .strategy = strategies[start % 4],
                                  .strategy_from = start + (tail > 1),
                                  .strategy_to = start + (tail < 3 ? tail : 3)};
}

/* Sequence k of the example that is made of pair i. */
static cso_example_sequence sequence_of(cso_example_kind kind, const cso_dataset *pairs, size_t i, size_t k) {
    const cso_example_sequence *own = cso_dataset_sequences(pairs, i);
    const cso_example_sequence *next = cso_dataset_sequences(pairs, (i + 1) % pairs->count);
    cso_example_sequence made = join(own, kind == CSO_EXAMPLE_LABELED ? &own[i % 2] : k < 2 ? &own[k] : &next[1]);
    made.rank = k < 2 ? k : 1 + i % 2; /* the last two are tied in every other list */
    made.q = i % 5 == 4 ? NAN : 1 - 0.25 * (double)k - 0.0625 * (double)i / (double)pairs->count;
    made.n = i % 7 == 6 ? NAN : (double)(2 + i % 4 + k);
    return made;
}

cso_dataset loss_dataset(cso_example_kind kind, const cso_dataset *pairs) {
    static const size_t lengths[] = {
        [CSO_EXAMPLE_PAIR] = 2, [CSO_EXAMPLE_TEXT] = 1, [CSO_EXAMPLE_LIST] = 3, [CSO_EXAMPLE_LABELED] = 1};
    size_t n = lengths[kind], at = 0;
    cso_dataset data = *pairs;
    data.n_sequences = n * pairs->count;
    data.examples = calloc(data.count, sizeof *data.examples);
    data.sequences = calloc(data.n_sequences, sizeof *data.sequences);
    data.fingerprint[0] = (char)('a' + kind);
    for (size_t i = 0; i < pairs->count; i++) {
        data.examples[i] = pairs->examples[i];
        data.examples[i].first = at;
        data.examples[i].n = n;
        data.examples[i].label = i % 2 == 0;
        for (size_t k = 0; k < n; k++)
            data.sequences[at++] = sequence_of(kind, pairs, i, k);
    }
    return data;
}

void loss_dataset_free(cso_dataset *data) {
    for (size_t s = 0; s < data->n_sequences; s++)
        free((void *)data->sequences[s].ids);
    free(data->examples);
    free(data->sequences);
    *data = (cso_dataset){0};
}

/* loss_values.c - see loss_values.h. */
#include "loss_values.h"

#include <string.h>

values values_make(size_t n, size_t per_example) {
    values v = {.n = n, .n_sequences = n * per_example};
    for (size_t i = 0; i < n; i++)
        v.first[i + 1] = v.first[i] + per_example;
    for (size_t s = 0; s < v.n_sequences; s++)
        v.token_first[s + 1] = v.token_first[s] + s % 3 + 2;
    v.n_tokens = v.token_first[v.n_sequences];
    return v;
}

values values_made_up(const cso_objective *objective) {
    static const size_t own[] = {[CSO_EXAMPLE_PAIR] = 2, [CSO_EXAMPLE_TEXT] = 1, [CSO_EXAMPLE_LIST] = 4, [CSO_EXAMPLE_LABELED] = 1};
    static const size_t ranks[4] = {0, 1, 1, 2};
    size_t per_example = own[objective->takes] + ((objective->needs & (CSO_LOSS_PROMPT | CSO_LOSS_MISMATCHED)) != 0);
    values v = values_make(7, per_example);
    for (size_t s = 0; s < v.n_sequences; s++) {
        double i = (double)(s / per_example), side = (double)(s % per_example);
        for (size_t t = v.token_first[s]; t < v.token_first[s + 1]; t++) {
            v.tokens[t] = (-40 - 3 * i - side * (10 - 5.5 * i) + 0.1 * (double)t) / (double)(s % 3 + 2);
            v.policy[s] += v.tokens[t];
        }
        v.reference[s] = -41 + 0.7 * i - side * (7 + i);
        if (objective->options.f_divergence_type) /* log-ratios at which no divergence explodes */
            v.reference[s] = v.policy[s] + 0.3 - 0.15 * (double)(s % 7);
        v.alignment[s] = -0.1 - 0.05 * (double)(s % 5);
        v.rank[s] = ranks[s % per_example % 4];
        v.label[s / per_example] = s / per_example % 3 != 1;
    }
    v.prompt_tokens = 90;
    return v;
}

cso_loss_batch values_batch(const values *v, const cso_objective *objective) {
    unsigned needs = objective->needs;
    cso_loss_batch batch = {.n = v->n,
                            .first = v->first,
                            .token_first = v->token_first,
                            .policy = v->policy,
                            .reference = needs & CSO_LOSS_REFERENCE ? v->reference : NULL,
                            .policy_tokens = needs & CSO_LOSS_TOKENS ? v->tokens : NULL,
                            .alignment = needs & CSO_LOSS_ALIGNMENT ? v->alignment : NULL,
                            .rank = objective->takes == CSO_EXAMPLE_LIST ? v->rank : NULL,
                            .label = objective->takes == CSO_EXAMPLE_LABELED ? v->label : NULL,
                            .step = {.examples = v->n, .prompt_tokens = needs & CSO_LOSS_PROMPT ? v->prompt_tokens : 0}};
    for (size_t i = 0; i < v->n; i++)
        batch.step.first_tokens += (double)(v->token_first[v->first[i] + 1] - v->token_first[v->first[i]]);
    return batch;
}

void values_compute(values *v, const cso_objective *objective, const double *weights) {
    memset(v->loss, 0, sizeof v->loss);
    memset(v->d_policy, 0, sizeof v->d_policy);
    memset(v->d_tokens, 0, sizeof v->d_tokens);
    const cso_loss_batch batch = values_batch(v, objective);
    cso_objective_result result = {
        .all = {.loss = v->loss, .d_policy = v->d_policy, .d_tokens = objective->needs & CSO_LOSS_TOKENS ? v->d_tokens : NULL},
        .parts = v->parts,
        .room = v->room,
    };
    cso_objective_compute(objective, &batch, weights, &result);
}

double values_sum(const double *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

cso_objective objective_of(const char *name, const cso_loss_options *options) {
    cso_objective objective;
    cso_error err = {0};
    golden_ok(cso_objective_make(&objective, &name, NULL, 1, options, &err), &err);
    return objective;
}

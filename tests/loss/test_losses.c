/* Losses: derivatives by finite differences, behaviour at the extremes, the table. */
#include "loss_values.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Both derivatives of an objective, by moving one sequence's log-probability, or one token's and with it its sequence's. */
static void check_derivatives(const cso_objective *objective, const double *weights) {
    const double step = 1e-4;
    values v = values_made_up(objective);
    values_compute(&v, objective, weights);
    bool mismatched = objective->needs & CSO_LOSS_MISMATCHED;
    size_t n_tokens = objective->needs & CSO_LOSS_TOKENS ? v.n_tokens : 0;
    for (size_t k = 0; k < v.n_sequences + n_tokens; k++) {
        bool token = k >= v.n_sequences;
        size_t t = k - v.n_sequences, s = k;
        for (s = token ? 0 : k; token && v.token_first[s + 1] <= t; s++)
            ;
        values up = v, down = v;
        up.policy[s] += step;
        down.policy[s] -= step;
        if (token) {
            up.tokens[t] += step;
            down.tokens[t] -= step;
        }
        values_compute(&up, objective, weights);
        values_compute(&down, objective, weights);
        double expected = (values_sum(up.loss, v.n) - values_sum(down.loss, v.n)) / (2 * step);
        double found = v.d_policy[s] + (token ? v.d_tokens[t] : 0);
        if (mismatched && s % 2) { /* the reference point has no gradient */
            assert_true(found == 0);
            continue;
        }
        if (!(fabs(found - expected) <= 1e-8 * fmax(1, fabs(expected)) * 100))
            fail_msg("%s, beta %g, smoothing %g, %s %zu: %.12g, expected %.12g", objective->text, objective->options.beta,
                     objective->options.label_smoothing, token ? "token" : "sequence", token ? t : s, found, expected);
        for (size_t i = 0; i < v.n && !(objective->needs & CSO_LOSS_WHOLE_BATCH); i++) /* other examples are their own affair */
            assert_true((s >= v.first[i] && s < v.first[i + 1]) || up.loss[i] == v.loss[i]);
    }
}

static cso_loss_options options_of(double beta, double smoothing) {
    cso_loss_options options = cso_loss_default_options();
    options.beta = beta;
    options.label_smoothing = smoothing;
    return options;
}

/* Every loss of the table, by itself. */
static void finite_differences(void **state) {
    (void)state;
    const double smoothings[] = {0, 0.1, 0.4}, betas[] = {0.05, 0.1, 1};
    for (const cso_loss *const *loss = cso_loss_all(); *loss; loss++)
        for (size_t k = 0; k < 9; k++) {
            const cso_loss_options options = options_of(betas[k % 3], smoothings[k / 3]);
            if (cso_loss_check(*loss, &options, NULL) == CSO_OK) {
                cso_objective one = objective_of((*loss)->name, &options);
                check_derivatives(&one, NULL);
            } else {
                assert_string_equal((*loss)->name, "exo_pair");
                assert_true(k < 3);
            }
        }
}

/* Every option that a loss heeds, at another value than its default: it changes something, and the derivatives are right. */
static void options_count(void **state) {
    (void)state;
    for (const cso_loss *const *loss = cso_loss_all(); *loss; loss++)
        for (size_t k = 0; k < cso_loss_option_list.count; k++) {
            const cso_option *row = &cso_loss_option_list.rows[k];
            const char *name = row->name + strlen("loss.");
            bool of_tokens = !strcmp(name, "ld_alpha") || !strcmp(name, "strategy_weight");
            bool of_data = !strcmp(name, "balance") || !strcmp(name, "q_weighting") || !strcmp(name, "visit_smoothing");
            bool ignored = !strcmp(name, "beta") || !strcmp(name, "label_smoothing"); /* of all accepted, not of all heeded */
            if (!cso_loss_uses(*loss, row->name) || of_tokens || of_data || ignored)
                continue;
            cso_loss_options options = options_of(0.1, 0.1);
            void *field = (char *)&options + row->offset;
            cso_objective before = objective_of((*loss)->name, &options);
            if (!strcmp(name, "f_alpha_divergence_coef"))
                options.f_divergence_type = CSO_DIVERGENCE_ALPHA;
            if (row->type == CSO_OPTION_NUMBER)
                *(double *)field += 0.375;
            else if (row->type == CSO_OPTION_BOOL)
                *(bool *)field = true;
            size_t values_of = row->type == CSO_OPTION_CHOICE ? 3 : 1;
            for (size_t j = 0; j < values_of; j++) {
                if (row->type == CSO_OPTION_CHOICE)
                    *(int *)field = (int)j + 1;
                cso_objective after = objective_of((*loss)->name, &options);
                values v = values_made_up(&after), w = v;
                values_compute(&v, &before, NULL);
                values_compute(&w, &after, NULL);
                if (values_sum(v.loss, v.n) == values_sum(w.loss, v.n))
                    fail_msg("%s: %s changes nothing", (*loss)->name, row->name);
                check_derivatives(&after, NULL);
            }
        }
}

/* Mixes: the sum by weights, its parts, and weights of examples. */
static void mixes(void **state) {
    (void)state;
    const char *const types[] = {"sigmoid", "bco_pair", "sft"};
    const double weights[] = {0.8, 0.2, 1}, of_examples[7] = {1, 0.5, 2, 0, 1, 3, 0.25};
    const cso_loss_options options = cso_loss_default_options();
    cso_objective mix;
    cso_error err = {0};
    golden_ok(cso_objective_make(&mix, types, weights, 3, &options, &err), &err);
    assert_string_equal(mix.text, "0.8 cso + 0.2 bco_pair + 1 sft");
    assert_true(mix.takes == CSO_EXAMPLE_PAIR && mix.needs == CSO_LOSS_REFERENCE && !mix.token_mean);
    check_derivatives(&mix, NULL);
    check_derivatives(&mix, of_examples);
    values v = values_made_up(&mix), one = v;
    values_compute(&v, &mix, of_examples);
    for (size_t k = 0; k < 3; k++) {
        cso_objective part = objective_of(types[k], &options);
        values_compute(&one, &part, of_examples);
        for (size_t i = 0; i < v.n; i++) {
            assert_true(one.loss[i] == v.parts[3 * i + k]);
            v.loss[i] -= weights[k] * one.loss[i];
        }
    }
    for (size_t i = 0; i < v.n; i++)
        assert_true(fabs(v.loss[i]) < 1e-12);
    const double three = 3;
    cso_objective scaled, plain = objective_of("cso", &options);
    golden_ok(cso_objective_make(&scaled, types, &three, 1, &options, &err), &err);
    assert_string_equal(scaled.text, "3 cso");
    values_compute(&v, &scaled, NULL);
    values_compute(&one, &plain, NULL);
    for (size_t i = 0; i < v.n; i++)
        assert_true(v.loss[i] == 3 * one.loss[i] && v.d_policy[2 * i] == 3 * one.d_policy[2 * i]);
}

/* WPO: each pair's loss times the two replies' weights, which have no gradient. */
static void wpo(void **state) {
    (void)state;
    cso_loss_options options = cso_loss_default_options();
    cso_objective plain = objective_of("cso", &options);
    options.use_weighting = true;
    cso_objective weighted = objective_of("cso", &options);
    assert_true(weighted.needs == (CSO_LOSS_REFERENCE | CSO_LOSS_ALIGNMENT));
    values v = values_made_up(&plain), w = v;
    values_compute(&v, &plain, NULL);
    values_compute(&w, &weighted, NULL);
    for (size_t i = 0; i < v.n; i++) {
        double weight = exp(v.alignment[2 * i]) * exp(v.alignment[2 * i + 1]);
        assert_true(fabs(w.loss[i] - weight * v.loss[i]) < 1e-15 && weight < 0.9);
        assert_true(fabs(w.d_policy[2 * i] - weight * v.d_policy[2 * i]) < 1e-15);
    }
}

/* A list of two is a pair; ties are not compared; the order of equal ranks makes no difference. */
static void lists(void **state) {
    (void)state;
    const cso_loss_options options = cso_loss_default_options();
    cso_objective cso = objective_of("cso", &options), list = objective_of("plackett_luce", &options);
    values v = values_made_up(&cso), w;
    for (size_t s = 0; s < v.n_sequences; s++)
        v.rank[s] = s % 2;
    w = v;
    values_compute(&v, &cso, NULL);
    values_compute(&w, &list, NULL);
    for (size_t i = 0; i < v.n; i++)
        assert_true(fabs(v.loss[i] - w.loss[i]) < 1e-14);
    for (size_t s = 0; s < v.n_sequences; s++)
        assert_true(fabs(v.d_policy[s] - w.d_policy[s]) < 1e-15);

    v = values_make(1, 3); /* r = 0.1 (-1, -2, -4): by hand */
    v.policy[0] = -1, v.policy[1] = -2, v.policy[2] = -4;
    const double e[3] = {exp(-0.1), exp(-0.2), exp(-0.4)}, sum = e[0] + e[1] + e[2];
    v.rank[1] = 1, v.rank[2] = 2;
    values_compute(&v, &list, NULL);
    assert_true(fabs(v.loss[0] + log(e[0] / sum) + log(e[1] / (e[1] + e[2]))) < 1e-14);
    v.rank[2] = 1;
    values_compute(&v, &list, NULL);
    assert_true(fabs(v.loss[0] + log(e[0] / sum)) < 1e-14);
    v.rank[1] = 0; /* two are preferred to the third, and not compared */
    values_compute(&v, &list, NULL);
    assert_true(fabs(v.loss[0] + log(e[0] / (e[0] + e[2])) + log(e[1] / (e[1] + e[2]))) < 1e-14);
}

/* The first metric of every loss is the mean of its examples' losses, and those of a mix come one by one. */
static void metrics_begin_with_the_loss(void **state) {
    (void)state;
    const cso_loss_options options = options_of(0.1, 0.1);
    for (const cso_loss *const *loss = cso_loss_all(); *loss; loss++) {
        double metrics[CSO_OBJECTIVE_MAX_METRICS];
        cso_objective objective = objective_of((*loss)->name, &options);
        values v = values_made_up(&objective);
        values_compute(&v, &objective, NULL);
        const cso_loss_batch batch = values_batch(&v, &objective);
        assert_string_equal(objective.metric_names[0], "loss");
        assert_in_range(objective.n_metrics, 1, CSO_OBJECTIVE_MAX_METRICS);
        memset(metrics, 0xff, sizeof metrics);
        cso_objective_metrics(&objective, &batch, v.loss, v.parts, metrics);
        assert_true(fabs(metrics[0] - values_sum(v.loss, v.n) / (double)v.n) <= 1e-12);
        for (size_t i = 0; i < objective.n_metrics; i++)
            assert_true(isfinite(metrics[i]));
    }
}

static void extremes(void **state) {
    (void)state;
    cso_loss_options options = cso_loss_default_options();
    cso_objective cso = objective_of("cso", &options);
    values v = values_make(3, 2);
    v.policy[0] = 1e6, v.policy[3] = 1e6; /* margins of 1e5, -1e5, 0 */
    values_compute(&v, &cso, NULL);
    assert_true(v.loss[0] == 0 && v.d_policy[0] == 0);
    assert_true(fabs(v.loss[1] - 1e5) < 1e-9 && fabs(v.d_policy[2] + 0.1) < 1e-15);
    assert_true(v.loss[2] == log(2.0));
    assert_true(v.d_policy[4] == -0.05 && v.d_policy[5] == 0.05);
    for (const cso_loss *const *loss = cso_loss_all(); *loss; loss++) { /* margins of 1e5 either way: nothing is NaN */
        options = options_of(0.1, !strcmp((*loss)->name, "exo_pair") ? 0.1 : 0);
        cso_objective one = objective_of((*loss)->name, &options);
        v = values_made_up(&one);
        for (size_t s = 0; s < v.n_sequences; s++)
            v.policy[s] = s % 3 ? -1e6 : -1e-9;
        values_compute(&v, &one, NULL);
        for (size_t i = 0; i < v.n; i++)
            if (isnan(v.loss[i]))
                fail_msg("%s: the loss is NaN", (*loss)->name);
        for (size_t s = 0; s < v.n_sequences; s++)
            if (isnan(v.d_policy[s]))
                fail_msg("%s: a derivative is NaN", (*loss)->name);
    }
}

/* A NaN anywhere is a NaN in the sum of the losses: the step looks at it. */
static void not_a_number(void **state) {
    (void)state;
    for (int divergence = 0; divergence < 4; divergence++)
        for (const cso_loss *const *loss = cso_loss_all(); *loss; loss++) {
            cso_loss_options options = options_of(0.1, 0.1);
            if (divergence && !cso_loss_uses(*loss, "f_divergence_type"))
                continue;
            options.f_divergence_type = (cso_divergence)divergence;
            cso_objective one = objective_of((*loss)->name, &options);
            values v = values_made_up(&one);
            for (size_t k = 0; k < v.first[1]; k++) {
                values w = v;
                w.policy[k] = NAN;
                values_compute(&w, &one, NULL);
                if (!isnan(values_sum(w.loss, w.n)))
                    fail_msg("%s hides a NaN in sequence %zu", (*loss)->name, k);
            }
        }
}

static void table(void **state) {
    (void)state;
    assert_null(cso_loss_find("no such loss"));
    assert_ptr_equal(strstr(cso_loss_names(), "cso, "), cso_loss_names());
    assert_ptr_equal(cso_loss_find("dpo"), cso_loss_find("cso"));
    assert_ptr_equal(cso_loss_find("sigmoid"), cso_loss_find("cso"));
    for (const cso_loss *const *one = cso_loss_all(); *one; one++) {
        assert_ptr_equal(cso_loss_find((*one)->name), *one);
        assert_non_null(strstr(cso_loss_names(), (*one)->name));
        assert_true(*(*one)->what && *(*one)->formula && *(*one)->source);
        for (size_t k = 0; (*one)->uses[k]; k++) { /* each is a key */
            char key[64];
            size_t i = 0;
            snprintf(key, sizeof key, "loss.%s", (*one)->uses[k]);
            while (i < cso_loss_option_list.count && strcmp(cso_loss_option_list.rows[i].name, key))
                i++;
            assert_true(i < cso_loss_option_list.count);
        }
    }
}

static void option_rows(void **state) {
    (void)state;
    cso_loss_options options = cso_loss_default_options();
    assert_true(options.beta == 0.1 && options.label_smoothing == 0 && options.ld_alpha == 1 && options.simpo_gamma == 0.5);
    assert_true(options.f_divergence_type == CSO_DIVERGENCE_REVERSE_KL && !options.use_weighting);
    for (size_t i = 0; i < cso_loss_option_list.count; i++) {
        const cso_option *row = &cso_loss_option_list.rows[i];
        assert_true(row->help && row->offset < sizeof options);
        assert_false(cso_loss_option_is_set(row, &options));
        for (size_t j = 0; j < i; j++) /* each field has its row */
            assert_true(cso_loss_option_list.rows[j].offset < row->offset);
    }
    const struct {
        double beta, smoothing;
        const char *message;
    } bad[] = {{0, 0, "loss.beta: must be from 1e-06 to 1000000, got 0"},
               {NAN, 0, NULL},
               {INFINITY, 0, NULL},
               {0.1, 0.5, "loss.label_smoothing: must be >= 0 and < 0.5, got 0.5"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cso_error err;
        options = options_of(bad[i].beta, bad[i].smoothing);
        assert_int_equal(cso_loss_check(cso_loss_find("cso"), &options, &err), CSO_ERR_USAGE);
        if (bad[i].message)
            assert_string_equal(err.message, bad[i].message);
    }
}

/* What is refused, in one line that says what was expected. */
static void refused(void **state) {
    (void)state;
    static const struct {
        const char *types[3];
        const char *key; /* set to another value than its default */
        const char *message;
    } cases[] = {
        {{"dpoo"}, NULL, "loss.type: \"dpoo\" is no loss (did you mean \"dpo\"? expected one of: cso, robust, "},
        {{"simp"}, NULL, "loss.type: \"simp\" is no loss (did you mean \"simpo\"? "},
        {{"grpo"}, NULL, "loss.type: \"grpo\" is no loss ("},
        {{"cso", "sft", "dpo"}, NULL, "loss.types: \"dpo\" is listed twice, under the name cso"},
        {{"cso", "cso"}, NULL, "loss.types: \"cso\" is listed twice"},
        {{"cso", "kto"}, NULL, "loss.types: cso takes pairs, kto takes replies with a label (expected losses of the same records)"},
        {{"sft", "kto"}, NULL, "loss.types: kto takes replies with a label, sft takes texts (expected losses of the same records)"},
        {{"cso", "plackett_luce"}, NULL, "loss.types: cso takes pairs, plackett_luce takes lists of replies ("},
        {{"cso"}, "loss.simpo_gamma", "loss.simpo_gamma: loss.type = \"cso\" ignores it (expected its default, 0.5)"},
        {{"sft"}, "loss.ld_alpha", "loss.ld_alpha: loss.type = \"sft\" ignores it (expected its default, 1.0)"},
        {{"simpo"}, "loss.cpo_alpha", "loss.cpo_alpha: loss.type = \"simpo\" ignores it (expected its default, 1.0)"},
        {{"aot"}, "loss.use_weighting", "loss.use_weighting: loss.type = \"aot\" ignores it (expected its default, false)"},
        {{"cso", "sft"}, "loss.use_weighting", "loss.use_weighting: loss.type = \"sft\" ignores it (expected its default, false)"},
        {{"cso", "aot"}, "loss.q_weighting", "loss.q_weighting: loss.type = \"aot\" ignores it (expected its default, false)"},
        {{"apo_zero"}, "loss.f_divergence_type", "loss.f_divergence_type: loss.type = \"apo_zero\" ignores it (expected its "},
        {{"cso"},
         "loss.f_alpha_divergence_coef",
         "loss.f_alpha_divergence_coef: is for loss.f_divergence_type = \"alpha_divergence\""},
        {{"exo_pair"}, NULL, "loss.label_smoothing: exo_pair needs more than 0 (0.001 is usual), got 0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cso_loss_options options = cso_loss_default_options();
        cso_objective objective;
        cso_error err = {0};
        size_t n = 0;
        while (n < 3 && cases[i].types[n])
            n++;
        for (size_t k = 0; cases[i].key && k < cso_loss_option_list.count; k++) {
            const cso_option *row = &cso_loss_option_list.rows[k];
            void *field = (char *)&options + row->offset;
            if (strcmp(row->name, cases[i].key))
                continue;
            if (row->type == CSO_OPTION_NUMBER)
                *(double *)field *= 0.5;
            else if (row->type == CSO_OPTION_BOOL)
                *(bool *)field = true;
            else
                *(int *)field = 1;
        }
        assert_int_equal(cso_objective_make(&objective, cases[i].types, NULL, n, &options, &err), CSO_ERR_USAGE);
        if (strncmp(err.message, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("%s\nexpected: %s", err.message, cases[i].message);
    }
    cso_loss_options options = cso_loss_default_options(); /* weights of examples go with maximum likelihood beside pairs */
    cso_objective objective;
    cso_error err = {0};
    options.balance = CSO_BALANCE_STRATEGY;
    golden_ok(cso_objective_make(&objective, (const char *const[]){"cso", "sft"}, NULL, 2, &options, &err), &err);
    assert_true(objective.example_weights);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finite_differences),
        cmocka_unit_test(options_count),
        cmocka_unit_test(mixes),
        cmocka_unit_test(wpo),
        cmocka_unit_test(lists),
        cmocka_unit_test(metrics_begin_with_the_loss),
        cmocka_unit_test(extremes),
        cmocka_unit_test(table),
        cmocka_unit_test(option_rows),
        cmocka_unit_test(not_a_number),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

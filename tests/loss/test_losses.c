/* Losses: derivatives by finite differences, values against TRL's, behaviour at the extremes. */
#include "../golden.h"
#include "loss/loss.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX = 64 };

/* A batch of n examples of one kind, with all that a loss may ask for. Tokens: sequence s has s % 3 + 2 of them. */
typedef struct values {
    size_t n, n_sequences, n_tokens, per_example;
    size_t first[MAX + 1], token_first[2 * MAX + 1];
    double policy[2 * MAX], reference[2 * MAX], tokens[8 * MAX];
    double loss[MAX], d_policy[2 * MAX], d_tokens[8 * MAX];
} values;

static values make_values(size_t n, size_t per_example) {
    values v = {.n = n, .per_example = per_example, .n_sequences = n * per_example};
    for (size_t i = 0; i < n; i++)
        v.first[i + 1] = v.first[i] + per_example;
    for (size_t s = 0; s < v.n_sequences; s++)
        v.token_first[s + 1] = v.token_first[s] + s % 3 + 2;
    v.n_tokens = v.token_first[v.n_sequences];
    return v;
}

/* What the step gives a loss, with as much of it as the loss asks for, and only that. */
static cso_loss_batch batch_of(const values *v, const cso_loss *loss) {
    cso_loss_batch batch = {.n = v->n,
                            .first = v->first,
                            .token_first = v->token_first,
                            .policy = v->policy,
                            .reference = loss->needs & CSO_LOSS_REFERENCE ? v->reference : NULL,
                            .policy_tokens = loss->needs & CSO_LOSS_TOKENS ? v->tokens : NULL,
                            .step = {.examples = v->n}};
    for (size_t i = 0; i < v->n; i++)
        batch.step.first_tokens += v->token_first[v->first[i] + 1] - v->token_first[v->first[i]];
    return batch;
}

static void compute(values *v, const cso_loss *loss, const cso_loss_options *options) {
    assert_int_equal(cso_loss_check(loss, options, NULL), CSO_OK);
    memset(v->loss, 0, sizeof v->loss);
    memset(v->d_policy, 0, sizeof v->d_policy);
    memset(v->d_tokens, 0, sizeof v->d_tokens);
    const cso_loss_batch batch = batch_of(v, loss);
    loss->compute(options, &batch,
                  &(cso_loss_result){
                      .loss = v->loss, .d_policy = v->d_policy, .d_tokens = loss->needs & CSO_LOSS_TOKENS ? v->d_tokens : NULL});
}

static void compute_cso(values *v, double beta, double smoothing) {
    compute(v, cso_loss_find("cso"), &(cso_loss_options){.beta = beta, .label_smoothing = smoothing});
}

static values made_up(size_t per_example) {
    values v = make_values(7, per_example);
    for (size_t s = 0; s < v.n_sequences; s++) {
        double i = (double)(s / per_example), side = (double)(s % per_example);
        v.policy[s] = 0;
        for (size_t t = v.token_first[s]; t < v.token_first[s + 1]; t++) {
            v.tokens[t] = (-40 - 3 * i - side * (10 - 5.5 * i) + 0.1 * (double)t) / (double)(s % 3 + 2);
            v.policy[s] += v.tokens[t];
        }
        v.reference[s] = -41 + 0.7 * i - side * (7 + i);
    }
    return v;
}

static double sum_of(const double *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return sum;
}

/* Both derivatives of one loss, by moving one sequence's log-probability, or one token's and with it its sequence's. */
static void check_derivatives(const cso_loss *loss, const cso_loss_options *options) {
    const double step = 1e-4;
    values v = made_up(loss->takes == CSO_EXAMPLE_PAIR ? 2 : 1);
    compute(&v, loss, options);
    size_t n_tokens = loss->needs & CSO_LOSS_TOKENS ? v.n_tokens : 0;
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
        compute(&up, loss, options);
        compute(&down, loss, options);
        double expected = (sum_of(up.loss, v.n) - sum_of(down.loss, v.n)) / (2 * step);
        double found = v.d_policy[s] + (token ? v.d_tokens[t] : 0);
        if (!(fabs(found - expected) <= 1e-8))
            fail_msg("%s, beta %g, smoothing %g, %s %zu: %.12g, expected %.12g", loss->name, options->beta,
                     options->label_smoothing, token ? "token" : "sequence", token ? t : s, found, expected);
        for (size_t i = 0; i < v.n && !(loss->needs & CSO_LOSS_WHOLE_BATCH); i++) /* other examples are their own affair */
            assert_true((s >= v.first[i] && s < v.first[i + 1]) || up.loss[i] == v.loss[i]);
    }
}

static void finite_differences(void **state) {
    (void)state;
    const double smoothings[] = {0, 0.1, 0.4}, betas[] = {0.05, 0.1, 1};
    for (const cso_loss *const *loss = cso_loss_all(); *loss; loss++)
        for (size_t k = 0; k < 9; k++)
            check_derivatives(*loss, &(cso_loss_options){.beta = betas[k % 3], .label_smoothing = smoothings[k / 3]});
}

/* The first metric of every loss is the mean of its examples' losses. */
static void metrics_begin_with_the_loss(void **state) {
    (void)state;
    const cso_loss_options options = cso_loss_default_options();
    for (const cso_loss *const *loss = cso_loss_all(); *loss; loss++) {
        double metrics[CSO_LOSS_MAX_METRICS];
        values v = made_up((*loss)->takes == CSO_EXAMPLE_PAIR ? 2 : 1);
        compute(&v, *loss, &options);
        const cso_loss_batch batch = batch_of(&v, *loss);
        assert_string_equal((*loss)->metric_names[0], "loss");
        assert_in_range(cso_loss_metric_count((*loss)->metric_names), 1, CSO_LOSS_MAX_METRICS);
        (*loss)->metrics(&options, &batch, v.loss, metrics);
        assert_true(fabs(metrics[0] - sum_of(v.loss, v.n) / (double)v.n) <= 1e-12);
        assert_true(isnan(cso_loss_metric((*loss)->metric_names, metrics, "no such metric")));
    }
}

static void read_list(const cJSON *object, const char *key, double *out, size_t n) {
    const cJSON *list = cJSON_GetObjectItem(object, key), *item;
    size_t i = 0;
    assert_int_equal(cJSON_GetArraySize(list), n);
    cJSON_ArrayForEach(item, list) out[i++] = item->valuedouble;
}

/* The log-probabilities of the 16 golden pairs. */
static values golden_pairs(const cJSON *root) {
    static const char *const keys[2][2] = {{"policy_chosen_logps_f64", "policy_rejected_logps_f64"},
                                           {"ref_chosen_logps_f64", "ref_rejected_logps_f64"}};
    const cJSON *r4 = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "adapters"), "r4");
    values v = make_values(16, 2);
    double list[16];
    for (size_t side = 0; side < 2; side++)
        for (size_t who = 0; who < 2; who++) {
            read_list(r4, keys[who][side], list, 16);
            for (size_t i = 0; i < 16; i++)
                (who ? v.reference : v.policy)[2 * i + side] = list[i];
        }
    return v;
}

static void same_as_trl(void **state) {
    (void)state;
    cJSON *root = golden_json(golden_path("pref/llama-tiny/pref.json"));
    const cJSON *sigmoid = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "dpo"), "sigmoid");
    const cJSON *beta05 = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "dpo"), "sigmoid+beta0.5");
    const cJSON *cdpo = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "not_in_trl"), "cdpo_label_smoothing0.1");
    values v = golden_pairs(root);
    double expected[MAX];
    const struct {
        const cJSON *golden;
        double beta, smoothing;
    } cases[] = {{sigmoid, 0.1, 0}, {beta05, 0.5, 0}, {cdpo, 0.1, 0.1}};
    for (size_t c = 0; c < 3; c++) {
        compute_cso(&v, cases[c].beta, cases[c].smoothing);
        read_list(cases[c].golden, "per_pair_f64", expected, 16);
        for (size_t i = 0; i < 16; i++)
            assert_true(fabs(v.loss[i] - expected[i]) <= 1e-12);
        double mean = cJSON_GetObjectItem(cases[c].golden, "mean_f64")->valuedouble;
        assert_true(fabs(sum_of(v.loss, 16) / 16 - mean) <= 1e-12);
    }
    cJSON_Delete(root);
}

/* On pairs: the chosen replies' tokens alone, a mean over all of them, which is not the mean of the pairs' means. */
static void sft_as_trl_on_pairs(void **state) {
    (void)state;
    cJSON *root = golden_json(golden_path("pref/llama-tiny/pref.json"));
    cJSON *tokenized = golden_json(golden_path("pref/llama-tiny/tokenized.json")), *pair;
    const cJSON *sft = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "dpo"), "sft");
    values v = golden_pairs(root);
    size_t s = 0;
    cJSON_ArrayForEach(pair, cJSON_GetObjectItem(tokenized, "pairs")) {
        static const char *const keys[] = {"chosen_ids", "rejected_ids"};
        for (size_t side = 0; side < 2; side++, s++)
            v.token_first[s + 1] = v.token_first[s] + (size_t)cJSON_GetArraySize(cJSON_GetObjectItem(pair, keys[side]));
    }
    assert_int_equal(s, 32);
    const cso_loss_options options = cso_loss_default_options();
    compute(&v, cso_loss_find("sft"), &options);
    double mean = cJSON_GetObjectItem(sft, "mean_f64")->valuedouble;
    if (!(fabs(sum_of(v.loss, 16) / 16 - mean) <= 1e-12))
        fail_msg("%.15g, expected %.15g", sum_of(v.loss, 16) / 16, mean);
    for (size_t i = 0; i < 16; i++)
        assert_true(v.d_policy[2 * i] < 0 && v.d_policy[2 * i + 1] == 0);
    cJSON_Delete(tokenized);
    cJSON_Delete(root);
}

static void extremes(void **state) {
    (void)state;
    values v = make_values(3, 2);
    v.policy[0] = 1e6, v.policy[3] = 1e6; /* margins of 1e5, -1e5, 0 */
    compute_cso(&v, 0.1, 0);
    assert_true(v.loss[0] == 0 && v.d_policy[0] == 0);
    assert_true(fabs(v.loss[1] - 1e5) < 1e-9 && fabs(v.d_policy[2] + 0.1) < 1e-15);
    assert_true(v.loss[2] == log(2.0));
    assert_true(v.d_policy[4] == -0.05 && v.d_policy[5] == 0.05);
}

static void names_and_checks(void **state) {
    (void)state;
    cso_error err;
    const cso_loss *loss = cso_loss_find("cso");
    assert_null(cso_loss_find("no such loss"));
    assert_ptr_equal(strstr(cso_loss_names(), "cso, "), cso_loss_names());
    for (const cso_loss *const *one = cso_loss_all(); *one; one++) {
        assert_ptr_equal(cso_loss_find((*one)->name), *one);
        assert_non_null(strstr(cso_loss_names(), (*one)->name));
        assert_true((*one)->what && *(*one)->what);
    }
    assert_int_equal(cso_loss_check(loss, &(cso_loss_options){0, 0}, &err), CSO_ERR_USAGE);
    assert_string_equal(err.message, "loss.beta: must be from 1e-06 to 1000000, got 0");
    assert_int_equal(cso_loss_check(loss, &(cso_loss_options){NAN, 0}, &err), CSO_ERR_USAGE);
    assert_int_equal(cso_loss_check(loss, &(cso_loss_options){INFINITY, 0}, &err), CSO_ERR_USAGE);
    assert_int_equal(cso_loss_check(loss, &(cso_loss_options){0.1, 0.5}, &err), CSO_ERR_USAGE);
    assert_string_equal(err.message, "loss.label_smoothing: must be >= 0 and < 0.5, got 0.5");
}

static void option_rows(void **state) {
    (void)state;
    cso_loss_options options = cso_loss_default_options();
    assert_true(options.beta == 0.1 && options.label_smoothing == 0);
    for (const cso_loss *const *loss = cso_loss_all(); *loss; loss++)
        assert_int_equal(cso_loss_check(*loss, &options, NULL), CSO_OK);
    assert_int_equal(cso_loss_option_list.count * sizeof(double), sizeof options); /* each field has its row */
    for (size_t i = 0; i < cso_loss_option_list.count; i++)
        assert_true(cso_loss_option_list.rows[i].help && cso_loss_option_list.rows[i].offset < sizeof options);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finite_differences), cmocka_unit_test(metrics_begin_with_the_loss),
        cmocka_unit_test(same_as_trl),        cmocka_unit_test(sft_as_trl_on_pairs),
        cmocka_unit_test(extremes),           cmocka_unit_test(names_and_checks),
        cmocka_unit_test(option_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

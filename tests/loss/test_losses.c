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

typedef struct values {
    size_t n;
    double policy[2][MAX], reference[2][MAX], tokens[2][MAX], loss[MAX], d[2][MAX];
} values;

static void compute(values *v, const char *name, double beta, double smoothing) {
    const cso_loss *loss = cso_loss_find(name);
    const cso_loss_options options = {beta, smoothing};
    assert_non_null(loss);
    assert_int_equal(loss->check(&options, NULL), CSO_OK);
    const cso_loss_batch batch = {
        v->n, {v->policy[0], v->policy[1]}, {v->reference[0], v->reference[1]}, {v->tokens[0], v->tokens[1]}};
    double *d[2] = {v->d[0], v->d[1]};
    loss->pairs(&options, &batch, v->loss, d);
}

static values made_up(void) {
    values v = {.n = 7};
    for (size_t i = 0; i < v.n; i++) {
        double x = (double)i;
        v.policy[0][i] = -40 - 3 * x;
        v.policy[1][i] = -50 + 2.5 * x;
        v.reference[0][i] = -41 + 0.7 * x;
        v.reference[1][i] = -48 - 0.3 * x;
        v.tokens[0][i] = v.tokens[1][i] = 10 + x;
    }
    return v;
}

static void finite_differences(void **state) {
    (void)state;
    const double smoothings[] = {0, 0.1, 0.4}, betas[] = {0.05, 0.1, 1};
    for (size_t s = 0; s < 3; s++)
        for (size_t b = 0; b < 3; b++) {
            values v = made_up();
            compute(&v, "cso", betas[b], smoothings[s]);
            for (int side = 0; side < 2; side++)
                for (size_t i = 0; i < v.n; i++) {
                    values up = v, down = v;
                    double step = 1e-4;
                    up.policy[side][i] += step;
                    down.policy[side][i] -= step;
                    compute(&up, "cso", betas[b], smoothings[s]);
                    compute(&down, "cso", betas[b], smoothings[s]);
                    double expected = (up.loss[i] - down.loss[i]) / (2 * step);
                    if (!(fabs(v.d[side][i] - expected) <= 1e-8))
                        fail_msg("beta %g smoothing %g side %d pair %zu: %.12g, expected %.12g", betas[b], smoothings[s], side, i,
                                 v.d[side][i], expected);
                    for (size_t j = 0; j < v.n; j++)
                        assert_true(j == i || up.loss[j] == v.loss[j]);
                }
        }
}

static void read_list(const cJSON *object, const char *key, double *out, size_t n) {
    const cJSON *list = cJSON_GetObjectItem(object, key), *item;
    size_t i = 0;
    assert_int_equal(cJSON_GetArraySize(list), n);
    cJSON_ArrayForEach(item, list) out[i++] = item->valuedouble;
}

static void same_as_trl(void **state) {
    (void)state;
    cJSON *root = golden_json(golden_path("pref/llama-tiny/pref.json"));
    const cJSON *r4 = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "adapters"), "r4");
    const cJSON *sigmoid = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "dpo"), "sigmoid");
    const cJSON *beta05 = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "dpo"), "sigmoid+beta0.5");
    const cJSON *cdpo = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "not_in_trl"), "cdpo_label_smoothing0.1");
    values v = {.n = 16};
    double expected[MAX];
    read_list(r4, "policy_chosen_logps_f64", v.policy[0], 16);
    read_list(r4, "policy_rejected_logps_f64", v.policy[1], 16);
    read_list(r4, "ref_chosen_logps_f64", v.reference[0], 16);
    read_list(r4, "ref_rejected_logps_f64", v.reference[1], 16);
    const struct {
        const cJSON *golden;
        double beta, smoothing;
    } cases[] = {{sigmoid, 0.1, 0}, {beta05, 0.5, 0}, {cdpo, 0.1, 0.1}};
    for (size_t c = 0; c < 3; c++) {
        double mean = 0;
        compute(&v, "cso", cases[c].beta, cases[c].smoothing);
        read_list(cases[c].golden, "per_pair_f64", expected, 16);
        for (size_t i = 0; i < 16; i++) {
            assert_true(fabs(v.loss[i] - expected[i]) <= 1e-12);
            mean += v.loss[i] / 16;
        }
        assert_true(fabs(mean - cJSON_GetObjectItem(cases[c].golden, "mean_f64")->valuedouble) <= 1e-12);
    }
    cJSON_Delete(root);
}

static void extremes(void **state) {
    (void)state;
    values v = {.n = 3};
    v.policy[0][0] = 1e6, v.policy[1][1] = 1e6; /* margins of 1e5, -1e5, 0 */
    compute(&v, "cso", 0.1, 0);
    assert_true(v.loss[0] == 0 && v.d[0][0] == 0);
    assert_true(fabs(v.loss[1] - 1e5) < 1e-9 && fabs(v.d[0][1] + 0.1) < 1e-15);
    assert_true(v.loss[2] == log(2.0));
    assert_true(v.d[0][2] == -0.05 && v.d[1][2] == 0.05);
}

static void names_and_checks(void **state) {
    (void)state;
    cso_error err;
    const cso_loss *loss = cso_loss_find("cso");
    assert_null(cso_loss_find("dpo"));
    assert_non_null(strstr(cso_loss_names(), "cso"));
    assert_int_equal(loss->check(&(cso_loss_options){0, 0}, &err), CSO_ERR_USAGE);
    assert_string_equal(err.message, "loss.beta: 0 does not do (expected a number above 0)");
    assert_int_equal(loss->check(&(cso_loss_options){NAN, 0}, &err), CSO_ERR_USAGE);
    assert_int_equal(loss->check(&(cso_loss_options){0.1, 0.5}, &err), CSO_ERR_USAGE);
    assert_string_equal(err.message, "loss.label_smoothing: 0.5 does not do (expected 0 to below 0.5)");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finite_differences),
        cmocka_unit_test(same_as_trl),
        cmocka_unit_test(extremes),
        cmocka_unit_test(names_and_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

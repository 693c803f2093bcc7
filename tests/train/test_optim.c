/* AdamW against an implementation in double precision; schedules against the learning rates that TRL used. */
#include "../golden.h"
#include "cso/optim.h"
#include "cso/parallel.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 100003 }; /* several tiles and a rest */

static float made_up(size_t i, size_t step) {
    return sinf((float)(i % 977) * 0.37f + (float)step) * expf((float)(i % 13) - 9);
}

static void run(float *params, int threads) {
    cso_adamw adamw;
    float *grads = malloc(N * sizeof *grads);
    cso_threads_set(threads);
    assert_int_equal(cso_adamw_create(&adamw, N, 0.9, 0.999, 1e-8, 0.01, NULL), CSO_OK);
    for (size_t i = 0; i < N; i++)
        params[i] = made_up(i, 100);
    for (size_t step = 0; step < 5; step++) {
        for (size_t i = 0; i < N; i++)
            grads[i] = made_up(i, step);
        cso_adamw_step(&adamw, params, grads, 0.5, 1e-3 * (double)step);
    }
    assert_int_equal(adamw.steps, 5);
    cso_adamw_free(&adamw);
    free(grads);
    cso_threads_set(0);
}

static void adamw_in_double_precision(void **state) {
    (void)state;
    float *params = malloc(N * sizeof *params), *other = malloc(N * sizeof *other);
    double worst = 0;
    run(params, 1);
    for (size_t i = 0; i < N; i++) {
        double p = made_up(i, 100), m = 0, v = 0;
        for (size_t step = 0; step < 5; step++) {
            double g = 0.5 * made_up(i, step), rate = 1e-3 * (double)step, t = (double)step + 1;
            p *= 1 - rate * 0.01;
            m = 0.9 * m + 0.1 * g;
            v = 0.999 * v + 0.001 * g * g;
            p -= rate * (m / (1 - pow(0.9, t))) / (sqrt(v / (1 - pow(0.999, t))) + 1e-8);
        }
        worst = fmax(worst, fabs(params[i] - p) / (1 + fabs(p)));
    }
    if (!(worst <= 1e-6))
        fail_msg("the largest error is %g", worst);
    run(other, 2);
    assert_memory_equal(params, other, N * sizeof *params);
    free(params);
    free(other);
}

static void gradient_norm(void **state) {
    (void)state;
    float *grads = malloc(N * sizeof *grads);
    double sum = 0;
    for (size_t i = 0; i < N; i++) {
        grads[i] = made_up(i, 3);
        sum += (double)grads[i] * grads[i];
    }
    assert_true(fabs(cso_grad_norm(grads, N) / sqrt(sum) - 1) <= 1e-12);
    grads[N - 1] = NAN;
    assert_true(isnan(cso_grad_norm(grads, N)));
    grads[N - 1] = INFINITY;
    assert_true(isinf(cso_grad_norm(grads, N)));
    assert_true(cso_grad_norm(grads, 0) == 0);
    free(grads);
}

static void rates_of_trl(void **state) {
    (void)state;
    const char *const runs[] = {"dpo-ref-base", "dpo-ref-adapter", "dpo-fresh"};
    for (size_t r = 0; r < 3; r++) {
        cJSON *log = golden_json(golden_path("train/llama-tiny/%s/log.json", runs[r]));
        const cJSON *rates = cJSON_GetObjectItem(log, "learning_rate_used"), *rate;
        size_t step = 0;
        assert_int_equal(cJSON_GetArraySize(rates), 6);
        cJSON_ArrayForEach(rate, rates) {
            double ours = cso_schedule_rate(CSO_SCHEDULE_COSINE, 5e-4, step++, 2, 6);
            assert_true(fabs(ours - rate->valuedouble) <= 1e-15);
        }
        cJSON_Delete(log);
    }
}

static void other_schedules(void **state) {
    (void)state;
    assert_true(cso_schedule_rate(CSO_SCHEDULE_CONSTANT, 1, 0, 0, 10) == 1);
    assert_true(cso_schedule_rate(CSO_SCHEDULE_CONSTANT, 1, 1, 4, 10) == 0.25);
    assert_true(cso_schedule_rate(CSO_SCHEDULE_CONSTANT, 1, 9, 4, 10) == 1);
    assert_true(fabs(cso_schedule_rate(CSO_SCHEDULE_LINEAR, 1, 7, 4, 10) - 0.5) < 1e-15);
    assert_true(cso_schedule_rate(CSO_SCHEDULE_LINEAR, 1, 4, 4, 10) == 1);
    assert_true(cso_schedule_rate(CSO_SCHEDULE_COSINE, 1, 10, 4, 10) == 0);
    assert_true(cso_schedule_rate(CSO_SCHEDULE_COSINE, 1, 12, 20, 10) == 0.6); /* more warm-up than steps */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adamw_in_double_precision),
        cmocka_unit_test(gradient_norm),
        cmocka_unit_test(rates_of_trl),
        cmocka_unit_test(other_schedules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

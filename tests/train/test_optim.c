/* AdamW against an implementation in double precision; schedules against the learning rates that TRL used. */
#include "../golden.h"
#include "train/optim.h"

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

enum { STEPS = 5 };
static const double BETA1 = 0.9, BETA2 = 0.999, EPS = 1e-8, DECAY = 0.01, SCALE = 0.5;

static double rate_of(size_t step) {
    return 1e-3 * (double)step;
}

/* Five steps; the caller frees the optimizer. */
static void run(cso_adamw *adamw, float *params, int threads) {
    float *grads = malloc(N * sizeof *grads);
    cso_context *ctx;
    assert_int_equal(cso_context_create(&ctx, threads, NULL), CSO_OK);
    const cso_trainables trained = {.n_params = N, .params = params};
    assert_int_equal(cso_adamw_create(adamw, &trained, BETA1, BETA2, EPS, DECAY, NULL), CSO_OK);
    for (size_t i = 0; i < N; i++)
        params[i] = made_up(i, 100);
    for (size_t step = 0; step < STEPS; step++) {
        for (size_t i = 0; i < N; i++)
            grads[i] = made_up(i, step);
        cso_adamw_step(adamw, ctx, grads, SCALE, rate_of(step));
    }
    assert_int_equal(adamw->steps, STEPS);
    free(grads);
    cso_context_free(ctx);
}

/* One parameter after the same five steps. m_size: the same sum as m with |g|, by which m's error is judged, as terms may
 * cancel. */
typedef struct expected {
    double p, m, v, m_size;
} expected;

static expected in_double(size_t i) {
    expected x = {.p = made_up(i, 100)};
    for (size_t step = 0; step < STEPS; step++) {
        double g = SCALE * made_up(i, step), t = (double)step + 1;
        x.m = BETA1 * x.m + (1 - BETA1) * g;
        x.m_size = BETA1 * x.m_size + (1 - BETA1) * fabs(g);
        x.v = BETA2 * x.v + (1 - BETA2) * g * g;
        x.p *= 1 - rate_of(step) * DECAY;
        x.p -= rate_of(step) * (x.m / (1 - pow(BETA1, t))) / (sqrt(x.v / (1 - pow(BETA2, t))) + EPS);
    }
    return x;
}

static void adamw_in_double_precision(void **state) {
    (void)state;
    float *params = malloc(N * sizeof *params), *other = malloc(N * sizeof *other);
    cso_adamw adamw, again;
    double worst_p = 0, worst_m = 0, worst_v = 0;
    run(&adamw, params, 1);
    for (size_t i = 0; i < N; i++) {
        expected x = in_double(i);
        worst_p = fmax(worst_p, fabs(params[i] - x.p) / (1 + fabs(x.p)));
        worst_m = fmax(worst_m, fabs(adamw.m[i] - x.m) / (x.m_size + 1e-30));
        worst_v = fmax(worst_v, fabs(adamw.v[i] - x.v) / (x.v + 1e-30));
    }
    /* A moment has five roundings or so of 6e-8 each. With 1 - (float)0.999 the second one would be wrong by 1.3e-5. */
    if (!(worst_p <= 1e-6 && worst_m <= 1e-6 && worst_v <= 1e-6))
        fail_msg("the largest errors are %g (parameters), %g and %g (moments)", worst_p, worst_m, worst_v);
    run(&again, other, 2);
    assert_memory_equal(params, other, N * sizeof *params);
    assert_memory_equal(adamw.m, again.m, N * sizeof *adamw.m);
    assert_memory_equal(adamw.v, again.v, N * sizeof *adamw.v);
    cso_adamw_free(&adamw);
    cso_adamw_free(&again);
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

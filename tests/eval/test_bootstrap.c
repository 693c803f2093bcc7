/* test_bootstrap.c - samples of dialogues and their intervals. */
#include "bootstrap.h"
#include "golden.h"
#include "measures.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DIALOGUES = 40, SAMPLES = 2000 };

static void samples(void **state) {
    (void)state;
    double a[DIALOGUES], b[DIALOGUES], c[DIALOGUES], sums[DIALOGUES] = {0};
    for (size_t k = 0; k < SAMPLES; k++) {
        double sum = 0;
        cso_bootstrap_sample(1, k, DIALOGUES, a);
        cso_bootstrap_sample(1, k, DIALOGUES, b);
        cso_bootstrap_sample(2, k, DIALOGUES, c);
        assert_memory_equal(a, b, sizeof a);
        assert_memory_not_equal(a, c, sizeof a);
        for (size_t i = 0; i < DIALOGUES; i++) {
            sum += a[i];
            sums[i] += a[i];
        }
        assert_true(sum == DIALOGUES);
    }
    for (size_t i = 0; i < DIALOGUES; i++) /* each is drawn as often, within five standard deviations */
        assert_true(fabs(sums[i] - SAMPLES) < 5 * sqrt(SAMPLES));
}

/* numpy.percentile of 0, 1, ..., 10 and of what has NaN. */
static void percentiles(void **state) {
    (void)state;
    double values[12] = {10, 0, 1, NAN, 9, 2, 8, 3, 7, 4, 6, 5}, one[1] = {3}, none[1] = {NAN};
    cso_interval interval = cso_bootstrap_interval(values, 12, 0.9);
    assert_true(fabs(interval.low - 0.5) < 1e-12 && fabs(interval.high - 9.5) < 1e-12);
    interval = cso_bootstrap_interval(one, 1, 0.95);
    assert_true(interval.low == 3 && interval.high == 3);
    interval = cso_bootstrap_interval(none, 1, 0.95);
    assert_true(isnan(interval.low) && isnan(interval.high));
}

/* Predictions of dialogues of two lines, of which every third is wrong in both lines. */
static cso_predictions *make_set(size_t wrong_every) {
    cso_text text = {0};
    cso_error err = {0};
    cso_predictions *set;
    for (size_t i = 0; i < DIALOGUES * 2; i++)
        cso_text_format(
            &text,
            "{\"index\": %zu, \"reference\": {\"strategy\": \"A\", \"content\": \"a\"}, \"prediction\": {\"strategy\": \"%s\", "
            "\"content\": \"a\"}}\n",
            i / 2, i / 2 % wrong_every ? "A" : "B");
    FILE *file = fmemopen(text.data, text.size, "r");
    golden_ok(cso_predictions_read(&set, file, "x", NULL, 0, &err), &err);
    fclose(file);
    free(text.data);
    return set;
}

/* Whole dialogues are drawn, so the spread of the accuracy is that of DIALOGUES draws, not of twice as many; a system's difference to
 * itself has none. */
static void by_dialogue(void **state) {
    (void)state;
    cso_error err = {0};
    cso_predictions *set = make_set(3), *same = make_set(3);
    cso_measurer m = {.set = set}, other = {.set = same};
    static double values[SAMPLES * CSO_MEASURE_COUNT], others[SAMPLES * CSO_MEASURE_COUNT];
    golden_ok(cso_measurer_bootstrap(&m, 7, SAMPLES, values, NULL, &err), &err);
    golden_ok(cso_measurer_bootstrap(&other, 7, SAMPLES, others, NULL, &err), &err);
    double mean = 0, square = 0, p = 26.0 / 40;
    for (size_t k = 0; k < SAMPLES; k++) {
        double value = values[k * CSO_MEASURE_COUNT + CSO_MEASURE_ACCURACY];
        assert_true(value == others[k * CSO_MEASURE_COUNT + CSO_MEASURE_ACCURACY]);
        assert_true(isnan(values[k * CSO_MEASURE_COUNT + CSO_MEASURE_DISTINCT_1]));
        mean += value / SAMPLES;
        square += value * value / SAMPLES;
    }
    double deviation = sqrt(square - mean * mean), wanted = sqrt(p * (1 - p) / DIALOGUES);
    assert_true(fabs(mean - p) < 0.01);
    assert_true(fabs(deviation - wanted) < 0.1 * wanted);
    assert_true(m.value[CSO_MEASURE_ACCURACY] == p && m.value[CSO_MEASURE_DISTINCT_1] == 1.0 / 80);
    cso_measurer_free(&m);
    cso_measurer_free(&other);
    cso_predictions_free(set);
    cso_predictions_free(same);
}

static bool stop_now(void) {
    return true;
}

static void stopped(void **state) {
    (void)state;
    cso_error err = {0};
    cso_predictions *set = make_set(2);
    cso_measurer m = {.set = set};
    double values[CSO_MEASURE_COUNT];
    assert_int_equal(cso_measurer_bootstrap(&m, 7, 1, values, stop_now, &err), CSO_STOPPED);
    cso_measurer_free(&m);
    cso_predictions_free(set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples),
        cmocka_unit_test(percentiles),
        cmocka_unit_test(by_dialogue),
        cmocka_unit_test(stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_measures.c - the measures against scikit-learn, rouge-score and sacrebleu (cases.jsonl, which random_predictions.py wrote, and
 * real predictions where they are there), and degenerate predictions by hand. */
#include "golden.h"
#include "measures.h"
#include "python_text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double EXACT = 1e-9, TEXTS = 1e-6;

static cso_measurer measure_text(const char *text, const char *const *names, size_t n) {
    cso_error err = {0};
    cso_predictions *set;
    FILE *file = fmemopen((void *)text, strlen(text), "r");
    assert_non_null(file);
    golden_ok(cso_predictions_read(&set, file, "predictions", names, n, &err), &err);
    fclose(file);
    cso_measurer m = {.set = set, .beta = 0.1};
    golden_ok(cso_measurer_run(&m, NULL, &err), &err);
    return m;
}

static void free_measurer(cso_measurer *m) {
    cso_predictions *set = (cso_predictions *)m->set;
    cso_measurer_free(m);
    cso_predictions_free(set);
}

static void expect_near(double found, double wanted, double tolerance, const char *name) {
    if (!(fabs(found - wanted) <= tolerance))
        fail_msg("%s: %.17g instead of %.17g", name, found, wanted);
}

/* Whatever of the measures' names the object has; gives how many that are. */
static int expect_values(const cso_measurer *m, const cJSON *expected) {
    int seen = 0;
    for (int i = 0; i < CSO_MEASURE_COUNT; i++) {
        const char *name = cso_measure_names[i];
        const cJSON *value = cJSON_GetObjectItem(expected, name);
        if (cJSON_IsNumber(value))
            expect_near(m->value[i], value->valuedouble, i >= CSO_MEASURE_ROUGE_L && i <= CSO_MEASURE_BLEU_4 ? TEXTS : EXACT, name);
        else if (value)
            assert_true(isnan(m->value[i]));
        seen += value != NULL;
    }
    const cJSON *preferences = cJSON_GetObjectItem(expected, "preferences");
    assert_int_equal(cJSON_GetArraySize(preferences), m->set->n_strategies);
    for (size_t i = 0; i < m->set->n_strategies; i++) {
        const char *name = m->set->strategies[i];
        expect_near(m->preferences[i], cJSON_GetObjectItemCaseSensitive(preferences, name)->valuedouble, EXACT, name);
    }
    return seen;
}

static char *lines_of(const cJSON *rows) {
    cso_text text = {0};
    const cJSON *row;
    cJSON_ArrayForEach(row, rows) {
        char *line = cJSON_PrintUnformatted(row);
        cso_text_format(&text, "%s\n", line);
        free(line);
    }
    return text.data;
}

static cso_status check_case(void *context, const cJSON *record, size_t line, cso_error *err) {
    (void)line;
    (void)err;
    const cJSON *expected = cJSON_GetObjectItem(record, "expected");
    char *text = lines_of(cJSON_GetObjectItem(record, "rows"));
    cso_measurer m = measure_text(text, NULL, 0);
    assert_int_equal(expect_values(&m, expected), 16);
    assert_int_equal(m.never_missed, cJSON_GetObjectItem(expected, "never_missed")->valueint);
    ++*(int *)context;
    free_measurer(&m);
    free(text);
    return CSO_OK;
}

static void references(void **state) {
    (void)state;
    int cases = 0;
    cso_error err = {0};
    golden_ok(cso_json_each(CSO_TEST_DATA "/eval/cases.jsonl", check_case, &cases, &err), &err);
    assert_int_equal(cases, 8);
}

static void real_predictions(void **state) {
    (void)state;
    const char *path = golden_path("eval/predictions.jsonl"), *metrics = golden_path("eval/metrics.json");
    if (!path || !metrics)
        skip();
    cso_error err = {0};
    cso_predictions *set;
    FILE *file = fopen(path, "r");
    cJSON *expected = golden_json(metrics);
    golden_ok(cso_predictions_read(&set, file, path, NULL, 0, &err), &err);
    fclose(file);
    cso_measurer m = {.set = set};
    golden_ok(cso_measurer_run(&m, NULL, &err), &err);
    assert_int_equal(expect_values(&m, expected), 11);
    const cJSON *confusion = cJSON_GetObjectItem(cJSON_GetObjectItem(expected, "confusion"), "rows_true_columns_predicted"), *row;
    size_t i = 0;
    cJSON_ArrayForEach(row, confusion) {
        const cJSON *cell;
        cJSON_ArrayForEach(cell, row) {
            assert_true(m.confusion.count[i++] == cell->valuedouble);
        }
    }
    assert_int_equal(i, 64);
    free_measurer(&m);
    cJSON_Delete(expected);
}

/* ---- by hand ---- */

#define ROW(true_name, guess, reference, reply)                                                                                    \
    "{\"reference\": {\"strategy\": \"" true_name "\", \"content\": \"" reference "\"}, \"prediction\": {\"strategy\": " guess     \
    ", \"content\": \"" reply "\"}}\n"
#define GUESS(true_name, guess) ROW(true_name, "\"" guess "\"", "a b", "a c")

static void one_strategy(void **state) {
    (void)state;
    cso_measurer m = measure_text(GUESS("A", "A") GUESS("A", "A"), NULL, 0);
    assert_true(m.value[CSO_MEASURE_ACCURACY] == 1);
    assert_true(m.value[CSO_MEASURE_MACRO_F1] == 1);
    assert_true(m.value[CSO_MEASURE_BIAS] == 0);
    assert_true(m.preferences[0] == 1);
    assert_int_equal(m.never_missed, 1);
    free_measurer(&m);
}

/* Whatever is true, A is predicted: all preference is A's, and B is sqrt(n - 1). */
static void always_the_same(void **state) {
    (void)state;
    cso_measurer m = measure_text(GUESS("A", "A") GUESS("B", "A") GUESS("C", "A"), NULL, 0);
    expect_near(m.value[CSO_MEASURE_ACCURACY], 1 / 3.0, 1e-15, "accuracy");
    expect_near(m.value[CSO_MEASURE_MACRO_F1], 0.5 / 3, 1e-15, "macro F1"); /* of A: 2 / (1 + 3) */
    expect_near(m.value[CSO_MEASURE_BIAS], sqrt(2), 1e-12, "B");
    assert_true(m.preferences[1] == 0 && m.preferences[2] == 0);
    expect_near(m.preferences[0], 3, 1e-12, "preference");
    assert_int_equal(m.never_missed, 1);
    free_measurer(&m);
}

/* Two strategies taken for each other, A for B twice, B for A once: p_A / p_B = 2. */
static void two_strategies(void **state) {
    (void)state;
    cso_measurer m = measure_text(GUESS("B", "A") GUESS("B", "A") GUESS("A", "B"), NULL, 0);
    expect_near(m.preferences[0], 4 / 3.0, 1e-9, "A");
    expect_near(m.preferences[1], 2 / 3.0, 1e-9, "B");
    expect_near(m.value[CSO_MEASURE_BIAS], 1 / 3.0, 1e-9, "B of the two");
    assert_int_equal(m.never_missed, 0);
    free_measurer(&m);
}

static void none_predicted(void **state) {
    (void)state;
    cso_measurer m = measure_text(ROW("A", "null", "a", "a") ROW("B", "\"\"", "a", "a"), NULL, 0);
    assert_true(m.value[CSO_MEASURE_ACCURACY] == 0 && m.value[CSO_MEASURE_MACRO_F1] == 0);
    assert_true(isnan(m.value[CSO_MEASURE_VALID_ACCURACY]) && isnan(m.value[CSO_MEASURE_VALID_MACRO_F1]));
    assert_true(m.value[CSO_MEASURE_INVALID] == 1);
    assert_true(m.value[CSO_MEASURE_BIAS] == 0);
    assert_int_equal(m.never_missed, 2);
    free_measurer(&m);
}

/* The two conventions: of four, two right, one wrong, one that is no strategy of the list. */
static void unknown_names(void **state) {
    (void)state;
    static const char *const NAMES[] = {"A", "B", "C"};
    const char *text = GUESS("A", "A") GUESS("B", "B") GUESS("A", "B") GUESS("B", "Z");
    cso_measurer m = measure_text(text, NAMES, 3);
    expect_near(m.value[CSO_MEASURE_ACCURACY], 0.5, 1e-15, "wrong: accuracy");
    expect_near(m.value[CSO_MEASURE_VALID_ACCURACY], 2 / 3.0, 1e-15, "dropped: accuracy");
    expect_near(m.value[CSO_MEASURE_MACRO_F1], (2 / 3.0 + 2 / 4.0 + 0) / 3, 1e-15, "wrong: macro F1");
    expect_near(m.value[CSO_MEASURE_VALID_MACRO_F1], (2 / 3.0 + 2 / 3.0 + 0) / 3, 1e-15, "dropped: macro F1");
    expect_near(m.value[CSO_MEASURE_WEIGHTED_F1], (2 * 2 / 3.0 + 2 * 2 / 4.0) / 4, 1e-15, "wrong: weighted F1");
    expect_near(m.value[CSO_MEASURE_VALID_WEIGHTED_F1], (2 * 2 / 3.0 + 2 / 3.0) / 3, 1e-15, "dropped: weighted F1");
    assert_true(m.confusion.invalid[1] == 1);
    free_measurer(&m);
    m = measure_text(text, NULL, 0); /* without a list Z is a strategy */
    assert_int_equal(m.set->n_strategies, 3);
    assert_true(m.value[CSO_MEASURE_INVALID] == 0);
    free_measurer(&m);
}

static void empty_replies(void **state) {
    (void)state;
    cso_measurer m = measure_text(ROW("A", "\"A\"", "a b c d", "") ROW("A", "\"A\"", "", ""), NULL, 0);
    for (int i = CSO_MEASURE_ROUGE_L; i <= CSO_MEASURE_BLEU_4; i++)
        assert_true(m.value[i] == 0);
    assert_true(isnan(m.value[CSO_MEASURE_DISTINCT_1]) && isnan(m.value[CSO_MEASURE_DISTINCT_2]));
    assert_true(m.value[CSO_MEASURE_WORDS] == 0 && m.value[CSO_MEASURE_REFERENCE_WORDS] == 2);
    free_measurer(&m);
    m = measure_text(ROW("A", "\"A\"", "", "a b"), NULL, 0);
    assert_true(m.value[CSO_MEASURE_ROUGE_L] == 0 && m.value[CSO_MEASURE_BLEU_1] == 0);
    assert_true(m.value[CSO_MEASURE_DISTINCT_1] == 1);
    free_measurer(&m);
}

/* Two of four words match, and no longer n-gram does: 1/2, then 1 / (2 * 3), 1 / (4 * 2), 1 / (8 * 1). A short reply is penalised. */
static void smoothing(void **state) {
    (void)state;
    cso_measurer m = measure_text(ROW("A", "\"A\"", "a b c d", "a x c y"), NULL, 0);
    expect_near(m.value[CSO_MEASURE_BLEU_1], 0.5, 1e-12, "BLEU-1");
    expect_near(m.value[CSO_MEASURE_BLEU_2], sqrt(0.5 / 6), 1e-12, "BLEU-2");
    expect_near(m.value[CSO_MEASURE_BLEU_4], pow(0.5 / 6 / 8 / 8, 0.25), 1e-12, "BLEU-4");
    expect_near(m.value[CSO_MEASURE_ROUGE_L], 0.5, 1e-12, "ROUGE-L");
    free_measurer(&m);
    m = measure_text(ROW("A", "\"A\"", "a b c d", "a b"), NULL, 0);
    expect_near(m.value[CSO_MEASURE_BLEU_1], exp(1 - 4 / 2.0), 1e-12, "BLEU-1 of a short reply");
    assert_true(m.value[CSO_MEASURE_BLEU_3] == 0); /* there are no three words */
    free_measurer(&m);
}

/* Probabilities of two strategies: the bins' errors are 0.1 and 0.3 for a half each. */
static void calibration(void **state) {
    (void)state;
    static const double P[4][2] = {{0.9, 0.1}, {0.9, 0.1}, {0.2, 0.8}, {0.2, 0.8}};
    static const size_t REFERENCE[4] = {0, 0, 1, 0};
    cso_calibration c = {0};
    assert_true(isnan(cso_calibration_error(&c)) && isnan(cso_calibration_brier(&c)));
    for (int i = 0; i < 4; i++)
        cso_calibration_add(&c, P[i], 2, REFERENCE[i], 1);
    expect_near(cso_calibration_error(&c), (0.1 + 0.3) / 2, 1e-12, "calibration error");
    expect_near(cso_calibration_brier(&c), (0.02 + 0.02 + 0.08 + 1.28) / 4, 1e-12, "Brier");
    cso_calibration sure = {0};
    cso_calibration_add(&sure, (const double[]){0, 1}, 2, 1, 1);
    assert_true(cso_calibration_error(&sure) == 0 && cso_calibration_brier(&sure) == 0);
}

#define LOGPS(reference, rejected)                                                                                                 \
    "{\"reference\": {\"strategy\": \"A\", \"content\": \"a\"}, \"prediction\": {\"strategy\": \"A\", \"content\": \"a\"}, "       \
    "\"probabilities\": {\"A\": 0.75, \"B\": 0.25}, \"reference_tokens\": 4, \"reference_logp\": " reference                       \
    ", \"rejected_logps\": " rejected "}\n"

static void log_probabilities(void **state) {
    (void)state;
    cso_measurer base = measure_text(LOGPS("-8", "[-9, -7]") LOGPS("-4", "[]"), NULL, 0);
    cso_measurer m = measure_text(LOGPS("-6", "[-8, -6]") LOGPS("-4", "[]"), NULL, 0);
    cso_error err = {0};
    expect_near(m.value[CSO_MEASURE_PERPLEXITY], exp(10 / 8.0), 1e-12, "perplexity");
    expect_near(m.value[CSO_MEASURE_PREFERENCE_ACCURACY], 0.5, 0, "accuracy");
    expect_near(m.value[CSO_MEASURE_PREFERENCE_MARGIN], 1, 1e-15, "margin");
    assert_true(isnan(m.value[CSO_MEASURE_REWARD_ACCURACY]));
    expect_near(m.value[CSO_MEASURE_BRIER], 0.125, 1e-15, "Brier");
    assert_true(cso_measurer_fits(m.set, base.set));
    m.base = base.set;
    golden_ok(cso_measurer_run(&m, NULL, &err), &err);
    expect_near(m.value[CSO_MEASURE_REWARD_ACCURACY], 1, 0, "reward accuracy"); /* 2 - 1 and 0 - -1 */
    expect_near(m.value[CSO_MEASURE_REWARD_MARGIN], 0.1, 1e-15, "reward margin");
    free_measurer(&base);
    base = measure_text(LOGPS("-8", "[-9]") LOGPS("-4", "[-1]"), NULL, 0);
    assert_false(cso_measurer_fits(m.set, base.set));
    free_measurer(&base);
    free_measurer(&m);
}

static void lower_case(void **state) {
    (void)state;
    static const char *const PAIRS[][2] = {
        {"ABC äÖ É", "abc äö é"},
        {"İ", "i\xCC\x87"},
        {"\xE2\x84\xAA", "k"}, /* the Kelvin sign */
        {"ΣΟΦΟΣ ΣΑΣ.", "σοφος σας."},
        {"ΑΣ'Α", "ασ'α"},
        {"Σ", "σ"},
        {"Α\xCC\x81Σ!", "α\xCC\x81ς!"},
        {"日本 🙂", "日本 🙂"},
    };
    for (size_t i = 0; i < sizeof PAIRS / sizeof *PAIRS; i++) {
        cso_text out = {0};
        python_lower(&out, PAIRS[i][0], strlen(PAIRS[i][0]));
        assert_string_equal(out.data, PAIRS[i][1]);
        free(out.data);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references),      cmocka_unit_test(real_predictions), cmocka_unit_test(one_strategy),
        cmocka_unit_test(always_the_same), cmocka_unit_test(two_strategies),   cmocka_unit_test(none_predicted),
        cmocka_unit_test(unknown_names),   cmocka_unit_test(empty_replies),    cmocka_unit_test(calibration),
        cmocka_unit_test(smoothing),       cmocka_unit_test(lower_case),       cmocka_unit_test(log_probabilities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

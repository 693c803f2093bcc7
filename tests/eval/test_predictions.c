/* test_predictions.c - files of predictions that are refused, each with its line. */
#include "golden.h"
#include "predictions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define REFERENCE  "\"reference\": {\"strategy\": \"Ask\", \"content\": \"a\"}"
#define PREDICTION "\"prediction\": {\"strategy\": \"Ask\", \"content\": \"b\"}"
#define GOOD       "{" REFERENCE ", " PREDICTION "}\n"
#define WITH(more) "{" REFERENCE ", " PREDICTION ", " more "}\n"

static const char *const NAMES[] = {"Ask", "Tell"};

static void expect_refused(const char *text, size_t size, bool given, const char *message) {
    cso_error err = {0};
    cso_predictions *set;
    char nothing[1] = "";
    FILE *file = size ? fmemopen((void *)text, size, "r") : fmemopen(nothing, 1, "r");
    if (!size)
        (void)fgetc(file);
    assert_int_equal(cso_predictions_read(&set, file, "x.jsonl", given ? NAMES : NULL, given ? 2 : 0, &err), CSO_ERR_INPUT);
    fclose(file);
    assert_null(set);
    if (strcmp(err.message, message) != 0)
        fail_msg("found: %s\nwanted: %s", err.message, message);
}

static void refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *message;
    } CASES[] = {
        {"{}\n", "x.jsonl:1: reference: expected {\"strategy\", \"content\"}"},
        {GOOD "{" REFERENCE "}\n", "x.jsonl:2: prediction: expected {\"strategy\", \"content\"}"},
        {"{" PREDICTION ", \"reference\": []}\n", "x.jsonl:1: reference: expected {\"strategy\", \"content\"}"},
        {"{" PREDICTION ", \"reference\": {\"content\": \"a\"}}\n",
         "x.jsonl:1: reference.strategy: expected a string that is not empty"},
        {"{" PREDICTION ", \"reference\": {\"strategy\": null, \"content\": \"a\"}}\n",
         "x.jsonl:1: reference.strategy: expected a string that is not empty"},
        {"{" REFERENCE ", \"prediction\": {\"content\": \"a\"}}\n",
         "x.jsonl:1: prediction.strategy: expected a string, or null for none"},
        {"{" REFERENCE ", \"prediction\": {\"strategy\": 3, \"content\": \"a\"}}\n",
         "x.jsonl:1: prediction.strategy: expected a string, or null for none"},
        {"{" REFERENCE ", \"prediction\": {\"strategy\": null}}\n", "x.jsonl:1: prediction.content: expected a string"},
        {"{" REFERENCE ", \"prediction\": {\"strategy\": \"a\\u0000b\", \"content\": \"\"}}\n",
         "x.jsonl:1: prediction.strategy: has a zero character (expected a name)"},
        {WITH("\"index\": 0") GOOD, "x.jsonl:2: index: is missing (expected it in every line or in none)"},
        {GOOD WITH("\"index\": 0"), "x.jsonl:2: index: earlier lines have none (expected it in every line or in none)"},
        {WITH("\"probabilities\": {}"), "x.jsonl:1: probabilities: expected an object with a number for each strategy"},
        {WITH("\"probabilities\": {\"Ask\": 1.5}"), "x.jsonl:1: probabilities: expected numbers from 0 to 1"},
        {WITH("\"reference_logp\": -3"),
         "x.jsonl:1: reference_logp: expected it together with reference_tokens, a number from 1 on"},
        {WITH("\"rejected_logps\": [1]"), "x.jsonl:1: rejected_logps: expected an array of numbers, together with reference_logp"},
        {WITH("\"reference_logp\": -3, \"reference_tokens\": 1, \"rejected_logps\": [\"\"]"),
         "x.jsonl:1: rejected_logps: expected an array of numbers"},
        {"\n\n", "x.jsonl: no predictions (expected a line of JSON for each)"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        expect_refused(CASES[i].text, strlen(CASES[i].text), false, CASES[i].message);
    expect_refused("", 0, false, "x.jsonl: no predictions (expected a line of JSON for each)");
}

static void given_names(void **state) {
    (void)state;
    const char *misspelt = "{" PREDICTION ", \"reference\": {\"strategy\": \"Aks\", \"content\": \"a\"}}\n";
    const char *unknown = GOOD WITH("\"probabilities\": {\"Sing\": 1}");
    expect_refused(misspelt, strlen(misspelt), true,
                   "x.jsonl:1: reference.strategy: \"Aks\" is none of the strategies (did you mean \"Ask\"?)");
    expect_refused(unknown, strlen(unknown), true, "x.jsonl:2: probabilities: \"Sing\" is none of the strategies");
}

static void broken_bytes(void **state) {
    (void)state;
    cso_error err = {0};
    cso_predictions *set;
    static const char *const BAD[] = {GOOD "{\"reference\": {\"strategy\": \"\xFF\"}}\n", GOOD "{\"reference\"\n", GOOD "3\n"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        FILE *file = fmemopen((void *)BAD[i], strlen(BAD[i]), "r");
        assert_int_equal(cso_predictions_read(&set, file, "x.jsonl", NULL, 0, &err), CSO_ERR_INPUT);
        fclose(file);
        assert_int_equal(strncmp(err.message, "x.jsonl:2", 9), 0);
    }
    char zero[] = GOOD GOOD;
    zero[sizeof GOOD + 5] = '\0';
    FILE *file = fmemopen(zero, sizeof zero - 1, "r");
    assert_int_equal(cso_predictions_read(&set, file, "x.jsonl", NULL, 0, &err), CSO_ERR_INPUT);
    fclose(file);
    assert_int_equal(strncmp(err.message, "x.jsonl:2", 9), 0);
}

/* A zero character in a reply is a character; lines of one index are one dialogue. */
static void accepted(void **state) {
    (void)state;
    cso_error err = {0};
    cso_predictions *set;
    const char *text = "{\"reference\": {\"strategy\": \"B\", \"content\": \"a\\u0000 b\"}, \"prediction\": {\"strategy\": \"A\", "
                       "\"content\": \"c\"}, \"index\": 7}\n" WITH("\"index\": 2") WITH("\"index\": 7");
    FILE *file = fmemopen((void *)text, strlen(text), "r");
    golden_ok(cso_predictions_read(&set, file, "x.jsonl", NULL, 0, &err), &err);
    fclose(file);
    assert_int_equal(set->count, 3);
    assert_int_equal(set->n_dialogues, 2);
    assert_int_equal(set->items[2].dialogue, 0);
    assert_int_equal(set->n_strategies, 3);
    assert_string_equal(set->strategies[0], "A");
    assert_string_equal(set->strategies[2], "B");
    assert_int_equal(set->items[0].reference, 2);
    assert_true(set->items[0].reference_words == 2);
    cso_predictions_free(set);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused),
        cmocka_unit_test(given_names),
        cmocka_unit_test(broken_bytes),
        cmocka_unit_test(accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

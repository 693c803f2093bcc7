/* test_eval_commands.c - cso-eval metrics: figures worked out by hand, forms; wrong use of metrics and dialogues. */
#include "run_program.h"
#include "test_folder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#define MODEL "tests/golden/models/llama-tiny"
#define DATA  "data/sample/valid.tree.jsonl"

static run_result run_ok(const char *format, const char *more) {
    char command[1024];
    snprintf(command, sizeof command, format, more);
    run_result r = run_program(command, NULL, 0);
    if (r.code)
        fail_msg("%s: exit code %d, %s", command, r.code, r.err);
    return r;
}

static cJSON *object_of(const char *format, const char *more) {
    run_result r = run_ok(format, more);
    cJSON *object = cJSON_Parse(r.out);
    if (!object)
        fail_msg("no JSON: %s", r.out);
    run_result_free(&r);
    return object;
}

static double number(const cJSON *object, const char *key) {
    const cJSON *value = cJSON_GetObjectItem(object, key);
    if (!cJSON_IsNumber(value))
        fail_msg("no number %s", key);
    return value->valuedouble;
}

#define LINE(reference, text, predicted, reply)                                                                                    \
    "{\"reference\": {\"strategy\": \"" reference "\", \"content\": \"" text "\"}, \"prediction\": {\"strategy\": " predicted      \
    ", \"content\": \"" reply "\"}}\n"

/* A: right twice, once taken for B; B: right once, once nothing. */
static void figures_by_hand(void **state) {
    (void)state;
    save_in_folder("p.jsonl", LINE("A", "the cat sat", "\"A\"", "the cat sat") LINE("A", "one two", "\"A\"", "")
                                  LINE("A", "a b", "\"B\"", "a c") LINE("B", "x y", "\"B\"", "x y") LINE("B", "x y", "null", "x"));
    cJSON *o = object_of("@cso-eval metrics --json %s", in_folder("p.jsonl"));
    assert_true(number(o, "n") == 5 && fabs(number(o, "strategy_accuracy") - 0.6) < 1e-12);
    /* A: precision 1, recall 2/3; B: precision 1/2, recall 1/2. */
    assert_true(fabs(number(o, "strategy_macro_f1") - (0.8 + 0.5) / 2) < 1e-12);
    assert_true(fabs(number(o, "strategy_weighted_f1") - (3 * 0.8 + 2 * 0.5) / 5) < 1e-12);
    assert_true(fabs(number(o, "valid_accuracy") - 0.75) < 1e-12 && fabs(number(o, "invalid_rate") - 0.2) < 1e-12);
    assert_true(fabs(number(o, "rouge_l") - (1 + 0 + 0.5 + 1 + 2.0 / 3) / 5) < 1e-12);
    assert_true(fabs(number(o, "distinct_1") - 7.0 / 8) < 1e-12); /* the cat sat a c x y x */
    cJSON_Delete(o);
}

static void forms(void **state) {
    (void)state;
    static const struct {
        const char *option, *begins;
    } cases[] = {{"--csv", "measure,"}, {"--markdown", "| measure"}, {"", "5 replies"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char format[128];
        snprintf(format, sizeof format, "@cso-eval metrics %s --samples 50 %%s", cases[i].option);
        run_result r = run_ok(format, in_folder("p.jsonl"));
        if (!strstr(r.out, cases[i].begins))
            fail_msg("%s: %s", cases[i].option, r.out);
        run_result_free(&r);
    }
}

static void refused(void **state) {
    (void)state;
    save_in_folder("bad.jsonl", LINE("A", "a", "\"A\"", "a") "{\"reference\": 3}\n");
    save_in_folder("empty.jsonl", "");
    static const struct {
        const char *command, *message;
        int code;
    } cases[] = {
        {"@cso-eval metrics %s/bad.jsonl", "bad.jsonl:2: ", 3},
        {"@cso-eval metrics %s/empty.jsonl", "empty.jsonl", 3},
        {"@cso-eval metrics %s/not-there.jsonl", "not-there.jsonl", 3},
        {"@cso-eval metrics --json --csv %s/p.jsonl", "--csv", 2},
        {"@cso-eval dialogues " DATA " --out %s/x", "--model", 2},
        {"@cso-eval dialogues -m " MODEL " %s/not-there.jsonl", "not-there.jsonl", 3},
        {"@cso-eval dialogues -m " MODEL " -a a=%s/none " DATA, "/none", 3},
        {"@cso-eval dialogues -m " MODEL " --against x " DATA " --out %s/x", "x", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char command[512];
        snprintf(command, sizeof command, cases[i].command, test_folder);
        run_result r = run_program(command, NULL, 0);
        const char *end = strchr(r.err, '\n');
        if (r.code != cases[i].code || !strstr(r.err, cases[i].message) || !end || end[1] || *r.out)
            fail_msg("%s: exit code %d, %s", command, r.code, r.err);
        run_result_free(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_by_hand),
        cmocka_unit_test(forms),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

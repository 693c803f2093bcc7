/* test_eval_commands.c - cso-eval metrics and dialogues: figures worked out by hand, systems side by side, resuming, and wrong use. */
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

#define MODEL   "tests/golden/models/llama-tiny"
#define ADAPTER "tests/golden/adapters/llama-tiny/r4"
#define DATA    "data/sample/valid.tree.jsonl"

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

static char *file_of(const char *path, size_t *size) {
    static char text[1 << 18];
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    *size = fread(text, 1, sizeof text - 1, file);
    text[*size] = '\0';
    fclose(file);
    return text;
}

/* Two systems, in any batch, and after a part of the predictions was lost: the same predictions and figures. */
static void dialogues(void **state) {
    (void)state;
    char first[4096], path[256], *text;
    size_t size;
    run_result whole =
        run_ok("@cso-eval dialogues -m " MODEL " -a tuned=" ADAPTER " " DATA " -n 6 --samples 20 --json --out %s", in_folder("a"));
    run_result batch =
        run_ok("@cso-eval dialogues -m " MODEL " -a tuned=" ADAPTER " " DATA " -n 6 --samples 20 --json --leaves 3 -t 1 --out %s",
               in_folder("b"));
    assert_string_equal(whole.out, batch.out);
    run_result_free(&batch);
    snprintf(path, sizeof path, "%s/tuned.jsonl", in_folder("a"));
    text = file_of(path, &size);
    char *kept = malloc(size + 1);
    assert_non_null(kept);
    memcpy(kept, text, size + 1);
    size_t third = (size_t)(strchr(strchr(strchr(kept, '\n') + 1, '\n') + 1, '\n') - kept) + 20; /* a torn fourth line */
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(kept, 1, third, file), third);
    fclose(file);
    run_result again =
        run_ok("@cso-eval dialogues -m " MODEL " -a tuned=" ADAPTER " " DATA " -n 6 --samples 20 --json --out %s", in_folder("a"));
    assert_string_equal(whole.out, again.out);
    text = file_of(path, &size);
    assert_string_equal(text, kept);
    free(kept);
    run_result_free(&again);
    run_result_free(&whole);
    snprintf(first, sizeof first, "@cso-eval dialogues -m " MODEL " -a tuned=" ADAPTER " " DATA " -n 7 --out %s", in_folder("a"));
    run_result other = run_program(first, NULL, 0);
    assert_int_equal(other.code, 2);
    assert_non_null(strstr(other.err, "other options"));
    run_result_free(&other);
    cJSON *o = object_of("@cso-eval metrics --json %s", path); /* what it keeps is a file of predictions */
    assert_true(number(o, "n") == 32 && number(o, "perplexity") > 1);
    cJSON_Delete(o);
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
        cmocka_unit_test(dialogues),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

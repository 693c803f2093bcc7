/* test_perplexity.c - cso-eval perplexity: what cso-eval score gives for the same tokens, windows, and wrong use. */
#include "golden.h"
#include "run_program.h"
#include "test_folder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MODEL "tests/golden/models/qwen2-tiny" /* its tokenizer adds no BOS */
#define TEXT  "I did not sleep. I keep going over what I should have said to her, again and again."

static int setup(void **state) {
    if (make_test_folder(state))
        return -1;
    save_in_folder("text.txt", TEXT);
    return save_in_folder("text.jsonl", "{\"text\": \"" TEXT "\"}\n"), 0;
}

/* What the command prints; the caller deletes it. */
static cJSON *object_of(const char *command) {
    char text[512];
    snprintf(text, sizeof text, command, test_folder);
    run_result r = run_program(text, NULL, 0);
    assert_string_equal(r.err, "");
    assert_int_equal(r.code, 0);
    cJSON *object = cJSON_Parse(r.out);
    assert_non_null(object);
    run_result_free(&r);
    return object;
}

static double number(const cJSON *object, const char *key) {
    const cJSON *value = cJSON_GetObjectItem(object, key);
    assert_true(cJSON_IsNumber(value));
    return value->valuedouble;
}

static void equals_score(void **state) {
    (void)state;
    cJSON *score = object_of("@cso-eval score -m " MODEL " %s/text.jsonl");
    cJSON *exact = object_of("@cso-eval perplexity -m " MODEL " --compute exact %s/text.txt");
    cJSON *fast = object_of("@cso-eval perplexity -m " MODEL " %s/text.txt");
    double tokens = number(exact, "tokens"), nll = number(exact, "nll");
    assert_int_equal(tokens, cJSON_GetArraySize(cJSON_GetObjectItem(score, "token_logps")));
    assert_int_equal(number(exact, "windows"), 1);
    assert_true(fabs(nll + number(score, "logp") / tokens) < 1e-5 * nll);
    assert_true(fabs(log(number(exact, "perplexity")) - nll) < 1e-5 * nll);
    assert_true(fabs(number(fast, "nll") - nll) < 1e-3 * nll);
    cJSON_Delete(score);
    cJSON_Delete(exact);
    cJSON_Delete(fast);
}

/* Every window loses its first token. */
static void windows_count(void **state) {
    (void)state;
    cJSON *one = object_of("@cso-eval perplexity -m " MODEL " %s/text.txt");
    cJSON *many = object_of("@cso-eval perplexity -m " MODEL " --window 8 %s/text.txt");
    double tokens = number(one, "tokens") + 1, windows = ceil(tokens / 8);
    assert_int_equal(number(many, "windows"), windows);
    assert_int_equal(number(many, "tokens"), tokens - windows);
    assert_true(number(many, "nll") != number(one, "nll"));
    cJSON_Delete(one);
    cJSON_Delete(many);
}

static void says_what_is_wrong(void **state) {
    (void)state;
    static const struct {
        const char *command, *says;
        int code;
    } cases[] = {
        {"@cso-eval perplexity " MODEL, "cso-eval: no model is given", 2},
        {"@cso-eval perplexity -m " MODEL, "cso-eval: perplexity: 0 files are given", 2},
        {"@cso-eval perplexity -m " MODEL " --window 1 -", "cso-eval: --window: 1 tokens are too few", 2},
        {"@cso-eval perplexity -m " MODEL " --compute bf16 -", "cso-eval: --compute: must be one of exact, fast", 2},
        {"@cso-eval perplexity -m " MODEL " no-such-file", "cso-eval: no-such-file: ", 3},
        {"@cso-eval perplexity -m " MODEL " -", "cso-eval: standard input: 1 tokens are too few", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_result r = run_program(cases[i].command, "x", 1);
        assert_int_equal(r.code, cases[i].code);
        if (strncmp(r.err, cases[i].says, strlen(cases[i].says)) != 0)
            fail_msg("%s: %s", cases[i].command, r.err);
        assert_string_equal(r.out, "");
        run_result_free(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_score),
        cmocka_unit_test(windows_count),
        cmocka_unit_test(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, setup, remove_test_folder);
}

/* test_generate.c - cso-generate with a file of prompts: the replies that it gives to each prompt alone, and what it refuses. */
#include "run_program.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#define GENERATE "@cso-generate --model tests/golden/models/llama-tiny --max-tokens 12 --threads 2 "

static const char *const prompts[] = {"Hello there", "Hello", "What is it?", "Hello there"};
enum { PROMPTS = sizeof prompts / sizeof *prompts };

static void many_prompts(void **state) {
    (void)state;
    char input[1024] = "";
    for (int i = 0; i < PROMPTS; i++)
        sprintf(input + strlen(input),
                i % 2 ? "{\"messages\": [{\"role\": \"user\", \"content\": \"%s\"}]}\n" : "{\"prompt\": \"%s\"}\n", prompts[i]);
    for (int leaves = 1; leaves < 4; leaves++) {
        char command[256];
        snprintf(command, sizeof command, GENERATE "--prompts - --leaves %d", leaves);
        run_result all = run_program(command, input, strlen(input));
        if (all.code)
            fail_msg("exit code %d, %s", all.code, all.err);
        const char *line = all.out;
        for (int i = 0; i < PROMPTS; i++) {
            snprintf(command, sizeof command, GENERATE "--prompt '%s'", prompts[i]);
            run_result one = run_program(command, NULL, 0);
            cJSON *record = cJSON_ParseWithOpts(line, &line, 0);
            assert_non_null(record);
            const char *reply = cJSON_GetStringValue(cJSON_GetObjectItem(record, "reply"));
            assert_non_null(reply);
            assert_int_equal(strlen(reply) + 1, one.out_size);
            assert_memory_equal(reply, one.out, strlen(reply));
            assert_int_equal(*line++, '\n');
            cJSON_Delete(record);
            run_result_free(&one);
        }
        assert_int_equal(*line, 0);
        run_result_free(&all);
    }
}

static void refused(void **state) {
    (void)state;
    static const struct {
        const char *options, *input, *message;
        int code;
    } cases[] = {
        {"--prompts - --prompt Hello", "", "--prompt and --prompts exclude each other", 2},
        {"--prompts -", "{\"prompt\": \"a\"}\n\n{\"text\": \"b\"}\n", "3: expected {\"prompt\": TEXT}", 3},
        {"--prompts -", "{\"messages\": []}\n", "1: expected a non-empty array", 3},
        {"--prompts -", "{\"prompt\": 3}\n", "1: prompt: expected", 3},
        {"--prompt Hello --compute bf32", "", "--compute: must be one of exact, fast", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char command[256];
        snprintf(command, sizeof command, GENERATE "%s", cases[i].options);
        run_result r = run_program(command, cases[i].input, strlen(cases[i].input));
        if (r.code != cases[i].code || !strstr(r.err, cases[i].message) || *r.out)
            fail_msg("%s: exit code %d, %s", cases[i].options, r.code, r.err);
        run_result_free(&r);
    }
    run_result empty = run_program(GENERATE "--prompts -", "", 0);
    assert_int_equal(empty.code, 0);
    assert_string_equal(empty.out, "");
    run_result_free(&empty);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(many_prompts), cmocka_unit_test(refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_generate_asked.c - what rows of cso-generate may ask for beside a reply: probabilities of strategies, constraints of their own,
 * and how long the text before one may be. */
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

#define GENERATE "@cso-generate --model tests/golden/models/llama-tiny --compute exact "

enum { ROWS = 5, NAMES = 8 };
static const char *const prompts[ROWS] = {"Hello there", "Hello", "What is it?", "Hello there, you", "I am here"};

static run_result run(const char *options, const char *input) {
    char command[2048];
    snprintf(command, sizeof command, GENERATE "%s", options);
    return run_program(command, input, strlen(input));
}

static cJSON *lines_of(const char *text) {
    cJSON *list = cJSON_CreateArray();
    while (*text) {
        cJSON *record = cJSON_ParseWithOpts(text, &text, 0);
        assert_non_null(record);
        assert_int_equal(*text++, '\n');
        cJSON_AddItemToArray(list, record);
    }
    return list;
}

static cJSON *replies(const char *options, const char *input) {
    run_result r = run(options, input);
    if (r.code)
        fail_msg("%s: exit code %d, %s", options, r.code, r.err);
    cJSON *list = lines_of(r.out);
    run_result_free(&r);
    return list;
}

/* The rows, the second of which asks for nothing. */
static void ask(char *input, const char *more) {
    *input = '\0';
    for (int i = 0; i < ROWS; i++)
        sprintf(input + strlen(input), "{\"prompt\": \"%s\"%s%s}\n", prompts[i], i == 1 ? "" : ", \"strategy_probabilities\": true",
                more);
}

static double logp_of(const cJSON *line) {
    double sum = 0;
    const cJSON *logp;
    assert_true(cJSON_GetArraySize(cJSON_GetObjectItem(line, "logprobs")) > 2);
    cJSON_ArrayForEach(logp, cJSON_GetObjectItem(line, "logprobs")) sum += logp->valuedouble;
    return sum;
}

/* They are those of replies that are forced to begin with each of the names, among all of them. */
static void probabilities_of_forced_replies(void **state) {
    (void)state;
    char input[4096], row[512];
    ask(input, ", \"max_tokens\": 3");
    cJSON *list = replies("--file -", input);
    for (int i = 0; i < ROWS; i++) {
        const cJSON *all = cJSON_GetObjectItem(cJSON_GetArrayItem(list, i), "strategies"), *one;
        double expected[NAMES], sum = 0, total = 0;
        if (i == 1) {
            assert_null(all);
            continue;
        }
        assert_int_equal(cJSON_GetArraySize(all), NAMES);
        input[0] = '\0';
        cJSON_ArrayForEach(one, all) {
            snprintf(row, sizeof row, "{\"prompt\": \"%s\", \"prefix\": \"(%s)\", \"max_tokens\": 0, \"logprobs\": true}\n",
                     prompts[i], one->string);
            strcat(input, row);
        }
        cJSON *forced = replies("--file -", input);
        for (int k = 0; k < NAMES; k++)
            sum += expected[k] = exp(logp_of(cJSON_GetArrayItem(forced, k)));
        for (int k = 0; k < NAMES; k++) {
            double p = cJSON_GetArrayItem(all, k)->valuedouble;
            total += p;
            if (!(fabs(p - expected[k] / sum) < 1e-6))
                fail_msg("row %d, %s: %.9g instead of %.9g", i, cJSON_GetArrayItem(all, k)->string, p, expected[k] / sum);
        }
        assert_true(fabs(total - 1) < 1e-9);
        cJSON_Delete(forced);
    }
    cJSON_Delete(list);
}

/* Alone, in any batch, with any threads, with several replies, from the command line, and after a resume: the same bytes. */
static void the_same_in_any_run(void **state) {
    (void)state;
    char input[4096], options[1024], path[256];
    static const char *const ways[] = {"--leaves 1 -t 1", "--leaves 2 -t 2", "--leaves 16 -t 1"};
    ask(input, ", \"max_tokens\": 5, \"n\": 2, \"temperature\": 1");
    run_result first = run("--file -", input);
    assert_int_equal(first.code, 0);
    for (int i = 0; i < 3; i++) {
        snprintf(options, sizeof options, "--file - %s", ways[i]);
        run_result r = run(options, input);
        assert_string_equal(r.out, first.out);
        run_result_free(&r);
    }
    run_result_free(&first);
    snprintf(path, sizeof path, "%s", in_folder("replies.jsonl"));
    save_in_folder("rows.jsonl", input);
    snprintf(options, sizeof options, "--file %s --out %s", in_folder("rows.jsonl"), path);
    run_result whole = run(options, "");
    assert_int_equal(whole.code, 0);
    run_result_free(&whole);
    FILE *file = fopen(path, "rb");
    char kept[16384];
    assert_non_null(file);
    size_t size = fread(kept, 1, sizeof kept - 1, file);
    kept[size] = '\0';
    fclose(file);
    char *third = strchr(strchr(strchr(kept, '\n') + 1, '\n') + 1, '\n') + 1, saved = *third;
    *third = '\0';
    save_in_folder("replies.jsonl", kept);
    *third = saved;
    whole = run(options, "");
    assert_int_equal(whole.code, 0);
    run_result_free(&whole);
    char again[16384];
    file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(again, 1, sizeof again, file), size);
    assert_memory_equal(again, kept, size);
    fclose(file);
}

static void flags_and_names(void **state) {
    (void)state;
    char options[512];
    cJSON *list = replies("--prompt Hello --max-tokens 2 --strategy-probabilities", "");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 0), "strategies")), NAMES);
    cJSON_Delete(list);
    save_in_folder("two.toml",
                   "[[strategy]]\nname = \"One\"\ndescription = \"a\"\n[[strategy]]\nname = \"Two\"\ndescription = \"b\"\n");
    save_in_folder("row.jsonl", "{\"messages\": [{\"role\": \"system\", \"content\": \"Be short.\"}, {\"role\": \"user\", "
                                "\"content\": \"Hello\"}], \"strategy_probabilities\": true, \"max_tokens\": 2}\n");
    snprintf(options, sizeof options, "--file %s --out %s --strategies ", in_folder("row.jsonl"), in_folder("out.jsonl"));
    char command[640];
    snprintf(command, sizeof command, "%s%s", options, in_folder("two.toml"));
    run_result r = run(command, "");
    assert_int_equal(r.code, 0);
    run_result_free(&r);
    snprintf(command, sizeof command, "%sesc-pro", options);
    r = run(command, "");
    assert_int_equal(r.code, 2); /* the prompt is the same, the names are not */
    assert_non_null(strstr(r.err, "other options"));
    run_result_free(&r);
    r = run("--file -", "{\"prompt\": \"a\", \"strategy_probabilities\": 1}\n");
    assert_int_equal(r.code, 3);
    assert_non_null(strstr(r.err, "standard input:1: strategy_probabilities: expected true or false"));
    run_result_free(&r);
}

/* More schemas than are kept, twice in turn, and some at the same time. */
static void a_schema_for_each_row(void **state) {
    (void)state;
    enum { SCHEMAS = 30 };
    char *input = malloc(2 * SCHEMAS * 256);
    assert_non_null(input);
    *input = '\0';
    for (int i = 0; i < 2 * SCHEMAS; i++)
        sprintf(
            input + strlen(input),
            "{\"prompt\": \"Hello\", \"max_tokens\": 80, \"schema\": {\"type\": \"object\", \"properties\": {\"key%d\": {\"enum\": "
            "[%d]}}, \"required\": [\"key%d\"]}}\n",
            i % SCHEMAS, i % SCHEMAS, i % SCHEMAS);
    cJSON *list = replies("--file - --leaves 4", input);
    for (int i = 0; i < 2 * SCHEMAS; i++) {
        char expected[64];
        snprintf(expected, sizeof expected, "\"key%d\"", i % SCHEMAS);
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(list, i), "text"));
        cJSON *object = cJSON_Parse(text);
        if (!object || !strstr(text, expected) || cJSON_GetArraySize(object) != 1 || object->child->valueint != i % SCHEMAS)
            fail_msg("row %d: %s", i, text);
        cJSON_Delete(object);
    }
    cJSON_Delete(list);
    free(input);
}

static void free_text_is_bounded(void **state) {
    (void)state;
    cJSON *list = replies("--file -", "{\"prompt\": \"Hello\", \"max_tokens\": 60, \"after\": \"=>\", \"choices\": [\"yes\"], "
                                      "\"max_free_tokens\": 4, \"temperature\": 1.5, \"n\": 8}\n");
    for (int i = 0; i < 8; i++) {
        const cJSON *line = cJSON_GetArrayItem(list, i);
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(line, "text"));
        assert_non_null(strstr(text, "=>yes"));
        assert_true(cJSON_GetArraySize(cJSON_GetObjectItem(line, "ids")) <=
                    4 + 3 + 5); /* an unfinished character ends; a token for each byte of the rest */
    }
    cJSON_Delete(list);
    static const struct {
        const char *row, *message;
    } cases[] = {
        {"{\"prompt\": \"a\", \"max_free_tokens\": 3}\n", "standard input:1: max_free_tokens needs after"},
        {"{\"prompt\": \"a\", \"choices\": [\"yes\", \"no\"], \"prefix\": \"may\"}\n",
         "standard input:1: the prefix does not satisfy the constraint"},
        {"{\"prompt\": \"a\", \"choices\": [\"yes\", \"no\"], \"strategy\": \"Affirmation\"}\n",
         "standard input:1: the prefix does not satisfy the constraint"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_result r = run("--file -", cases[i].row);
        if (r.code != 3 || !strstr(r.err, cases[i].message) || *r.out)
            fail_msg("%s: exit code %d, %s", cases[i].row, r.code, r.err);
        run_result_free(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities_of_forced_replies),
        cmocka_unit_test(the_same_in_any_run),
        cmocka_unit_test(flags_and_names),
        cmocka_unit_test(a_schema_for_each_row),
        cmocka_unit_test(free_text_is_bounded),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

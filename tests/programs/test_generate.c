/* test_generate.c - cso-generate with a prompt, dialogues and files of rows: the replies that it gives to each prompt alone, in order; and
 * what it refuses. */
#include "run_program.h"
#include "test_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#define GENERATE "@cso-generate --model tests/golden/models/llama-tiny --max-tokens 12 --threads 2 "

static run_result run_ok(const char *options, const char *input) {
    char command[1024];
    snprintf(command, sizeof command, GENERATE "%s", options);
    run_result r = run_program(command, input, input ? strlen(input) : 0);
    if (r.code)
        fail_msg("%s: exit code %d, %s", options, r.code, r.err);
    return r;
}

/* The lines of an output as an array, to be freed. */
static cJSON *lines_of(const run_result *r) {
    cJSON *list = cJSON_CreateArray();
    for (const char *line = r->out; *line;) {
        cJSON *record = cJSON_ParseWithOpts(line, &line, 0);
        assert_non_null(record);
        assert_int_equal(*line++, '\n');
        cJSON_AddItemToArray(list, record);
    }
    return list;
}

static cJSON *replies(const char *options, const char *input) {
    run_result r = run_ok(options, input);
    cJSON *list = lines_of(&r);
    run_result_free(&r);
    return list;
}

static const char *text_at(const cJSON *list, int index) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(list, index), "text"));
    assert_non_null(text);
    return text;
}

static int number_at(const cJSON *list, int index, const char *key) {
    const cJSON *item = cJSON_GetObjectItem(cJSON_GetArrayItem(list, index), key);
    return cJSON_IsNumber(item) ? item->valueint : -1;
}

static const char *const prompts[] = {"Hello there", "Hello", "What is it?", "Hello there", "I am here"};
enum { PROMPTS = sizeof prompts / sizeof *prompts };

/* Rows of different lengths, so that they do not finish in the order of the file. */
static void rows_in_order(void **state) {
    (void)state;
    char input[1024] = "", options[256];
    for (int i = 0; i < PROMPTS; i++)
        sprintf(input + strlen(input),
                i % 2 ? "{\"messages\": [{\"role\": \"user\", \"content\": \"%s\"}], \"max_tokens\": %d}\n"
                      : "{\"prompt\": \"%s\", \"max_tokens\": %d}\n",
                prompts[i], 12 - 2 * i);
    for (int leaves = 1; leaves < 4; leaves++) {
        snprintf(options, sizeof options, "--file - --leaves %d", leaves);
        cJSON *all = replies(options, input);
        assert_int_equal(cJSON_GetArraySize(all), PROMPTS);
        for (int i = 0; i < PROMPTS; i++) {
            snprintf(options, sizeof options, "-n %d --prompt '%s'", 12 - 2 * i, prompts[i]);
            run_result one = run_ok(options, NULL);
            assert_int_equal(number_at(all, i, "index"), i);
            assert_int_equal(strlen(text_at(all, i)) + 1, one.out_size);
            assert_memory_equal(text_at(all, i), one.out, one.out_size - 1);
            run_result_free(&one);
        }
        cJSON_Delete(all);
    }
}

/* A dialogue as an array or an object gets plain text, as it always did; as JSON Lines, a line. */
static void dialogues_and_rows(void **state) {
    (void)state;
    static const char MESSAGES[] = "[\n {\"role\": \"user\",\n  \"content\": \"Hello\"}\n]\n";
    static const char OBJECT[] = "{\"messages\": [\n {\"role\": \"user\",\n  \"content\": \"Hello\"}\n]}\n";
    char options[256];
    run_result plain = run_ok("--prompt Hello", NULL);
    save_in_folder("object.json", OBJECT);
    save_in_folder("one.jsonl", "{\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}\n");
    for (int i = 0; i < 4; i++) {
        snprintf(options, sizeof options, i == 3 ? "--file %s" : "--file -", in_folder("object.json"));
        run_result r = run_ok(i < 2 ? "" : options, i == 0 ? MESSAGES : OBJECT); /* standard input without --file, too */
        assert_string_equal(r.out, plain.out);
        run_result_free(&r);
    }
    for (int i = 0; i < 3; i++) {
        snprintf(options, sizeof options,
                 i == 0   ? "--file %s"
                 : i == 1 ? "--prompts %s"
                          : "--prompt Hello --out -",
                 in_folder("one.jsonl"));
        cJSON *list = replies(options, NULL);
        assert_int_equal(cJSON_GetArraySize(list), 1);
        assert_memory_equal(text_at(list, 0), plain.out, plain.out_size - 1);
        cJSON_Delete(list);
    }
    cJSON *list = replies("--file -", "[{\"prompt\": \"Hello\"}, {\"prompt\": \"What?\"}]");
    assert_int_equal(cJSON_GetArraySize(list), 2);
    assert_memory_equal(text_at(list, 0), plain.out, plain.out_size - 1);
    cJSON_Delete(list);
    run_result_free(&plain);
}

/* A row for each of the supporter's turns in a tree, with what training has before it; of a pair the reply to its messages. */
static void esc_pro_records(void **state) {
    (void)state;
    static const char TREE[] =
        "{\"scene\": \"Work\", \"description\": \"Tired.\", \"iter\": 3, \"temperature\": 0, \"messages\": ["
        "{\"role\": \"user\", \"content\": \"I am tired.\"},"
        "{\"role\": \"supporter\", \"content\": \"Since when?\", \"strategy\": \"Affirmation\", \"negative\": []},"
        "{\"role\": \"user\", \"content\": \"May.\"},"
        "{\"role\": \"assistant\", \"content\": \"A long time.\", \"strategy\": \"Emotional Validation\"}]}\n";
    static const char PAIR[] =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}], \"chosen\": {\"role\": \"assistant\", "
        "\"content\": \"(Affirmation) a\"}, \"reject\": {\"role\": \"assistant\", \"content\": \"b\"}}\n";
    char input[4096], second[4096];
    snprintf(input, sizeof input, "%s%s", TREE, PAIR);
    save_in_folder("none.txt", "");
    char options[256];
    snprintf(options, sizeof options, "--file - --system-prompt %s", in_folder("none.txt"));
    cJSON *list = replies(options, input);
    assert_int_equal(cJSON_GetArraySize(list), 3);
    assert_int_equal(number_at(list, 0, "turn"), 1);
    assert_int_equal(number_at(list, 1, "turn"), 3);
    assert_int_equal(number_at(list, 2, "turn"), -1);
    assert_int_equal(number_at(list, 1, "index"), 0);
    assert_int_equal(number_at(list, 2, "index"), 1);
    run_result first = run_ok("--prompt 'I am tired.'", NULL), pair = run_ok("--prompt Hello", NULL);
    assert_memory_equal(text_at(list, 0), first.out, first.out_size - 1);
    assert_memory_equal(text_at(list, 2), pair.out, pair.out_size - 1);
    snprintf(second, sizeof second,
             "[{\"role\": \"user\", \"content\": \"I am tired.\"}, {\"role\": \"assistant\", \"content\": \"(Affirmation) Since "
             "when?\"}, "
             "{\"role\": \"user\", \"content\": \"May.\"}]");
    run_result turn = run_ok("", second);
    assert_memory_equal(text_at(list, 1), turn.out, turn.out_size - 1);
    cJSON_Delete(list);
    /* under the system prompt of the strategies, as trees are without an option */
    list = replies("--file -", TREE);
    run_result listed = run_ok("--strategies esc-pro --prompt 'I am tired.'", NULL);
    assert_memory_equal(text_at(list, 0), listed.out, listed.out_size - 1);
    if (!strcmp(listed.out, first.out))
        fail_msg("the system prompt has no effect: %s", first.out);
    cJSON_Delete(list);
    run_result_free(&first);
    run_result_free(&pair);
    run_result_free(&turn);
    run_result_free(&listed);
}

/* The same seed gives the same replies, alone and among others; n of them differ. */
static void samples(void **state) {
    (void)state;
    cJSON *alone = replies("--prompt Hello --temperature 1.5 --seed 5 --n 3", NULL);
    cJSON *rows =
        replies("--file - --leaves 2 --threads 1", "{\"prompt\": \"What?\", \"n\": 2, \"temperature\": 2}\n"
                                                   "{\"prompt\": \"Hello\", \"n\": 3, \"temperature\": 1.5, \"seed\": 5}\n"
                                                   "{\"prompt\": \"Hello\", \"temperature\": 1.5, \"seed\": 6}\n");
    assert_int_equal(cJSON_GetArraySize(rows), 6);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(text_at(alone, i), text_at(rows, 2 + i));
        assert_int_equal(number_at(rows, 2 + i, "reply"), i);
    }
    assert_string_not_equal(text_at(alone, 0), text_at(alone, 1));
    assert_string_not_equal(text_at(alone, 0), text_at(rows, 5));
    cJSON_Delete(alone);
    cJSON_Delete(rows);
}

static void beginnings_and_ends(void **state) {
    (void)state;
    run_result free_reply = run_ok("--prompt Hello", NULL);
    char stop[8], input[1024];
    snprintf(stop, sizeof stop, "%.3s", strstr(free_reply.out, "hopele") + 1); /* within a token */
    snprintf(input, sizeof input,
             "{\"prompt\": \"Hello\", \"stop\": \"%s\"}\n{\"prompt\": \"Hello\", \"strategy\": \"Affirmation\"}\n"
             "{\"prompt\": \"Hello\", \"strategy\": \"Affirmation\", \"prefix\": \"Yes\"}\n{\"prompt\": \"Hello\", \"prefix\": "
             "\"Yes\"}\n",
             stop);
    cJSON *list = replies("--file -", input);
    size_t kept = (size_t)(strstr(free_reply.out, stop) - free_reply.out);
    assert_int_equal(strlen(text_at(list, 0)), kept);
    assert_memory_equal(text_at(list, 0), free_reply.out, kept);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 0), "finish_reason")), "stop");
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 1), "finish_reason")), "length");
    assert_int_equal(strncmp(text_at(list, 1), "(Affirmation)", 13), 0);
    assert_int_equal(strncmp(text_at(list, 2), "(Affirmation) Yes", 17), 0);
    assert_int_equal(strncmp(text_at(list, 3), "Yes", 3), 0);
    cJSON_Delete(list);
    run_result_free(&free_reply);
}

static void log_probabilities(void **state) {
    (void)state;
    cJSON *list = replies("--file - --logprobs 3", "{\"prompt\": \"Hello\"}\n{\"prompt\": \"Hello\", \"logprobs\": true}\n"
                                                   "{\"prompt\": \"Hello\", \"logprobs\": false}\n");
    const cJSON *first = cJSON_GetArrayItem(list, 0), *ids = cJSON_GetObjectItem(first, "ids");
    const cJSON *logps = cJSON_GetObjectItem(first, "logprobs"), *top = cJSON_GetObjectItem(first, "top_logprobs");
    assert_int_equal(cJSON_GetArraySize(ids), 12);
    assert_int_equal(cJSON_GetArraySize(logps), 12);
    assert_int_equal(cJSON_GetArraySize(top), 12);
    for (int i = 0; i < 12; i++) {
        const cJSON *best = cJSON_GetArrayItem(cJSON_GetArrayItem(top, i), 0);
        double logp = cJSON_GetArrayItem(logps, i)->valuedouble;
        assert_int_equal(cJSON_GetArraySize(cJSON_GetArrayItem(top, i)), 3);
        assert_int_equal(cJSON_GetObjectItem(best, "id")->valueint, cJSON_GetArrayItem(ids, i)->valueint);
        assert_true(logp < 0 && logp == cJSON_GetObjectItem(best, "logprob")->valuedouble);
    }
    assert_non_null(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 1), "logprobs"));
    assert_null(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 1), "top_logprobs"));
    assert_null(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 2), "logprobs"));
    cJSON_Delete(list);
}

/* Ids are the prompt as it is. A bias that forbids the first token of a reply has an effect. */
static void ids_and_biases(void **state) {
    (void)state;
    cJSON *list = replies("--file -", "{\"ids\": [5, 6, 7], \"max_tokens\": 1}\n{\"ids\": [5, 6, 7], \"max_tokens\": 2}\n");
    int first = cJSON_GetArrayItem(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 0), "ids"), 0)->valueint;
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 1), "ids")), 2);
    assert_int_equal(cJSON_GetArrayItem(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 1), "ids"), 0)->valueint, first);
    cJSON_Delete(list);
    char input[256];
    snprintf(input, sizeof input, "{\"ids\": [5, 6, 7], \"max_tokens\": 1, \"logit_bias\": {\"%d\": -1000}}\n", first);
    list = replies("--file - --out -", input);
    assert_int_not_equal(cJSON_GetArrayItem(cJSON_GetObjectItem(cJSON_GetArrayItem(list, 0), "ids"), 0)->valueint, first);
    cJSON_Delete(list);
}

static void refused(void **state) {
    (void)state;
    static const struct {
        const char *options, *input, *message;
        int code;
    } cases[] = {
        {"--prompts - --prompt Hello", "", "--prompt and --prompts exclude each other", 2},
        {"--file - --prompt Hello", "", "--prompt and --file exclude each other", 2},
        {"--chat --out x", "", "--chat and --out exclude each other", 2},
        {"--chat --file -", "", "--file must be a file", 2},
        {"--chat --strategies esc-pro --choices a", "", "--chat with strategies begins each reply with one, which --choices", 2},
        {"--chat --strategy-probabilities", "", "expected --strategies", 2},
        {"--file -", "{\"prompt\": \"a\"}\n\n{\"text\": \"b\"}\n", "3: unknown key \"text\"", 3},
        {"--file -", "{\"prompt\": \"a\"}\n{\"temperatur\": 1, \"prompt\": \"b\"}\n",
         "2: unknown key \"temperatur\" (did you mean \"temperature\"?)", 3},
        {"--file -", "{\"top_k\": 1}\n{}\n", "1: expected {\"prompt\": TEXT}", 3},
        {"--file -", "{\"prompt\": \"a\", \"ids\": [1]}\n{}\n", "1: expected {\"prompt\": TEXT}", 3},
        {"--file -", "{\"messages\": []}\n", "1: expected a non-empty array", 3},
        {"--file -", "{\"prompt\": 3}\n", "1: prompt is no string", 3},
        {"--file -", "{\"ids\": [1, 1024]}\n", "1: ids: expected token ids from 0 to 1023", 3},
        {"--file -", "{\"ids\": [0.5]}\n", "1: ids: expected token ids", 3},
        {"--file -", "{\"prompt\": \"a\", \"n\": 0}\n", "1: n: must be from 1 to 1024, got 0", 3},
        {"--file -", "{\"prompt\": \"a\", \"n\": 1.5}\n", "1: n: must be a whole number, got 1.5", 3},
        {"--file -", "{\"prompt\": \"a\", \"temperature\": \"hot\"}\n", "1: temperature: expected a number", 3},
        {"--file -", "{\"prompt\": \"a\", \"temperature\": -1}\n", "1: temperature: must be from 0 to 1000, got -1", 3},
        {"--file -", "{\"prompt\": \"a\", \"stop\": [\"\"]}\n", "1: stop: must not be empty", 3},
        {"--file -", "{\"prompt\": \"a\", \"stop\": [1]}\n", "1: stop: expected an array of texts", 3},
        {"--file -", "{\"prompt\": \"a\", \"prefix\": \"\\u0000\"}\n", "1: prefix: must not have a zero character", 3},
        {"--file -", "{\"prompt\": \"a\", \"logit_bias\": {\"x\": 1}}\n", "1: logit_bias: expected a token's id, found \"x\"", 3},
        {"--file -", "{\"prompt\": \"a\", \"strategy\": \"Afirmation\"}\n",
         "1: \"Afirmation\" is not a known strategy (did you mean \"Affirmation\"?)", 3},
        {"--file -", "{\"prompt\": \"a\", \"choices\": [\"a\"], \"schema\": {}}\n", "1: schema and choices exclude each other", 3},
        {"--file -", "{\"prompt\": \"a\", \"after\": \"So:\"}\n", "1: after needs schema or choices", 3},
        {"--file -", "{\"messages\": [{\"role\": \"user\", \"content\": \"a\", \"strategy\": \"b\"}, {\"role\": \"user\"}]}\n",
         "1: messages[1].role: expected assistant", 3},
        {"--file -", "{\"prompt\": \"a\"", "standard input:1", 3},
        {"--prompt Hello --strategy Question", "", "--strategy: \"Question\" is not a known strategy", 2},
        {"--prompt Hello --strategies /tmp/not-there.toml", "", "/tmp/not-there.toml", 2},
        {"--prompt Hello --top-p 0", "", "--top-p: must be > 0 and <= 1, got 0", 2},
        {"--prompt Hello --top-k x", "", "--top-k: expected a whole number, found 'x'", 2},
        {"--prompt Hello --temperature 0x1", "", "--temperature: expected a number, found '0x1'", 2},
        {"--prompt Hello --temperature nan", "", "--temperature: expected a number, found 'nan'", 2},
        {"--prompt Hello --temperature 1e999", "", "--temperature: must be from 0 to 1000, got 1e999", 2},
        {"--prompt Hello --seed -1", "", "--seed: expected a whole number, found '-1'", 2},
        {"--prompt Hello --logit-bias 5", "", "--logit-bias: expected ID=NUMBER, found '5'", 2},
        {"--prompt Hello --logit-bias 5000=1", "", "5000", 2},
        {"--prompt Hello --compute bf32", "", "--compute: must be one of exact, fast", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char command[256];
        snprintf(command, sizeof command, GENERATE "%s", cases[i].options);
        run_result r = run_program(command, cases[i].input, strlen(cases[i].input));
        if (r.code != cases[i].code || !strstr(r.err, cases[i].message) || *r.out)
            fail_msg("%s %s: exit code %d, %s", cases[i].options, cases[i].input, r.code, r.err);
        run_result_free(&r);
    }
    run_result empty = run_ok("--file -", "");
    assert_string_equal(empty.out, "");
    run_result_free(&empty);
}

/* Choices, JSON, and either behind free text: what comes out satisfies them, whatever the others in the batch. */
static void constrained(void **state) {
    (void)state;
    static const char rows[] =
        "{\"prompt\": \"Hello\", \"choices\": [\"calm\", \"calm and sad\", \"angry\"]}\n"
        "{\"prompt\": \"Hello\", \"max_tokens\": 60, \"schema\": {\"type\": \"object\", \"properties\": {\"score\": {\"type\": "
        "\"integer\", \"minimum\": 0, \"maximum\": 4}, \"yes\": {\"type\": \"boolean\"}}, \"required\": [\"score\", \"yes\"]}}\n"
        "{\"prompt\": \"Hello\", \"max_tokens\": 40, \"after\": \"so: \", \"choices\": [\"left\", \"right\"]}\n"
        "{\"prompt\": \"Hello\", \"choices\": [\"calm\", \"calm and sad\", \"angry\"], \"temperature\": 2, \"seed\": 3, \"n\": "
        "3}\n";
    cJSON *list = replies("", rows);
    assert_int_equal(cJSON_GetArraySize(list), 6);
    for (int i = 0; i < 6; i++) {
        const char *text = text_at(list, i), *found;
        if (i == 0 || i > 2) {
            assert_true(!strcmp(text, "calm") || !strcmp(text, "calm and sad") || !strcmp(text, "angry"));
        } else if (i == 1) {
            cJSON *object = cJSON_Parse(text);
            assert_in_range(cJSON_GetObjectItem(object, "score")->valueint, 0, 4);
            assert_true(cJSON_IsBool(cJSON_GetObjectItem(object, "yes")) && cJSON_GetArraySize(object) == 2);
            cJSON_Delete(object);
        } else {
            found = strstr(text, "so: ");
            assert_true(found && (!strcmp(found, "so: left") || !strcmp(found, "so: right")));
        }
        assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(list, i), "finish_reason")), "stop");
    }
    cJSON_Delete(list);
    static const char bad[] = "{\"prompt\": \"Hello\", \"schema\": {\"type\": \"string\", \"pattern\": \"a*\"}}\n";
    run_result r = run_program(GENERATE, bad, sizeof bad - 1);
    assert_int_equal(r.code, 3);
    assert_string_equal(r.err, "cso-generate: standard input:1: #/pattern: this keyword is not supported\n");
    run_result_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_in_order),       cmocka_unit_test(dialogues_and_rows),
        cmocka_unit_test(esc_pro_records),     cmocka_unit_test(samples),
        cmocka_unit_test(beginnings_and_ends), cmocka_unit_test(log_probabilities),
        cmocka_unit_test(ids_and_biases),      cmocka_unit_test(refused),
        cmocka_unit_test(constrained),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

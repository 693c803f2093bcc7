/* test_cso_data.c - cso-data as a user meets it: outputs against the reference tokenizations, exact messages and exit codes. */
#include "golden.h"
#include "io/bytes.h"
#include "run_program.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/times.h>
#include <unistd.h>

#include <cmocka.h>

#define TINY "@cso-data tokenize --model tests/golden/models/llama-tiny"

typedef struct user_case {
    const char *command, *input;
    int code;
    const char *out, *err;
} user_case;

static const user_case CASES[] = {
    {"@cso-data --version", NULL, 0, "cso-data 0.1.0\n", ""},
    {"@cso-data tokenize --version", NULL, 0, "cso-data 0.1.0\n", ""},
    {"@cso-data", NULL, 2, "",
     "cso-data: no command is given (expected check, convert, split, dedup, sample, tokenize or stats)\n"},
    {"@cso-data tokenise", NULL, 2, "", "cso-data: unknown command 'tokenise' (did you mean 'tokenize'?)\n"},
    {"@cso-data frobnicate", NULL, 2, "",
     "cso-data: unknown command 'frobnicate' (expected check, convert, split, dedup, sample, tokenize or stats)\n"},
    {"@cso-data --frob", NULL, 2, "", "cso-data: unknown option '--frob' (--help lists them)\n"},
    {"@cso-data tokenize", NULL, 2, "", "cso-data: --model PATH or --tokenizer PATH is needed\n"},
    {"@cso-data tokenize --model a --tokenizer b", NULL, 2, "", "cso-data: --model and --tokenizer exclude each other\n"},
    {"@cso-data tokenize --modle a", NULL, 2, "", "cso-data: unknown option '--modle' (did you mean '--model'?)\n"},
    {"@cso-data stats --model a", NULL, 2, "", "cso-data: a data file is missing (stats ... FILE)\n"},
    {"@cso-data stats --model a --truncation right x", NULL, 2, "",
     "cso-data: --truncation: must be one of left, drop, error, got 'right'\n"},
    {TINY " /nonexistent.jsonl", NULL, 3, "", "cso-data: /nonexistent.jsonl: cannot open: No such file or directory\n"},
    {TINY " --system-prompt /nonexistent.txt", NULL, 3, "", "cso-data: /nonexistent.txt: cannot open: No such file or directory\n"},
    {TINY, "", 0, "", ""},
    {TINY, "{\"text\":\"\"}", 0, "{\"ids\": []}\n", ""},
    {TINY, "{\"ids\":[]}\n\n{\"text\":\"\"}\n", 0, "{\"text\": \"\"}\n{\"ids\": []}\n", ""},
    {TINY, "{\"text\":\"\"}\n{\"text\":5}\n", 3, "{\"ids\": []}\n", "cso-data: standard input:2: text must be a string\n"},
    {TINY, "{\"text\":\"\"}\n\n{\"prompt\":\"a\",\"rejected\":\"b\"}\n", 3, "{\"ids\": []}\n",
     "cso-data: standard input:3: chosen is missing (a preference record has prompt, chosen and rejected)\n"},
    {TINY, "{\"ids\":[-1]}", 3, "", "cso-data: standard input:1: ids[0]: expected an integer from 0 to 1023\n"},
    {TINY, "{\"ids\":[0, 1024]}", 3, "", "cso-data: standard input:1: ids[1]: expected an integer from 0 to 1023\n"},
    {TINY, "{\"ids\":[1.5]}", 3, "", "cso-data: standard input:1: ids[0]: expected an integer from 0 to 1023\n"},
    {TINY, "{\"ids\":[\"1\"]}", 3, "", "cso-data: standard input:1: ids[0]: expected an integer from 0 to 1023\n"},
    {TINY, "{\"ids\":1}", 3, "", "cso-data: standard input:1: ids must be an array\n"},
    {TINY, "{\"messages\":[{\"role\":\"user\"}]}", 3, "",
     "cso-data: standard input:1: messages[0].content is missing (expected a string)\n"},
    {TINY, "{\"messages\":[],\"add_generation_prompt\":1}", 3, "",
     "cso-data: standard input:1: add_generation_prompt: expected true or false\n"},
    {TINY, "{\"prompt\":\"a b\",\"chosen\":\" c\",\"rejected\":\" d e\"}", 0,
     "{\"prompt_ids\": [1008, 64, 293], \"chosen_ids\": [279, 1017], \"rejected_ids\": [296, 292, 1017]}\n", ""},
    {TINY, "{\"prompt\":\"a b\",\"completions\":[\" c\",\" d e\"]}", 0,
     "{\"prompt_ids\": [1008, 64, 293], \"completions_ids\": [[279, 1017], [296, 292, 1017]]}\n", ""},
    {TINY, "{\"prompt\":\"a b\",\"completion\":\" c\"}", 0, "{\"prompt_ids\": [1008, 64, 293], \"completion_ids\": [279, 1017]}\n",
     ""},
    {TINY, "{\"prompt\":\"a b\",\"completion\":\" d e\",\"label\":false}", 0,
     "{\"prompt_ids\": [1008, 64, 293], \"completion_ids\": [296, 292, 1017], \"label\": false}\n", ""},
    {TINY, "{\"messages\":[],\"label\":false}", 3, "",
     "cso-data: standard input:1: messages must end with the assistant's reply that the label is for\n"},
};

static void test_messages(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const user_case *c = &CASES[i];
        run_result r = run_program(c->command, c->input, c->input ? strlen(c->input) : 0);
        if (r.code != c->code || strcmp(r.out, c->out) || strcmp(r.err, c->err))
            fail_msg("%s < %s\n  code %d (expected %d)\n  out %s\n  err %s", c->command, c->input ? c->input : "", r.code, c->code,
                     r.out, r.err);
        run_result_free(&r);
    }
}

static void test_help(void **state) {
    (void)state;
    static const char *const COMMANDS[] = {"@cso-data --help",       "@cso-data -h",           "@cso-data tokenize --help",
                                           "@cso-data stats --help", "@cso-data check --help", "@cso-data convert --help",
                                           "@cso-data split --help", "@cso-data dedup --help", "@cso-data sample --help"};
    for (size_t i = 0; i < sizeof COMMANDS / sizeof *COMMANDS; i++) {
        run_result r = run_program(COMMANDS[i], NULL, 0);
        assert_int_equal(r.code, 0);
        assert_memory_equal(r.out, "Usage: cso-data ", 16);
        assert_string_equal(r.err, "");
        run_result_free(&r);
    }
}

static void test_full_disk(void **state) {
    (void)state;
    if (!cso_path_exists("/dev/full"))
        skip();
    run_result r =
        run_program("sh -c 'exec " CSO_BINARIES "/cso-data tokenize --tokenizer tests/golden/models/llama-tiny > /dev/full'",
                    "{\"text\":\"a\"}", 12);
    assert_int_equal(r.code, 4);
    assert_string_equal(r.err, "cso-data: standard output: cannot write: No space left on device\n");
    run_result_free(&r);
}

/* Line i of a JSON Lines text; the caller frees. NULL after the last. */
static cJSON *next_line(const char **text) {
    if (!**text)
        return NULL;
    size_t length = strcspn(*text, "\n");
    cJSON *value;
    cso_error err = {0};
    golden_ok(cso_json_parse(&value, *text, length, "output", 1, &err), &err);
    *text += length + ((*text)[length] == '\n');
    return value;
}

static void check_equal(const cJSON *expected, const cJSON *found, const char *key, size_t line) {
    const cJSON *a = cJSON_GetObjectItemCaseSensitive(expected, key), *b = cJSON_GetObjectItemCaseSensitive(found, key);
    if (!a || !b || !cJSON_Compare(a, b, true)) {
        char *text = cJSON_PrintUnformatted(found);
        fail_msg("line %zu: %s differs: %s", line, key, text);
    }
}

/* Gemma's template refuses system messages, the engine puts them before the first user message instead. */
static bool is_ours_to_refuse(const cJSON *chat) {
    const cJSON *message;
    cJSON_ArrayForEach(message, cJSON_GetObjectItemCaseSensitive(chat, "messages")) {
        if (!strcmp(cJSON_GetObjectItemCaseSensitive(message, "role")->valuestring, "system"))
            return false;
    }
    return cJSON_GetObjectItemCaseSensitive(chat, "error") != NULL;
}

/* cso-data's output for goldens' tokenizer/NAME.json: {"cases": [{"text", "ids"}], "chats": [...]}. */
static void check_tokenizer(const char *name) {
    const char *path = golden_path("tokenizer/%s.json", name);
    if (!path)
        skip();
    cJSON *golden = golden_json(path);
    const cJSON *lists[2] = {cJSON_GetObjectItemCaseSensitive(golden, "cases"), cJSON_GetObjectItemCaseSensitive(golden, "chats")};
    cso_text input = {0};
    const cJSON *item;
    for (int i = 0; i < 2; i++)
        cJSON_ArrayForEach(item, lists[i]) {
            static const char *const KEYS[] = {"text", "messages", "add_generation_prompt"};
            bool any = false;
            cso_text_add(&input, "{", 1);
            for (int j = i; j < (i ? 3 : 1); j++) {
                const cJSON *member = cJSON_GetObjectItemCaseSensitive(item, KEYS[j]);
                if (!member)
                    continue;
                cso_text_format(&input, "%s\"%s\": ", any ? ", " : "", KEYS[j]);
                char *printed = cJSON_PrintUnformatted(member);
                if (cJSON_IsString(member))
                    cso_text_json_string(&input, member->valuestring, strlen(member->valuestring));
                else
                    cso_text_format(&input, "%s", printed);
                free(printed);
                any = true;
            }
            cso_text_add(&input, "}\n", 2);
        }
    assert_false(input.failed);
    char command[256];
    snprintf(command, sizeof command, "@cso-data tokenize --parse-special --model tests/golden/models/%s", name);
    run_result r = run_program(command, input.data, input.size);
    if (r.code)
        fail_msg("%s", r.err);
    const char *out = r.out;
    size_t line = 0, refused = 0;
    for (int i = 0; i < 2; i++)
        cJSON_ArrayForEach(item, lists[i]) {
            cJSON *found = next_line(&out);
            assert_non_null(found);
            line++;
            if (is_ours_to_refuse(item)) {
                assert_non_null(cJSON_GetObjectItemCaseSensitive(found, "error"));
                refused++;
            } else if (!cJSON_GetObjectItemCaseSensitive(item, "error")) {
                check_equal(item, found, "ids", line);
                if (i)
                    check_equal(item, found, "text", line);
            }
            cJSON_Delete(found);
        }
    assert_null(next_line(&out));
    assert_true(line > 50);
    print_message("%s: %zu texts and chats equal, %zu refused as they should be\n", name, line - refused, refused);
    run_result_free(&r);
    free(input.data);
    cJSON_Delete(golden);
}

static void test_tokenizers(void **state) {
    (void)state;
    check_tokenizer("llama-tiny");
    check_tokenizer("qwen2-tiny");
    check_tokenizer("gemma2-tiny");
}

/* The pairs of goldens' pairs/PAIRS as pref/MODEL/TOKENIZED has them. */
static void check_pairs(const char *model, const char *pairs, const char *tokenized) {
    const char *pairs_path = golden_path("pairs/%s", pairs), *tokenized_path = golden_path("pref/%s/%s", model, tokenized);
    if (!pairs_path || !tokenized_path)
        skip();
    char command[2400];
    snprintf(command, sizeof command, "@cso-data tokenize --parse-special --model tests/golden/models/%s %s", model, pairs_path);
    run_result r = run_program(command, NULL, 0);
    if (r.code)
        fail_msg("%s", r.err);
    cJSON *golden = golden_json(tokenized_path);
    const cJSON *item;
    const char *out = r.out;
    size_t line = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(golden, "pairs")) {
        cJSON *found = next_line(&out);
        assert_non_null(found);
        line++;
        check_equal(item, found, "prompt_ids", line);
        check_equal(item, found, "chosen_ids", line);
        check_equal(item, found, "rejected_ids", line);
        cJSON_Delete(found);
    }
    assert_null(next_line(&out));
    assert_true(line > 10);
    cJSON_Delete(golden);
    run_result_free(&r);
}

static void test_pairs(void **state) {
    (void)state;
    check_pairs("llama-tiny", "pairs.jsonl", "tokenized.json");
    check_pairs("qwen2-tiny", "edge.jsonl", "tokenized_edge.json");
    check_pairs("gemma2-tiny", "edge_nosystem.jsonl", "tokenized_edge.json");
}

/* A zero character survives both directions. */
static void test_zero(void **state) {
    (void)state;
    static const char INPUT[] = "{\"text\":\"a\\u0000b\"}\n{\"messages\":[{\"role\":\"user\",\"content\":\"x\\u0000y\"}]}\n";
    run_result r = run_program(TINY, INPUT, sizeof INPUT - 1);
    assert_int_equal(r.code, 0);
    const char *out = r.out;
    cJSON *first = next_line(&out);
    char back[512];
    char *ids = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(first, "ids"));
    snprintf(back, sizeof back, "{\"ids\":%s}", ids);
    assert_non_null(strstr(r.out, "x\\u0000y"));
    run_result decoded = run_program(TINY, back, strlen(back));
    assert_string_equal(decoded.out, "{\"text\": \"a\\u0000b\"}\n");
    free(ids);
    cJSON_Delete(first);
    run_result_free(&r);
    run_result_free(&decoded);
}

static void test_stats(void **state) {
    (void)state;
    run_result r =
        run_program("@cso-data stats --json --model tests/golden/models/llama-tiny tests/golden/pairs/pairs.jsonl", NULL, 0);
    if (r.code)
        fail_msg("%s", r.err);
    const char *out = r.out;
    cJSON *stats = next_line(&out);
    size_t pairs, dialogues, none, pair, dialogue, all;
    cso_error err = {0};
    const cJSON *tokens = cJSON_GetObjectItemCaseSensitive(stats, "tokens");
    golden_ok(cso_json_size(stats, "pairs", "stats", 0, &pairs, &err), &err);
    golden_ok(cso_json_size(stats, "dialogues", "stats", 0, &dialogues, &err), &err);
    golden_ok(cso_json_size(tokens, "none", "stats", 0, &none, &err), &err);
    golden_ok(cso_json_size(tokens, "pair", "stats", 0, &pair, &err), &err);
    golden_ok(cso_json_size(tokens, "dialogue", "stats", 0, &dialogue, &err), &err);
    golden_ok(cso_json_size(tokens, "all", "stats", 0, &all, &err), &err);
    assert_int_equal(pairs, 16);
    assert_int_equal(dialogues, 3);
    assert_true(none > pair && pair > dialogue && dialogue > all && all > 0);
    cJSON_Delete(stats);
    run_result_free(&r);
    r = run_program("@cso-data stats --model tests/golden/models/llama-tiny tests/golden/pairs/pairs.jsonl", NULL, 0);
    assert_int_equal(r.code, 0);
    assert_non_null(strstr(r.out, "\npairs                                 16\n"));
    run_result_free(&r);
    r = run_program("@cso-data stats --loss sft --model tests/golden/models/llama-tiny tests/golden/pairs/pairs.jsonl", NULL, 0);
    assert_int_equal(r.code, 0);
    assert_non_null(strstr(r.out, "\ntexts                                 16\n"));
    run_result_free(&r);
    r = run_program("@cso-data stats --loss sft --json --model tests/golden/models/llama-tiny tests/golden/pairs/pairs.jsonl", NULL,
                    0);
    assert_non_null(strstr(r.out, "\"examples\": 16, "));
    run_result_free(&r);
    r = run_program("@cso-data stats --loss other --model a x", NULL, 0);
    assert_int_equal(r.code, 2);
    assert_memory_equal(r.err, "cso-data: --loss: must be one of cso, ", 38);
    run_result_free(&r);
    r = run_program(
        "@cso-data stats --model tests/golden/models/llama-tiny --max-length 50 --truncation error tests/golden/pairs/pairs.jsonl",
        NULL, 0);
    assert_int_equal(r.code, 3);
    assert_memory_equal(r.err, "cso-data: tests/golden/pairs/pairs.jsonl:1: ", 44);
    run_result_free(&r);
}

/* A tree of 1,500 supporter turns, nearly all of them longer than max_length: two minutes when every pair was rendered anew, and
 * found its cut from nothing. The fingerprint is that of this way. */
static void test_long_tree(void **state) {
    (void)state;
    enum { TURNS = 1500 };
    cso_text record = {0};
    cso_text_format(&record, "{\"scene\":\"s\",\"description\":\"d\",\"messages\":[");
    for (int i = 0; i < TURNS; i++)
        cso_text_format(&record,
                        "%s{\"role\":\"user\",\"content\":\"It is day %d and I feel low.\"},{\"role\":\"assistant\",\"content\":"
                        "\"What happened on day %d?\",\"strategy\":\"Question\",\"negative\":[{\"content\":\"Get over day %d.\","
                        "\"strategy\":\"Others\"}]}",
                        i ? "," : "", i, i, i);
    cso_text_format(&record, "]}\n");
    assert_false(record.failed);
    struct tms before, after;
    times(&before);
    run_result r =
        run_program("@cso-data stats --model tests/golden/models/llama-tiny --json /dev/stdin", record.data, record.size);
    times(&after);
    double seconds =
        (double)(after.tms_cutime - before.tms_cutime + after.tms_cstime - before.tms_cstime) / (double)sysconf(_SC_CLK_TCK);
    print_message("%s%.2f s of the processor\n", r.out, seconds);
    assert_int_equal(r.code, 0);
    assert_non_null(strstr(r.out, "\"pairs\": 1500"));
    assert_non_null(strstr(r.out, "\"fingerprint\": \"ab0d93a91e7795f4351dbd4bad851d79\""));
    assert_true(comparable_seconds(seconds) < 1);
    run_result_free(&r);
    free(record.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),   cmocka_unit_test(test_help),      cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_tokenizers), cmocka_unit_test(test_pairs),     cmocka_unit_test(test_zero),
        cmocka_unit_test(test_stats),      cmocka_unit_test(test_long_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

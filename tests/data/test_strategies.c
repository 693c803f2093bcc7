/* test_strategies.c - strategies from TOML files: the shipped ones, refused ones, and what follows from them in records. */
#include "data/record.h"
#include "data_fixture.h"
#include "golden.h"

#include "base/file.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static cso_strategies *read_ok(const char *path) {
    cso_strategies *strategies;
    cso_error err = {0};
    golden_ok(cso_strategies_read(&strategies, path, &err), &err);
    return strategies;
}

static void shipped_esc_pro(void **state) {
    (void)state;
    const cso_strategies *built_in = cso_strategies_builtin();
    cso_strategies *shipped = read_ok("configs/strategies-esc-pro.toml");
    assert_int_equal(shipped->count, 8);
    for (size_t i = 0; i < 8; i++) {
        assert_string_equal(shipped->items[i].name, built_in->items[i].name);
        assert_string_equal(shipped->items[i].description, built_in->items[i].description);
    }
    assert_string_equal(shipped->system_prompt, built_in->system_prompt);
    cso_strategies_free(shipped);
}

static void shipped_esconv(void **state) {
    (void)state;
    cso_strategies *shipped = read_ok("configs/strategies-esconv.toml");
    size_t reply;
    assert_int_equal(shipped->count, 8);
    assert_string_equal(shipped->items[3].name, "Self-disclosure");
    assert_non_null(strstr(shipped->system_prompt, "from these 8 kinds of strategy:\n\n  - Question: "));
    assert_ptr_equal(cso_strategies_of(shipped, "(Others) Hi.", 12, &reply), shipped->items[7].name);
    assert_int_equal(reply, 8);
    assert_null(cso_strategies_find(shipped, "Affirmation", 11));
    cso_strategies_free(shipped);
}

#define ONE(name) "[[strategy]]\nname = " name "\ndescription = \"d\"\n"

static const struct {
    const char *text, *message; /* after "FILE" */
} refused[] = {
    {"", ": no strategies (expected [[strategy]] tables with name and description)"},
    {"strategy = []\n", ":1: strategy: expected tables that begin with [[strategy]]"},
    {"strategy = 3\n", ":1: strategy: expected tables that begin with [[strategy]]"},
    {"[strategy]\nname = \"a\"\n", ":2: strategy: expected tables that begin with [[strategy]]"},
    {"[[strategies]]\nname = \"a\"\n", ":1: unknown key 'strategies' (did you mean 'strategy'?)"},
    {"greeting = \"a\"\n", ":1: unknown key 'greeting' (expected [[strategy]] tables with name and description)"},
    {ONE("\"a\"") "[more]\n", ": unknown table [more] (expected [[strategy]])"},
    {"[[strategy]]\nnmae = \"a\"\n", ":2: unknown key 'nmae' (did you mean 'name'?)"},
    {"[[strategy]]\nprompt = \"a\"\n", ":2: unknown key 'prompt' (expected name and description)"},
    {"[[strategy]]\nname = { a = 1 }\n", ":2: unknown key 'name.a' (did you mean 'name'?)"},
    {"[[strategy]]\nname = \"a\"\n", ": strategy 1 has no description"},
    {ONE("\"a\"") "[[strategy]]\ndescription = \"a\"\n", ": strategy 2 has no name"},
    {ONE("5"), ":2: name: expected a string"},
    {ONE("\"\""), ":2: name is empty"},
    {ONE("\" \""), ":2: name is empty"},
    {ONE("\"a)\""), ":2: name: \"a)\" has a ')', which ends the name in \"(name) reply\""},
    {ONE("\"a\\nb\""), ":2: name has a line break or another control character (expected one line)"},
    {ONE("\"a\\u001B[1m\""), ":2: name has a line break or another control character (expected one line)"},
    {ONE("\"a \""), ":2: name begins or ends with a blank"},
    {ONE("\"a\"") ONE("\"b\"") ONE("\"a\""), ":8: name: \"a\" is that of line 2, too"},
    {"[[strategy]]\nname = \"a\"\ndescription = \"\"\n", ":3: description is empty"},
    {"[[strategy]]\nname = \"a\"\ndescription = \"\"\"a\nb\"\"\"\n",
     ":3: description has a line break or another control character (expected one line)"},
    {"[[strategy]\n", ":1: "},
};

static void refuses(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const char *path = write_data("strategies.toml", refused[i].text);
        char expected[1200];
        cso_strategies *strategies;
        cso_error err = {0};
        assert_int_equal(cso_strategies_read(&strategies, path, &err), CSO_ERR_USAGE);
        assert_null(strategies);
        snprintf(expected, sizeof expected, "%s%s", path, refused[i].message);
        if (strncmp(err.message, expected, strlen(expected)) != 0)
            fail_msg("%s\nexpected %s", err.message, expected);
    }
    cso_strategies *strategies;
    cso_error err = {0};
    assert_int_equal(cso_strategies_read(&strategies, "nowhere.toml", &err), CSO_ERR_USAGE);
    assert_non_null(strstr(err.message, "nowhere.toml: cannot open"));
}

/* Every allocation of a read fails once. */
static size_t allowed;
static bool count_down(size_t bytes) {
    (void)bytes;
    return allowed && allowed--;
}

static void out_of_memory(void **state) {
    (void)state;
    cso_strategies *strategies = NULL;
    for (size_t n = 0; !strategies; n++) {
        cso_error err = {0};
        allowed = n;
        cso_memory_set_hook(count_down);
        cso_status status = cso_strategies_read(&strategies, "configs/strategies-esconv.toml", &err);
        cso_memory_set_hook(NULL);
        assert_int_equal(status, strategies ? CSO_OK : CSO_ERR_SYSTEM);
        assert_true(n < 10000);
    }
    cso_strategies_free(strategies);
}

#define TREE                                                                                                                       \
    "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi.\"},{\"role\":\"assistant\",\"content\":\"Yes?\",\"strategy\":\"Ask\","    \
    "\"negative\":[{\"content\":\"Well.\",\"strategy\":\"Affirmation\"}]}]}\n"

/* The names and the prompt of a file are those of the records read with it. */
static void used_in_records(void **state) {
    (void)state;
    static const char TEXT[] = "[[strategy]]\nname = \"Ask\"\ndescription = \"Ask.\"\n";
    cso_strategies *own = read_ok(write_data("own.toml", TEXT));
    data_fixture f = data_fixture_tiny("llama-tiny");
    const char *paths[] = {write_data("tree.jsonl", TREE)};
    cso_data_options options = {.max_length = 4096, .strategies = own};
    cso_dataset data, built_in, given;
    cso_error err = {0};
    golden_ok(cso_dataset_read(&data, paths, 1, f.tokenizer, f.chat, &options, &err), &err);
    assert_int_equal(data.counts.unknown_strategies, 1);
    assert_ptr_equal(data.sequences[0].strategy, own->items[0].name);
    assert_null(data.sequences[1].strategy);
    options.strategies = NULL;
    golden_ok(cso_dataset_read(&built_in, paths, 1, f.tokenizer, f.chat, &options, &err), &err);
    assert_null(built_in.sequences[0].strategy);
    assert_string_equal(built_in.sequences[1].strategy, "Affirmation");
    assert_string_not_equal(data.fingerprint, built_in.fingerprint); /* another system prompt: other tokens */
    options.system_prompt = own->system_prompt;
    golden_ok(cso_dataset_read(&given, paths, 1, f.tokenizer, f.chat, &options, &err), &err);
    assert_string_equal(data.fingerprint, given.fingerprint);
    cso_dataset_free(&data);
    cso_dataset_free(&built_in);
    cso_dataset_free(&given);
    data_fixture_close(&f);
    cso_strategies_free(own);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shipped_esc_pro), cmocka_unit_test(shipped_esconv),  cmocka_unit_test(refuses),
        cmocka_unit_test(out_of_memory),   cmocka_unit_test(used_in_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

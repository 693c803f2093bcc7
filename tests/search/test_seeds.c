/* test_seeds.c - what searches begin with: the forms that are read, and every one that is refused. */
#include "search/seeds.h"

#include "../faults.h"
#include "../test_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const NAMES[] = {"Ask", "Tell Them"};
#define USER(text)        "{\"role\":\"user\",\"content\":\"" text "\"}"
#define REPLY(name, text) "{\"role\":\"assistant\",\"strategy\":\"" name "\",\"content\":\"" text "\",\"negative\":[]}"
#define GOLDEN(messages)  "{\"scene\":\"s\",\"description\":\"d\",\"messages\":[" messages "]}"
#define PLAIN             "{\"scene\":\"s\",\"description\":\"d\"}"

static cso_status read_files(cso_seeds *seeds, const char *first, const char *second, cso_error *err) {
    char *paths[2];
    save_in_folder("a.jsonl", first);
    save_in_folder("b.json", second ? second : "");
    paths[0] = in_folder("a.jsonl");
    paths[1] = in_folder("b.json");
    const cso_strings files = {paths, second ? 2 : 1};
    return cso_seeds_read(seeds, &files, NAMES, 2, err);
}

static void reads(void **state) {
    (void)state;
    cso_seeds seeds;
    cso_error err = {0};
    if (read_files(&seeds,
                   "\n" GOLDEN(USER("o") "," REPLY("tell THEM", " r1 ") "," USER("a1") "," REPLY("Ask", "r2") "," USER(
                       "dropped")) "\n" PLAIN "\n",
                   "[{\"x\": [1], \"scene\": \"lost\", \"description\": \"two\\nlines\"}]", &err) != CSO_OK)
        fail_msg("%s", err.message);
    assert_int_equal(seeds.count, 3);
    const cso_seed *golden = &seeds.items[0], *plain = &seeds.items[2];
    assert_int_equal(golden->index, 1);
    assert_string_equal(golden->opening, "o");
    assert_int_equal(golden->turn_count, 2);
    assert_int_equal(golden->turns[0].strategy, 1);
    assert_string_equal(golden->turns[0].supporter, " r1 ");
    assert_string_equal(golden->turns[0].seeker, "a1");
    assert_int_equal(golden->turns[1].strategy, 0);
    assert_string_equal(golden->turns[1].supporter, "r2");
    assert_null(golden->turns[1].seeker);
    assert_int_equal(plain->index, 3);
    assert_string_equal(plain->scene, "lost");
    assert_string_equal(plain->description, "two\nlines");
    assert_null(plain->opening);
    assert_int_equal(plain->turn_count, 0);
    cso_seeds_free(&seeds);
    cso_seeds_free(&seeds);
}

static char *digest_of(const char *record) {
    cso_seeds seeds;
    cso_error err = {0};
    static char digests[8][33];
    static int next;
    if (read_files(&seeds, record, NULL, &err) != CSO_OK)
        fail_msg("%s", err.message);
    char *digest = strcpy(digests[next++ % 8], seeds.items[0].digest);
    cso_seeds_free(&seeds);
    return digest;
}

/* A seed is what a search sees of it. */
static void digests(void **state) {
    (void)state;
    const char *whole = digest_of(GOLDEN(USER("o") "," REPLY("Ask", "r")));
    assert_string_equal(whole, digest_of(GOLDEN(USER("o") ", " REPLY("ASK", "r") "," USER("dropped"))));
    static const char *const others[] = {
        PLAIN,
        GOLDEN(USER("o") "," REPLY("Ask", "s")),
        GOLDEN(USER("or") "," REPLY("Ask", "r")),
        GOLDEN(USER("o") "," REPLY("Tell Them", "r")),
        GOLDEN(USER("o") "," REPLY("Ask", "r") "," USER("a") "," REPLY("Ask", "r")),
        "{\"scene\":\"sd\",\"description\":\"\",\"messages\":[" USER("o") "," REPLY("Ask", "r") "]}",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_string_not_equal(whole, digest_of(others[i]));
}

static const struct {
    const char *text, *message; /* of line 2 */
} REFUSED[] = {
    {"{\"scene\":\"s\"}", ":2: description is missing"},
    {"{\"description\":\"d\"}", ":2: scene is missing"},
    {"{\"scene\":\"\",\"description\":\"d\"}", ":2: scene is missing"},
    {"{\"scene\":7,\"description\":\"d\"}", "scene"},
    {"[1]", "a.jsonl"},
    {"{\"scene\":", "a.jsonl:2"},
    {"{\"messages\":{}}", "at least two messages"},
    {"{\"messages\":7}", "at least two messages"},
    {"{\"messages\":null}", "at least two messages"},
    {GOLDEN(""), "at least two messages"},
    {GOLDEN(USER("o")), "at least two messages"},
    {GOLDEN("7," REPLY("Ask", "r")), "messages[0] is no object"},
    {GOLDEN("{\"content\":\"o\"}," REPLY("Ask", "r")), "messages[0]: role is missing"},
    {GOLDEN("{\"role\":1,\"content\":\"o\"}," REPLY("Ask", "r")), "role"},
    {GOLDEN("{\"role\":\"user\"}," REPLY("Ask", "r")), "messages[0]: content is empty"},
    {GOLDEN("{\"role\":\"user\",\"content\":[]}," REPLY("Ask", "r")), "content"},
    {GOLDEN(USER(" \\n\\t") "," REPLY("Ask", "r")), "messages[0]: content is empty"},
    {GOLDEN(REPLY("Ask", "r") "," USER("o")), "messages[0]: role is 'assistant'"},
    {GOLDEN(USER("o") "," USER("p")), "messages[1]: role is 'user'"},
    {GOLDEN(USER("o") "," REPLY("Ask", "r") "," REPLY("Ask", "r")), "messages[2]: role is 'assistant'"},
    {GOLDEN("{\"role\":\"system\",\"content\":\"o\"}," REPLY("Ask", "r")), "messages[0]: role is 'system'"},
    {GOLDEN(USER("o") ",{\"role\":\"system\",\"content\":\"r\",\"strategy\":\"Ask\"}"), "messages[1]: "},
    {GOLDEN(USER("o") ",{\"role\":\"assistant\",\"content\":\"r\"}"), "messages[1]: strategy is missing"},
    {GOLDEN(USER("o") ",{\"role\":\"assistant\",\"content\":\"r\",\"strategy\":1}"), "strategy"},
    {GOLDEN(USER("o") "," REPLY("Hug", "r")), "messages[1]: strategy 'Hug' is none of the prompts' file"},
    {GOLDEN(USER("o") "," REPLY("Ask", "")), "messages[1]: content is empty"},
    {GOLDEN(USER("o") "," REPLY("Ask", "r") "," USER("")), "messages[2]: content is empty"},
};

static void refuses(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof REFUSED / sizeof *REFUSED; i++) {
        char text[1024];
        cso_seeds seeds;
        cso_error err = {0};
        snprintf(text, sizeof text, "%s\n%s\n", GOLDEN(USER("o") "," REPLY("Ask", "r")), REFUSED[i].text);
        if (read_files(&seeds, text, NULL, &err) != CSO_ERR_INPUT)
            fail_msg("%s was not refused (%s)", REFUSED[i].text, err.message);
        assert_int_equal(seeds.count, 0);
        if (!strstr(err.message, REFUSED[i].message) || !strstr(err.message, "a.jsonl"))
            fail_msg("%s: '%s' (expected '%s')", REFUSED[i].text, err.message, REFUSED[i].message);
        assert_null(strchr(err.message, '\n'));
    }
}

static void refuses_files(void **state) {
    (void)state;
    cso_seeds seeds;
    cso_error err = {0};
    assert_int_equal(read_files(&seeds, "", NULL, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "there are no seeds"));
    char *missing = in_folder("missing.jsonl");
    const cso_strings files = {&missing, 1}, none = {0};
    assert_int_equal(cso_seeds_read(&seeds, &files, NAMES, 2, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "missing.jsonl"));
    assert_int_equal(cso_seeds_read(&seeds, &none, NAMES, 2, &err), CSO_ERR_INPUT);
}

static void failing_allocations(void **state) {
    (void)state;
    size_t number = 0;
    save_in_folder("a.jsonl", GOLDEN(USER("o") "," REPLY("Ask", "r") "," USER("a")) "\n" PLAIN);
    char *path = in_folder("a.jsonl");
    const cso_strings files = {&path, 1};
    for (bool failed = true; failed;) {
        cso_seeds seeds;
        cso_error err = {0};
        fault_memory_begin(++number, false);
        cso_status status = cso_seeds_read(&seeds, &files, NAMES, 2, &err);
        failed = fault_memory_end();
        assert_int_equal(status, failed ? CSO_ERR_SYSTEM : CSO_OK);
        cso_seeds_free(&seeds);
    }
    assert_true(number > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads), cmocka_unit_test(digests), cmocka_unit_test(refuses),
                                       cmocka_unit_test(refuses_files), cmocka_unit_test(failing_allocations)};
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

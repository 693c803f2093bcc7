/* test_prompts.c - the prompts' file, and what the roles are asked. */
#include "search/prompts.h"

#include "../test_folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Lines 1 to 19. */
#define GREETING "greeting = \"Hi.\"\n"
#define STRATEGIES                                                                                                                 \
    "[[strategy]]\nname = \"Ask\"\ndescription = \"To know {history} more.\"\n[[strategy]]\nname = \"Tell\"\ndescription = "       \
    "\"Facts.\"\n"
#define ROLE(name, system, user) "[prompt." name "]\nsystem = \"" system "\"\nuser = \"" user "\"\n"
#define OF_STRATEGY              ROLE("strategy", "S {strategies}", "H {history} {\\\"json\\\": {}}")
#define OF_SUPPORTER             ROLE("supporter", "", "{history}|{strategy}={strategy_description}|{history")
#define OF_SEEKER                ROLE("seeker", "{situation}/{emotion}/{unknown}", "{history}{")
#define OF_JUDGE                 ROLE("judge", "J", "{history}")
#define GOOD                     GREETING STRATEGIES OF_STRATEGY OF_SUPPORTER OF_SEEKER OF_JUDGE

static cso_prompts read_good(void) {
    cso_prompts prompts;
    cso_error err = {0};
    save_in_folder("p.toml", GOOD);
    if (cso_prompts_read(&prompts, in_folder("p.toml"), &err) != CSO_OK)
        fail_msg("%s", err.message);
    return prompts;
}

static void reads(void **state) {
    (void)state;
    cso_prompts p = read_good();
    char hex[CSO_DIGEST_HEX];
    cso_digest_bytes(GOOD, strlen(GOOD), hex);
    assert_string_equal(p.hash, hex);
    assert_string_equal(p.greeting, "Hi.");
    assert_int_equal(p.strategies->count, 2);
    assert_string_equal(p.strategies->items[1].name, "Tell");
    assert_string_equal(p.role[CSO_ROLE_SUPPORTER].system, "");
    assert_string_equal(p.role[CSO_ROLE_JUDGE].user, "{history}");
    cso_prompts_free(&p);
    cso_prompts_free(&p);
}

static const cso_prompt_turn TURNS[] = {
    {"ignored", "Hi.", "I am\nlost."},
    {"Ask", "What\r\nhappened? {strategy}", "It\rrained."},
    {"Tell", "It stops.", ""},
};
static const cso_prompt_turn OPENING = {NULL, "Hi.", NULL};

static void check(const cso_prompts *p, cso_role role, const cso_prompt_values *values, const char *system, const char *user) {
    cso_prompt prompt;
    cso_error err = {0};
    assert_int_equal(cso_prompts_render(p, role, values, 0, 0, &prompt, &err), CSO_OK);
    assert_string_equal(prompt.system, system);
    assert_string_equal(prompt.user, user);
    assert_true(prompt.fits && prompt.left_out == 0);
    assert_int_equal(cso_prompt_tokens(&prompt), (strlen(system) + strlen(user) + 2) / 3);
    cso_prompt_free(&prompt);
}

/* One pass; braces that are no placeholder are text, and so are placeholders in what is inserted. */
static void renders(void **state) {
    (void)state;
    cso_prompts p = read_good();
    cso_prompt_values v = {TURNS, 2, NULL, "a {emotion}", "sad"};
    check(&p, CSO_ROLE_STRATEGY, &v, "S - Ask: To know {history} more.\n- Tell: Facts.",
          "H supporter: (start) Hi.\nseeker: I am lost.\nsupporter: (Ask) What happened? {strategy}\nseeker: It rained. {\"json\": "
          "{}}");
    v.strategy = &p.strategies->items[0];
    check(&p, CSO_ROLE_SUPPORTER, &v, "",
          "supporter: Hi.\nseeker: I am lost.\nsupporter: What happened? {strategy}\nseeker: It rained.|Ask=To know {history} "
          "more.|{history");
    v.strategy = NULL;
    v.count = 3;
    check(&p, CSO_ROLE_SEEKER, &v, "a {emotion}/sad/{unknown}",
          "supporter: Hi.\nseeker: I am lost.\nsupporter: What happened? {strategy}\nseeker: It rained.\nsupporter: It stops.{");
    check(&p, CSO_ROLE_JUDGE, &v, "J",
          "seeker: I am lost.\nsupporter: (Ask) What happened? {strategy}\nseeker: It rained.\nsupporter: (Tell) It stops.");
    v = (cso_prompt_values){&OPENING, 1, NULL, "x", "y"};
    check(&p, CSO_ROLE_SEEKER, &v, "x/y/{unknown}", "supporter: Hi.{");
    cso_prompts_free(&p);
}

/* As few turns go as needed, and the last one stays. */
static void fits_context(void **state) {
    (void)state;
    enum { COUNT = 40, MAX_TOKENS = 7 };
    cso_prompts p = read_good();
    cso_prompt_turn turns[COUNT];
    char replies[COUNT][16];
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(replies[i], sizeof replies[i], "reply %zu", i);
        turns[i] = (cso_prompt_turn){"Ask", replies[i], "yes"};
    }
    cso_prompt_values v = {turns, COUNT, NULL, "", ""};
    for (size_t role = 0; role < CSO_ROLES; role++) {
        size_t before = 0, tokens = 0;
        cso_error err = {0};
        v.strategy = role == CSO_ROLE_SUPPORTER ? &p.strategies->items[0] : NULL;
        for (size_t context = 900; context > 0; context--) {
            cso_prompt prompt;
            assert_int_equal(cso_prompts_render(&p, (cso_role)role, &v, context, MAX_TOKENS, &prompt, &err), CSO_OK);
            bool fits = cso_prompt_tokens(&prompt) + MAX_TOKENS <= context;
            assert_int_equal(prompt.fits, fits);
            assert_true(prompt.left_out >= before && prompt.left_out < COUNT && prompt.left_out <= before + 1);
            assert_true(fits || prompt.left_out == COUNT - 1);
            if (prompt.left_out > before) /* without this one it would have been too long */
                assert_true(tokens + MAX_TOKENS > context);
            tokens = cso_prompt_tokens(&prompt);
            assert_non_null(strstr(prompt.user, "reply 39"));
            assert_true(prompt.left_out == 0 || !strstr(prompt.user, "reply 0\n"));
            before = prompt.left_out;
            cso_prompt_free(&prompt);
        }
        assert_int_equal(before, COUNT - 1);
    }
    cso_prompts_free(&p);
}

static const struct {
    const char *text, *message; /* after FILE */
} BAD[] = {
    {"", ": no strategies (expected [[strategy]] tables with name and description)"},
    {STRATEGIES, ": greeting is missing"},
    {GREETING STRATEGIES OF_STRATEGY OF_SUPPORTER OF_JUDGE, ": prompt.seeker.system is missing"},
    {GREETING STRATEGIES OF_STRATEGY OF_SUPPORTER OF_SEEKER "[prompt.judge]\nsystem = \"x\"\n", ": prompt.judge.user is missing"},
    {"greting = \"x\"\n" GOOD, ":1: unknown key 'greting' (did you mean 'greeting'?)"},
    {"greeting = 3\n" STRATEGIES, ":1: greeting: expected a string"},
    {"greeting = \" \"\n" STRATEGIES, ":1: greeting is empty"},
    {"greeting = \"a\\nb\"\n" STRATEGIES OF_STRATEGY OF_SUPPORTER OF_SEEKER OF_JUDGE,
     ":1: greeting has a line break or another control character (expected one line)"},
    {GOOD "sytem = \"x\"\n", ":20: unknown key 'prompt.judge.sytem' (did you mean 'prompt.judge.system'?)"},
    {GOOD "[prompt.jugde]\n", ": unknown table [prompt.jugde] (did you mean [prompt.judge]?)"},
    {GOOD "[zzz]\n", ": unknown table [zzz] (did you mean [prompt.judge]?)"},
    {GREETING "[[strategy]]\nname = \"A)\"\ndescription = \"x\"\n",
     ":3: name: \"A)\" has a ')', which ends the name in \"(name) reply\""},
    {GREETING STRATEGIES "[[strategy]]\nname = \"ASK\"\ndescription = \"x\"\n",
     ": strategies 1 and 3 differ in case only: \"ASK\""},
    {GREETING STRATEGIES "[[strategy]]\nnam = \"B\"\n", ":9: unknown key 'nam' (did you mean 'name'?)"},
    {GREETING "[strategy]\nname = \"B\"\n", ":3: strategy: expected tables that begin with [[strategy]]"},
    {GREETING STRATEGIES OF_STRATEGY OF_SUPPORTER OF_SEEKER ROLE("judge", "J", "no"),
     ":19: prompt.judge: no {history} (expected it in system or user)"},
    {GREETING STRATEGIES OF_STRATEGY OF_SUPPORTER OF_SEEKER ROLE("judge", "", " "), ":19: prompt.judge.user is empty"},
    {GREETING STRATEGIES ROLE("strategy", "", "{history}") OF_SUPPORTER OF_SEEKER OF_JUDGE,
     ":10: prompt.strategy: no {strategies} (expected it in system or user)"},
    {GREETING STRATEGIES OF_STRATEGY ROLE("supporter", "{history}", "{strategy_description}") OF_SEEKER OF_JUDGE,
     ":13: prompt.supporter: no {strategy} (expected it in system or user)"},
    {GREETING STRATEGIES OF_STRATEGY OF_SUPPORTER ROLE("seeker", "", "{history}") OF_JUDGE,
     ":16: prompt.seeker: no {situation} (expected it in system or user)"},
    {GREETING STRATEGIES OF_STRATEGY OF_SUPPORTER OF_SEEKER ROLE("judge", "{strategy}", "{history}"),
     ":18: prompt.judge: there is no {strategy} for this role (expected it in prompt.supporter only)"},
};

static void wrong_files(void **state) {
    (void)state;
    cso_prompts p;
    cso_error err = {0};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        save_in_folder("p.toml", BAD[i].text);
        char expected[512];
        snprintf(expected, sizeof expected, "%s%s", in_folder("p.toml"), BAD[i].message);
        if (cso_prompts_read(&p, in_folder("p.toml"), &err) != CSO_ERR_USAGE)
            fail_msg("not refused: %s", BAD[i].text);
        assert_string_equal(err.message, expected);
        assert_null(p.greeting);
    }
    assert_int_equal(cso_prompts_read(&p, in_folder("none.toml"), &err), CSO_ERR_USAGE);
    assert_non_null(strstr(err.message, "none.toml: cannot open: No such file or directory"));
}

/* The file to start from is right, and siblings share all but the end. */
static void shipped_file(void **state) {
    (void)state;
    cso_prompts p;
    cso_error err = {0};
    if (cso_prompts_read(&p, "configs/esc-prompts.toml", &err) != CSO_OK)
        fail_msg("%s", err.message);
    const cso_strategies *builtin = cso_strategies_builtin();
    assert_int_equal(p.strategies->count, builtin->count);
    for (size_t i = 0; i < builtin->count; i++) {
        assert_string_equal(p.strategies->items[i].name, builtin->items[i].name);
        assert_string_equal(p.strategies->items[i].description, builtin->items[i].description);
    }
    for (size_t role = 0; role < CSO_ROLES; role++) {
        const char *user = p.role[role].user, *history = strstr(user, "{history}");
        assert_non_null(history);
        for (const char *at = user; at < history; at++)
            assert_true(*at != '{'); /* nothing that changes stands before it */
        assert_null(strstr(p.role[role].system, "{strategy}"));
    }
    cso_prompts_free(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),       cmocka_unit_test(renders),      cmocka_unit_test(fits_context),
        cmocka_unit_test(wrong_files), cmocka_unit_test(shipped_file),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

/* test_search_config.c - the configuration of a search: defaults, wrong values, overrides, identity, and that its print-out reads back
 * equal. */
#include "config/search_config.h"

#include "../test_folder.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROLE(name) "[role." name "]\nendpoint = \"http://127.0.0.1:1/v1\"\nmodel = \"m-" name "\"\n"
#define NEEDED                                                                                                                     \
    ROLE("strategy") ROLE("supporter") ROLE("seeker") ROLE("judge") "[search]\nseeds = [\"s.jsonl\"]\nprompts = \"p.toml\"\n"

static cso_status read_text(cso_search_config *config, const char *text, const char *const *overrides, size_t count,
                            cso_error *err) {
    save_in_folder("search.toml", text);
    return cso_search_config_read(config, in_folder("search.toml"), overrides, count, err);
}

static cso_search_config read_ok(const char *text, const char *const *overrides, size_t count) {
    cso_error err = {0};
    cso_search_config config;
    if (read_text(&config, text, overrides, count, &err) != CSO_OK)
        fail_msg("%s", err.message);
    return config;
}

static void defaults(void **state) {
    (void)state;
    cso_search_config c = read_ok(NEEDED, NULL, 0);
    const cso_search_options *o = &c.search;
    assert_int_equal(o->seeds.count, 1);
    assert_string_equal(o->seeds.items[0], in_folder("s.jsonl"));
    assert_string_equal(o->prompts, in_folder("p.toml"));
    assert_string_equal(o->dir, in_folder("runs/search"));
    assert_true(o->mode == CSO_SEARCH_DEFAULT && o->method == CSO_METHOD_MCTS && o->reward == CSO_REWARD_JUDGE);
    assert_true(o->iterations_min == 100 && o->iterations_max == 200 && o->ended_min == 1 && o->ended_max == 25 && o->rounds == 4);
    assert_true(o->c == 1 && o->prior_temperature == 5 && o->reward_bias == -3);
    assert_true(o->reward_weights[0] == 0.1 && o->reward_weights[1] == 0.1 && o->reward_weights[2] == 0.1);
    assert_true(o->reward_weights[3] == 0.7);
    assert_true(o->parallel == 8 && o->seed == 42 && o->early_stop == 0 && !o->fill_negatives && o->max_cost == 0 && !o->html);
    assert_true(o->budget == 0 && !o->budget_of[0] && o->turns_max == 20);
    assert_true(c.extract.ended_q_min == 0.5 && c.extract.ended_n_min == 2 && c.extract.negative_q_max == 0.5);
    for (size_t i = 0; i < CSO_ROLES; i++) {
        const cso_endpoint_options *r = &c.role[i];
        assert_string_equal(r->endpoint, "http://127.0.0.1:1/v1");
        assert_memory_equal(r->model, "m-", 2);
        assert_string_equal(r->model + 2, cso_role_words[i]);
        assert_string_equal(r->api_key_env, "CSO_API_KEY");
        assert_true(r->temperature == 1 && r->max_tokens == 512 && r->context == 0 && r->max_retries == 5);
        assert_true(r->retry_seconds == 1 && r->timeout_seconds == 120 && r->max_parallel == 16);
        assert_true(r->price_in == 0 && r->price_out == 0);
    }
    assert_true(cso_search_config_given(&c, "role.judge.model") && !cso_search_config_given(&c, "role.judge.context"));
    cso_search_config_free(&c);
    assert_null(c.path);
}

static const struct {
    const char *text, *message; /* after NEEDED, which has 15 lines; "FILE" goes before the message */
} BAD[] = {
    {"iteration_min = 1", ":16: unknown key 'search.iteration_min' (did you mean 'search.iterations_min'?)"},
    {"model = 1", ":16: unknown key 'search.model' (did you mean 'role.strategy.model'?)"},
    {"[role.jugde]\nmodel = \"x\"", ":17: unknown key 'role.jugde.model' (did you mean 'role.judge.model'?)"},
    {"[role.jugde]", ": unknown table [role.jugde] (did you mean [role.judge]?)"},
    {"[role]\njudge = 3", ":17: "},
    {"[extract]\nended_q = 3", ":17: unknown key 'extract.ended_q' (did you mean 'extract.ended_q_min'?)"},
    {"role = 3", ":16: unknown key 'search.role' (did you mean 'search.mode'?)"},
    {"reward = \"likely\"", ":16: search.reward: must be one of judge, likelihood, got \"likely\""},
    {"reward_weights = [0.1, 0.2, 0.7]",
     ":16: search.reward_weights: must be four numbers, each from 0 to 1000000, got an array of 3 numbers"},
    {"reward_weights = [0.1, 0.2, -1, 0]", ":16: search.reward_weights: must be from 0 to 1000000, got -1"},
    {"reward_weights = [0, 0, 0, 0]", ": search.reward_weights are all 0 (expected one above 0)"},
    {"c = -0.5", ":16: search.c: must be from 0 to 1000000, got -0.5"},
    {"prior_temperature = 0", ":16: search.prior_temperature: must be from 0.001 to 1000000, got 0"},
    {"reward_bias = nan", ":16: search.reward_bias: must be from -1000000 to 1000000, got nan"},
    {"parallel = 1025", ":16: search.parallel: must be from 1 to 1024, got 1025"},
    {"parallel = 0", ":16: search.parallel: must be from 1 to 1024, got 0"},
    {"iterations_max = 99", ": search.iterations_max is 99 (expected at least search.iterations_min, 100)"},
    {"ended_max = 2\nended_min = 3", ": search.ended_max is 2 (expected at least search.ended_min, 3)"},
    {"budget = 2\nbudget_of = \"x\"", ": both search.budget and search.budget_of are set (expected one of them)"},
    {"[extract]\nended_q_min = inf", ":17: extract.ended_q_min: must be from -1000000 to 1000000, got inf"},
    {"[extract]\nended_n_min = -1", ":17: extract.ended_n_min: must be from 0 to 1000000000, got -1"},
    {"mode = \"publishd\"", ":16: search.mode: must be one of default, published, got \"publishd\" (did you mean \"published\"?)"},
};

static void wrong_values(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        cso_search_config c;
        cso_error err = {0};
        char text[1024], expected[512];
        snprintf(text, sizeof text, "%s%s\n", NEEDED, BAD[i].text);
        snprintf(expected, sizeof expected, "%s%s", in_folder("search.toml"), BAD[i].message);
        if (read_text(&c, text, NULL, 0, &err) != CSO_ERR_USAGE)
            fail_msg("not refused: %s", BAD[i].text);
        size_t length = strlen(expected);
        bool parser_says = expected[length - 1] == ' '; /* the rest is toml++'s wording */
        if (parser_says ? strncmp(err.message, expected, length) != 0 : strcmp(err.message, expected) != 0)
            fail_msg("%s\n  expected %s\n  found    %s", BAD[i].text, expected, err.message);
        assert_null(c.path);
    }
}

static void needed(void **state) {
    (void)state;
    static const char *const TEXTS[][2] = {
        {"", "search.seeds is missing"},
        {"[search]\nseeds = [\"a\"]\n", "search.prompts is missing"},
        {"[search]\nseeds = [\"a\"]\nprompts = \"p\"\n", "role.strategy.endpoint is missing"},
        {"[search]\nseeds = [\"a\"]\nprompts = \"p\"\n" ROLE("strategy") ROLE("supporter")
             ROLE("seeker") "[role.judge]\nmodel = \"m\"",
         "role.judge.endpoint is missing (expected endpoint and model, or the path of a model)"},
        {"[search]\nseeds = [\"a\"]\nprompts = \"p\"\n" ROLE("strategy") ROLE("supporter")
             ROLE("seeker") "[role.judge]\nendpoint = \"http://127.0.0.1:1/v1\"",
         "role.judge.model is missing (expected endpoint and model, or the path of a model)"},
        {"[search]\nseeds = [\"a\"]\nprompts = \"p\"\n" ROLE("strategy") ROLE("supporter") ROLE("judge"),
         "role.seeker.endpoint is missing"},
    };
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        cso_search_config c;
        cso_error err = {0};
        assert_int_equal(read_text(&c, TEXTS[i][0], NULL, 0, &err), CSO_ERR_USAGE);
        if (!strstr(err.message, TEXTS[i][1]))
            fail_msg("%s", err.message);
    }
    cso_search_config c;
    cso_error err = {0};
    assert_int_equal(cso_search_config_read(&c, "/nonexistent/s.toml", NULL, 0, &err), CSO_ERR_USAGE);
    assert_string_equal(err.message, "/nonexistent/s.toml: cannot open: No such file or directory");
}

static void overrides(void **state) {
    (void)state;
    static const char *const SET[] = {"search.parallel=2",      "search.seeds=x.jsonl",     "search.method=best-of-n",
                                      "role.judge.model=other", "role.seeker.api_key_env=", "search.reward_weights=[1, 0, 0, 2.5]",
                                      "search.html=true"};
    cso_search_config c = read_ok(NEEDED, SET, sizeof SET / sizeof *SET);
    assert_true(c.search.parallel == 2 && c.search.method == CSO_METHOD_BEST_OF_N && c.search.html);
    assert_string_equal(c.search.seeds.items[0], "x.jsonl");
    assert_string_equal(c.role[CSO_ROLE_JUDGE].model, "other");
    assert_string_equal(c.role[CSO_ROLE_SEEKER].api_key_env, "");
    assert_true(c.search.reward_weights[0] == 1 && c.search.reward_weights[3] == 2.5);
    cso_search_config_free(&c);
    static const char *const WRONG[][2] = {
        {"search.parallel", "--set search.parallel: expected KEY=VALUE"},
        {"=3", "--set =3: expected KEY=VALUE"},
        {"parallel=3", "--set parallel=3: unknown key 'parallel' (did you mean 'search.parallel'?)"},
        {"search.parallel=x", "--set search.parallel=x: must be an integer from 1 to 1024"},
        {"role.judge.path=m.gguf", "search.toml: role.judge has both path and endpoint (expected path, or endpoint and model)"},
        {"role.judge.adapter=a", "search.toml: role.judge.adapter needs role.judge.path"},
        {"role.judge.compute=f32", "--set role.judge.compute=f32: role.judge.compute: must be one of exact, fast"},
        {"search.reward=likelihood",
         "search.toml: search.reward is likelihood, and an endpoint has the role of the judge (expected "
         "role.judge.path)"},
        {"role.judge.context=512", "search.toml: role.judge.context is 512, and an answer alone may have max_tokens = 512 "
                                   "(expected more context)"},
    };
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        cso_error err = {0};
        assert_int_equal(read_text(&c, NEEDED, &WRONG[i][0], 1, &err), CSO_ERR_USAGE);
        if (!strstr(err.message, WRONG[i][1]))
            fail_msg("%s", err.message);
    }
}

/* A role on this machine, beside others that are endpoints. */
static void own_roles(void **state) {
    (void)state;
    cso_search_config c =
        read_ok(ROLE("strategy") ROLE("supporter")
                    ROLE("seeker") "[role.judge]\npath = \"m.gguf\"\nadapter = \"a\"\n"
                                   "[search]\nseeds = [\"s.jsonl\"]\nprompts = \"p.toml\"\nreward = \"likelihood\"\nthreads = 3\n"
                                   "memory_gib = 1.5\n",
                NULL, 0);
    assert_string_equal(c.own[CSO_ROLE_JUDGE].path, in_folder("m.gguf"));
    assert_string_equal(c.own[CSO_ROLE_JUDGE].adapter, in_folder("a"));
    assert_string_equal(c.own[CSO_ROLE_JUDGE].chat_template, "auto");
    assert_true(c.own[CSO_ROLE_JUDGE].compute == CSO_DECODE_FAST && c.own[CSO_ROLE_SEEKER].path[0] == '\0');
    assert_true(c.search.reward == CSO_REWARD_LIKELIHOOD && c.search.threads == 3 && c.search.memory_gib == 1.5);
    cso_search_config_free(&c);
}

static void round_trip(void **state) {
    (void)state;
    static const char *const SET[] = {"search.c=0.1", "search.reward_weights=[0.25, 0, 0.3333333333333333, 1e-3]",
                                      "role.judge.price_out=2.5", "search.budget_of=elsewhere", "role.seeker.model='q\"x'"};
    cso_search_config first = read_ok(NEEDED, SET, sizeof SET / sizeof *SET), second;
    cso_error err = {0};
    char *printed, *again;
    assert_int_equal(cso_search_config_print(&first, &printed, &err), CSO_OK);
    assert_int_equal(cso_make_folders(in_folder("other"), &err), CSO_OK);
    save_in_folder("other/config.toml", printed);
    if (cso_search_config_read(&second, in_folder("other/config.toml"), NULL, 0, &err) != CSO_OK)
        fail_msg("%s\n%s", err.message, printed);
    assert_int_equal(cso_search_config_print(&second, &again, &err), CSO_OK);
    assert_string_equal(printed, again);
    assert_non_null(strstr(printed, "\n[role.judge]\npath = "));
    assert_non_null(strstr(printed, "reward_weights = [0.25, 0.0, 0.3333333333333333, 0.001]\n"));
    cso_option_place place;
    for (size_t i = 0; (place = cso_options_at(&cso_search_keys, i)).row; i++) /* all of them */
        assert_true(cso_search_config_given(&second, place.row->name));
    cso_search_config_free(&first);
    cso_search_config_free(&second);
    free(printed);
    free(again);
}

static const char *value_of(const cso_identity *identity, const char *key) {
    for (size_t i = 0; i < identity->count; i++)
        if (!strcmp(identity->items[i].key, key))
            return identity->items[i].value;
    return NULL;
}

static cso_identity identity_of(const char *const *set, size_t count) {
    cso_search_config c = read_ok(NEEDED, set, count);
    cso_identity identity = {0};
    cso_error err = {0};
    if (cso_search_identity(&identity, &c, 77, &err) != CSO_OK)
        fail_msg("%s", err.message);
    cso_search_config_free(&c);
    return identity;
}

static void identities(void **state) {
    (void)state;
    cso_identity id = identity_of(NULL, 0);
    assert_string_equal(value_of(&id, "search.method"), "mcts");
    assert_string_equal(value_of(&id, "search.reward_weights[3]"), "0.7");
    assert_string_equal(value_of(&id, "search.fill_negatives"), "false");
    assert_string_equal(value_of(&id, "role.judge.model"), "m-judge");
    static const char *const ABSENT[] = {"search.budget",   "search.budget_of",    "extract.ended_q_min",
                                         "search.parallel", "search.dir",          "search.html",
                                         "search.max_cost", "role.judge.endpoint", "role.judge.price_in"};
    for (size_t i = 0; i < sizeof ABSENT / sizeof *ABSENT; i++)
        assert_null(value_of(&id, ABSENT[i]));
    static char model[300] = "role.judge.model=";
    memset(model + strlen(model), 'x', sizeof model - 1 - strlen(model));
    const char *const SET[] = {"search.fill_negatives=true", "search.method=greedy", "extract.ended_n_min=3", model};
    id = identity_of(SET, 4);
    assert_string_equal(value_of(&id, "search.budget"), "77");
    assert_string_equal(value_of(&id, "extract.ended_n_min"), "3");
    assert_string_equal(value_of(&id, "extract.negative_q_max"), "0.5");
    assert_memory_equal(value_of(&id, "role.judge.model"), "xxh3-128 ", 9);
}

/* What a number's row takes, as the third column has it. "" for other rows. */
static void documented_range(const cso_option *key, char *text, size_t size) {
    static const char *const WHAT[] = {[CSO_OPTION_SIZE] = "integer",
                                       [CSO_OPTION_SEED] = "integer",
                                       [CSO_OPTION_NUMBER] = "number",
                                       [CSO_OPTION_NUMBERS4] = "four numbers"};
    const cso_option_range *r = &key->range;
    const char *what = key->type < sizeof WHAT / sizeof *WHAT ? WHAT[key->type] : NULL;
    text[0] = '\0';
    if (what && (r->max == r->min || r->max == CSO_OPTION_INT32_MAX))
        snprintf(text, size, "%s ≥ %.15g", what, r->min);
    else if (what)
        snprintf(text, size, "%s %.15g to %.15g", what, r->min, r->max);
}

static void check_documented(const cso_option *key, const char *text) {
    char start[160], range[80], column[60], name[64];
    snprintf(name, sizeof name, "%s", key->name);
    if (!strncmp(name, "role.", 5))
        snprintf(name, sizeof name, "role.X%s", strrchr(key->name, '.'));
    if (key->fallback)
        snprintf(start, sizeof start, "\n| `%s` | `%s` | ", name, key->fallback);
    else
        snprintf(start, sizeof start, "\n| `%s` | needed | ", name);
    const char *row = strstr(text, start);
    if (!row)
        fail_msg("docs/search-configuration.md has no row that begins with %s", start + 1);
    documented_range(key, range, sizeof range);
    if (range[0] && strncmp(row + strlen(start), range, strlen(range)) != 0)
        fail_msg("docs/search-configuration.md: %s: the third column must be \"%s\"", key->name, range);
    const char *change = strstr(row + strlen(start), " | "), *end = strchr(row + 1, '\n');
    const char *expected = !key->identity                       ? "yes"
                           : !*key->identity                    ? "no"
                           : !strncmp(key->name, "extract.", 8) ? "without fill_negatives"
                                                                : "same contents";
    snprintf(column, sizeof column, " | %s | ", expected);
    if (!change || change > end || strncmp(change, column, strlen(column)) != 0)
        fail_msg("docs/search-configuration.md: %s: the fourth column must be \"%s\"", key->name, expected);
}

static void documentation(void **state) {
    (void)state;
    char *text;
    size_t size, keys = 0, rows = 0, of_one_role = 0;
    cso_error err = {0};
    cso_option_place key;
    if (cso_read_file("docs/search-configuration.md", 1 << 20, &text, &size, &err) != CSO_OK)
        fail_msg("%s", err.message);
    for (; (key = cso_options_at(&cso_search_keys, keys)).row; keys++) {
        check_documented(key.row, text);
        of_one_role += !strncmp(key.row->name, "role.judge.", 11);
    }
    for (const char *at = text; (at = strstr(at, "\n| `")); at++)
        rows += memchr(at, '.', strcspn(at + 4, "`") + 4) != NULL;
    assert_int_equal(rows, keys - of_one_role * (CSO_ROLES - 1));
    free(text);
}

/* The file to start from is right, and what it names is there. */
static void shipped_file(void **state) {
    (void)state;
    cso_search_config c;
    cso_error err = {0};
    if (cso_search_config_read(&c, "configs/search.toml", NULL, 0, &err) != CSO_OK)
        fail_msg("%s", err.message);
    assert_string_equal(c.search.seeds.items[0], "data/sample/seeds.jsonl");
    assert_true(cso_path_exists(c.search.seeds.items[0]) && cso_path_exists(c.search.prompts));
    assert_string_equal(c.search.dir, "runs/search");
    cso_search_config_free(&c);
}

static void count_lines(void *context, const char *line) {
    assert_true(strlen(line) <= 80);
    *(size_t *)context += line[0] != ' ';
}

static void help(void **state) {
    (void)state;
    size_t keys = 0;
    cso_search_config_help(count_lines, &keys);
    assert_null(cso_options_at(&cso_search_keys, keys).row);
    assert_non_null(cso_options_at(&cso_search_keys, keys - 1).row);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),  cmocka_unit_test(wrong_values), cmocka_unit_test(needed),     cmocka_unit_test(overrides),
        cmocka_unit_test(own_roles), cmocka_unit_test(round_trip),   cmocka_unit_test(identities), cmocka_unit_test(documentation),
        cmocka_unit_test(help),      cmocka_unit_test(shipped_file),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

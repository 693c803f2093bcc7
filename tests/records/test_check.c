/* test_check.c - findings: kind, level, line and text of each, and that reading goes on. */
#include "records/check.h"

#include "golden.h"
#include "records_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define U(text)      "{\"role\":\"user\",\"content\":\"" text "\"}"
#define A(text)      "{\"role\":\"assistant\",\"content\":\"" text "\"}"
#define T(text, neg) "{\"role\":\"assistant\",\"content\":\"" text "\",\"strategy\":\"Affirmation\",\"negative\":[" neg "]}"
#define N(text)      "{\"content\":\"" text "\",\"strategy\":\"Share Information\"}"
#define TREE(more)   "{\"messages\":[" more "]}\n"

typedef struct list {
    size_t count;
    struct {
        cso_finding_kind kind;
        bool warning;
        size_t line;
        char text[1024];
    } items[32];
} list;

static cso_status collect(void *context, const cso_finding *finding, cso_error *err) {
    list *l = context;
    (void)err;
    assert_true(l->count < 32);
    l->items[l->count].kind = finding->kind;
    l->items[l->count].warning = finding->warning;
    l->items[l->count].line = finding->line;
    snprintf(l->items[l->count++].text, 1024, "%s", finding->text);
    return CSO_OK;
}

static void run(const cso_check_options *given, const char *text, list *found, cso_check_result *result) {
    cso_check_options options = given ? *given : (cso_check_options){0};
    const char *path = records_file("check.jsonl", text, strlen(text));
    cso_error err = {0};
    *found = (list){0};
    options.visit = collect;
    options.context = found;
    golden_ok(cso_check(&options, &path, 1, result, &err), &err);
}

static const struct {
    const char *text;
    cso_finding_kind kind;
    bool warning;
    size_t line;
    const char *part; /* of the message */
} cases[] = {
    {"{]\n", CSO_FINDING_JSON, false, 1, "expected a key in quotes"},
    {"7\n", CSO_FINDING_JSON, false, 1, "expected a record, that is an object {...}"},
    {"{\"x\":1}\n", CSO_FINDING_RECORD, false, 1, "a record of no known form"},
    {"{\"text\":\"a\"}\n\n{\"ids\":[1]}\n", CSO_FINDING_RECORD, false, 3,
     "token ids in a file of another form (it began with: text)"},
    {"", CSO_FINDING_RECORD, false, 0, "no records"},
    {TREE(U("a") "," U("b")), CSO_FINDING_ROLES, false, 1, "messages has no assistant message to learn from"},
    {TREE(U("a") "," A("b") "," A("c")), CSO_FINDING_ROLES, false, 1,
     "messages[2].role is \"assistant\" (expected \"user\": user and assistant take turns, the user first)"},
    {TREE(A("a")), CSO_FINDING_ROLES, false, 1, "messages[0].role"},
    {"{\"messages\":[" U("a") "," U("b") "],\"chosen\":" A("(Affirmation) b") ",\"reject\":" A("(Affirmation) c") "}\n",
     CSO_FINDING_ROLES, false, 1, "messages[1].role is \"user\" (expected \"assistant\""},
    {TREE(U("a") ",{\"role\":\"assistant\",\"content\":\"b\",\"strategy\":\"Afirmation\",\"negative\":[]}"), CSO_FINDING_STRATEGY,
     false, 1, "messages[1]: unknown strategy \"Afirmation\" (did you mean \"Affirmation\"?)"},
    {TREE(U("a") "," T("b", "{\"content\":\"b\",\"strategy\":\"Zen\"}")), CSO_FINDING_STRATEGY, false, 1,
     "messages[1].negative[0]: unknown strategy \"Zen\" (expected one of the strategies: --strategies)"},
    {"{\"messages\":[" U("a") "],\"chosen\":" A("(Affirmation) b") ",\"reject\":" A("(Zen) c") "}\n", CSO_FINDING_STRATEGY, true, 1,
     "warning: reject: unknown strategy \"Zen\""},
    {"{\"messages\":[" U("a") "],\"chosen\":" A("(Affirmation) b") ",\"reject\":" A("c") "}\n", CSO_FINDING_STRATEGY, true, 1,
     "warning: reject names no strategy (expected \"(Strategy) text\")"},
    {TREE(U("a") "," T(" \\n", "")), CSO_FINDING_EMPTY, false, 1, "messages[1] is empty"},
    {TREE(U("a") "," T("b", N("c") "," N(""))), CSO_FINDING_EMPTY, false, 1, "messages[1].negative[1] is empty"},
    {"{\"messages\":[" U("a") "],\"chosen\":" A("(Affirmation) ") ",\"reject\":" A("(Affirmation) c") "}\n", CSO_FINDING_EMPTY,
     false, 1, "chosen is empty"},
    {TREE(U("a") "," A(" ")), CSO_FINDING_EMPTY, false, 1, "messages[1].content is empty"},
    {TREE(U(" ") "," A("a")), CSO_FINDING_EMPTY, true, 1, "warning: messages[0].content is empty"},
    {"{\"prompt\":\" \",\"chosen\":\"a\",\"rejected\":\"b\"}\n", CSO_FINDING_EMPTY, true, 1, "warning: the prompt is empty"},
    {"{\"text\":\"\"}\n", CSO_FINDING_EMPTY, false, 1, "the text is empty"},
    {"{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"\\u0062\"}\n", CSO_FINDING_EQUAL, false, 1,
     "chosen and rejected are equal"},
    {TREE(U("a") "," T("b", N("c") "," N("d") "," N("c"))), CSO_FINDING_EQUAL, true, 1,
     "warning: messages[1].negative[0] and messages[1].negative[2] are equal"},
    {"{\"text\":\"a\"}\n{\"text\":\"b\"}\n{ \"text\":\"\\u0061\" }\n", CSO_FINDING_DOUBLE, false, 3,
     "the record is equal to that of "},
};

static void each_kind(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        list found;
        cso_check_result result;
        run(NULL, cases[i].text, &found, &result);
        if (found.count != 1 || found.items[0].kind != cases[i].kind || found.items[0].warning != cases[i].warning ||
            found.items[0].line != cases[i].line || !strstr(found.items[0].text, cases[i].part))
            fail_msg("%s: %zu findings, the first of line %zu: %s\nexpected %s", cases[i].text, found.count, found.items[0].line,
                     found.items[0].text, cases[i].part);
        assert_int_equal(result.errors, !cases[i].warning);
        assert_int_equal(result.warnings, cases[i].warning);
        assert_int_equal(result.found[cases[i].kind], 1);
    }
}

static void goes_on(void **state) {
    (void)state;
    static const char lines[] = "{\"text\":\"a\"}\n{\"text\":}\n{\"text\":\"\"}\n{\"txt\":\"\"}\n{\"text\":\"b\"}\n",
                      array[] = "[{\"text\":\"a\"},\n{\"text\":},\n{\"text\":\"\"},\n{\"txt\":\"\"},\n{\"text\":\"b\"}]\n";
    const char *const texts[] = {lines, array};
    for (int i = 0; i < 2; i++) {
        list found;
        cso_check_result result;
        run(NULL, texts[i], &found, &result);
        assert_int_equal(found.count, 3);
        for (size_t k = 0; k < 3; k++)
            assert_int_equal(found.items[k].line, k + 2);
        assert_int_equal(result.records, 5);
        assert_int_equal(result.errors, 3);
        assert_int_equal(result.forms[CSO_FORM_TEXT], 3);
        assert_int_equal(result.characters.records, 3);
        assert_int_equal(result.characters.most, 1);
    }
    list found; /* an array that is not closed ends its file */
    cso_check_result result;
    run(NULL, "[{\"text\":\"a\"},\n{\"text\":\"b\"", &found, &result);
    assert_int_equal(found.count, 1);
    assert_non_null(strstr(found.items[0].text, "check.jsonl:2: the JSON text ends too early"));
    const char *paths[] = {"/nowhere/a.jsonl", records_file("b.jsonl", "{\"text\":\"a\"}\n", 13)};
    cso_check_options options = {.visit = collect, .context = &found};
    cso_error err = {0};
    found = (list){0};
    golden_ok(cso_check(&options, paths, 2, &result, &err), &err);
    assert_int_equal(found.count, 1);
    assert_non_null(strstr(found.items[0].text, "/nowhere/a.jsonl: cannot open"));
    assert_int_equal(result.records, 1);
}

static void tokens(void **state) {
    (void)state;
    const char *folder = golden_path("models/llama-tiny");
    cso_check_options options = {.data = {.max_length = 60, .system_prompt = ""}};
    cso_tokenizer *tokenizer;
    list found;
    cso_check_result result;
    cso_error err = {0};
    golden_ok(cso_tokenizer_open(&tokenizer, folder, &err), &err);
    options.tokenizer = tokenizer;
    golden_ok(cso_chat_template_get(&options.chat, "auto", tokenizer, folder, &err), &err);
    run(&options,
        TREE(U("a") "," T("b", N("c"))) TREE(U("a") "," T("b", "")) TREE(U("a") "," T(
            "b", N("A long negative that has many more tokens than there is room for in such a short limit as this one."))),
        &found, &result);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.items[0].kind, CSO_FINDING_LENGTH);
    assert_int_equal(found.items[0].line, 3);
    assert_non_null(strstr(found.items[0].text, " tokens (expected at most 60)"));
    assert_int_equal(result.tokens.records, 3);
    assert_true(result.tokens.least > 10 && result.tokens.most > 60);
    const char *paths[] = {records_file("t.jsonl", TREE(U("a") "," T("b", N("c"))), strlen(TREE(U("a") "," T("b", N("c")))))};
    const cso_data_options data = {.max_length = SIZE_MAX, .system_prompt = ""};
    cso_dataset set; /* the same number as training has */
    golden_ok(cso_dataset_read(&set, paths, 1, tokenizer, options.chat, &data, &err), &err);
    run(&options, TREE(U("a") "," T("b", N("c"))), &found, &result);
    assert_int_equal(result.tokens.most, set.counts.max_tokens);
    cso_dataset_free(&set);
    static const char *const forms[] = {
        TREE(U("a") "," T("b", "")),
        TREE(U("a") "," A("b")),
        "{\"messages\":[" U("a") "],\"chosen\":" A("(Affirmation) b") ",\"reject\":" A("(Affirmation) c") "}\n",
        "{\"messages\":[" U("a") "," A("b") "],\"label\":false}\n",
        "{\"prompt\":\"a\",\"completion\":\"b\",\"label\":true}\n",
        "{\"prompt\":[" U("a") "],\"completions\":[[" A("b") "],[" A("c") "]]}\n",
        "{\"prompt\":\"a\",\"completion\":\"b\"}\n",
        "{\"chosen\":[" U("a") "," A("b") "],\"rejected\":[" U("a") "," A("c") "]}\n",
        "{\"text\":\"a b c\"}\n",
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        run(&options, forms[i], &found, &result);
        if (found.count || result.tokens.records != 1 || result.tokens.most < 2)
            fail_msg("%s: %zu findings, %s", forms[i], found.count, found.count ? found.items[0].text : "no tokens");
    }
    cso_tokenizer_free(tokenizer);
    const char *gemma = golden_path("models/gemma2-tiny");
    golden_ok(cso_tokenizer_open(&tokenizer, gemma, &err), &err);
    golden_ok(cso_chat_template_get(&options.chat, "auto", tokenizer, gemma, &err), &err);
    options.tokenizer = tokenizer;
    run(&options, "{\"text\":\"a b c\"}\n", &found, &result);
    assert_int_equal(found.count, 0);
    assert_int_equal(result.tokens.records, 1);
    cso_tokenizer_free(tokenizer);
}

static void clean_data(void **state) {
    (void)state;
    static const char *const mine[] = {"data/sample/train.tree.jsonl", "data/sample/valid.tree.jsonl"};
    list found = {0};
    cso_check_result result;
    cso_error err = {0};
    cso_check_options options = {.visit = collect, .context = &found};
    golden_ok(cso_check(&options, mine, 2, &result, &err), &err);
    assert_int_equal(found.count, 0);
    assert_int_equal(result.records, 37);
    const char *pairs = records_shared("data/esc/train.pairs.jsonl"), *esconv = records_shared("data/esconv/train.tree.jsonl");
    if (!pairs || !esconv)
        skip();
    golden_ok(cso_check(&options, &pairs, 1, &result, &err), &err);
    assert_int_equal(found.count, 0);
    cso_strategies *strategies;
    golden_ok(cso_strategies_read(&strategies, "configs/strategies-esconv.toml", &err), &err);
    options.data.strategies = strategies;
    golden_ok(cso_check(&options, &esconv, 1, &result, &err), &err);
    assert_int_equal(found.count, 0);
    assert_int_equal(result.replies, 1929);
    cso_strategies_free(strategies);
}

static void out_of_memory(void **state) {
    (void)state;
    static const char text[] = TREE(U("a\\n") "," T("b", N("c") "," N("c"))) "{\"x\":1}\n";
    const char *path = records_file("memory.jsonl", text, strlen(text));
    cso_status status = CSO_ERR_SYSTEM;
    for (size_t n = 0; status == CSO_ERR_SYSTEM; n++) {
        list found = {0};
        cso_check_result result;
        cso_error err = {0};
        const cso_check_options options = {.visit = collect, .context = &found};
        records_fail_memory(n);
        status = cso_check(&options, &path, 1, &result, &err);
        records_fail_memory(SIZE_MAX);
        assert_true(n < 1000);
    }
    assert_int_equal(status, CSO_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind),  cmocka_unit_test(goes_on),       cmocka_unit_test(tokens),
        cmocka_unit_test(clean_data), cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

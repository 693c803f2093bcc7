/* test_record_view.c - views of records: their forms, what is in them, what is refused, and that training refuses the same. */
#include "record_view.h"

#include "data/record.h"
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
#define S(text)      "{\"role\":\"system\",\"content\":\"" text "\"}"
#define T(text, neg) "{\"role\":\"assistant\",\"content\":\"" text "\",\"strategy\":\"Affirmation\",\"negative\":[" neg "]}"
#define N(text)      "{\"content\":\"" text "\",\"strategy\":\"Share Information\"}"

static const struct {
    const char *text;
    cso_data_form form;
    size_t path, turns, replies;
} good[] = {
    {"{\"messages\":[" U("a") "," T("b", N("c") "," N("d")) "," U("e") "," T("f", "") "],\"iter\":3}", CSO_FORM_TREES, 4, 2, 4},
    {"{\"messages\":[" U("a") ",{\"role\":\"supporter\",\"content\":\"b\",\"strategy\":\"x\"}]}", CSO_FORM_TREES, 2, 1, 1},
    {"{\"m\\u0065ssages\":[" U("a") "],\"chosen\":" A("b") ",\"reject\":" A("c") "}", CSO_FORM_PAIRS, 1, 1, 2},
    {"{\"messages\":[" S("s") "," U("a") "," A("b") "],\"label\":false}", CSO_FORM_KTO, 2, 1, 1},
    {"{\"prompt\":\"a\",\"completion\":\"b\",\"label\":true}", CSO_FORM_KTO, 1, 1, 1},
    {"{\"prompt\":[" U("a") "],\"chosen\":" A("b") ",\"rejected\":[" A("c") "]}", CSO_FORM_PREFERENCE, 1, 1, 2},
    {"{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":\"c\"}", CSO_FORM_PREFERENCE, 1, 1, 2},
    {"{\"chosen\":[" U("a") "," A("b") "],\"rejected\":[" U("\\u0061") "," A("c") "]}", CSO_FORM_PREFERENCE, 1, 1, 2},
    {"{\"prompt\":\"a\",\"chosen\":[" U("a") "," A("b") "],\"rejected\":[" U("a") "," A("c") "]}", CSO_FORM_PREFERENCE, 1, 1, 2},
    {"{\"chosen\":\"I am here\",\"rejected\":\"I am there\"}", CSO_FORM_PREFERENCE, 1, 1, 2},
    {"{\"prompt\":[" U("a") "],\"completions\":[[" A("b") "]," A("c") "],\"q\":[2,1.50]}", CSO_FORM_LIST, 1, 1, 2},
    {"{\"prompt\":\"a\",\"completion\":\"b\"}", CSO_FORM_COMPLETION, 1, 1, 1},
    {"{\"messages\":[" U("a") "," A("b") "]}", CSO_FORM_SFT, 2, 0, 0},
    {"{\"text\":\"a\"}", CSO_FORM_TEXT, 1, 0, 0},
    {"{\"ids\":[1,2]}", CSO_FORM_IDS, 0, 0, 0},
};

static void forms(void **state) {
    (void)state;
    view_reader reader = {0};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        cso_error err = {0};
        golden_ok(view_read(&reader, good[i].text, strlen(good[i].text), "f:1", &err), &err);
        const record_view *view = &reader.view;
        if (view->form != good[i].form || view->n_path != good[i].path || view->n_turns != good[i].turns ||
            view->n_replies != good[i].replies)
            fail_msg("%s: form %s, path %zu, turns %zu, replies %zu", good[i].text, cso_data_form_words[view->form], view->n_path,
                     view->n_turns, view->n_replies);
    }
    view_reader_free(&reader);
}

static const struct {
    const char *text, *message; /* after "f:1: " */
    view_fault fault;
} bad[] = {
    {"{}", "a record of no known form", VIEW_FAULT_RECORD},
    {"{\"conversations\":[{\"from\":\"human\",\"value\":\"x\"}]}", "ShareGPT record", VIEW_FAULT_RECORD},
    {"{\"messages\":{},\"iter\":1}", "messages is no array", VIEW_FAULT_RECORD},
    {"{\"messages\":[],\"iter\":1}", "messages is empty", VIEW_FAULT_RECORD},
    {"{\"messages\":[" U("a") "," U("b") "],\"iter\":1}", "messages[1].role is \"user\" (expected assistant", VIEW_FAULT_ROLES},
    {"{\"messages\":[" T("a", "") "]}", "messages[0].role is \"assistant\" (expected user", VIEW_FAULT_ROLES},
    {"{\"messages\":[" U("a") ",{\"role\":\"system\",\"content\":\"b\",\"strategy\":\"x\"}]}", "messages[1].role is \"system\"",
     VIEW_FAULT_ROLES},
    {"{\"messages\":[" U("a") "," A("b") "],\"iter\":1}", "messages[1].strategy is missing (expected a string)", VIEW_FAULT_RECORD},
    {"{\"messages\":[" U("a") "," T("b", "{\"content\":1,\"strategy\":\"x\"}") "]}",
     "messages[1].negative[0].content is no string (expected a string)", VIEW_FAULT_RECORD},
    {"{\"messages\":[" U("a") "," T("b", N("c") ",3") "]}", "messages[1].negative[1] is no object", VIEW_FAULT_RECORD},
    {"{\"messages\":[" U("a") ",{\"role\":\"a\",\"content\":\"b\",\"strategy\":\"x\",\"negative\":{}}]}",
     "messages[1].negative is no array", VIEW_FAULT_RECORD},
    {"{\"messages\":[{\"content\":\"a\"}],\"iter\":1}", "messages[0].role is missing", VIEW_FAULT_RECORD},
    {"{\"scene\":1,\"messages\":[" U("a") "],\"chosen\":" A("b") ",\"reject\":" A("c") "}", "scene is no string",
     VIEW_FAULT_RECORD},
    {"{\"messages\":[" U("a") "],\"chosen\":" A("b") "}", "reject is missing", VIEW_FAULT_RECORD},
    {"{\"messages\":[" U("a") "," A("b") "],\"chosen\":" A("b") ",\"reject\":" A("c") "}", "messages must end with a user message",
     VIEW_FAULT_ROLES},
    {"{\"messages\":[" U("a") "," S("b") "],\"chosen\":" A("b") ",\"reject\":" A("c") "}", "messages[1].role is \"system\"",
     VIEW_FAULT_ROLES},
    {"{\"messages\":[" U("a") "],\"chosen\":" U("b") ",\"reject\":" A("c") "}", "chosen.role is \"user\"", VIEW_FAULT_ROLES},
    {"{\"prompt\":[" U("a") "],\"chosen\":" A("b") "}", "rejected is missing", VIEW_FAULT_RECORD},
    {"{\"prompt\":null,\"chosen\":\"b\",\"rejected\":\"c\"}", "prompt is neither", VIEW_FAULT_RECORD},
    {"{\"prompt\":[],\"chosen\":" A("b") ",\"rejected\":" A("c") "}", "prompt is empty", VIEW_FAULT_RECORD},
    {"{\"prompt\":[" U("a") "," A("x") "],\"chosen\":" A("b") ",\"rejected\":" A("c") "}",
     "the prompt ends with an assistant message", VIEW_FAULT_ROLES},
    {"{\"prompt\":[" U("a") "],\"chosen\":\"b\",\"rejected\":\"c\"}", "chosen is no message", VIEW_FAULT_RECORD},
    {"{\"prompt\":\"a\",\"chosen\":\"b\",\"rejected\":" A("c") "}", "chosen is no array", VIEW_FAULT_RECORD},
    {"{\"prompt\":[" U("a") "],\"chosen\":[],\"rejected\":" A("c") "}", "chosen has no message", VIEW_FAULT_RECORD},
    {"{\"prompt\":[" U("a") "],\"chosen\":" U("b") ",\"rejected\":" A("c") "}", "chosen.role is \"user\"", VIEW_FAULT_ROLES},
    {"{\"chosen\":[" U("a") "],\"rejected\":[" U("b") "]}", "chosen and rejected have no first message in common",
     VIEW_FAULT_RECORD},
    {"{\"chosen\":[" U("a") "," A("b") "],\"rejected\":[" U("a") "]}", "rejected has no message after those it shares",
     VIEW_FAULT_RECORD},
    {"{\"chosen\":\"a\",\"rejected\":\"b\"}", "prompt is missing, and chosen and rejected do not begin alike", VIEW_FAULT_RECORD},
    {"{\"messages\":[" U("a") "],\"label\":true}", "messages must end with an assistant message", VIEW_FAULT_ROLES},
    {"{\"messages\":[" U("a") "," A("b") "],\"label\":1}", "label is neither true nor false", VIEW_FAULT_RECORD},
    {"{\"prompt\":[" U("a") "],\"label\":true}", "completion is missing", VIEW_FAULT_RECORD},
    {"{\"prompt\":\"a\",\"completions\":[\"b\"]}", "completions has fewer than two replies", VIEW_FAULT_RECORD},
    {"{\"prompt\":\"a\",\"completions\":[\"b\",\"c\"],\"q\":[1]}", "q has not as many numbers", VIEW_FAULT_RECORD},
    {"{\"prompt\":\"a\",\"completions\":[\"b\",\"c\"],\"q\":[1,\"x\"]}", "q[1] is no number", VIEW_FAULT_RECORD},
    {"{\"messages\":[" U("a") "]}", "messages has no assistant message to learn from", VIEW_FAULT_ROLES},
    {"{\"messages\":[{\"role\":\"user\"}]}", "messages[0].content is missing", VIEW_FAULT_RECORD},
    {"{\"text\":5}", "text is no string", VIEW_FAULT_RECORD},
    {"{\"ids\":5}", "ids is no array", VIEW_FAULT_RECORD},
};

static void refuses(void **state) {
    (void)state;
    view_reader reader = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cso_error err = {0};
        char expected[256];
        assert_int_equal(view_read(&reader, bad[i].text, strlen(bad[i].text), "f:1", &err), CSO_ERR_INPUT);
        snprintf(expected, sizeof expected, "f:1: %s", bad[i].message);
        if (strncmp(err.message, expected, strlen(expected)) != 0)
            fail_msg("%s\nexpected: %s", err.message, expected);
        assert_int_equal(reader.fault, bad[i].fault);
    }
    view_reader_free(&reader);
}

static cso_status take_pair(void *context, cso_pair_tokens *pair, cso_error *err) {
    (void)context;
    (void)pair;
    (void)err;
    return CSO_OK;
}

/* Whether the reader for training takes a record; -1: it does not know the form. */
static int training_takes(const char *text, const cso_tokenizer *tokenizer, const cso_chat_template *chat) {
    cJSON *record;
    cso_record_form form;
    cso_error err = {0};
    golden_ok(cso_json_parse(&record, text, strlen(text), "f", 1, &err), &err);
    int taken = -1;
    if (cso_record_detect(record, "f:1", &form, &err) == CSO_OK && form <= CSO_RECORD_TEXT) {
        cso_example_kind kind = form == CSO_RECORD_KTO    ? CSO_EXAMPLE_LABELED
                                : form == CSO_RECORD_LIST ? CSO_EXAMPLE_LIST
                                : form == CSO_RECORD_MESSAGES || form == CSO_RECORD_TEXT || form == CSO_RECORD_COMPLETION
                                    ? CSO_EXAMPLE_TEXT
                                    : CSO_EXAMPLE_PAIR;
        const cso_data_options options = {.kind = kind, .max_length = SIZE_MAX};
        const cso_record_request request = {record, form, "f:1", tokenizer, chat, &options};
        taken = cso_record_pairs(&request, take_pair, NULL, &err) == CSO_OK ||
                strstr(err.message, "f:1: message "); /* the template's word */
    }
    cJSON_Delete(record);
    return taken;
}

/* Both readers agree on the tables above, and on each record of the first with one of its values or keys replaced. */
static void agrees_with_training(void **state) {
    (void)state;
    const char *folder = golden_path("models/qwen2-tiny"); /* its template takes roles in any order */
    cso_tokenizer *tokenizer;
    const cso_chat_template *chat;
    cso_error err = {0};
    view_reader reader = {0};
    size_t compared = 0, refused = 0;
    golden_ok(cso_tokenizer_open(&tokenizer, folder, &err), &err);
    golden_ok(cso_chat_template_get(&chat, "auto", tokenizer, folder, &err), &err);
    static const char *const values[] = {"null", "5", "[]", "{}", "\"x\"", "true"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        for (size_t at = 0; good[i].text[at]; at++) {
            if (good[i].text[at] != ':')
                continue;
            for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
                char text[1024];
                const char *value = good[i].text + at + 1, *end = value;
                int depth = 0;
                bool string = false;
                do { /* the texts of the table have no brackets or commas in strings */
                    string ^= *end == '"';
                    depth += (*end == '{' || *end == '[') - (*end == '}' || *end == ']');
                    end++;
                } while (depth > 0 || string || (*end != ',' && *end != '}' && *end != ']'));
                snprintf(text, sizeof text, "%.*s%s%s", (int)(value - good[i].text), good[i].text, values[v], end);
                int training = training_takes(text, tokenizer, chat);
                bool taken = view_read(&reader, text, strlen(text), "f:1", &err) == CSO_OK;
                if (training < 0)
                    continue;
                if (taken != training)
                    fail_msg("%s: %s here, training %s it", text, taken ? "taken" : err.message, training ? "takes" : "refuses");
                compared++;
                refused += !taken;
            }
        }
    print_message("%zu records compared, %zu of them refused\n", compared, refused);
    assert_true(refused > 100 && compared - refused > 30);
    view_reader_free(&reader);
    cso_tokenizer_free(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(forms), cmocka_unit_test(refuses), cmocka_unit_test(agrees_with_training)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

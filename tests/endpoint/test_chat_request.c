/* test_chat_request.c - the bodies of requests and responses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/endpoint/chat_request.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect_request(const cso_endpoint_options *options, const char *system, const char *user, const char *expected) {
    cso_text body = {0};
    cJSON *root;
    cso_error err;
    assert_int_equal(cso_chat_request_write(&body, options, system, user, &err), CSO_OK);
    assert_string_equal(body.data, expected);
    assert_int_equal(cso_json_parse(&root, body.data, body.size, "request", 1, &err), CSO_OK);
    cJSON_Delete(root);
    free(body.data);
}

static void requests(void **state) {
    (void)state;
    cso_endpoint_options options = {.model = (char *)(uintptr_t) "a/\"model\"", .temperature = 0.1, .max_tokens = 512};
    expect_request(&options, "", "Hello.",
                   "{\"model\":\"a/\\\"model\\\"\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello.\"}],\"temperature\":0.1,"
                   "\"max_tokens\":512,\"stream\":false}");
    options.temperature = 0;
    expect_request(&options, "Be\nkind.", "\x01\xC3\xA9\xFF",
                   "{\"model\":\"a/\\\"model\\\"\",\"messages\":[{\"role\":\"system\",\"content\":\"Be\\nkind.\"},"
                   "{\"role\":\"user\",\"content\":\"\\u0001\xC3\xA9\xEF\xBF\xBD\"}],\"temperature\":0,\"max_tokens\":512,"
                   "\"stream\":false}");
}

static cso_chat_response read_text(long status, const char *body, size_t size) {
    cso_chat_response response;
    cso_error err;
    char *copy = malloc(size ? size : 1); /* exactly that size, for sanitizers */
    assert_non_null(copy);
    memcpy(copy, body, size);
    if (cso_chat_response_read(&response, status, copy, size, &err) != CSO_OK)
        fail_msg("%s: %s", body, err.message);
    free(copy);
    return response;
}

static void answers(void **state) {
    (void)state;
    static const struct {
        const char *body, *text;
        bool cut, has_prompt, has_completion;
        unsigned prompt, completion;
    } cases[] = {
        {"{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":\" Hi. \"},\"finish_reason\":\"stop\"}],"
         "\"usage\":{\"prompt_tokens\":12,\"completion_tokens\":3,\"total_tokens\":15}}",
         " Hi. ", false, true, true, 12, 3},
        {"{\"choices\":[{\"message\":{\"content\":\"Hi\"}}]}", "Hi", false, false, false, 0, 0},
        {"{\"error\":null,\"choices\":[{\"message\":{\"role\":null,\"content\":\"\\u00e9\\ud83d\\ude00\"},\"finish_reason\":null},{"
         "}]}",
         "\xC3\xA9\xF0\x9F\x98\x80", false, false, false, 0, 0},
        {"{\"choices\":[{\"message\":{\"content\":\"Hi\",\"tool_calls\":[]},\"finish_reason\":\"length\"}],\"usage\":null}", "Hi",
         true, false, false, 0, 0},
        {"{\"choices\":[{\"message\":{\"content\":\"Hi\"}}],\"usage\":{\"prompt_tokens\":\"12\",\"completion_tokens\":0}}", "Hi",
         false, false, true, 0, 0},
        {"{\"choices\":[{\"message\":{\"content\":\"Hi\"}}],\"usage\":{\"prompt_tokens\":-1,\"completion_tokens\":1e300}}", "Hi",
         false, false, false, 0, 0},
        {"{\"choices\":[{\"message\":{\"content\":\"Hi\"}}],\"usage\":[1]}", "Hi", false, false, false, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cso_chat_response r = read_text(200, cases[i].body, strlen(cases[i].body));
        if (r.verdict != CSO_VERDICT_ANSWER || strcmp(r.text, cases[i].text))
            fail_msg("%s: %d %s", cases[i].body, r.verdict, r.problem);
        assert_int_equal(r.cut, cases[i].cut);
        assert_int_equal(r.has_prompt_tokens, cases[i].has_prompt);
        assert_int_equal(r.has_completion_tokens, cases[i].has_completion);
        assert_int_equal(r.prompt_tokens, cases[i].prompt);
        assert_int_equal(r.completion_tokens, cases[i].completion);
        free(r.text);
    }
}

static void no_answers(void **state) {
    (void)state;
    static const struct {
        long status;
        const char *body, *problem;
        cso_verdict verdict;
    } cases[] = {
        {200, "", "response:1: ", CSO_VERDICT_AGAIN},
        {200, "<html>", "response:1: ", CSO_VERDICT_AGAIN},
        {200, "{\"choices\":[{\"message\":{\"content\":\"Hi", "response:1: ", CSO_VERDICT_AGAIN},
        {200, "{\"choices\":[{\"message\":{\"content\":\"Hi\"}}]} {}", "response:1: ", CSO_VERDICT_AGAIN},
        {200, "{\"choices\":[],\"choices\":[{\"message\":{\"content\":\"Hi\"}}]}", "response:1: ", CSO_VERDICT_AGAIN},
        {200, "{\"choices\":[{\"message\":{\"content\":\"\\ud800\"}}]}", "response:1: ", CSO_VERDICT_AGAIN},
        {200, "null", "the response has no choices[0].message", CSO_VERDICT_AGAIN},
        {200, "[]", "the response has no choices[0].message", CSO_VERDICT_AGAIN},
        {200, "{\"choices\":[]}", "the response has no choices[0].message", CSO_VERDICT_AGAIN},
        {200, "{\"choices\":{\"message\":{\"content\":\"Hi\"}}}", "the response has no choices[0].message", CSO_VERDICT_AGAIN},
        {200, "{\"choices\":[{\"text\":\"Hi\"}]}", "the response has no choices[0].message", CSO_VERDICT_AGAIN},
        {200, "{\"choices\":[{\"message\":\"Hi\"}]}", "the response has no choices[0].message", CSO_VERDICT_AGAIN},
        {200, "{\"choices\":[{\"message\":{\"role\":\"assistant\",\"content\":null}}]}",
         "choices[0].message has no content that is a text", CSO_VERDICT_AGAIN},
        {200, "{\"choices\":[{\"message\":{\"content\":[\"Hi\"]}}]}", "choices[0].message has no content that is a text",
         CSO_VERDICT_AGAIN},
        {200, "{\"choices\":[{\"message\":{\"content\":\" \\n\\t\"}}]}", "the answer is empty", CSO_VERDICT_AGAIN},
        {200, "{\"choices\":[{\"message\":{\"content\":\"\"},\"finish_reason\":\"length\"}]}",
         "the answer is empty, and max_tokens were used up", CSO_VERDICT_AGAIN},
        {200, "{\"choices\":[{\"message\":{\"content\":\"a\\u0000b\"}}]}", "the answer has U+0000", CSO_VERDICT_AGAIN},
        {200, "{\"choices\":[{\"message\":{\"content\":\"Hi\"},\"finish_reason\":\"content_filter\"}]}",
         "the answer was broken off (finish_reason is \"content_filter\" or \"error\")", CSO_VERDICT_AGAIN},
        {200, "{\"choices\":[{\"message\":{\"content\":\"Hi\"},\"finish_reason\":1}]}", "finish_reason is not a text",
         CSO_VERDICT_AGAIN},
        {200, "{\"choices\":[{\"message\":{\"role\":\"user\",\"content\":\"Hi\"}}]}",
         "the role of choices[0].message is not \"assistant\"", CSO_VERDICT_AGAIN},
        {200, "{\"error\":{\"message\":\"busy\"},\"choices\":[{\"message\":{\"content\":\"Hi\"}}]}",
         "an error under HTTP 200: busy", CSO_VERDICT_AGAIN},
        {200, "{\"error\":\"busy\"}", "an error under HTTP 200: busy", CSO_VERDICT_AGAIN},
        {200, "{\"error\":{\"message\":\"too long\",\"code\":400}}", "an error under HTTP 200: too long", CSO_VERDICT_FAILED},
        {200, "{\"error\":{\"message\":\"slow down\",\"code\":429}}", "an error under HTTP 200: slow down", CSO_VERDICT_AGAIN},
        {200, "{\"error\":{\"code\":1e300}}", "an error under HTTP 200", CSO_VERDICT_AGAIN},
        {200, "{\"error\":{\"code\":-5}}", "an error under HTTP 200", CSO_VERDICT_AGAIN},
        {200, "{\"error\":{\"code\":200}}", "an error under HTTP 200", CSO_VERDICT_AGAIN},
        {503, "", "HTTP 503", CSO_VERDICT_AGAIN},
        {503, "<html>busy</html>", "HTTP 503: <html>busy</html>", CSO_VERDICT_AGAIN},
        {429, "{\"error\":{\"message\":\"pay\",\"code\":\"insufficient_quota\"}}", "HTTP 429: pay", CSO_VERDICT_FAILED},
        {400, "{\"error\":{\"message\":\"too long\"}}", "HTTP 400: too long", CSO_VERDICT_FAILED},
        {401, "{\"message\":\"no key\"}", "HTTP 401: no key", CSO_VERDICT_REFUSED},
        {404, "{\"detail\":\"Not Found\"}", "HTTP 404: Not Found", CSO_VERDICT_REFUSED},
        {500, "{\"error\":{\"message\":17}}", "HTTP 500", CSO_VERDICT_AGAIN},
        {500, "{\"choices\":[{\"message\":{\"content\":\"Hi\"}}]}", "HTTP 500", CSO_VERDICT_AGAIN},
        {302, "<html>", "HTTP 302: redirects are not followed", CSO_VERDICT_AGAIN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cso_chat_response r = read_text(cases[i].status, cases[i].body, strlen(cases[i].body));
        bool begins = cases[i].problem[strlen(cases[i].problem) - 1] == ' ';
        if (r.verdict != cases[i].verdict || r.text || strncmp(r.problem, cases[i].problem, strlen(cases[i].problem)) ||
            (!begins && strlen(r.problem) != strlen(cases[i].problem)))
            fail_msg("%ld %s: %d \"%s\" (expected %d \"%s\")", cases[i].status, cases[i].body, r.verdict, r.problem,
                     cases[i].verdict, cases[i].problem);
    }
}

/* {"choices":[{"message":{"content":"ccc..."}}]} */
static cso_chat_response read_long(size_t length, char c) {
    static const char before[] = "{\"choices\":[{\"message\":{\"content\":\"", after[] = "\"}}]}";
    size_t size = sizeof before + length + sizeof after;
    char *body = malloc(size);
    assert_non_null(body);
    memcpy(body, before, sizeof before - 1);
    memset(body + sizeof before - 1, c, length);
    memcpy(body + sizeof before - 1 + length, after, sizeof after);
    cso_chat_response r = read_text(200, body, strlen(body));
    free(body);
    return r;
}

static void sizes(void **state) {
    (void)state;
    cso_chat_response r = read_long(CSO_CHAT_MAX_ANSWER, ',');
    assert_int_equal(r.verdict, CSO_VERDICT_ANSWER);
    assert_int_equal(strlen(r.text), CSO_CHAT_MAX_ANSWER);
    free(r.text);
    r = read_long(CSO_CHAT_MAX_ANSWER + 1, 'x');
    assert_int_equal(r.verdict, CSO_VERDICT_AGAIN);
    assert_string_equal(r.problem, "the answer has more than 256 KiB");
    r = read_long(CSO_CHAT_MAX_VALUES + 1, '[');
    assert_string_equal(r.problem, "the response has too many values");
}

/* The words of a server are cut. */
static void long_words(void **state) {
    (void)state;
    static char body[100000];
    memset(body, 'x', sizeof body);
    cso_chat_response r = read_text(500, body, sizeof body);
    assert_int_equal(strlen(r.problem), CSO_CHAT_PROBLEM - 1);
    body[99] = '\0'; /* also a zero byte */
    r = read_text(500, body, sizeof body);
    assert_int_equal(strlen(r.problem), strlen("HTTP 500: ") + 99);
    cso_error err;
    assert_int_equal(cso_chat_response_read(&r, 500, NULL, 0, &err), CSO_OK);
    assert_string_equal(r.problem, "HTTP 500");
    assert_int_equal(cso_chat_response_read(&r, 200, NULL, 0, &err), CSO_OK);
    assert_int_equal(r.verdict, CSO_VERDICT_AGAIN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests), cmocka_unit_test(answers),    cmocka_unit_test(no_answers),
        cmocka_unit_test(sizes),    cmocka_unit_test(long_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

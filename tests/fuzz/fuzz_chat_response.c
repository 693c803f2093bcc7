/* fuzz_chat_response.c - what endpoints send. An answer must be text that a record can hold, and reads back the same when it is sent
 * as a response; what is none has a reason, in which no key shows.
 *
 * The first byte chooses the HTTP status ('0' to '9'); the rest is the body.
 */
#include "../../src/endpoint/chat_request.h"
#include "../../src/endpoint/secret.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                                         \
    do {                                                                                                                           \
        if (!(condition))                                                                                                          \
            __builtin_trap();                                                                                                      \
    } while (0)

static void read_back(const char *text) {
    cso_text body = {0};
    cso_chat_response again;
    cso_text_format(&body, "{\"choices\":[{\"message\":{\"content\":");
    cso_text_json_string(&body, text, strlen(text));
    cso_text_format(&body, "}}]}");
    REQUIRE(cso_chat_response_read(&again, 200, body.data, body.size, NULL) == CSO_OK);
    REQUIRE(again.verdict == CSO_VERDICT_ANSWER && !strcmp(again.text, text));
    free(again.text);
    free(body.data);
}

static void send_on(const char *text) {
    const cso_endpoint_options options = {.model = (char *)(uintptr_t) "m", .temperature = 1, .max_tokens = 1};
    cso_text body = {0};
    cJSON *root;
    REQUIRE(cso_chat_request_write(&body, &options, text, text, NULL) == CSO_OK);
    REQUIRE(cso_json_parse(&root, body.data, body.size, "request", 1, NULL) == CSO_OK);
    const cJSON *messages = cJSON_GetObjectItemCaseSensitive(root, "messages");
    const cJSON *user = cJSON_GetArrayItem(messages, cJSON_GetArraySize(messages) - 1);
    REQUIRE(!strcmp(cJSON_GetObjectItemCaseSensitive(user, "content")->valuestring, text));
    cJSON_Delete(root);
    free(body.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const long statuses[] = {200, 201, 302, 308, 400, 401, 403, 429, 500, 503};
    cso_secret secret = {.header = NULL, .key = "key-0123456789"};
    cso_chat_response response;
    if (size < 1)
        return 0;
    long status = statuses[(unsigned)(data[0] - '0') % 10];
    REQUIRE(cso_chat_response_read(&response, status, (const char *)data + 1, size - 1, NULL) == CSO_OK);
    if (response.verdict == CSO_VERDICT_ANSWER) {
        REQUIRE(status / 100 == 2 && response.text && strlen(response.text) <= CSO_CHAT_MAX_ANSWER);
        REQUIRE(cso_utf8_check(response.text, strlen(response.text), NULL));
        REQUIRE(response.text[strspn(response.text, " \t\r\n")]);
        read_back(response.text);
        send_on(response.text);
        free(response.text);
    } else {
        char problem[CSO_CHAT_PROBLEM];
        REQUIRE(!response.text && response.problem[0] && memchr(response.problem, 0, sizeof response.problem));
        memcpy(problem, response.problem, sizeof problem);
        cso_secret_redact(&secret, problem);
        REQUIRE(strlen(problem) <= strlen(response.problem) && !strstr(problem, secret.key));
    }
    return 0;
}

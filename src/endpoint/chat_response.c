/* chat_response.c - reading a response; see chat_request.h. */
#include "chat_request.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cJSON *member(const cJSON *object, const char *key) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNull(value) ? NULL : value;
}

/* Prompt or completion tokens; what is no count is taken for missing. */
static bool read_tokens(const cJSON *usage, const char *key, uint64_t *tokens) {
    size_t count;
    if (!member(usage, key) || cso_json_size(usage, key, "usage", 0, &count, NULL) != CSO_OK || count > UINT32_MAX)
        return false;
    *tokens = count;
    return true;
}

static void read_usage(cso_chat_response *response, const cJSON *root) {
    const cJSON *usage = member(root, "usage");
    response->has_prompt_tokens = read_tokens(usage, "prompt_tokens", &response->prompt_tokens);
    response->has_completion_tokens = read_tokens(usage, "completion_tokens", &response->completion_tokens);
}

static cso_status no_answer(cso_chat_response *response, const char *problem) {
    response->verdict = CSO_VERDICT_AGAIN;
    snprintf(response->problem, sizeof response->problem, "%.*s", CSO_CHAT_PROBLEM - 1, problem);
    return CSO_OK;
}

/* The words of an error: {"error": {"message"}}, {"error": TEXT}, {"message"}, {"detail"}; NULL: none. */
static const char *error_text(const cJSON *root) {
    static const char *const keys[] = {"error", "message", "detail"};
    const cJSON *error = member(root, "error");
    const cJSON *message = cJSON_IsObject(error) ? member(error, "message") : NULL;
    for (size_t i = 0; i < sizeof keys / sizeof *keys && !cJSON_IsString(message); i++)
        message = member(root, keys[i]);
    return cJSON_IsString(message) ? message->valuestring : NULL;
}

static bool error_is(const cJSON *root, const char *code) {
    const cJSON *error = member(root, "error");
    const cJSON *value = cJSON_IsObject(error) ? member(error, "code") : NULL;
    return cJSON_IsString(value) && !strcmp(value->valuestring, code);
}

/* An error by its status, with the server's words: those of its JSON, or the beginning of the body. */
static void read_error(cso_chat_response *response, long status, const cJSON *root, const char *body, size_t size) {
    const char *words = error_text(root);
    char beginning[CSO_CHAT_PROBLEM] = "";
    if (!words && !root) {
        size_t length = size < sizeof beginning ? size : sizeof beginning - 1;
        if (length)
            memcpy(beginning, body, length);
        words = beginning;
    }
    if (status >= 300 && status < 400)
        words = "redirects are not followed";
    response->verdict = cso_retry_verdict(status);
    if (error_is(root, "insufficient_quota")) /* comes as 429, and no pause helps */
        response->verdict = CSO_VERDICT_FAILED;
    snprintf(response->problem, sizeof response->problem, "HTTP %ld%s%s", status, words && *words ? ": " : "", words ? words : "");
}

/* An error under HTTP 2xx. Its code counts if it is the status of a failure; else another try may help. */
static void read_lying_error(cso_chat_response *response, long status, const cJSON *root) {
    const cJSON *code = member(member(root, "error"), "code");
    double number = cJSON_IsNumber(code) ? code->valuedouble : 0;
    const char *words = error_text(root);
    response->lying = true;
    bool failure = number >= 400 && number < 600;
    response->verdict = failure ? cso_retry_verdict((long)number) : CSO_VERDICT_AGAIN;
    if (error_is(root, "insufficient_quota"))
        response->verdict = CSO_VERDICT_FAILED;
    snprintf(response->problem, sizeof response->problem, "an error under HTTP %ld%s%s", status, words ? ": " : "",
             words ? words : "");
}

static bool is_blank(const char *text) {
    return text[strspn(text, " \t\r\n")] == '\0';
}

static cso_status read_content(cso_chat_response *response, const cJSON *content, cso_error *err) {
    if (!cJSON_IsString(content))
        return no_answer(response, "choices[0].message has no content that is a text");
    if (strlen(content->valuestring) > CSO_CHAT_MAX_ANSWER)
        return no_answer(response, "the answer has more than 256 KiB");
    if (is_blank(content->valuestring))
        return no_answer(response, response->cut ? "the answer is empty, and max_tokens were used up" : "the answer is empty");
    if (strstr(content->valuestring, "\xC0\x80")) /* json.h */
        return no_answer(response, "the answer has U+0000");
    response->text = cso_strdup(content->valuestring);
    response->verdict = CSO_VERDICT_ANSWER;
    return response->text ? CSO_OK : cso_fail_memory(err, "an answer");
}

static cso_status read_choice(cso_chat_response *response, const cJSON *root, cso_error *err) {
    const cJSON *choices = member(root, "choices");
    const cJSON *choice = cJSON_IsArray(choices) ? choices->child : NULL, *message = member(choice, "message");
    const cJSON *role = member(message, "role"), *reason = member(choice, "finish_reason");
    if (!cJSON_IsObject(choice) || !cJSON_IsObject(message))
        return no_answer(response, "the response has no choices[0].message");
    if (role && (!cJSON_IsString(role) || strcmp(role->valuestring, "assistant")))
        return no_answer(response, "the role of choices[0].message is not \"assistant\"");
    if (reason && !cJSON_IsString(reason))
        return no_answer(response, "finish_reason is not a text");
    response->cut = reason && !strcmp(reason->valuestring, "length");
    if (reason && (!strcmp(reason->valuestring, "content_filter") || !strcmp(reason->valuestring, "error")))
        return no_answer(response, "the answer was broken off (finish_reason is \"content_filter\" or \"error\")");
    return read_content(response, member(message, "content"), err);
}

/* cJSON takes 80 bytes for a value that may be written in two. Texts are counted with the rest, which only makes it stricter. */
static bool has_too_many_values(const char *body, size_t size) {
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += body[i] == ',' || body[i] == ':' || body[i] == '[' || body[i] == '{';
    return count > CSO_CHAT_MAX_VALUES;
}

cso_status cso_chat_response_read(cso_chat_response *response, long status, const char *body, size_t size, cso_error *err) {
    *response = (cso_chat_response){.verdict = CSO_VERDICT_AGAIN};
    bool success = cso_retry_verdict(status) == CSO_VERDICT_ANSWER;
    cJSON *root = NULL;
    cso_error cause = {0};
    if (has_too_many_values(body, size))
        cso_fail(&cause, CSO_ERR_INPUT, "the response has too many values");
    else if (cso_json_parse(&root, body, size, "response", 1, &cause) == CSO_ERR_SYSTEM)
        return cso_fail(err, CSO_ERR_SYSTEM, "%s", cause.message);
    cso_status result = CSO_OK;
    if (root)
        read_usage(response, root);
    if (!success)
        read_error(response, status, root, body, size);
    else if (!root)
        result = no_answer(response, cause.message);
    else if (member(root, "error"))
        read_lying_error(response, status, root);
    else
        result = read_choice(response, root, err);
    cJSON_Delete(root);
    return result;
}

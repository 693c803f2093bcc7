/* chat_request.c - the body of a request; see chat_request.h. */
#include "chat_request.h"

#include <string.h>

static void add_text(cso_text *body, const char *text) {
    cso_text_json_string(body, text, strlen(text));
}

static void add_message(cso_text *body, const char *role, const char *content) {
    cso_text_format(body, "{\"role\":\"%s\",\"content\":", role);
    add_text(body, content);
    cso_text_add(body, "}", 1);
}

cso_status cso_chat_request_write(cso_text *body, const cso_endpoint_options *options, const char *system, const char *user,
                                  cso_error *err) {
    cso_text_format(body, "{\"model\":");
    add_text(body, options->model);
    cso_text_format(body, ",\"messages\":[");
    if (*system) {
        add_message(body, "system", system);
        cso_text_add(body, ",", 1);
    }
    add_message(body, "user", user);
    cso_text_format(body, "],\"temperature\":");
    cso_text_json_number(body, options->temperature);
    cso_text_format(body, ",\"max_tokens\":%zu,\"stream\":false}", options->max_tokens);
    return body->failed ? cso_fail_memory(err, "a request") : CSO_OK;
}

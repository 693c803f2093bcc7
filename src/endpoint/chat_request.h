/* chat_request.h - the bodies of POST .../chat/completions: the request is written, the response read. Pure functions.
 *
 * Source: the OpenAI API reference, "Create chat completion", and what servers that call themselves compatible send (docs/search.md).
 */
#ifndef CSO_CHAT_REQUEST_H
#define CSO_CHAT_REQUEST_H

#include "endpoint.h"
#include "io/json.h"
#include "retry.h"

/* The JSON body: model, messages (system only if it is not empty, user), temperature, max_tokens, "stream": false. */
cso_status cso_chat_request_write(cso_text *body, const cso_endpoint_options *options, const char *system, const char *user,
                                  cso_error *err);

enum {
    CSO_CHAT_MAX_ANSWER = 256 << 10, /* bytes of an answer */
    CSO_CHAT_MAX_VALUES = 1 << 19,   /* commas, colons and brackets of a response: it bounds what the parser allocates */
    CSO_CHAT_PROBLEM = 320
};

/* What a response says. */
typedef struct cso_chat_response {
    cso_verdict verdict;
    bool lying; /* an error under 2xx */
    char *text; /* of ANSWER: UTF-8, not blank, without U+0000; free() */
    bool cut;   /* finish_reason is "length" */
    bool has_prompt_tokens, has_completion_tokens;
    uint64_t prompt_tokens, completion_tokens; /* of `usage`, where it has them */
    char problem[CSO_CHAT_PROBLEM];            /* of the others: why it is no answer, with the server's words, not yet printable */
} cso_chat_response;

/* status: HTTP's, by which a failure is judged; that of an error under 2xx is its `code`, where that is a status. What was expected
 * and is not there (JSON, choices[0].message.content, the role "assistant") is AGAIN. CSO_ERR_SYSTEM: no memory. */
cso_status cso_chat_response_read(cso_chat_response *response, long status, const char *body, size_t size, cso_error *err);

#endif

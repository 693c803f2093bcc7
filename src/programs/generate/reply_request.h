/* reply_request.h - a prompt and its options as the decoder takes them. */
#ifndef CSO_REPLY_REQUEST_H
#define CSO_REPLY_REQUEST_H

#include "generate_session.h"

typedef struct reply_request reply_request;
struct reply_request {
    cso_request request; /* owner: this */
    int32_t stops[2];
    char *prefix;
    cso_logit_bias *bias;
    reply_constraints *constraints; /* that the request's is of */
    const prompt_row *row;
    size_t left; /* replies that are not finished */
    reply_request *next;
};

/* The row must stay until the request is freed. The draws depend on the prompt's ids and the seed, not on the row's place in a file.
 * Errors: what is wrong with the options, with the row's place. */
cso_status reply_request_create(reply_request **request, const generate_session *session, const prompt_row *row, cso_error *err);
void reply_request_free(reply_request *request); /* NULL is fine */

#endif

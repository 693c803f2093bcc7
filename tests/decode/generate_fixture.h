/* generate_fixture.h - replies to a list of requests, kept. */
#ifndef CSO_TESTS_GENERATE_FIXTURE_H
#define CSO_TESTS_GENERATE_FIXTURE_H

#include "decode/generate.h"

/* A copy of a finished reply. */
typedef struct kept_reply {
    int32_t *ids;
    size_t n_ids, n_forced;
    char *text, *streamed; /* the second: the texts of the callback, joined */
    size_t size, streamed_size;
    cso_finish finish;
    double *logps;
    cso_alternative *top;
    size_t told;     /* calls with a token */
    size_t finished; /* 1 */
} kept_reply;

/* A list of requests, and what to do with their replies. */
typedef struct fixture_replies {
    const cso_request *requests; /* (n) all with as many replies as the first */
    size_t n, begun;
    kept_reply *replies;            /* (n, replies of each) */
    size_t cancel_reply, cancel_at; /* the reply at this index of replies ends after so many tokens; 0: none does */
    size_t stop_after;              /* CSO_STOPPED after so many finished replies; 0: never */
    size_t total;                   /* finished replies */
} fixture_replies;

/* Makes them: options' context and functions are set here. Free with fixture_replies_free. */
cso_status fixture_generate(fixture_replies *list, cso_decoder *decoder, cso_generate_options options, cso_error *err);
void fixture_replies_free(fixture_replies *list);
/* Fails the test unless two lists' replies are the same, log-probabilities and alternatives to the bit. */
void fixture_replies_equal(const fixture_replies *a, const fixture_replies *b);

#endif

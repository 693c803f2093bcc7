/* retry.h - which failures are tried again, and when (docs/search.md, "Endpoints"). Pure functions. */
#ifndef CSO_RETRY_H
#define CSO_RETRY_H

#include <stdbool.h>
#include <stddef.h>

typedef enum cso_verdict {
    CSO_VERDICT_ANSWER,
    CSO_VERDICT_AGAIN,     /* another try may succeed */
    CSO_VERDICT_FAILED,    /* the same request would fail again */
    CSO_VERDICT_FORBIDDEN, /* 403: the key or only this question, which whether others were answered tells */
    CSO_VERDICT_REFUSED    /* every request to this service would fail: key, model or address */
} cso_verdict;

/* Of an HTTP status. 2xx: ANSWER, if the body has one. */
cso_verdict cso_retry_verdict(long status);

enum {
    CSO_RETRY_MAX_PAUSE = 60, /* seconds, of a pause that only the number of tries lengthens */
    CSO_RETRY_MAX_AFTER = 120 /* seconds that a server may ask for */
};

/* Seconds until the next try: `first` for the first retry, doubled for each after it, at most CSO_RETRY_MAX_PAUSE and at least
 * retry_after (0: the server did not say; a negative one counts as 0), plus jitter of up to a quarter of the doubled pause. tries:
 * requests so far, at least 1. random: uniform in [0, 1). False: the server asks for more than CSO_RETRY_MAX_AFTER. */
bool cso_retry_pause(double first, size_t tries, double retry_after, double random, double *seconds);

#endif

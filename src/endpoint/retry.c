/* retry.c - see retry.h. */
#include "retry.h"

#include <math.h>

cso_verdict cso_retry_verdict(long status) {
    switch (status) {
    case 408: /* request timeout */
    case 409: /* conflict */
    case 425: /* too early */
    case 429: /* too many requests */
        return CSO_VERDICT_AGAIN;
    case 301: /* moved for good */
    case 308:
    case 401:
    case 404:
    case 405: /* no POST at this address */
        return CSO_VERDICT_REFUSED;
    case 403:
        return CSO_VERDICT_FORBIDDEN;
    default:
        break;
    }
    if (status >= 200 && status < 300)
        return CSO_VERDICT_ANSWER;
    return status >= 400 && status < 500 ? CSO_VERDICT_FAILED : CSO_VERDICT_AGAIN; /* other redirects may be of the moment */
}

bool cso_retry_pause(double first, size_t tries, double retry_after, double random, double *seconds) {
    int doublings = tries > 1 ? (tries < 64 ? (int)tries - 1 : 63) : 0;
    double pause = fmin(ldexp(first, doublings), CSO_RETRY_MAX_PAUSE);
    *seconds = fmax(pause, retry_after) + 0.25 * random * pause;
    return !(retry_after > CSO_RETRY_MAX_AFTER);
}

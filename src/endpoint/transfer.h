/* transfer.h - one POST over libcurl: what may come and how long it may take is bounded.
 *
 * TLS certificates and host names are checked, redirects are not followed, and no protocol but http and https is spoken. A proxy is
 * taken from the usual environment variables, but never for this machine.
 */
#ifndef CSO_TRANSFER_H
#define CSO_TRANSFER_H

#include "base/status.h"
#include "retry.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    CSO_TRANSFER_MAX_BODY = 16 << 20,     /* bytes of a response */
    CSO_TRANSFER_MAX_HEADERS = 256 << 10, /* of its headers, all together */
    CSO_TRANSFER_CONNECT_SECONDS = 10
};

/* Where requests go; outlives their transfers. */
typedef struct cso_transfer_target {
    const char *url;
    struct curl_slist *headers;
    const char *authorities; /* a file of certificates that are trusted in place of the system's; NULL: none */
    bool loopback;
    double timeout_seconds; /* of a request, from its start to the end of its response */
} cso_transfer_target;

/* Zeroed: none. */
typedef struct cso_transfer {
    CURL *easy;
    char *body; /* of the response */
    size_t size, capacity, header_bytes;
    enum { CSO_TRANSFER_WHOLE, CSO_TRANSFER_TOO_LARGE, CSO_TRANSFER_NO_MEMORY } state;
    char error[CURL_ERROR_SIZE];
} cso_transfer;

/* Prepares transfer->easy, with CURLOPT_PRIVATE `owner`. The transfer must not move until its end, nor request[size]. */
cso_status cso_transfer_begin(cso_transfer *transfer, const cso_transfer_target *target, const char *request, size_t size,
                              void *owner, cso_error *err);
void cso_transfer_end(cso_transfer *transfer); /* takes a zeroed one too */

typedef struct cso_transfer_result {
    cso_verdict verdict;                /* ANSWER: there is a response, of whatever status */
    long status;                        /* HTTP's */
    double retry_after;                 /* seconds, 0: not said or past */
    bool sent;                          /* so that the server may have begun to work */
    char problem[CURL_ERROR_SIZE + 64]; /* of the other verdicts */
} cso_transfer_result;

/* What came of a transfer that ended with the code. */
void cso_transfer_judge(const cso_transfer *transfer, CURLcode code, cso_transfer_result *result);

#endif

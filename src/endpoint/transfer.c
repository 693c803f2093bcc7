/* transfer.c - see transfer.h. */
#include "transfer.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t take_body(char *bytes, size_t one, size_t size, void *context) {
    cso_transfer *t = context;
    (void)one; /* is 1 */
    if (size > CSO_TRANSFER_MAX_BODY - t->size)
        t->state = CSO_TRANSFER_TOO_LARGE;
    else if (!cso_grow(&t->body, &t->capacity, t->size + size, 1))
        t->state = CSO_TRANSFER_NO_MEMORY;
    if (t->state != CSO_TRANSFER_WHOLE)
        return 0; /* libcurl ends the transfer */
    if (size)
        memcpy(t->body + t->size, bytes, size);
    t->size += size;
    return size;
}

/* libcurl bounds a line and keeps all of them. */
static size_t count_header(char *bytes, size_t one, size_t size, void *context) {
    cso_transfer *t = context;
    (void)bytes, (void)one;
    t->header_bytes += size;
    if (t->header_bytes > CSO_TRANSFER_MAX_HEADERS)
        t->state = CSO_TRANSFER_TOO_LARGE;
    return t->state == CSO_TRANSFER_WHOLE ? size : 0;
}

/* Each option in turn, until one fails. */
#define SET(option, value)                                                                                                         \
    do {                                                                                                                           \
        if (code == CURLE_OK)                                                                                                      \
            code = curl_easy_setopt(easy, option, value);                                                                          \
    } while (0)

static CURLcode set_safety(CURL *easy, const cso_transfer_target *target) {
    CURLcode code = CURLE_OK;
#if LIBCURL_VERSION_NUM >= 0x075500
    SET(CURLOPT_PROTOCOLS_STR, target->loopback ? "http,https" : "https");
#else
    SET(CURLOPT_PROTOCOLS, (long)(target->loopback ? CURLPROTO_HTTP | CURLPROTO_HTTPS : CURLPROTO_HTTPS));
#endif
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (target->authorities)
        SET(CURLOPT_CAINFO, target->authorities);
    if (target->loopback)
        SET(CURLOPT_PROXY, ""); /* a proxy would get the key in plain text */
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    return code;
}

static CURLcode set_times(CURL *easy, const cso_transfer_target *target) {
    CURLcode code = CURLE_OK;
    double seconds = fmin(fmax(target->timeout_seconds, 0.001), 1e6);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)ceil(seconds * 1000));
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)ceil(fmin(seconds, CSO_TRANSFER_CONNECT_SECONDS) * 1000));
    SET(CURLOPT_LOW_SPEED_LIMIT, 1L); /* an endpoint that thinks is silent, so no sooner */
    SET(CURLOPT_LOW_SPEED_TIME, (long)ceil(seconds));
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    return code;
}

static CURLcode set_request(cso_transfer *t, const cso_transfer_target *target, const char *request, size_t size) {
    CURL *easy = t->easy;
    CURLcode code = CURLE_OK;
    SET(CURLOPT_URL, target->url);
    SET(CURLOPT_HTTPHEADER, target->headers);
    SET(CURLOPT_USERAGENT, "cso/" CSO_VERSION);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDS, request);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_HEADERFUNCTION, count_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_ERRORBUFFER, t->error);
    return code;
}

cso_status cso_transfer_begin(cso_transfer *transfer, const cso_transfer_target *target, const char *request, size_t size,
                              void *owner, cso_error *err) {
    *transfer = (cso_transfer){.easy = curl_easy_init()};
    if (!transfer->easy)
        return cso_fail_memory(err, "a request");
    CURL *easy = transfer->easy;
    CURLcode code = set_request(transfer, target, request, size);
    SET(CURLOPT_PRIVATE, owner);
    if (code == CURLE_OK)
        code = set_times(easy, target);
    if (code == CURLE_OK)
        code = set_safety(easy, target);
    if (code == CURLE_OK)
        return CSO_OK;
    cso_transfer_end(transfer);
    return cso_fail(err, CSO_ERR_SYSTEM, "libcurl: %s", curl_easy_strerror(code));
}

void cso_transfer_end(cso_transfer *transfer) {
    curl_easy_cleanup(transfer->easy);
    free(transfer->body);
    *transfer = (cso_transfer){0};
}

static cso_verdict verdict_of(CURLcode code) {
    switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_PEER_FAILED_VERIFICATION: /* a certificate that is not trusted, or of another host */
    case CURLE_SSL_CACERT_BADFILE:
        return CSO_VERDICT_REFUSED;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_NOT_BUILT_IN:
    case CURLE_FAILED_INIT:
        return CSO_VERDICT_FAILED;
    default:
        return CSO_VERDICT_AGAIN;
    }
}

/* libcurl's words with host and port, where they cannot hold what a proxy's address has before its '@'. */
static void describe(const cso_transfer *t, CURLcode code, char *problem, size_t size) {
    bool detail = t->error[0] && !strchr(t->error, '@');
    if (t->state == CSO_TRANSFER_TOO_LARGE)
        snprintf(problem, size, "the response is larger than %d MiB, or its headers than %d KiB", CSO_TRANSFER_MAX_BODY >> 20,
                 CSO_TRANSFER_MAX_HEADERS >> 10);
    else if (t->state == CSO_TRANSFER_NO_MEMORY)
        snprintf(problem, size, "out of memory for a response");
    else if (detail)
        snprintf(problem, size, "%s", t->error);
    else
        snprintf(problem, size, "%s", curl_easy_strerror(code));
}

void cso_transfer_judge(const cso_transfer *transfer, CURLcode code, cso_transfer_result *result) {
    curl_off_t after = 0;
    long request_bytes = 0;
    *result = (cso_transfer_result){.verdict = CSO_VERDICT_ANSWER};
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &result->status);
    curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &after);
    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
    result->retry_after = after > 0 ? (double)after : 0; /* before 8.12 a date in the past gives a negative one */
    result->sent = request_bytes > 0;
    if (code == CURLE_OK)
        return;
    result->verdict = transfer->state == CSO_TRANSFER_NO_MEMORY ? CSO_VERDICT_FAILED : verdict_of(code);
    describe(transfer, code, result->problem, sizeof result->problem);
}

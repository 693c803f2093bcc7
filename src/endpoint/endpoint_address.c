/* endpoint_address.c - see endpoint_address.h. libcurl parses the address, so that what is checked is what is asked. */
#include "endpoint_address.h"

#include "base/memory.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define EXPECTED "(expected a base URL, \"https://HOST/v1\"; http only to this machine)"

/* libcurl connects to "localhost" at a loopback address, whatever the resolver says. */
static bool is_loopback(const char *host) {
    static const struct in6_addr loopback = IN6ADDR_LOOPBACK_INIT;
    struct in_addr four;
    struct in6_addr six;
    char bare[64];
    size_t length = strlen(host);
    if (!strcasecmp(host, "localhost"))
        return true;
    if (inet_pton(AF_INET, host, &four) == 1)
        return ntohl(four.s_addr) >> 24 == 127;
    if (length < 3 || length > sizeof bare || host[0] != '[' || host[length - 1] != ']')
        return false;
    memcpy(bare, host + 1, length - 2);
    bare[length - 2] = '\0';
    return inet_pton(AF_INET6, bare, &six) == 1 && !memcmp(&six, &loopback, sizeof six);
}

static bool has(CURLU *url, CURLUPart part) {
    char *text = NULL;
    bool found = curl_url_get(url, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return found;
}

static bool part_is(CURLU *url, CURLUPart part, const char *expected) {
    char *text = NULL;
    bool same = curl_url_get(url, part, &text, 0) == CURLUE_OK && !strcmp(text, expected);
    curl_free(text);
    return same;
}

static cso_status check(CURLU *url, const char *endpoint, bool *loopback, const char *place, cso_error *err) {
    char *host = NULL;
    CURLUcode code = curl_url_set(url, CURLUPART_URL, endpoint, 0);
    if (has(url, CURLUPART_USER) || has(url, CURLUPART_PASSWORD) || has(url, CURLUPART_QUERY) || has(url, CURLUPART_FRAGMENT))
        return cso_fail(err, CSO_ERR_USAGE, "%s: the endpoint's address has a user name, password, query or fragment " EXPECTED,
                        place);
    if (code != CURLUE_OK || curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK)
        return cso_fail(err, code == CURLUE_OUT_OF_MEMORY ? CSO_ERR_SYSTEM : CSO_ERR_USAGE,
                        "%s: the endpoint's address is not valid " EXPECTED, place);
    *loopback = is_loopback(host);
    curl_free(host);
    if (!part_is(url, CURLUPART_SCHEME, "https") && !(*loopback && part_is(url, CURLUPART_SCHEME, "http")))
        return cso_fail(err, CSO_ERR_USAGE, "%s: endpoint %s is not encrypted " EXPECTED, place, endpoint);
    return CSO_OK;
}

cso_status cso_endpoint_address_read(cso_endpoint_address *address, const char *endpoint, const char *place, cso_error *err) {
    *address = (cso_endpoint_address){0};
    CURLU *url = curl_url();
    if (!url)
        return cso_fail_memory(err, "an address");
    cso_status status = check(url, endpoint, &address->loopback, place, err);
    curl_url_cleanup(url);
    if (status != CSO_OK)
        return status;
    size_t length = strlen(endpoint);
    while (length && endpoint[length - 1] == '/')
        length--;
    address->base = cso_strndup(endpoint, length);
    if (!address->base || !(address->url = cso_format("%s/chat/completions", address->base)))
        status = cso_fail_memory(err, "an address");
    else if (cso_ends_with(address->base, "/chat/completions"))
        status = cso_fail(err, CSO_ERR_USAGE, "%s: endpoint %s ends in /chat/completions, which is added to it " EXPECTED, place,
                          endpoint);
    if (status != CSO_OK)
        cso_endpoint_address_free(address);
    return status;
}

void cso_endpoint_address_free(cso_endpoint_address *address) {
    free(address->base);
    free(address->url);
    *address = (cso_endpoint_address){0};
}

/* endpoint_address.h - from a base URL of the configuration to the URL that is asked. */
#ifndef CSO_ENDPOINT_ADDRESS_H
#define CSO_ENDPOINT_ADDRESS_H

#include "base/status.h"

#include <stdbool.h>

typedef struct cso_endpoint_address {
    char *base;    /* for messages: without slashes at the end */
    char *url;     /* BASE/chat/completions */
    bool loopback; /* this machine: localhost, 127.0.0.0/8, [::1] */
} cso_endpoint_address;

/* CSO_ERR_USAGE, beginning with place, for what is no https URL (http to this machine), and for one with user name, password, query
 * or fragment, which may hold a secret: such an address is not repeated. */
cso_status cso_endpoint_address_read(cso_endpoint_address *address, const char *endpoint, const char *place, cso_error *err);
void cso_endpoint_address_free(cso_endpoint_address *address); /* takes a zeroed one too */

#endif

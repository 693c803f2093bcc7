/* secret.h - the key of a service: read from the environment, kept once, taken out of messages, wiped. */
#ifndef CSO_SECRET_H
#define CSO_SECRET_H

#include "base/status.h"

#include <stdbool.h>

/* Zeroed: no key. */
typedef struct cso_secret {
    char *header;    /* "Authorization: Bearer KEY" */
    const char *key; /* in the header */
} cso_secret;

/* The key in the environment variable. One that is not set or empty, or a key with control characters or of more than 4096 bytes:
 * CSO_ERR_USAGE; the message begins with place and names the variable. */
cso_status cso_secret_read(cso_secret *secret, const char *variable, const char *place, cso_error *err);
void cso_secret_wipe(cso_secret *secret);

enum { CSO_SECRET_TEXT = 2048 };
/* Replaces, in place, what the text has of the key by "***": the whole key, and any 8 bytes of it in a row, so that a key of which
 * an end was cut off does not show. The text is cut to CSO_SECRET_TEXT - 1 bytes. */
void cso_secret_redact(const cso_secret *secret, char *text);
/* Whether the text has the key. False for keys under 8 bytes, which stand for "no key" at local servers. */
bool cso_secret_in(const cso_secret *secret, const char *text);

/* From now on this process writes no core, and no other of the same user can trace it or read its memory. */
cso_status cso_secret_protect(cso_error *err);

#endif

/* secret.c - see secret.h. */
#include "secret.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum { MAX_KEY = 4096, RUN = 8 };

static const char PREFIX[] = "Authorization: Bearer ";

cso_status cso_secret_read(cso_secret *secret, const char *variable, const char *place, cso_error *err) {
    *secret = (cso_secret){0};
    const char *key = getenv(variable);
    if (!key || !*key)
        return cso_fail(err, CSO_ERR_USAGE, "%s: the environment variable %s is %s (expected the key; api_key_env = \"\" for none)",
                        place, variable, key ? "empty" : "not set");
    for (const char *c = key; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F)
            return cso_fail(err, CSO_ERR_USAGE, "%s: the key in %s has a line break or another control character", place, variable);
    if (strlen(key) > MAX_KEY)
        return cso_fail(err, CSO_ERR_USAGE, "%s: the key in %s has more than %d bytes", place, variable, MAX_KEY);
    secret->header = cso_format("%s%s", PREFIX, key);
    if (!secret->header)
        return cso_fail_memory(err, "a key");
    secret->key = secret->header + sizeof PREFIX - 1;
    return CSO_OK;
}

void cso_secret_wipe(cso_secret *secret) {
    if (secret->header)
        explicit_bzero(secret->header, strlen(secret->header));
    free(secret->header);
    *secret = (cso_secret){0};
}

void cso_secret_redact(const cso_secret *secret, char *text) {
    bool hidden[CSO_SECRET_TEXT] = {false};
    size_t length = secret->key ? strlen(secret->key) : 0, run = length < RUN ? length : RUN, out = 0;
    size_t size = strnlen(text, CSO_SECRET_TEXT - 1);
    text[size] = '\0';
    for (size_t at = 0; length && at + run <= size; at++)
        if (memmem(secret->key, length, text + at, run))
            memset(hidden + at, true, run);
    for (size_t at = 0; at < size; at++)
        if (!hidden[at])
            text[out++] = text[at];
        else if (at < 3 || !hidden[at - 1] || !hidden[at - 2] || !hidden[at - 3]) /* three stars at most for each run */
            text[out++] = '*';
    text[out] = '\0';
}

bool cso_secret_in(const cso_secret *secret, const char *text) {
    return secret->key && strlen(secret->key) >= RUN && strstr(text, secret->key);
}

cso_status cso_secret_protect(cso_error *err) {
    const struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none))
        return cso_fail_errno(err, "forbid a core", "this process");
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
        return cso_fail_errno(err, "forbid tracing", "this process");
    return CSO_OK;
}

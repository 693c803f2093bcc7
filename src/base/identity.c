/* identity.c - see identity.h. */
#include "identity.h"

#include <stdarg.h>
#include <stdio.h>

void cso_identity_add(cso_identity *identity, const char *key, const char *format, ...) {
    bool fits = false;
    if (identity->count < CSO_IDENTITY_MAX) {
        char *name = identity->items[identity->count].key, *value = identity->items[identity->count].value;
        va_list arguments;
        va_start(arguments, format);
        int length = vsnprintf(value, CSO_IDENTITY_VALUE, format, arguments);
        va_end(arguments);
        fits = length >= 0 && length < CSO_IDENTITY_VALUE && snprintf(name, CSO_IDENTITY_KEY, "%s", key) < CSO_IDENTITY_KEY;
        identity->count += fits;
    }
    if (!fits && !identity->failed[0])
        snprintf(identity->failed, sizeof identity->failed, "%s", key);
}

/* A text that is cut gets too long for an identity here, so that it is refused there. */
void cso_identity_add_option(cso_identity *identity, const cso_option *row, const void *field) {
    char text[CSO_IDENTITY_VALUE + 1], name[CSO_IDENTITY_KEY + 3];
    size_t parts = cso_option_parts(row);
    for (size_t i = 0; i < parts; i++) {
        snprintf(name, sizeof name, parts > 1 ? "%s[%zu]" : "%s", row->name, i);
        cso_option_text(row, field, i, text, sizeof text);
        cso_identity_add(identity, name, "%s", text);
    }
}

cso_status cso_identity_check(const cso_identity *identity, cso_error *err) {
    if (!identity->failed[0])
        return CSO_OK;
    return cso_fail(err, CSO_ERR_INTERNAL, "%s does not fit into the identity of the run (expected up to %d keys of %d characters)",
                    identity->failed, CSO_IDENTITY_MAX, CSO_IDENTITY_VALUE - 1);
}

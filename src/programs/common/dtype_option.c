/* dtype_option.c - see dtype_option.h. */
#include "dtype_option.h"

#include "args.h"
#include "base/did_you_mean.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

cso_status parse_dtype(const char *option, const char *text, cso_dtype *dtype, cso_error *err) {
    const char *names[CSO_DTYPE_COUNT];
    char known[256] = "", upper[32];
    for (int i = 0; i < CSO_DTYPE_COUNT; i++) {
        names[i] = cso_dtype_get((cso_dtype)i)->name;
        if (!strcasecmp(names[i], text)) {
            *dtype = (cso_dtype)i;
            return CSO_OK;
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? " " : "", names[i]);
    }
    snprintf(upper, sizeof upper, "%s", text);
    for (char *c = upper; *c; c++)
        *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
    const char *near = cso_did_you_mean(upper, names, CSO_DTYPE_COUNT);
    return near ? cso_fail(err, CSO_ERR_USAGE, "%s: '%s' is not known (did you mean %s?)", option, text, near)
                : cso_fail(err, CSO_ERR_USAGE, "%s: '%s' is not known (expected one of %s)", option, text, known);
}

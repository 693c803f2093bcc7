/* error.c - filling a cso_error.
 *
 * Messages quote names from files, so they are made printable (printable.h) before they are stored. The text is formatted into a
 * local buffer first, because arguments may point into the very message that is being replaced.
 */
#include "status.h"

#include "printable.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void format_into(char *buffer, size_t size, const char *format, va_list arguments) __attribute__((format(printf, 3, 0)));

static void format_into(char *buffer, size_t size, const char *format, va_list arguments) {
    if (vsnprintf(buffer, size, format, arguments) < 0)
        snprintf(buffer, size, "(a message that could not be formatted)");
}

cso_status cso_fail(cso_error *err, cso_status status, const char *format, ...) {
    if (!err)
        return status;
    char text[2 * sizeof err->message];
    va_list arguments;
    va_start(arguments, format);
    format_into(text, sizeof text, format, arguments);
    va_end(arguments);
    err->status = status;
    cso_printable(err->message, sizeof err->message, text);
    return status;
}

cso_status cso_fail_memory(cso_error *err, const char *what) {
    return cso_fail(err, CSO_ERR_SYSTEM, "out of memory for %s", what);
}

cso_status cso_fail_errno(cso_error *err, const char *operation, const char *path) {
    int number = errno;
    return cso_fail(err, CSO_ERR_SYSTEM, "%s: cannot %s: %s", path, operation, strerror(number));
}

cso_status cso_error_prefix(cso_error *err, cso_status status, const char *format, ...) {
    if (!err)
        return status;
    char place[sizeof err->message], text[2 * sizeof err->message + 2];
    va_list arguments;
    va_start(arguments, format);
    format_into(place, sizeof place, format, arguments);
    va_end(arguments);
    snprintf(text, sizeof text, "%s: %s", place, err->message);
    err->status = status;
    cso_printable(err->message, sizeof err->message, text);
    return status;
}

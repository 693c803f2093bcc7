/* error.c - filling a cso_error.
 *
 * Messages quote names from files, so they are made printable before they are stored: control characters and bytes that are not
 * UTF-8 become \xNN. The text is formatted into a local buffer first, because arguments may point into the very message that is
 * being replaced.
 */
#include "status.h"

#include "utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the printable character at text (zero-terminated), 0 if none: UTF-8 except control characters, including C1 (U+0080
 * to U+009F), which terminals obey too. */
static size_t printable_length(const char *text) {
    unsigned char first = (unsigned char)text[0], second = first ? (unsigned char)text[1] : 0;
    if (first < 0x20 || first == 0x7F || (first == 0xC2 && second < 0xA0))
        return 0;
    return cso_utf8_length(text, strnlen(text, 4));
}

/* Copies text to message, printable and cut to fit between whole characters. */
static void store(cso_error *err, const char *text) {
    const char *in = text;
    size_t used = 0;
    while (*in) {
        size_t length = printable_length(in);
        char escape[5];
        const char *bytes = in;
        size_t size = length;
        if (!length) {
            snprintf(escape, sizeof escape, "\\x%02x", (unsigned char)*in);
            bytes = escape;
            size = 4;
            length = 1;
        }
        if (size >= sizeof err->message - used)
            break;
        memcpy(err->message + used, bytes, size);
        used += size;
        in += length;
    }
    err->message[used] = '\0';
}

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
    store(err, text);
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
    store(err, text);
    return status;
}

/* error.c - filling a cso_error.
 *
 * Messages quote names that come from files, so what is formatted is made printable before it is stored: control
 * characters and bytes that are no UTF-8 become \xNN. The text is formatted into a local buffer first, because arguments may point
 * into the very message that is being replaced.
 */
#include "cso/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the printable character that begins at text, 0 if there is none: ASCII from space to tilde, or well-formed UTF-8
 * (Unicode 15, table 3-7) other than the C1 controls, which terminals obey. */
static size_t printable_length(const unsigned char *text) {
    unsigned char first = text[0];
    if (first < 0x80)
        return first >= 0x20 && first != 0x7F;
    unsigned char low = 0x80, high = 0xBF;
    size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4)
        return 0;
    if (first == 0xC2 || first == 0xE0)
        low = 0xA0;
    else if (first == 0xED)
        high = 0x9F;
    else if (first == 0xF0)
        low = 0x90;
    else if (first == 0xF4)
        high = 0x8F;
    if (text[1] < low || text[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if (text[i] < 0x80 || text[i] > 0xBF) /* a terminating zero ends here too */
            return 0;
    return length;
}

/* Copies text to message, printable and cut to fit between whole characters. */
static void store(cso_error *err, const char *text) {
    const unsigned char *in = (const unsigned char *)text;
    size_t used = 0;
    while (*in) {
        size_t length = printable_length(in);
        char escape[5];
        const char *bytes = (const char *)in;
        size_t size = length;
        if (!length) {
            snprintf(escape, sizeof escape, "\\x%02x", *in);
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

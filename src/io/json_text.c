/* json_text.c - growing texts and JSON output. */
#include "json.h"

#include "base/memory.h"
#include "base/printable.h"
#include "base/text.h"
#include "base/utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for `more` bytes and the terminating zero. */
static bool reserve(cso_text *text, size_t more) {
    size_t need;
    if (text->failed || !cso_size_add(text->size, more, &need) || !cso_size_add(need, 1, &need) ||
        !cso_grow(&text->data, &text->capacity, need, 1))
        text->failed = true;
    return !text->failed;
}

void cso_text_add(cso_text *text, const char *bytes, size_t size) {
    if (!reserve(text, size))
        return;
    if (size)
        memcpy(text->data + text->size, bytes, size);
    text->size += size;
    text->data[text->size] = '\0';
}

void cso_text_format(cso_text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0) {
        text->failed = true;
        return;
    }
    if (!reserve(text, (size_t)length))
        return;
    va_start(arguments, format);
    vsnprintf(text->data + text->size, (size_t)length + 1, format, arguments);
    va_end(arguments);
    text->size += (size_t)length;
}

void cso_text_json_string(cso_text *text, const char *bytes, size_t size) {
    cso_text_add(text, "\"", 1);
    size_t run = 0, at = 0; /* bytes from run to at need no escape */
    while (at < size && !text->failed) {
        size_t length = cso_utf8_length(bytes + at, size - at), used = 1;
        unsigned char c = (unsigned char)bytes[at];
        if (cso_printable_length(bytes + at, length) && c != '"' && c != '\\') {
            at += length;
            continue;
        }
        cso_text_add(text, bytes + run, at - run);
        static const char LETTERS[] = "\"\\\b\f\n\r\t", NAMES[] = "\"\\bfnrt";
        const char *letter = c ? strchr(LETTERS, c) : NULL;
        if (letter) {
            cso_text_add(text, "\\", 1);
            cso_text_add(text, &NAMES[letter - LETTERS], 1);
        } else if (length) { /* what is not printable (printable.h); all of it is below U+10000 */
            cso_text_format(text, "\\u%04x", (unsigned)cso_utf8_code_point(bytes + at, length));
            used = length;
        } else if (c == 0xC0 && size - at >= 2 && bytes[at + 1] == '\x80') {
            cso_text_add(text, "\\u0000", 6);
            used = 2;
        } else {
            cso_text_add(text, "\xEF\xBF\xBD", 3);
        }
        at += used;
        run = at;
    }
    cso_text_add(text, bytes + run, at - run);
    cso_text_add(text, "\"", 1);
}

void cso_text_json_number(cso_text *text, double value) {
    if (!isfinite(value)) {
        cso_text_add(text, "null", 4);
        return;
    }
    /* Any decimal of up to 15 digits survives a round trip through f64, and %g drops trailing zeros: if 15 digits read back
     * equal, they are the shortest form. */
    char digits[CSO_NUMBER_TEXT];
    cso_number_text(digits, value, 15);
    cso_text_add(text, digits, strlen(digits));
}

/* printable.c - see printable.h. */
#include "printable.h"

#include "utf8.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_control(uint32_t c) {
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) ||
           (c >= 0x2066 && c <= 0x2069);
}

size_t cso_printable_length(const char *text, size_t size) {
    size_t length = cso_utf8_length(text, size);
    return length && is_control(cso_utf8_code_point(text, length)) ? 0 : length;
}

char *cso_printable(char *out, size_t room, const char *text) {
    size_t used = 0;
    while (*text) {
        size_t length = cso_printable_length(text, strnlen(text, 4)), size = length;
        char escape[5];
        const char *bytes = text;
        if (!length) {
            snprintf(escape, sizeof escape, "\\x%02x", (unsigned char)*text);
            bytes = escape;
            size = 4;
            length = 1;
        }
        if (size >= room - used)
            break;
        memcpy(out + used, bytes, size);
        used += size;
        text += length;
    }
    out[used] = '\0';
    return out;
}

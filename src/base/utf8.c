/* utf8.c - the one UTF-8 decoder of base and io. */
#include "utf8.h"

#include <string.h>

size_t cso_utf8_length(const char *text, size_t size) {
    const unsigned char *byte = (const unsigned char *)text;
    if (!size)
        return 0;
    unsigned char first = byte[0], low = 0x80, high = 0xBF;
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4)
        return 0;
    size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (size < length)
        return 0;
    if (first == 0xE0) /* the second byte's range excludes overlong forms, surrogates, and what is above U+10FFFF */
        low = 0xA0;
    else if (first == 0xED)
        high = 0x9F;
    else if (first == 0xF0)
        low = 0x90;
    else if (first == 0xF4)
        high = 0x8F;
    if (byte[1] < low || byte[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if (byte[i] < 0x80 || byte[i] > 0xBF)
            return 0;
    return length;
}

uint32_t cso_utf8_code_point(const char *text, size_t length) {
    uint32_t c = (unsigned char)text[0];
    if (length > 1) /* without the bits that tell the length */
        c &= 0x7Fu >> length;
    for (size_t i = 1; i < length; i++)
        c = c << 6 | ((unsigned char)text[i] & 0x3F);
    return c;
}

bool cso_utf8_check(const char *text, size_t size, size_t *bad) {
    size_t at = 0;
    while (at < size) {
        uint64_t eight;
        if (size - at >= sizeof eight) { /* most text is ASCII: eight bytes at a time */
            memcpy(&eight, text + at, sizeof eight);
            if (!(eight & 0x8080808080808080u)) {
                at += sizeof eight;
                continue;
            }
        }
        size_t length = cso_utf8_length(text + at, size - at);
        if (!length) {
            if (bad)
                *bad = at;
            return false;
        }
        at += length;
    }
    return true;
}

/* byte_alphabet.c - see byte_alphabet.h. */
#include "byte_alphabet.h"

static bool is_printable(int byte) {
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
}

/* The n-th byte, from 0, that is not printable: 0..32, 127..160, 173. */
static int unprintable(int n) {
    return n <= 32 ? n : n <= 66 ? n + 94 : 173;
}

int cso_byte_of_character(const char *text, size_t size, size_t *length) {
    const unsigned char *byte = (const unsigned char *)text;
    int point;
    if (!size)
        return -1;
    *length = 1;
    if (byte[0] < 0x80) {
        point = byte[0];
    } else { /* all of the alphabet is below U+0144: two bytes are enough */
        if (size < 2 || byte[0] < 0xC2 || byte[0] > 0xC5 || (byte[1] & 0xC0) != 0x80)
            return -1;
        *length = 2;
        point = (byte[0] & 0x1F) << 6 | (byte[1] & 0x3F);
    }
    if (point < 256)
        return is_printable(point) ? point : -1;
    return point < 256 + 68 ? unprintable(point - 256) : -1;
}

bool cso_bytes_of_token(const char *text, size_t size, char *bytes, size_t *bytes_size) {
    size_t count = 0, length;
    for (size_t at = 0; at < size; at += length) {
        int byte = cso_byte_of_character(text + at, size - at, &length);
        if (byte < 0)
            return false;
        bytes[count++] = (char)byte;
    }
    *bytes_size = count;
    return true;
}

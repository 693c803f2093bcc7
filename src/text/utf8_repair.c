/* utf8_repair.c - see utf8_repair.h. */
#include "utf8_repair.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

cso_utf8_part cso_utf8_next(const char *text, size_t size, size_t *length) {
    const unsigned char *byte = (const unsigned char *)text;
    unsigned char first = byte[0];
    if ((*length = cso_utf8_length(text, size)))
        return CSO_UTF8_GOOD;
    *length = 1;
    if (first < 0xC2 || first > 0xF4)
        return CSO_UTF8_BAD;
    size_t whole = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    while (*length < whole && *length < size && byte[*length] >= low && byte[*length] <= high) {
        ++*length;
        low = 0x80; /* only the second byte's range is special */
        high = 0xBF;
    }
    return *length == size ? CSO_UTF8_UNFINISHED : CSO_UTF8_BAD;
}

cso_status cso_utf8_repair(const char *text, size_t size, char **out, size_t *out_size, size_t *unfinished, cso_error *err) {
    size_t bytes, used = 0, length;
    if (!cso_size_mul(size, 3, &bytes) || !cso_size_add(bytes, 1, &bytes)) /* a bad byte becomes three */
        return cso_fail_memory(err, "a text");
    if (cso_utf8_check(text, size, NULL))
        bytes = size + 1;
    char *made = cso_malloc(bytes);
    if (!made)
        return cso_fail_memory(err, "a text");
    if (unfinished)
        *unfinished = 0;
    for (size_t at = 0; at < size; at += length) {
        cso_utf8_part part = cso_utf8_next(text + at, size - at, &length);
        if (part == CSO_UTF8_UNFINISHED && unfinished) {
            *unfinished = length;
            break;
        }
        if (part == CSO_UTF8_GOOD) {
            memcpy(made + used, text + at, length);
            used += length;
        } else {
            memcpy(made + used, "\xEF\xBF\xBD", 3);
            used += 3;
        }
    }
    made[used] = '\0';
    *out = made;
    *out_size = used;
    return CSO_OK;
}

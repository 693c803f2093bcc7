/* utf8.h - validation of UTF-8 (Unicode 15, table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF). */
#ifndef CSO_UTF8_H
#define CSO_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of the character at text[0], 0 if no valid character of at most `size` bytes begins there. */
size_t cso_utf8_length(const char *text, size_t size);
/* The code point of the valid character of that length at text[0]. */
uint32_t cso_utf8_code_point(const char *text, size_t length);
/* Whether all of text[size] is UTF-8; if not, *bad (may be NULL) is the offset of the first bad byte. */
bool cso_utf8_check(const char *text, size_t size, size_t *bad);

#ifdef __cplusplus
}
#endif
#endif

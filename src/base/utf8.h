/* utf8.h - what is UTF-8 (Unicode 15, table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF). */
#ifndef CSO_UTF8_H
#define CSO_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of the character that begins at text[0], 0 if none of at most `size` bytes does. */
size_t cso_utf8_length(const char *text, size_t size);
/* Whether all of text[size] is UTF-8; *bad (may be NULL) is else the offset of the first byte that is not. */
bool cso_utf8_check(const char *text, size_t size, size_t *bad);

#ifdef __cplusplus
}
#endif
#endif

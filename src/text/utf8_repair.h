/* utf8_repair.h - text that may be ill-formed, or cut inside a character, as UTF-8.
 *
 * Every maximal ill-formed part (the longest beginning of a character that its next byte does not continue, else one byte;
 * Unicode chapter 3.9) becomes one U+FFFD.
 */
#ifndef CSO_UTF8_REPAIR_H
#define CSO_UTF8_REPAIR_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum cso_utf8_part { CSO_UTF8_GOOD, CSO_UTF8_BAD, CSO_UTF8_UNFINISHED } cso_utf8_part;

/* Classifies text[0], size > 0: a character, an ill-formed part, or a character cut off by the text's end; *length: its bytes. */
cso_utf8_part cso_utf8_next(const char *text, size_t size, size_t *length);

/* *out (the caller frees, zero-terminated) = text[size] with ill-formed parts replaced. *unfinished (may be NULL: an unfinished
 * character is replaced too): bytes of an unfinished character at the end, which are omitted. */
cso_status cso_utf8_repair(const char *text, size_t size, char **out, size_t *out_size, size_t *unfinished, cso_error *err);

#endif

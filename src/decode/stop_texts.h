/* stop_texts.h - texts that end a reply, found in a stream of text however it is cut.
 *
 * All texts are looked for at once (Knuth, Morris, Pratt 1977): a byte takes a step in each. The first text to be complete ends the
 * stream; of those that end with the same byte, the longest.
 */
#ifndef CSO_STOP_TEXTS_H
#define CSO_STOP_TEXTS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct cso_stop_text {
    const char *text;
    size_t size;
    size_t *failure; /* (size) of the first i + 1 bytes: the longest true suffix that is a beginning of the text */
} cso_stop_text;

/* Does not change after it was opened. */
typedef struct cso_stop_texts {
    cso_stop_text *list; /* (n) */
    size_t n;
} cso_stop_texts;

/* The texts must stay. Errors: CSO_ERR_USAGE (an empty text), CSO_ERR_SYSTEM (memory). */
cso_status cso_stop_texts_open(cso_stop_texts *stops, const char *const *texts, size_t n, cso_error *err);
void cso_stop_texts_close(cso_stop_texts *stops);

/* Goes on with size bytes. states (n): zeros at the beginning of the stream. Whether a text is complete: *end is then the number of these
 * bytes up to its end, and *length the text's. */
bool cso_stop_texts_find(const cso_stop_texts *stops, size_t *states, const char *bytes, size_t size, size_t *end, size_t *length);
/* How many of the last bytes may be the beginning of a text. */
size_t cso_stop_texts_held(const cso_stop_texts *stops, const size_t *states);

#endif

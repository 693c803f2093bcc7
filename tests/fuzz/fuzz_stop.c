/* fuzz_stop.c - stop texts in a stream of text. However the stream is cut, it ends where a search of each end in turn finds the first
 * text, and what is held back is what may still become one.
 *
 * Lines up to an empty one are the texts; the rest is the stream, which is cut behind bytes that are even.
 */
#include "../../src/decode/stop_texts.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                                         \
    do {                                                                                                                           \
        if (!(condition))                                                                                                          \
            __builtin_trap();                                                                                                      \
    } while (0)

enum { MOST = 16, LONGEST = 2048 };

/* The length of the longest text that ends at `end`; with partial of the longest true beginning of a text. */
static size_t longest_at(const char *stream, size_t end, const char *const *texts, size_t n, bool partial) {
    size_t longest = 0;
    for (size_t j = 0; j < n; j++) {
        size_t whole = strlen(texts[j]);
        for (size_t length = partial ? 1 : whole; length <= whole - partial && length <= end; length++)
            if (length > longest && !memcmp(stream + end - length, texts[j], length))
                longest = length;
    }
    return longest;
}

static void check(const char *const *texts, size_t n, const char *stream, size_t size, bool whole) {
    cso_stop_texts stops;
    size_t states[MOST] = {0}, done = 0, seen = 0, end, length;
    REQUIRE(cso_stop_texts_open(&stops, texts, n, NULL) == CSO_OK);
    while (seen < size && !longest_at(stream, seen, texts, n, false))
        seen++; /* to the end of the first text, or of the stream */
    size_t expected = seen ? longest_at(stream, seen, texts, n, false) : 0;
    for (size_t i = 0; i < size; i++) {
        if (i + 1 < size && (whole || stream[i] & 1))
            continue;
        if (cso_stop_texts_find(&stops, states, stream + done, i + 1 - done, &end, &length)) {
            REQUIRE(done + end == seen && length == expected && length);
            cso_stop_texts_close(&stops);
            return;
        }
        done = i + 1;
        REQUIRE(cso_stop_texts_held(&stops, states) == longest_at(stream, done, texts, n, true));
    }
    REQUIRE(!expected);
    cso_stop_texts_close(&stops);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = calloc(size + 1, 1);
    const char *texts[MOST];
    size_t n = 0, at = 0;
    REQUIRE(copy);
    if (size)
        memcpy(copy, data, size);
    while (n < MOST && at < size && copy[at] != '\n') {
        char *line = memchr(copy + at, '\n', size - at);
        if (!line)
            break;
        *line = '\0';
        if (copy[at])
            texts[n++] = copy + at;
        at = (size_t)(line - copy) + 1;
    }
    size_t rest = size - at < LONGEST ? size - at : LONGEST;
    check(texts, n, copy + at, rest, false);
    check(texts, n, copy + at, rest, true);
    free(copy);
    return 0;
}

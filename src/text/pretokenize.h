/* pretokenize.h - cutting text into the words that byte-pair encoding works on. */
#ifndef CSO_PRETOKENIZE_H
#define CSO_PRETOKENIZE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The classes of characters that a pre-tokenizer's expression distinguishes. ASCII characters are their own class; the others: */
typedef enum cso_char_class {
    CSO_CHAR_OTHER = 0x80,
    CSO_CHAR_LETTER = 0x81, /* \p{L} */
    CSO_CHAR_LONG_S = 0x82, /* U+017F: a letter that (?i:s) matches too */
    CSO_CHAR_NUMBER = 0x83, /* \p{N} */
    CSO_CHAR_SPACE = 0x84   /* \s */
} cso_char_class;

typedef struct cso_pretokenizer cso_pretokenizer;

/* name: "llama-bpe", "qwen2", "gpt2" or "smollm"; see pretokenize.c's table. */
cso_status cso_pretokenizer_create(cso_pretokenizer **pretokenizer, const char *name, cso_error *err);
void cso_pretokenizer_free(cso_pretokenizer *pretokenizer);
/* The class of a code point, as above; a point below 128 itself. */
uint8_t cso_pretokenizer_class(const cso_pretokenizer *pretokenizer, uint32_t point);

/* Working memory, for one call of encode; zero-initialise. */
typedef struct cso_pretokenize_scratch {
    struct pcre2_real_match_data_8 *match;
    uint8_t *classes;
    size_t capacity;
} cso_pretokenize_scratch;
void cso_pretokenize_scratch_free(cso_pretokenize_scratch *scratch);

/* Calls visit for each word of text[size] (UTF-8), in order; together they are the text. Linear time. */
typedef cso_status (*cso_word_visitor)(void *context, const char *word, size_t size, cso_error *err);
cso_status cso_pretokenize(const cso_pretokenizer *pretokenizer, const char *text, size_t size, cso_pretokenize_scratch *scratch,
                           cso_word_visitor visit, void *context, cso_error *err);

/* How a tokenizer.json spells the same: the expression of its Split, or NULL (smollm: Digits and ByteLevel's own
 * expression). */
const char *cso_pretokenizer_for_pattern(const char *pattern); /* name; NULL: unknown */

#endif

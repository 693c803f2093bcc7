/* python_text.h - texts as Python's str has them, which the reference implementations of the metrics are written for. */
#ifndef CSO_PYTHON_TEXT_H
#define CSO_PYTHON_TEXT_H

#include "io/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* str.isspace of one character. */
bool python_is_space(uint32_t code);

/* Appends str.lower() of valid UTF-8: the simple mappings, U+0130 as two characters, and the capital sigma by its place in the word. */
void python_lower(cso_text *out, const char *text, size_t size);

/* Bytes of the text without the white space at its end: str.rstrip(). */
size_t python_rstrip(const char *text, size_t size);

/* The next word of str.split(): from *at on; *at moves behind it. False: there is none. */
bool python_next_word(const char *text, size_t size, size_t *at, const char **word, size_t *word_size);

#endif

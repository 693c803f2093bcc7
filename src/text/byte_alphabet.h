/* byte_alphabet.h - the alphabet in which byte-level BPE vocabularies spell bytes (GPT-2's bytes_to_unicode).
 *
 * Printable Latin-1 bytes (33..126, 161..172, 174..255) are the characters with their numbers; the other 68 bytes, in
 * ascending order, are U+0100..U+0143: a space is U+0120.
 */
#ifndef CSO_BYTE_ALPHABET_H
#define CSO_BYTE_ALPHABET_H

#include <stdbool.h>
#include <stddef.h>

/* The byte that the character at text[0] spells, -1 if it spells none; *length: bytes of the character. */
int cso_byte_of_character(const char *text, size_t size, size_t *length);
/* Decodes a token's string. bytes has room for `size`. False if a character spells no byte: such a token stands for its own
 * text. */
bool cso_bytes_of_token(const char *text, size_t size, char *bytes, size_t *bytes_size);

#endif

/* printable.h - texts from files and command lines, made safe to show on a terminal.
 *
 * Printable is UTF-8 except what a terminal obeys or what reorders a line: control characters (C0, DEL, C1), the line and paragraph
 * separators, and the bidirectional controls (Unicode 15, section 23.2: U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to
 * U+2069).
 */
#ifndef CSO_PRINTABLE_H
#define CSO_PRINTABLE_H

#include <stddef.h>

/* Bytes of the printable character at text[0]; 0 if the first of the `size` bytes begins none. */
size_t cso_printable_length(const char *text, size_t size);

/* Copies text to out[room], each byte of what is not printable as \xNN; cut to fit between whole characters, always terminated.
 * Returns out. */
char *cso_printable(char *out, size_t room, const char *text);

#endif

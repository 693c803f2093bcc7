/* screen_text.h - text on a terminal: how many columns it takes, and lines broken between words while it comes in pieces.
 *
 * A column count is an upper bound where terminals differ (emoji that are joined, variation selectors), so that a line is broken
 * early rather than by the terminal. What a terminal would obey is written as \xNN (base/printable.h).
 */
#ifndef CSO_SCREEN_TEXT_H
#define CSO_SCREEN_TEXT_H

#include "io/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Reads LC_CTYPE from the environment, or takes C.UTF-8 where that is not UTF-8. False: the terminal's charset is not UTF-8, so
 * signs beyond ASCII are best left out. */
bool screen_locale(void);

/* Columns of one code point: 0 (combining), 1 or 2. */
size_t screen_code_point_columns(uint32_t code_point);
/* Columns of a text; what is not printable counts as it is written. */
size_t screen_columns(const char *text, size_t size);
/* Adds a text cut to `columns`, with "..." at its end where it was longer, and line breaks as blanks. The columns it takes. */
size_t screen_add_cut(cso_text *line, const char *text, size_t size, size_t columns);

/* Text that comes in pieces, written with lines broken between words. A word is held until it is complete. */
typedef struct screen_writer {
    FILE *out;
    size_t width;  /* columns of a line; 0: only the text's own line breaks */
    size_t indent; /* of broken lines and of lines after a line break */
    size_t column; /* where the next character goes */
    size_t blanks; /* before the word */
    cso_text word;
    size_t word_columns;
    uint32_t last;  /* code point; 0: none */
    int32_t breaks; /* state of the search for grapheme borders */
    bool begun;     /* something was written: blanks before it are dropped */
} screen_writer;

/* Writes UTF-8; ill-formed bytes as \xNN. Flushes the stream. */
void screen_write(screen_writer *writer, const char *text, size_t size);
/* Writes what is held. The writer may go on. */
void screen_flush(screen_writer *writer);
void screen_writer_free(screen_writer *writer);

#endif

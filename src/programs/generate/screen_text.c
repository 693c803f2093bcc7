/* screen_text.c - see screen_text.h. */
#include "screen_text.h"

#include "base/printable.h"
#include "base/utf8.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include <wchar.h>

enum { ESCAPE_COLUMNS = 4, TAB_COLUMNS = 4, VARIATION_EMOJI = 0xFE0F };

bool screen_locale(void) {
    if (setlocale(LC_CTYPE, "") && !strcmp(nl_langinfo(CODESET), "UTF-8"))
        return true;
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        setlocale(LC_CTYPE, "C");
    return false;
}

size_t screen_code_point_columns(uint32_t code_point) {
    int system = wcwidth((wchar_t)code_point), unicode = utf8proc_charwidth((utf8proc_int32_t)code_point);
    int most = system > unicode ? system : unicode;
    return most > 0 ? (size_t)most : 0;
}

/* One character of a text as it is written. */
typedef struct glyph {
    size_t bytes;        /* of the text */
    uint32_t code_point; /* 0: written as \xNN */
    size_t columns;
} glyph;

static glyph next_glyph(const char *text, size_t size) {
    size_t bytes = cso_printable_length(text, size);
    if (!bytes)
        return (glyph){1, 0, ESCAPE_COLUMNS};
    uint32_t code_point = cso_utf8_code_point(text, bytes);
    /* a terminal may show the sign before it as an emoji, two columns wide */
    size_t columns = code_point == VARIATION_EMOJI ? 1 : screen_code_point_columns(code_point);
    return (glyph){bytes, code_point, columns};
}

static void add_glyph(cso_text *out, const char *text, const glyph *g) {
    if (g->code_point)
        cso_text_add(out, text, g->bytes);
    else
        cso_text_format(out, "\\x%02X", (unsigned char)text[0]);
}

size_t screen_columns(const char *text, size_t size) {
    size_t columns = 0;
    for (size_t at = 0; at < size;) {
        glyph g = next_glyph(text + at, size - at);
        columns += g.columns;
        at += g.bytes;
    }
    return columns;
}

size_t screen_add_cut(cso_text *line, const char *text, size_t size, size_t columns) {
    size_t used = 0, kept = line->size, kept_columns = 0; /* what fits with the dots behind it */
    for (size_t at = 0; at < size;) {
        glyph g = next_glyph(text + at, size - at);
        bool blank = text[at] == '\n' || text[at] == '\t' || text[at] == '\r';
        if (blank)
            g = (glyph){1, ' ', 1};
        if (used + g.columns > columns) {
            size_t dots = columns < 3 ? columns : 3;
            if (!line->failed && kept < line->size)
                line->size = kept;
            cso_text_add(line, "...", dots);
            return kept_columns + dots;
        }
        add_glyph(line, blank ? " " : text + at, &g);
        used += g.columns;
        at += g.bytes;
        if (used + 3 <= columns) {
            kept = line->size;
            kept_columns = used;
        }
    }
    return used;
}

static void new_line(screen_writer *w) {
    fputc('\n', w->out);
    fprintf(w->out, "%*s", (int)w->indent, "");
    w->column = w->indent;
}

/* A word that is wider than a line, broken anywhere between characters. */
static void write_long_word(screen_writer *w) {
    for (size_t at = 0; at < w->word.size;) {
        glyph g = next_glyph(w->word.data + at, w->word.size - at);
        if (w->column + g.columns > w->width && w->column > w->indent)
            new_line(w);
        fwrite(w->word.data + at, 1, g.bytes, w->out);
        w->column += g.columns;
        at += g.bytes;
    }
}

static void write_word(screen_writer *w) {
    if (!w->word.size)
        return;
    bool fits = !w->width || w->column + w->blanks + w->word_columns <= w->width;
    if (!fits && w->column > w->indent)
        new_line(w);
    else
        w->column += (size_t)fprintf(w->out, "%*s", (int)w->blanks, "");
    if (w->width && w->column + w->word_columns > w->width) {
        write_long_word(w);
    } else {
        fwrite(w->word.data, 1, w->word.size, w->out);
        w->column += w->word_columns;
    }
    w->begun = true;
    w->blanks = w->word.size = w->word_columns = 0;
}

/* Closing signs of East Asian texts, which do not begin a line. */
static bool is_closing(uint32_t c) {
    static const uint32_t signs[] = {0x3001, 0x3002, 0x3009, 0x300B, 0x300D, 0x300F, 0x3011, 0x3015, 0x3017, 0x30FC,
                                     0xFF01, 0xFF09, 0xFF0C, 0xFF0E, 0xFF1A, 0xFF1B, 0xFF1F, 0xFF5D, 0x2026};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (signs[i] == c)
            return true;
    return false;
}

/* Whether a line may be broken between two characters that no blank separates: beside wide ones. */
static bool may_break(screen_writer *w, const glyph *g) {
    uint32_t before = w->last;
    bool border = !before || !g->code_point ||
                  utf8proc_grapheme_break_stateful((utf8proc_int32_t)before, (utf8proc_int32_t)g->code_point, &w->breaks);
    return border && before && g->code_point && !is_closing(g->code_point) &&
           (screen_code_point_columns(before) == 2 || g->columns == 2);
}

static void take_glyph(screen_writer *w, const char *text, const glyph *g) {
    if (may_break(w, g))
        write_word(w);
    add_glyph(&w->word, text, g);
    w->word_columns += g->columns;
    w->last = g->code_point;
}

static void take_blank(screen_writer *w, char blank) {
    write_word(w);
    w->last = 0;
    w->breaks = 0;
    if (blank != '\n') {
        w->blanks += blank == '\t' ? TAB_COLUMNS : blank == ' ';
        w->blanks = w->width && w->blanks > w->width / 2 ? w->width / 2 : w->blanks;
    } else if (w->begun) {
        new_line(w);
        w->blanks = 0;
    }
}

void screen_write(screen_writer *w, const char *text, size_t size) {
    for (size_t at = 0; at < size;) {
        char c = text[at];
        if (c == ' ' || c == '\n' || c == '\t' || c == '\r') {
            take_blank(w, c);
            at++;
            continue;
        }
        glyph g = next_glyph(text + at, size - at);
        take_glyph(w, text + at, &g);
        at += g.bytes;
    }
    fflush(w->out);
}

void screen_flush(screen_writer *w) {
    write_word(w);
    w->last = 0;
    w->breaks = 0;
    fflush(w->out);
}

void screen_writer_free(screen_writer *w) {
    free(w->word.data);
    *w = (screen_writer){0};
}

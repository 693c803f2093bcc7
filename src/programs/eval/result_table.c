/* result_table.c - see result_table.h. */
#include "result_table.h"

#include "base/memory.h"
#include "base/printable.h"
#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

void result_table_row(result_table *t) {
    if (t->failed || !cso_grow(&t->cells, &t->capacity, t->rows + 1, sizeof *t->cells)) {
        t->failed = true;
        return;
    }
    memset(t->cells[t->rows++], 0, sizeof *t->cells);
    t->at = 0;
}

void result_table_cell(result_table *t, const char *text) {
    if (t->failed)
        return;
    cso_printable(t->cells[t->rows - 1][t->at++], TABLE_CELL, text);
    if (t->at > t->columns)
        t->columns = t->at;
}

void result_table_number(result_table *t, double value, int digits, bool plus) {
    char text[TABLE_CELL] = "";
    if (isfinite(value))
        snprintf(text, sizeof text, plus ? "%+.*f" : "%.*f", digits, value);
    result_table_cell(t, text);
}

static size_t character_columns(const char *text, size_t length) {
    int width = utf8proc_charwidth((utf8proc_int32_t)cso_utf8_code_point(text, length));
    return width > 0 ? (size_t)width : 0;
}

size_t text_columns(const char *text) {
    size_t columns = 0, size = strlen(text);
    for (size_t at = 0, length; at < size && (length = cso_utf8_length(text + at, size - at)); at += length)
        columns += character_columns(text + at, length);
    return columns;
}

/* Bytes of the text that fit so many columns. */
static size_t fitting(const char *text, size_t columns) {
    size_t at = 0, used = 0, size = strlen(text), length;
    while (at < size && (length = cso_utf8_length(text + at, size - at))) {
        used += character_columns(text + at, length);
        if (used > columns)
            break;
        at += length;
    }
    return at;
}

static bool is_empty(const result_table *t, size_t column) {
    for (size_t row = 1; row < t->rows; row++)
        if (t->cells[row][column][0])
            return false;
    return t->rows > 1;
}

static size_t column_width(const result_table *t, size_t column) {
    size_t width = 0;
    for (size_t row = 0; row < t->rows; row++) {
        size_t one = text_columns(t->cells[row][column]);
        width = one > width ? one : width;
    }
    return t->widest[column] && width > t->widest[column] ? t->widest[column] : width;
}

static void write_text(const result_table *t, cso_text *out) {
    size_t width[TABLE_MOST_COLUMNS];
    for (size_t c = 0; c < t->columns; c++)
        width[c] = is_empty(t, c) ? 0 : column_width(t, c);
    for (size_t row = 0; row < t->rows; row++) {
        size_t pending = 0; /* blanks that are written when something follows */
        for (size_t c = 0; c < t->columns; c++) {
            const char *cell = t->cells[row][c];
            if (!width[c])
                continue;
            size_t bytes = fitting(cell, width[c]), used = text_columns(cell);
            size_t blanks = used < width[c] ? width[c] - used : 0;
            if (bytes)
                cso_text_format(out, "%*s%.*s", (int)(pending + (t->left[c] ? 0 : blanks)), "", (int)bytes, cell);
            pending = bytes ? (t->left[c] ? blanks : 0) : pending + width[c];
            pending += 2;
        }
        cso_text_add(out, "\n", 1);
    }
}

static void write_csv(const result_table *t, cso_text *out) {
    for (size_t row = 0; row < t->rows; row++) {
        for (size_t c = 0; c < t->columns; c++) {
            const char *cell = t->cells[row][c];
            bool quoted = strpbrk(cell, ",\"\r\n") != NULL;
            cso_text_add(out, ",", c ? 1 : 0);
            cso_text_add(out, "\"", quoted ? 1 : 0);
            for (; *cell; cell++)
                cso_text_add(out, *cell == '"' ? "\"\"" : cell, *cell == '"' ? 2 : 1);
            cso_text_add(out, "\"", quoted ? 1 : 0);
        }
        cso_text_add(out, "\r\n", 2);
    }
}

static void write_markdown_cell(const char *cell, cso_text *out) {
    for (; *cell; cell++) {
        cso_text_add(out, "\\", strchr("|\\`*_<>[]&#", *cell) ? 1 : 0);
        cso_text_add(out, cell, 1);
    }
}

static void write_markdown(const result_table *t, cso_text *out) {
    for (size_t row = 0; row < t->rows; row++) {
        for (size_t c = 0; c < t->columns; c++) {
            if (is_empty(t, c))
                continue;
            cso_text_add(out, "| ", 2);
            write_markdown_cell(t->cells[row][c], out);
            cso_text_add(out, " ", 1);
        }
        cso_text_add(out, "|\n", 2);
        if (row)
            continue;
        for (size_t c = 0; c < t->columns; c++)
            if (!is_empty(t, c))
                cso_text_format(out, t->left[c] ? "| --- " : "| ---: ");
        cso_text_add(out, "|\n", 2);
    }
}

void result_table_write(const result_table *t, table_format format, cso_text *out) {
    if (t->failed)
        out->failed = true;
    else if (format == TABLE_TEXT)
        write_text(t, out);
    else
        (format == TABLE_CSV ? write_csv : write_markdown)(t, out);
}

void result_table_free(result_table *t) {
    free(t->cells);
    *t = (result_table){0};
}

/* result_table.h - a table of texts and numbers, for people, as CSV (RFC 4180) or as Markdown. */
#ifndef CSO_RESULT_TABLE_H
#define CSO_RESULT_TABLE_H

#include "io/json.h"

typedef enum table_format { TABLE_TEXT, TABLE_CSV, TABLE_MARKDOWN } table_format;

enum { TABLE_MOST_COLUMNS = 24, TABLE_CELL = 96 };

/* Zero-initialise; result_table_free. A failed allocation is remembered. */
typedef struct result_table {
    size_t columns;
    bool left[TABLE_MOST_COLUMNS];                 /* aligned to the left, as texts are; else to the right */
    size_t widest[TABLE_MOST_COLUMNS];             /* cells are cut to this for people; 0: not */
    char (*cells)[TABLE_MOST_COLUMNS][TABLE_CELL]; /* (rows): the first row is the head */
    size_t rows, capacity, at;
    bool failed;
} result_table;

void result_table_row(result_table *table);
/* The next cell of the row; what is not printable is shown as \xNN. A long text is cut. */
void result_table_cell(result_table *table, const char *text);
/* digits behind the point; nothing for what is no number. plus: with its sign. */
void result_table_number(result_table *table, double value, int digits, bool plus);

/* Columns that are empty but for their head are left out for people and in Markdown. */
void result_table_write(const result_table *table, table_format format, cso_text *out);
void result_table_free(result_table *table);

/* Columns of a terminal that a text takes. */
size_t text_columns(const char *text);

#endif

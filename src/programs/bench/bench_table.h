/* bench_table.h - a table of measurements: aligned columns for people, an array of objects in JSON. */
#ifndef CSO_BENCH_TABLE_H
#define CSO_BENCH_TABLE_H

#include "programs/common/report.h"

typedef struct bench_column {
    const char *name;
    int width;    /* below 0: texts, aligned left */
    int decimals; /* of numbers, for people; JSON gets six digits */
} bench_column;

typedef struct bench_table {
    report *report;
    const bench_column *columns;
    size_t count, at; /* at: the column that comes next */
} bench_table;

/* title: a line above, for people; NULL: none. columns must outlive the table. */
void bench_table_begin(bench_table *table, report *r, const char *name, const char *title, const bench_column *columns,
                       size_t count);
/* The next cell; after the last one the row ends. */
void bench_table_text(bench_table *table, const char *value);
void bench_table_number(bench_table *table, double value); /* NaN: "-", and null in JSON */
void bench_table_end(bench_table *table);

#endif

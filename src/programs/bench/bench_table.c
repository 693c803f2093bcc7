/* bench_table.c - see bench_table.h. */
#include "bench_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void pad(bench_table *t, const char *value) {
    int width = t->columns[t->at].width;
    const char *between = t->at ? " " : "";
    if (width < 0)
        cso_text_format(&t->report->text, "%s%-*s", between, -width, value);
    else
        cso_text_format(&t->report->text, "%s%*s", between, width, value);
}

static void next_cell(bench_table *t) {
    if (++t->at < t->count)
        return;
    t->at = 0;
    if (t->report->json)
        report_end_row(t->report);
    else
        cso_text_add(&t->report->text, "\n", 1);
}

void bench_table_begin(bench_table *table, report *r, const char *name, const char *title, const bench_column *columns,
                       size_t count) {
    *table = (bench_table){r, columns, count, 0};
    if (r->json) {
        report_list(r, name);
        return;
    }
    cso_text_add(&r->text, "\n", 1);
    if (title)
        cso_text_format(&r->text, "%s\n", title);
    while (table->at < count) {
        pad(table, columns[table->at].name);
        table->at++;
    }
    table->at = 0;
    cso_text_add(&r->text, "\n", 1);
}

static void begin_cell(bench_table *t) {
    if (t->report->json && t->at == 0)
        report_row(t->report);
}

void bench_table_text(bench_table *table, const char *value) {
    begin_cell(table);
    if (table->report->json)
        report_text(table->report, table->columns[table->at].name, value);
    else
        pad(table, value);
    next_cell(table);
}

void bench_table_number(bench_table *table, double value) {
    char digits[64];
    begin_cell(table);
    if (table->report->json) {
        snprintf(digits, sizeof digits, "%.6g", value);
        report_number(table->report, table->columns[table->at].name, strtod(digits, NULL));
    } else {
        if (isfinite(value))
            snprintf(digits, sizeof digits, "%.*f", table->columns[table->at].decimals, value);
        else
            strcpy(digits, "-");
        pad(table, digits);
    }
    next_cell(table);
}

void bench_table_end(bench_table *table) {
    if (table->report->json)
        report_end_list(table->report);
}

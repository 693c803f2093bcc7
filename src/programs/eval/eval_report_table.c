/* eval_report_table.c - results as a table: a row for each measure and system. */
#include "eval_report.h"

#include "base/printable.h"
#include "programs/common/amounts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MEASURE_COLUMNS = 24, NAME_COLUMNS = 18, MATRIX_COLUMNS = 10, MATRIX_NAME = 28, DIGITS = 4, CSV_DIGITS = 9 };

/* Measures that are computed of any system. */
static bool is_there(const eval_report *r, cso_measure measure) {
    for (size_t i = 0; i < r->count; i++)
        if (isfinite(r->systems[i].measurer.value[measure]))
            return true;
    return false;
}

static void add_head(const eval_report *r, result_table *t) {
    static const char *const HEADS[] = {"measure", "system", "value", "low", "high", "difference", "low", "high"};
    static const char *const CSV_HEADS[] = {"measure", "system",     "value",          "low",
                                            "high",    "difference", "difference_low", "difference_high"};
    (void)r;
    result_table_row(t);
    for (size_t i = 0; i < sizeof HEADS / sizeof *HEADS; i++)
        result_table_cell(t, t->widest[0] ? HEADS[i] : CSV_HEADS[i]);
    t->left[0] = t->left[1] = true;
}

static void add_row(const eval_report *r, result_table *t, size_t system, cso_measure measure, cso_error *err) {
    const report_system *s = &r->systems[system];
    double value = s->measurer.value[measure];
    int digits = t->widest[0] ? DIGITS : CSV_DIGITS;
    cso_interval interval = eval_report_interval(r, system, measure, err);
    char name[64];
    snprintf(name, sizeof name, "%s", cso_measure_names[measure]);
    for (char *c = name; t->widest[0] && *c; c++)
        *c = *c == '_' ? ' ' : *c;
    result_table_row(t);
    result_table_cell(t, t->widest[0] && system ? "" : name);
    result_table_cell(t, r->single ? "" : s->name);
    result_table_number(t, value, digits, false);
    result_table_number(t, interval.low, digits, false);
    result_table_number(t, interval.high, digits, false);
    if (r->count == 1 || system == r->against) {
        for (int i = 0; i < 3; i++)
            result_table_cell(t, "");
        return;
    }
    interval = eval_report_difference(r, system, measure, err);
    result_table_number(t, value - r->systems[r->against].measurer.value[measure], digits, true);
    result_table_number(t, interval.low, digits, true);
    result_table_number(t, interval.high, digits, true);
}

/* What the table is about, for people. */
static void add_title(const eval_report *r, cso_text *out) {
    const cso_measurer *m = &r->systems[0].measurer;
    char count[AMOUNT_TEXT], dialogues[AMOUNT_TEXT], samples[AMOUNT_TEXT], name[TABLE_CELL];
    cso_text_format(out, "%s replies, %s dialogues, %zu strategies\n", grouped_text(m->set->count, count),
                    grouped_text(m->set->n_dialogues, dialogues), m->set->n_strategies);
    if (r->n_samples)
        cso_text_format(out, "low and high: 95 %% of %s samples of the dialogues\n", grouped_text(r->n_samples, samples));
    if (r->count > 1)
        cso_text_format(out, "difference: to %s, in the same samples\n",
                        cso_printable(name, sizeof name, r->systems[r->against].name));
    cso_text_add(out, "\n", 1);
}

static void add_matrix(const cso_measurer *m, cso_text *out) {
    const cso_predictions *set = m->set;
    result_table t = {.left = {false, true}, .widest = {4, MATRIX_NAME}};
    size_t n = set->n_strategies;
    char text[32];
    cso_text_format(out, "\nConfusion: rows are the true strategies, columns the replies'; none: no strategy. The preference for\n"
                         "each in the replies is the last column.\n");
    result_table_row(&t);
    result_table_cell(&t, "");
    result_table_cell(&t, "");
    for (size_t i = 0; i < n; i++) {
        snprintf(text, sizeof text, "%zu", i + 1);
        result_table_cell(&t, text);
    }
    result_table_cell(&t, "none");
    result_table_cell(&t, "preference");
    for (size_t i = 0; i < n; i++) {
        result_table_row(&t);
        snprintf(text, sizeof text, "%zu", i + 1);
        result_table_cell(&t, text);
        result_table_cell(&t, set->strategies[i]);
        for (size_t j = 0; j < n; j++)
            result_table_number(&t, m->confusion.count[i * n + j], 0, false);
        result_table_number(&t, m->confusion.invalid[i], 0, false);
        result_table_number(&t, m->preferences[i], 2, false);
    }
    result_table_write(&t, TABLE_TEXT, out);
    result_table_free(&t);
}

static void add_notes(const eval_report *r, cso_text *out) {
    const cso_measurer *m = &r->systems[0].measurer;
    if (r->count > 1)
        return;
    if (m->never_missed)
        cso_text_format(out, "\n%zu strategies were never missed, so nothing limits the preference for them.\n", m->never_missed);
    if (m->set->n_strategies <= MATRIX_COLUMNS)
        add_matrix(m, out);
    else
        cso_text_format(out, "\nThe confusion of so many strategies is shown by --json.\n");
}

void eval_report_table(const eval_report *r, table_format format, cso_text *out, cso_error *err) {
    result_table t = {0};
    bool people = format != TABLE_CSV;
    t.widest[0] = people ? MEASURE_COLUMNS : 0;
    t.widest[1] = people ? NAME_COLUMNS : 0;
    add_head(r, &t);
    for (int measure = 0; measure < CSO_MEASURE_COUNT; measure++)
        for (size_t i = 0; is_there(r, (cso_measure)measure) && i < r->count; i++)
            add_row(r, &t, i, (cso_measure)measure, err);
    if (format == TABLE_TEXT)
        add_title(r, out);
    result_table_write(&t, format, out);
    if (format == TABLE_TEXT)
        add_notes(r, out);
    result_table_free(&t);
}

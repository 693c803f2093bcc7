/* report.c - see report.h. */
#include "report.h"

#include "base/printable.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_WIDTH = 24, CELL_WIDTH = 10, FIRST_CELL_WIDTH = 48 };

static void indent(report *r) {
    for (int i = 0; i < r->depth; i++)
        cso_text_add(&r->text, "  ", 2);
}

/* A name may be a key from a file. */
static void add_label(report *r, const char *name, const char *after) {
    char label[256];
    cso_printable(label, sizeof label, name);
    for (char *c = label; *c; c++)
        *c = *c == '_' && !r->exact ? ' ' : *c;
    cso_text_format(&r->text, "%s%s", label, after);
}

/* Text before a value. */
static void begin_item(report *r, const char *name) {
    if (r->json) {
        if (r->has_items)
            cso_text_add(&r->text, ", ", 2);
        if (name) {
            cso_text_json_string(&r->text, name, strlen(name));
            cso_text_add(&r->text, ": ", 2);
        }
    } else if (!r->in_row) {
        size_t begin = r->text.size;
        indent(r);
        add_label(r, name, "");
        do
            cso_text_add(&r->text, " ", 1);
        while (!r->text.failed && r->text.size - begin < LABEL_WIDTH);
    } else if (r->has_items) {
        cso_text_add(&r->text, "  ", 2);
    }
}

static void end_item(report *r) {
    r->has_items = true;
    if (!r->json && !r->in_row)
        cso_text_add(&r->text, "\n", 1);
}

void report_begin(report *r, bool json) {
    *r = (report){.json = json};
    if (json)
        cso_text_add(&r->text, "{", 1);
}

void report_end(report *r) {
    if (r->json)
        cso_text_add(&r->text, "}\n", 2);
}

static void open(report *r, const char *name, const char *bracket) {
    if (r->json) {
        begin_item(r, name);
        cso_text_add(&r->text, bracket, 1);
    } else {
        indent(r);
        add_label(r, name, ":\n");
    }
    r->depth++;
    r->has_items = false;
}

static void close(report *r, const char *bracket) {
    if (r->json)
        cso_text_add(&r->text, bracket, 1);
    r->depth--;
    r->has_items = true;
}

void report_group(report *r, const char *name) {
    open(r, name, "{");
}

void report_end_group(report *r) {
    close(r, "}");
}

void report_list(report *r, const char *name) {
    open(r, name, "[");
}

void report_end_list(report *r) {
    close(r, "]");
}

void report_row(report *r) {
    if (r->json)
        cso_text_format(&r->text, r->has_items ? ", {" : "{");
    else
        indent(r);
    r->in_row = true;
    r->has_items = false;
}

void report_end_row(report *r) {
    cso_text_add(&r->text, r->json ? "}" : "\n", 1);
    r->in_row = false;
    r->has_items = true;
}

/* Text from a file, made safe for a terminal. */
static void add_plain(report *r, const char *value, size_t size) {
    size_t begin = r->text.size;
    cso_text_json_string(&r->text, value, size); /* escapes unprintable characters */
    if (r->text.failed)
        return;
    memmove(r->text.data + begin, r->text.data + begin + 1, r->text.size - begin - 2);
    r->text.size -= 2;
    r->text.data[r->text.size] = '\0';
}

void report_bytes(report *r, const char *name, const char *value, size_t size) {
    bool first = !r->has_items;
    begin_item(r, name);
    size_t begin = r->text.size;
    if (r->json)
        cso_text_json_string(&r->text, value, size);
    else
        add_plain(r, value, size);
    size_t width = first ? FIRST_CELL_WIDTH : CELL_WIDTH;
    while (!r->json && r->in_row && !r->text.failed && r->text.size - begin < width)
        cso_text_add(&r->text, " ", 1);
    end_item(r);
}

void report_text(report *r, const char *name, const char *value) {
    report_bytes(r, name, value, strlen(value));
}

/* 1234567 as "1,234,567". */
static void add_grouped(report *r, uint64_t value) {
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, value);
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            cso_text_add(&r->text, ",", 1);
        cso_text_add(&r->text, digits + i, 1);
    }
}

/* In a row, a number is followed by what it counts. */
static void end_number(report *r, const char *name) {
    if (!r->json && r->in_row) {
        cso_text_add(&r->text, " ", 1);
        add_label(r, name, "");
    }
    end_item(r);
}

void report_size(report *r, const char *name, uint64_t value) {
    begin_item(r, name);
    if (r->json)
        cso_text_format(&r->text, "%" PRIu64, value);
    else
        add_grouped(r, value);
    end_number(r, name);
}

void report_number(report *r, const char *name, double value) {
    begin_item(r, name);
    cso_text_json_number(&r->text, value);
    end_number(r, name);
}

void report_float(report *r, const char *name, float value) {
    char digits[32];
    snprintf(digits, sizeof digits, "%.7g", (double)value);
    report_number(r, name, strtod(digits, NULL));
}

void report_bool(report *r, const char *name, bool value) {
    begin_item(r, name);
    cso_text_format(&r->text, "%s", r->json ? (value ? "true" : "false") : value ? "yes" : "no");
    end_item(r);
}

void report_shape(report *r, const char *name, int n_dims, const size_t *shape) {
    begin_item(r, name);
    cso_text_add(&r->text, r->json ? "[" : "(", 1);
    for (int i = 0; i < n_dims; i++)
        cso_text_format(&r->text, "%s%zu", i ? ", " : "", shape[i]);
    cso_text_add(&r->text, r->json ? "]" : ")", 1);
    end_item(r);
}

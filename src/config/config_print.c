/* config_print.c - see config_print.h. */
#include "config_print.h"

#include "base/file.h"
#include "base/text.h"
#include "option_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A number in the fewest digits that read back equal, with a point or exponent, so that it stays a float. */
static void print_number(cso_text *text, double value) {
    char digits[CSO_NUMBER_TEXT];
    cso_number_text(digits, value, 1);
    cso_text_format(text, "%s%s", digits, strpbrk(digits, ".e") ? "" : ".0");
}

static void print_numbers(cso_text *text, const double *numbers, size_t count) {
    cso_text_add(text, "[", 1);
    for (size_t i = 0; i < count; i++) {
        cso_text_format(text, "%s", i ? ", " : "");
        print_number(text, numbers[i]);
    }
    cso_text_add(text, "]", 1);
}

/* Relative paths are written absolute: the file is read again from another folder. */
static void print_text(cso_text *text, const cso_option *row, const char *value, const char *folder) {
    char *absolute = config_is_relative_path(row, value) ? cso_path_join(folder, value) : NULL;
    if (config_is_relative_path(row, value) && !absolute)
        text->failed = true;
    const char *written = absolute ? absolute : value;
    cso_text_json_string(text, written, strlen(written));
    free(absolute);
}

static void print_value(cso_text *text, const cso_option *row, const void *field, const char *folder) {
    switch (row->type) {
    case CSO_OPTION_STRING:
    case CSO_OPTION_PATH:
        print_text(text, row, *(char *const *)field, folder);
        break;
    case CSO_OPTION_PATHS:
    case CSO_OPTION_STRINGS:
    case CSO_OPTION_CHOICES: {
        const cso_strings *list = field;
        cso_text_add(text, "[", 1);
        for (size_t i = 0; i < list->count; i++) {
            cso_text_format(text, "%s", i ? ", " : "");
            print_text(text, row, list->items[i], folder);
        }
        cso_text_add(text, "]", 1);
        break;
    }
    case CSO_OPTION_CHOICE:
        cso_text_format(text, "\"%s\"", row->words[*(const int *)field]);
        break;
    case CSO_OPTION_SIZE:
        cso_text_format(text, "%zu", *(const size_t *)field);
        break;
    case CSO_OPTION_INTEGER:
        cso_text_format(text, "%lld", (long long)*(const int64_t *)field);
        break;
    case CSO_OPTION_SEED:
        cso_text_format(text, "%llu", (unsigned long long)*(const uint64_t *)field);
        break;
    case CSO_OPTION_NUMBER:
        print_number(text, *(const double *)field);
        break;
    case CSO_OPTION_NUMBERS2:
    case CSO_OPTION_NUMBERS4:
        print_numbers(text, field, cso_option_parts(row));
        break;
    case CSO_OPTION_NUMBERS:
        print_numbers(text, ((const cso_numbers *)field)->items, ((const cso_numbers *)field)->count);
        break;
    case CSO_OPTION_BOOL:
        cso_text_format(text, *(const bool *)field ? "true" : "false");
        break;
    }
}

cso_status config_printer_open(config_printer *printer, cso_error *err) {
    *printer = (config_printer){.table = ""};
    return getcwd(printer->folder, sizeof printer->folder) ? CSO_OK : cso_fail_errno(err, "find", "the current folder");
}

void config_print_key(config_printer *p, const void *config, cso_option_place place, const char *above) {
    const cso_option *row = place.row;
    size_t length = config_table_length(row->name);
    if (config_table_length(p->table) != length || strncmp(p->table, row->name, length) != 0) {
        cso_text_format(&p->text, "%s[%s%.*s]\n", p->text.size ? "\n" : "", above, (int)length, row->name);
        p->table = row->name;
    }
    cso_text_format(&p->text, "%s = ", row->name + length + 1);
    print_value(&p->text, row, (const char *)config + place.offset, p->folder);
    cso_text_add(&p->text, "\n", 1);
}

cso_status config_printer_close(config_printer *printer, char **text, cso_error *err) {
    *text = NULL;
    if (printer->text.failed) {
        free(printer->text.data);
        return cso_fail_memory(err, "the configuration");
    }
    *text = printer->text.data;
    return CSO_OK;
}

/* Gives a text in lines of up to WIDTH columns, indented and broken between words. */
static void help_lines(const char *text, void (*line)(void *context, const char *text), void *context) {
    enum { WIDTH = 80, INDENT = 4 };
    while (*text) {
        char row[WIDTH + 1];
        size_t length = strlen(text), fits = WIDTH - INDENT;
        if (length > fits) {
            while (fits && text[fits] != ' ')
                fits--;
            length = fits ? fits : WIDTH - INDENT;
        }
        snprintf(row, sizeof row, "%*s%.*s", INDENT, "", (int)length, text);
        line(context, row);
        text += length;
        text += strspn(text, " ");
    }
}

void config_help(const config_kind *kind, void (*line)(void *context, const char *text), void *context) {
    cso_option_place place;
    for (size_t i = 0; (place = cso_options_at(kind->options, i)).row; i++) {
        const cso_option *row = place.row;
        char expected[256], text[768];
        snprintf(text, sizeof text, "%s = %s", row->name, row->fallback ? row->fallback : "(needed)");
        line(context, text);
        config_expected(row, expected, sizeof expected);
        snprintf(text, sizeof text, "%s: %s", expected, row->help);
        help_lines(text, line, context);
    }
}

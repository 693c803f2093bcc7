/* args_help.c - the page that --help prints: usage, summary, options in two columns, details. */
#include "args_help.h"

#include <stdbool.h>
#include <string.h>

enum { OPTION_COLUMN = 2, HELP_COLUMN = 28, WIDTH = 80 };

/* Prints the first line of text, broken between words to fit WIDTH. The output is at column `at`; broken lines begin at `column`.
 * Returns the text after that line. */
static const char *print_wrapped(FILE *out, const char *text, size_t at, size_t column) {
    bool first = true;
    while (*text && *text != '\n') {
        size_t word = strcspn(text, " \n");
        if (!first && at + 1 + word > WIDTH) {
            fprintf(out, "\n%*s", (int)column, "");
            at = column;
        } else if (!first) {
            fputc(' ', out);
            at++;
        }
        fwrite(text, 1, word, out);
        at += word;
        text += word;
        text += strspn(text, " ");
        first = false;
    }
    fputc('\n', out);
    return *text ? text + 1 : text;
}

/* Lines that begin with a blank are shown as they are, the others are broken where they must be. */
static void print_details(FILE *out, const char *text) {
    fputc('\n', out);
    while (*text) {
        if (*text == ' ') {
            size_t length = strcspn(text, "\n");
            fwrite(text, 1, length, out);
            fputc('\n', out);
            text += length + (text[length] == '\n');
        } else {
            text = print_wrapped(out, text, 0, 0);
        }
    }
}

static void print_option(FILE *out, char letter, const char *name, const char *metavar, const char *help) {
    char left[128];
    int length = letter ? snprintf(left, sizeof left, "-%c, --%s", letter, name) : snprintf(left, sizeof left, "    --%s", name);
    if (metavar && length > 0 && (size_t)length < sizeof left)
        snprintf(left + length, sizeof left - (size_t)length, " %s", metavar);
    fprintf(out, "%*s%-*s", OPTION_COLUMN, "", HELP_COLUMN - OPTION_COLUMN, left);
    if (strlen(left) >= HELP_COLUMN - OPTION_COLUMN)
        fprintf(out, "\n%*s", HELP_COLUMN, "");
    print_wrapped(out, help, HELP_COLUMN, HELP_COLUMN);
}

void cso_args_print_help(const cso_program *program, FILE *out) {
    size_t column = strlen("Usage: ") + strlen(program->name) + 1;
    fprintf(out, "Usage: %s ", program->name);
    print_wrapped(out, program->usage, column, column);
    print_wrapped(out, program->summary, 0, 0);
    fprintf(out, "\nOptions:\n");
    for (size_t i = 0; i < program->arg_count; i++) {
        const cso_arg *arg = &program->args[i];
        const char *metavar = arg->type == CSO_ARG_FLAG ? NULL : arg->metavar ? arg->metavar : "VALUE";
        print_option(out, arg->letter, arg->name, metavar, arg->help);
    }
    print_option(out, 'h', "help", NULL, "print this and exit");
    print_option(out, 0, "version", NULL, "print the version and exit");
    if (program->details)
        print_details(out, program->details);
}

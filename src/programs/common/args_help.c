/* args_help.c - the page that --help prints: usage, summary, options in two columns, details. */
#include "args_help.h"

#include <string.h>

enum { OPTION_COLUMN = 2, HELP_COLUMN = 30, WIDTH = 100 };

/* Prints text from `column` on, broken between words, later lines indented to HELP_COLUMN. */
static void print_wrapped(FILE *out, const char *text) {
    size_t column = HELP_COLUMN;
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column > HELP_COLUMN) {
            if (column + 1 + word > WIDTH) {
                fprintf(out, "\n%*s", HELP_COLUMN, "");
                column = HELP_COLUMN;
            } else {
                fputc(' ', out);
                column++;
            }
        }
        fwrite(text, 1, word, out);
        column += word;
        text += word;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void print_option(FILE *out, char letter, const char *name, const char *metavar, const char *help) {
    char left[128];
    int length = letter ? snprintf(left, sizeof left, "-%c, --%s", letter, name) : snprintf(left, sizeof left, "    --%s", name);
    if (metavar && length > 0 && (size_t)length < sizeof left)
        snprintf(left + length, sizeof left - (size_t)length, " %s", metavar);
    fprintf(out, "%*s%-*s", OPTION_COLUMN, "", HELP_COLUMN - OPTION_COLUMN, left);
    if (strlen(left) >= HELP_COLUMN - OPTION_COLUMN)
        fprintf(out, "\n%*s", HELP_COLUMN, "");
    print_wrapped(out, help);
}

void cso_args_print_help(const cso_program *program, FILE *out) {
    fprintf(out, "Usage: %s %s\n%s\n\nOptions:\n", program->name, program->usage, program->summary);
    for (size_t i = 0; i < program->arg_count; i++) {
        const cso_arg *arg = &program->args[i];
        const char *metavar = arg->type == CSO_ARG_FLAG ? NULL : arg->metavar ? arg->metavar : "VALUE";
        print_option(out, arg->letter, arg->name, metavar, arg->help);
    }
    print_option(out, 'h', "help", NULL, "print this and exit");
    print_option(out, 0, "version", NULL, "print the version and exit");
    if (program->details)
        fprintf(out, "\n%s", program->details);
}

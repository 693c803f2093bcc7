/* args.h - command lines: GNU long options from one table, --help and --version for free, did-you-mean for the rest. */
#ifndef CSO_ARGS_H
#define CSO_ARGS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum cso_arg_type {
    CSO_ARG_FLAG,
    CSO_ARG_STRING,
    CSO_ARG_SIZE,    /* a whole number */
    CSO_ARG_COUNT,   /* the same up to 2147483647: tokens and other numbers of items */
    CSO_ARG_THREADS, /* the same up to 4096 */
    CSO_ARG_LIST     /* may be given often */
} cso_arg_type;

typedef struct cso_arg_list {
    const char **items; /* into argv */
    size_t count;
} cso_arg_list;

typedef struct cso_arg {
    const char *name; /* "config", given as --config VALUE or --config=VALUE */
    char letter;      /* short form or 0 */
    cso_arg_type type;
    void *value;         /* bool *, const char **, size_t * (three types), cso_arg_list * */
    const char *metavar; /* "FILE" */
    const char *help;
} cso_arg;

typedef struct cso_program {
    const char *name;    /* "cso-train" */
    const char *summary; /* one line */
    const char *usage;   /* "--config FILE [OPTIONS]" */
    /* Printed after the options: notes, examples, exit codes; may be NULL. A line is broken between words to fit 80 columns, one
     * that begins with a blank stays as it is. */
    const char *details;
    const cso_arg *args;
    size_t arg_count;
    const char *const *commands; /* NULL-terminated: what the first word that is no option must be; NULL: anything */
    /* What to say after "unknown option '--lr'" of a name that an option is not; "" for nothing. exact: no misspelt names. May be
     * NULL. */
    void (*hint)(const char *name, bool exact, char *text, size_t size);
} cso_program;

/* Parses argv; words that are not options go to rest. --help and --version print to stdout and set *done. Wrong usage is
 * CSO_ERR_USAGE: of a command that there is not before anything after it. */
cso_status cso_args_parse(const cso_program *program, int argc, char **argv, cso_arg_list *rest, bool *done, cso_error *err);
void cso_arg_list_free(cso_arg_list *list);

/* What a program does with what is no option; context: its own. */
typedef cso_status (*cso_program_run)(void *context, const cso_arg_list *rest, cso_error *err);
/* A whole main: handles signals, parses argv, runs unless that is done (--help), prints the error. The exit code. */
int cso_program_main(const cso_program *program, int argc, char **argv, cso_program_run run, void *context);
/* The same of a command of a program that handles signals already. */
int cso_command_main(const cso_program *program, int argc, char **argv, cso_program_run run, void *context);

/* Prints "PROGRAM: message" to stderr (nothing for CSO_OK) and returns the exit code. */
int cso_program_exit(const cso_program *program, cso_status status, const cso_error *err);

#endif

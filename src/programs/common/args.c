/* args.c - parsing a command line by a program's table of options; the help page is in args_help.c.
 *
 * Like GNU getopt_long: options and other words in any order, --name VALUE or --name=VALUE, -n VALUE or -nVALUE, several flags
 * in one word (-qv), "--" ends the options, "-" is an ordinary word. Names are not abbreviated: a script that relies on
 * an abbreviation breaks when an option is added.
 */
#include "args.h"

#include "args_help.h"
#include "base/did_you_mean.h"
#include "base/foreign_names.h"
#include "base/memory.h"
#include "base/signals.h"
#include "start.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const cso_arg *find_long(const cso_program *program, const char *name, size_t length) {
    for (size_t i = 0; i < program->arg_count; i++)
        if (strlen(program->args[i].name) == length && !memcmp(program->args[i].name, name, length))
            return &program->args[i];
    return NULL;
}

static const cso_arg *find_letter(const cso_program *program, char letter) {
    for (size_t i = 0; i < program->arg_count; i++)
        if (letter && program->args[i].letter == letter)
            return &program->args[i];
    return NULL;
}

static void hint_option(const char *option, char *text, size_t size) {
    snprintf(text, size, " (did you mean '--%s'?)", option);
}

/* What was meant by a name that is no option: the option itself in other writing (--dry_run), what the program knows, what other
 * programs call it, then the same misspelt. */
static void find_hint(const cso_program *program, const char *name, char *text, size_t size) {
    enum { MAX_NAMES = 64 };
    const char *names[MAX_NAMES] = {"help", "version"};
    size_t count = 2;
    for (size_t i = 0; i < program->arg_count && count < MAX_NAMES; i++)
        names[count++] = program->args[i].name;
    char plain[64];
    snprintf(plain, sizeof plain, "%s", name);
    for (char *c = plain; *c; c++)
        *c = *c == '_' ? '-' : *c;
    const cso_foreign_name *foreign = cso_foreign_name_find(name);
    const char *option = foreign ? foreign->option : NULL;
    text[0] = '\0';
    if (find_long(program, plain, strlen(plain)))
        hint_option(plain, text, size);
    if (!text[0] && option && find_long(program, option, strlen(option)))
        hint_option(option, text, size);
    if (!text[0] && program->hint)
        program->hint(name, true, text, size);
    const char *near = text[0] ? NULL : cso_did_you_mean(name, names, count);
    if (near)
        hint_option(near, text, size);
    if (!text[0] && program->hint)
        program->hint(name, false, text, size);
    if (!text[0])
        snprintf(text, size, " (--help lists them)");
}

static cso_status fail_unknown(const cso_program *program, const char *name, size_t length, cso_error *err) {
    char hint[256], *word = cso_strndup(name, length);
    if (!word)
        return cso_fail_memory(err, "the command line");
    find_hint(program, word, hint, sizeof hint);
    cso_status status = cso_fail(err, CSO_ERR_USAGE, "unknown option '--%s'%s", word, hint);
    free(word);
    return status;
}

/* "score", "kernels or step", "score, compare or show". */
static void list_commands(const cso_program *program, char *text, size_t size) {
    size_t used = 0;
    for (const char *const *command = program->commands; *command && used < size; command++)
        used += (size_t)snprintf(text + used, size - used, "%s%s",
                                 command == program->commands ? ""
                                 : command[1]                 ? ", "
                                                              : " or ",
                                 *command);
}

static cso_status check_command(const cso_program *program, const char *word, cso_error *err) {
    char commands[160];
    size_t count = 0;
    for (; program->commands[count]; count++)
        if (!strcmp(program->commands[count], word))
            return CSO_OK;
    const char *near = cso_did_you_mean(word, program->commands, count);
    if (near)
        return cso_fail(err, CSO_ERR_USAGE, "unknown command '%s' (did you mean '%s'?)", word, near);
    list_commands(program, commands, sizeof commands);
    return cso_fail(err, CSO_ERR_USAGE, "unknown command '%s' (expected %s)", word, commands);
}

static cso_status list_add(cso_arg_list *list, const char *item, int argc, cso_error *err) {
    if (!list->items) { /* a list has at most as many items as there are words: one allocation suffices */
        list->items = cso_calloc((size_t)argc, sizeof *list->items);
        if (!list->items)
            return cso_fail_memory(err, "the command line");
    }
    list->items[list->count++] = item;
    return CSO_OK;
}

static cso_status parse_size(const cso_arg *arg, const char *text, cso_error *err) {
    enum { MAX_THREADS = 4096 };
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || (errno != ERANGE && number > SIZE_MAX))
        return cso_fail(err, CSO_ERR_USAGE, "--%s: expected a whole number, found '%s'", arg->name, text);
    size_t most = arg->type == CSO_ARG_THREADS ? MAX_THREADS : arg->type == CSO_ARG_COUNT ? INT32_MAX : SIZE_MAX;
    if (errno == ERANGE || number > most)
        return cso_fail(err, CSO_ERR_USAGE, "--%s: must be from 0 to %zu, got %s", arg->name, most, text);
    *(size_t *)arg->value = (size_t)number;
    return CSO_OK;
}

static cso_status store(const cso_arg *arg, const char *text, int argc, cso_error *err) {
    switch (arg->type) {
    case CSO_ARG_FLAG:
        *(bool *)arg->value = true;
        return CSO_OK;
    case CSO_ARG_STRING:
        *(const char **)arg->value = text;
        return CSO_OK;
    case CSO_ARG_SIZE:
    case CSO_ARG_COUNT:
    case CSO_ARG_THREADS:
        return parse_size(arg, text, err);
    case CSO_ARG_LIST:
        return list_add(arg->value, text, argc, err);
    }
    return cso_fail(err, CSO_ERR_INTERNAL, "--%s: option of an unknown type", arg->name);
}

static cso_status fail_no_value(const cso_arg *arg, cso_error *err) {
    return cso_fail(err, CSO_ERR_USAGE, "--%s needs a value (--%s %s)", arg->name, arg->name,
                    arg->metavar ? arg->metavar : "VALUE");
}

/* One word that begins with "--"; *index advances if the value is the next word. */
static cso_status parse_long(const cso_program *program, int argc, char **argv, int *index, bool *help, bool *version,
                             cso_error *err) {
    const char *name = argv[*index] + 2;
    const char *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const cso_arg *arg = find_long(program, name, length);
    if (!arg && length == 4 && !memcmp(name, "help", 4)) {
        *help = true;
        return CSO_OK;
    }
    if (!arg && length == 7 && !memcmp(name, "version", 7)) {
        *version = true;
        return CSO_OK;
    }
    if (!arg)
        return fail_unknown(program, name, length, err);
    if (arg->type == CSO_ARG_FLAG) {
        if (equals)
            return cso_fail(err, CSO_ERR_USAGE, "--%s takes no value, found '%s'", arg->name, equals + 1);
        return store(arg, NULL, argc, err);
    }
    if (equals)
        return store(arg, equals + 1, argc, err);
    if (*index + 1 >= argc)
        return fail_no_value(arg, err);
    return store(arg, argv[++*index], argc, err);
}

/* One word of letters after a single dash. */
static cso_status parse_letters(const cso_program *program, int argc, char **argv, int *index, bool *help, cso_error *err) {
    for (const char *letter = argv[*index] + 1; *letter; letter++) {
        const cso_arg *arg = find_letter(program, *letter);
        if (!arg && *letter == 'h') {
            *help = true;
            continue;
        }
        if (!arg)
            return cso_fail(err, CSO_ERR_USAGE, "unknown option '-%c' in '%s' (--help lists them)", *letter, argv[*index]);
        if (arg->type == CSO_ARG_FLAG) {
            CSO_TRY(store(arg, NULL, argc, err));
            continue;
        }
        if (letter[1])
            return store(arg, letter + 1, argc, err);
        if (*index + 1 >= argc)
            return fail_no_value(arg, err);
        return store(arg, argv[++*index], argc, err);
    }
    return CSO_OK;
}

cso_status cso_args_parse(const cso_program *program, int argc, char **argv, cso_arg_list *rest, bool *done, cso_error *err) {
    bool help = false, version = false, options_ended = false;
    *rest = (cso_arg_list){0};
    *done = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (options_ended || word[0] != '-' || word[1] == '\0') {
            if (program->commands && !rest->count)
                CSO_TRY(check_command(program, word, err));
            CSO_TRY(list_add(rest, word, argc, err));
        } else if (word[1] != '-') {
            CSO_TRY(parse_letters(program, argc, argv, &i, &help, err));
        } else if (word[2] == '\0') {
            options_ended = true;
        } else {
            CSO_TRY(parse_long(program, argc, argv, &i, &help, &version, err));
        }
    }
    if (help)
        cso_args_print_help(program, stdout);
    else if (version)
        printf("%s %s\n", program->name, CSO_VERSION);
    *done = help || version;
    if (program->commands && !*done && !rest->count) {
        char commands[160];
        list_commands(program, commands, sizeof commands);
        return cso_fail(err, CSO_ERR_USAGE, "no command is given (expected %s)", commands);
    }
    if (*done && (fflush(stdout) || ferror(stdout)))
        return cso_fail_errno(err, "write", "standard output");
    return CSO_OK;
}

void cso_arg_list_free(cso_arg_list *list) {
    free(list->items);
    *list = (cso_arg_list){0};
}

int cso_program_exit(const cso_program *program, cso_status status, const cso_error *err) {
    if (status == CSO_OK)
        return 0;
    fprintf(stderr, "%s: %s\n", program->name, err->message);
    return status == CSO_STOPPED ? CSO_STOPPED + cso_signals_stop() : (int)status;
}

int cso_program_main(const cso_program *program, int argc, char **argv, cso_program_run run, void *context) {
    program_start(program->name);
    return cso_command_main(program, argc, argv, run, context);
}

int cso_command_main(const cso_program *program, int argc, char **argv, cso_program_run run, void *context) {
    cso_arg_list rest;
    cso_error err = {0};
    bool done = false;
    cso_status status = cso_args_parse(program, argc, argv, &rest, &done, &err);
    if (status == CSO_OK && !done)
        status = run(context, &rest, &err);
    cso_arg_list_free(&rest);
    return cso_program_exit(program, status, &err);
}

/* data_main.c - cso-data: data sets, checked, converted, split, counted and tokenized. Each subcommand is in a file data_NAME.c. */
#include "data_command.h"

#include "programs/common/start.h"

#include <string.h>

typedef struct data_command {
    const char *name;
    int (*run)(int argc, char **argv);
} data_command;

static const data_command COMMANDS[] = {
    {"check", data_check},   {"convert", data_convert},   {"split", data_split}, {"dedup", data_dedup},
    {"sample", data_sample}, {"tokenize", data_tokenize}, {"stats", data_stats},
};
enum { COMMAND_COUNT = sizeof COMMANDS / sizeof *COMMANDS };

int main(int argc, char **argv) {
    const char *names[COMMAND_COUNT + 1] = {NULL};
    program_start("cso-data");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        names[i] = COMMANDS[i].name;
        if (argc > 1 && !strcmp(argv[1], names[i]))
            return COMMANDS[i].run(argc - 1, argv + 1);
    }
    const cso_program program = {
        .name = "cso-data",
        .summary = "Checks, converts, splits, tokenizes and counts data sets of dialogues and preference pairs.",
        .usage = "COMMAND [OPTIONS] [FILE]...",
        .details = "Commands:\n"
                   "  check      what is wrong with records, each with its line\n"
                   "  convert    trees, pairs, KTO, preference, list and chat records to one another\n"
                   "  split      parts for training and evaluation, by dialogue\n"
                   "  dedup      records without those that came before\n"
                   "  sample     a random part of the records or dialogues\n"
                   "  tokenize   JSON Lines in, JSON Lines out: texts to token ids and back, chats\n"
                   "             and pairs rendered\n"
                   "  stats      records, pairs, dialogues and tokens of a data set, and what\n"
                   "             sharing prefixes saves\n"
                   "cso-data COMMAND --help says more.\n",
        .commands = names,
    };
    cso_error err = {0};
    cso_arg_list rest;
    bool done;
    cso_status status = cso_args_parse(&program, argc, argv, &rest, &done, &err);
    if (status == CSO_OK && !done)
        status = cso_fail(&err, CSO_ERR_USAGE, "the command comes first (cso-data %s ...)", rest.items[0]);
    cso_arg_list_free(&rest);
    return cso_program_exit(&program, status, &err);
}

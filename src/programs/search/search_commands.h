/* search_commands.h - what cso-search can be told to do. */
#ifndef CSO_SEARCH_COMMANDS_H
#define CSO_SEARCH_COMMANDS_H

#include "base/status.h"
#include "programs/common/args.h"

#include <stdbool.h>

typedef struct search_options {
    const char *config, *resume;
    cso_arg_list set;
    bool dry_run, json, quiet, help_config;
} search_options;

/* Searches, or says what a search would take. */
cso_status search_run(const search_options *options, cso_error *err);
/* The commands, with what follows cso-search; the exit code. */
int search_extract(int argc, char **argv);
int search_show(int argc, char **argv);

/* Fails if standard output could not be written. */
cso_status search_finish_output(cso_error *err);

#endif

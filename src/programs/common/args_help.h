/* args_help.h - the page that --help prints. */
#ifndef CSO_ARGS_HELP_H
#define CSO_ARGS_HELP_H

#include "args.h"

#include <stdio.h>

void cso_args_print_help(const cso_program *program, FILE *out);

#endif

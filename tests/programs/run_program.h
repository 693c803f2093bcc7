/* run_program.h - runs a program of the build as a user would, and keeps its output. */
#ifndef CSO_TESTS_RUN_PROGRAM_H
#define CSO_TESTS_RUN_PROGRAM_H

#include <stddef.h>

typedef struct run_result {
    int code; /* exit code; 128 + n: killed by signal n */
    char *out, *err;
    size_t out_size;
} run_result;

/* command: a shell command in which "@" at the beginning of a word stands for the folder of the binaries: "@cso-data --help".
 * input: standard input, may be NULL. */
run_result run_program(const char *command, const char *input, size_t input_size);
void run_result_free(run_result *result);

#endif

#include "run_program.h"

#include "base/file.h"
#include "golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

run_result run_program(const char *command, const char *input, size_t input_size) {
    static const char *const STREAMS[] = {"in", "out", "err"};
    char paths[3][64], line[4096];
    size_t used = 0;
    cso_error err = {0};
    run_result result = {0};
    for (int i = 0; i < 3; i++)
        snprintf(paths[i], sizeof paths[i], "/tmp/cso-cli-%d.%s", (int)getpid(), STREAMS[i]);
    golden_ok(cso_save_text(paths[0], input ? input : "", input ? input_size : 0, &err), &err);
    for (const char *at = command; *at; at++) {
        bool word_begins = at == command || at[-1] == ' ';
        used += (size_t)(*at == '@' && word_begins ? snprintf(line + used, sizeof line - used, "%s/", CSO_BINARIES)
                                                   : snprintf(line + used, sizeof line - used, "%c", *at));
        assert_true(used < sizeof line);
    }
    snprintf(line + used, sizeof line - used, " < %s > %s 2> %s", paths[0], paths[1], paths[2]);
    int status = system(line);
    result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    golden_ok(cso_read_file(paths[1], 1 << 28, &result.out, &result.out_size, &err), &err);
    golden_ok(cso_read_file(paths[2], 1 << 28, &result.err, &used, &err), &err);
    for (int i = 0; i < 3; i++)
        remove(paths[i]);
    return result;
}

void run_result_free(run_result *result) {
    free(result->out);
    free(result->err);
    *result = (run_result){0};
}

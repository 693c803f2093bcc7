/* test_memory_faults.c - every allocation of cso-train fails in turn, from reading the configuration to the final adapter.
 *
 * The program's own main runs in a child for each, so that a crash is seen, and a leak where there is a sanitizer. What fails
 * are cso's allocations and cJSON's. Those of other libraries are not made to fail: toml++ marks functions that allocate as
 * noexcept and takes a stream's bad_alloc for a wrong number; OpenMP and OpenBLAS end the process. Without arguments some of
 * the allocations are tried, with "all" each of them.
 */
#include "../faults.h"
#include "../golden.h"

#include "base/file.h"
#include "base/memory.h"
#include "synth/random_model.h"

#include <cjson/cJSON.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

int cso_train_main(int argc, char **argv); /* train_main.c, with main renamed */

enum { SOME = 60 };
static bool all;
static char dir[] = "/tmp/cso-test-memory-XXXXXX";
static const char *config = "c.toml";

/* "DIR/name"; static until the eighth next call. */
static char *in_dir(const char *name) {
    static char paths[8][200];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void put(const char *name, const char *text) {
    cso_error err = {0};
    golden_ok(cso_save_text(in_dir(name), text, strlen(text), &err), &err);
}

static int setup(void **state) {
    (void)state;
    cso_error err = {0};
    cso_random_model random = {.seed = 5, .dtype = CSO_F32, .bos = -1, .eos = -1};
    if (!mkdtemp(dir))
        return -1;
    golden_ok(cso_random_model_preset(&random, "llama", "tiny", &err), &err);
    random.hparams.hidden = 16;
    random.hparams.ffn = 16;
    random.hparams.n_heads = 2;
    random.hparams.n_kv_heads = 1;
    random.hparams.head_dim = 8;
    golden_ok(cso_random_model_write(&random, in_dir("model"), &err), &err);
    put("data.jsonl", "{\"prompt\": \"Hi\", \"chosen\": \"Hello.\", \"rejected\": \"No.\"}\n"
                      "{\"prompt\": \"How are you?\", \"chosen\": \"Well.\", \"rejected\": \"I do not \\u0000 say.\"}\n");
    static const char TEXT[] =
        "[model]\npath = \"model\"\nchat_template = \"llama3\"\n[data]\ntrain = [\"data.jsonl\"]\neval = [\"data.jsonl\"]\n"
        "[lora]\nrank = 2\n[loss]\nreference = \"initial\"\n[train]\nbatch_size = 1\nlearning_rate = 1e-3\nwarmup_steps = 0\n"
        "threads = 1\nmemory_gib = 0.25\n[checkpoint]\ndir = \"run\"\nevery_steps = 1\n";
    static const char STAGES[] =
        "[[stage]]\nname = \"sft\"\nloss.type = \"sft\"\ncheckpoint.restore_best = true\n[[stage]]\nname = \"cso\"\n"
        "loss.reference = \"stage:sft\"\n";
    char stages[sizeof TEXT + sizeof STAGES];
    snprintf(stages, sizeof stages, "%s%s", TEXT, STAGES);
    put("c.toml", TEXT);
    put("stages.toml", stages);
    return 0;
}
static int teardown(void **state) {
    (void)state;
    return cso_remove_tree(dir, NULL) == CSO_OK ? 0 : -1;
}

static void *hooked_malloc(size_t size) {
    return fault_memory_allows(size) ? malloc(size) : NULL;
}

typedef struct outcome {
    int code; /* exit code; 1000 + n for a death by signal n */
    size_t allocations;
    char errors[8000];
} outcome;

static void run(outcome *o, size_t at, bool forever) {
    int ends[2];
    FILE *errors = tmpfile();
    assert_non_null(errors);
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        char *argv[] = {(char *)"cso-train", (char *)"-q", (char *)"-c", in_dir(config), NULL};
        dup2(fileno(errors), STDERR_FILENO);
        cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = hooked_malloc, .free_fn = free});
        fault_memory_begin(at, forever);
        int code = cso_train_main(4, argv);
        fault_memory_end();
        size_t count = fault_memory_count();
        if (write(ends[1], &count, sizeof count) != sizeof count)
            code = 99;
        fclose(errors);
        exit(code); /* not _exit: leaks are looked for at the end */
    }
    close(ends[1]);
    int status;
    if (read(ends[0], &o->allocations, sizeof o->allocations) != sizeof o->allocations)
        o->allocations = 0;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    o->code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    rewind(errors);
    o->errors[fread(o->errors, 1, sizeof o->errors - 1, errors)] = '\0';
    fclose(errors);
}

/* Lines that are no warnings. */
static size_t error_lines(const char *text) {
    size_t count = 0;
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
        count += strncmp(line, "warning: ", 9) != 0;
    return count;
}

static void each(bool forever) {
    outcome o;
    run(&o, 0, false);
    if (o.code || o.errors[0])
        fail_msg("%d: %s", o.code, o.errors);
    size_t total = o.allocations, tried = 0, ended = 0;
    assert_true(total > SOME);
    assert_int_equal(cso_remove_tree(in_dir("run"), NULL), CSO_OK);
    for (size_t at = 1; at <= total; at += all || at < SOME / 2 ? 1 : 1 + total / (SOME / 2), tried++) {
        run(&o, at, forever);
        bool told =
            o.code == 4 && error_lines(o.errors) == 1 && strstr(o.errors, "cso-train: ") && strstr(o.errors, "out of memory");
        if (!told && (o.code != 0 || error_lines(o.errors)))
            fail_msg("allocation %zu of %zu%s: exit code %d: %s", at, total, forever ? " and all after it" : "", o.code, o.errors);
        ended += o.code == 4;
        assert_int_equal(fault_leftovers(dir), 0);
        assert_int_equal(cso_remove_tree(in_dir("run"), NULL), CSO_OK);
    }
    print_message("%zu of %zu allocations failed%s; %zu ended the program\n", tried, total, forever ? " for good" : "", ended);
    assert_true(ended > tried / 2);
}

static void once(void **state) {
    (void)state;
    each(false);
}
static void forever(void **state) {
    (void)state;
    each(true);
}

/* SFT and then CSO. */
static void stages(void **state) {
    (void)state;
    config = "stages.toml";
    each(false);
    each(true);
    config = "c.toml";
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(once), cmocka_unit_test(forever), cmocka_unit_test(stages)};
    all = argc > 1 && !strcmp(argv[1], "all");
    return cmocka_run_group_tests(tests, setup, teardown);
}

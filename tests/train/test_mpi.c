/* cso-train as one, two and four processes: the same losses, one writer, a killed process, another number of them. */
#include "../comm/mpirun.h"
#include "../golden.h"
#include "../test_folder.h"

#include "base/clock.h"
#include "base/file.h"
#include "train/checkpoint.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PROGRAM CSO_BINARIES "/cso-train"
enum { MAX_WORDS = 24, STEPS = 5 };

static int setup(void **state) {
    char root[512], text[2048];
    cso_error err = {0};
    if (make_test_folder(state) || !getcwd(root, sizeof root))
        return -1;
    /* Three dialogues of which a step has two or three; with four processes one or two have nothing to do. */
    snprintf(text, sizeof text,
             "[model]\npath = \"%s/tests/golden/models/llama-tiny\"\nchat_template = \"llama3\"\n"
             "[data]\ntrain = [\"%s/tests/golden/pairs/pairs.jsonl\"]\neval = [\"%s/tests/golden/pairs/pairs.jsonl\"]\n"
             "shuffle = \"pair\"\nparse_special = true\n[lora]\nrank = 4\ndropout = 0.1\n"
             "[train]\nmax_steps = %d\nbatch_size = 8\nlearning_rate = 5e-4\nschedule = \"constant\"\nwarmup_steps = 2\n"
             "[checkpoint]\nevery_steps = 2\n[log]\neval_every_steps = 2\n",
             root, root, root, STEPS);
    return cso_save_text(in_folder("c.toml"), text, strlen(text), &err) == CSO_OK ? 0 : -1;
}

static const char *config = "c.toml"; /* that start() takes */

/* The run in DIR/NAME, with one more key set where `set` is not NULL. */
static pid_t start(int processes, const char *name, const char *set) {
    char folder[300];
    snprintf(folder, sizeof folder, "checkpoint.dir=%s", in_folder(name));
    const char *const words[] = {"-c", in_folder(config), "--set", folder, set ? "--set" : NULL, set, NULL};
    return mpirun_start(processes, PROGRAM, words, in_folder("errors"));
}

/* What the last run printed on standard error; static. */
static const char *errors(void) {
    static char text[1 << 22];
    FILE *file = fopen(in_folder("errors"), "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void expect(int processes, const char *name, const char *set, int code, const char *part) {
    int found = mpirun_wait(start(processes, name, set));
    const char *text = errors(), *at = strstr(text, part);
    if (found != code || !at || strstr(at + 1, part)) /* once */
        fail_msg("%d processes: exit code %d (expected %d), standard error:\n%sexpected in it, once:\n%s", processes, found, code,
                 text, part);
}

typedef struct curve {
    double loss[STEPS], norm[STEPS], eval[STEPS];
} curve;

static curve read_curve(const char *name) {
    char file[100], *text, *line;
    size_t size, n = 0;
    curve c = {0}; /* the first STEPS; the others are only counted */
    cso_error err = {0};
    snprintf(file, sizeof file, "%s/metrics.jsonl", name);
    golden_ok(cso_read_file(in_folder(file), 1 << 20, &text, &size, &err), &err);
    for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), n++) {
        cJSON *json = cJSON_Parse(line), *eval = cJSON_GetObjectItem(json, "eval_loss");
        assert_true(cJSON_GetObjectItem(json, "step")->valuedouble == (double)(n + 1));
        if (n < STEPS) {
            c.loss[n] = cJSON_GetObjectItem(json, "loss")->valuedouble;
            c.norm[n] = cJSON_GetObjectItem(json, "grad_norm")->valuedouble;
            c.eval[n] = eval ? eval->valuedouble : 0;
        }
        cJSON_Delete(json);
    }
    assert_true(n >= STEPS);
    free(text);
    return c;
}

static void expect_close(const char *one, const char *other) {
    curve a = read_curve(one), b = read_curve(other);
    double loss = 0, norm = 0;
    for (int i = 0; i < STEPS; i++) {
        loss = fmax(loss, fabs(a.loss[i] - b.loss[i]));
        if (a.eval[i] > 0 && b.eval[i] > 0)
            loss = fmax(loss, fabs(a.eval[i] - b.eval[i]));
        norm = fmax(norm, fabs(a.norm[i] / b.norm[i] - 1));
    }
    print_message("%s and %s: losses %.1e, gradient norms %.1e apart\n", one, other, loss, norm);
    assert_true(loss <= 1e-6 && norm <= 1e-4);
}

static void expect_equal_files(const char *one, const char *other) {
    cso_map a, b;
    cso_error err = {0};
    golden_ok(cso_map_open(&a, in_folder(one), &err), &err);
    golden_ok(cso_map_open(&b, in_folder(other), &err), &err);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    cso_map_close(&a);
    cso_map_close(&b);
}

#define ADAPTER "/adapter/adapter_model.safetensors"

static void the_same_losses(void **state) {
    (void)state;
    if (!mpirun_there())
        skip();
    expect(0, "alone", NULL, 0, "adapter written to");
    expect(1, "one", NULL, 0, "adapter written to");
    expect(2, "two", NULL, 0, "adapter written to");
    expect(4, "four", NULL, 0, "adapter written to");
    expect(4, "again", "train.threads=2", 0, "adapter written to");
    expect_equal_files("alone" ADAPTER, "one" ADAPTER);
    expect_equal_files("four" ADAPTER, "again" ADAPTER);
    expect_close("alone", "two");
    expect_close("alone", "four");
}

static void wait_for(const char *name) {
    double began = cso_clock();
    while (!cso_path_exists(in_folder(name)) && cso_clock() - began < 120)
        usleep(20000);
    assert_true(cso_path_exists(in_folder(name)));
}

/* One process of three is killed; all stop soon, and two go on from what was saved. */
static void one_is_killed(void **state) {
    (void)state;
    if (!mpirun_there())
        skip();
    pid_t run = start(3, "killed", "train.max_steps=1000000");
    wait_for("killed/checkpoint-2");
    pid_t victim = mpirun_process(run, PROGRAM, 1);
    assert_true(victim > 0);
    double began = cso_clock();
    assert_int_equal(kill(victim, SIGKILL), 0);
    assert_int_not_equal(mpirun_wait(run), 0);
    double seconds = cso_clock() - began;
    print_message("all had stopped after %.1f s\n", seconds);
    assert_true(seconds < 10);
    assert_int_equal(mpirun_process(run, PROGRAM, 0), 0);

    size_t *steps, count;
    char set[64];
    cso_error err = {0};
    golden_ok(cso_checkpoint_list(in_folder("killed"), &steps, &count, &err), &err);
    assert_true(count > 0);
    snprintf(set, sizeof set, "train.max_steps=%zu", steps[count - 1] + 2 > STEPS ? steps[count - 1] + 2 : STEPS);
    free(steps);
    expect(2, "killed", set, 0, "resuming from");
    if (cso_path_is_folder(in_folder("alone")))
        expect_close("alone", "killed");
}

static void a_signal_for_one(void **state) {
    (void)state;
    if (!mpirun_there())
        skip();
    pid_t run = start(3, "stopped", "train.max_steps=1000000");
    wait_for("stopped/checkpoint-2"); /* all are in their steps: before the first one a signal ends a process at once */
    pid_t one = mpirun_process(run, PROGRAM, 2);
    assert_true(one > 0); /* 0 would be the test and whoever started it */
    assert_int_equal(kill(one, SIGTERM), 0);
    assert_int_equal(mpirun_wait(run), 128 + SIGTERM);
    char name[100];
    const char *line = strstr(errors(), "cso-train: stopped by signal 15 after step ");
    size_t step;
    if (!line)
        fail_msg("%s", errors());
    assert_null(strstr(line + 1, "cso-train: stopped by signal"));
    assert_int_equal(sscanf(line, "cso-train: stopped by signal 15 after step %zu of 1000000;", &step), 1);
    snprintf(name, sizeof name, "stopped/checkpoint-%zu", step);
    assert_true(cso_path_is_folder(in_folder(name)));
}

/* SFT and then CSO: both stages as with one process, skipped when they are complete, one adapter at the end. */
static void stages(void **state) {
    (void)state;
    cso_error err = {0};
    cso_text text = {0};
    char *common;
    size_t size;
    if (!mpirun_there())
        skip();
    golden_ok(cso_read_file(in_folder("c.toml"), 1 << 16, &common, &size, &err), &err);
    cso_text_format(&text,
                    "%s[[stage]]\nname = \"sft\"\nloss.type = \"sft\"\n[[stage]]\nname = \"cso\"\nloss.reference = \"initial\"\n",
                    common);
    golden_ok(cso_save_text(in_folder("stages.toml"), text.data, text.size, &err), &err);
    free(text.data);
    free(common);
    config = "stages.toml";
    expect(0, "s0", NULL, 0, "adapter of the last stage copied to");
    expect(2, "s2", NULL, 0, "adapter of the last stage copied to");
    expect_close("s0/stage-1-sft", "s2/stage-1-sft");
    expect_close("s0/stage-2-cso", "s2/stage-2-cso");
    expect_equal_files("s2" ADAPTER, "s2/stage-2-cso" ADAPTER);
    expect(3, "s2", NULL, 0, "stage sft: complete, step 5 of 5\nstage cso: complete, step 5 of 5\n");
    expect(2, "s2", "stage.cso.train.max_steps=7", 0, "stage 2/2 cso  step 7/7");
    expect(2, "s2", "stage.sft.train.eps=1e-7", 3, "cso-train: stage sft: ");
    config = "c.toml";
}

/* The evaluation's metrics of each strategy do not depend on batches and processes; of log-probabilities of -500 last bits remain. */
static void strategies(void **state) {
    (void)state;
    char root[400], text[2048], *texts[2], *sample;
    size_t size, compared = 0;
    cso_error err = {0};
    if (!mpirun_there() || !getcwd(root, sizeof root))
        skip();
    golden_ok(cso_read_file("data/sample/valid.tree.jsonl", 1 << 20, &sample, &size, &err), &err);
    size = (size_t)(strchr(strchr(sample, '\n') + 1, '\n') + 1 - sample); /* two dialogues */
    golden_ok(cso_save_text(in_folder("sample.jsonl"), sample, size, &err), &err);
    free(sample);
    snprintf(text, sizeof text,
             "[model]\npath = \"%s/tests/golden/models/llama-tiny\"\nchat_template = \"llama3\"\n"
             "[data]\ntrain = [\"sample.jsonl\"]\neval = [\"sample.jsonl\"]\n"
             "[lora]\ninit = \"%s/tests/golden/adapters/llama-tiny/r4\"\n"
             "[train]\nmax_steps = 1\nlearning_rate = 0\n",
             root, root);
    golden_ok(cso_save_text(in_folder("strategies.toml"), text, strlen(text), &err), &err);
    config = "strategies.toml";
    expect(0, "e0", "train.batch_size=100", 0, "adapter written to");
    expect(2, "e2", "train.batch_size=5", 0, "adapter written to");
    config = "c.toml";
    for (size_t i = 0; i < 2; i++)
        golden_ok(cso_read_file(in_folder(i ? "e2/metrics.jsonl" : "e0/metrics.jsonl"), 1 << 16, &texts[i], &size, &err), &err);
    cJSON *one = cJSON_Parse(texts[0]), *two = cJSON_Parse(texts[1]), *item;
    cJSON_ArrayForEach(item, one) {
        if (strncmp(item->string, "eval_", 5) != 0 || !strcmp(item->string, "eval_seconds"))
            continue;
        const cJSON *other = cJSON_GetObjectItem(two, item->string);
        if (!other || fabs(item->valuedouble - other->valuedouble) > 1e-4 * fmax(1, fabs(item->valuedouble)))
            fail_msg("%s: %.9g and %.9g", item->string, item->valuedouble, other ? other->valuedouble : NAN);
        compared += strstr(item->string, "eval_rewards/margins/") != NULL;
    }
    assert_true(compared > 2);
    cJSON_Delete(one);
    cJSON_Delete(two);
    free(texts[0]);
    free(texts[1]);
}

static void an_error_is_said_once(void **state) {
    (void)state;
    if (!mpirun_there())
        skip();
    expect(3, "wrong", "model.path=nowhere", 3, "cso-train: nowhere: cannot open: No such file or directory\n");
    assert_false(cso_path_exists(in_folder("wrong")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_losses), cmocka_unit_test(one_is_killed), cmocka_unit_test(a_signal_for_one),
        cmocka_unit_test(stages),          cmocka_unit_test(strategies),    cmocka_unit_test(an_error_is_said_once),
    };
    return cmocka_run_group_tests(tests, setup, remove_test_folder);
}

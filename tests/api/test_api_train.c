/* libcso: training with callbacks; a run that is stopped and goes on is the run that was not stopped. */
#include "api_fixture.h"

#include "base/file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct watcher {
    size_t steps, evaluations, notes, warnings, stop_at;
    double losses[16];
} watcher;

static double metric(const cso_lm_step *step, const char *name) {
    for (size_t i = 0; i < step->n_metrics; i++)
        if (!strcmp(step->metrics[i].name, name))
            return step->metrics[i].value;
    return NAN;
}

static void on_step(void *context, const cso_lm_step *step) {
    watcher *w = context;
    assert_int_equal(step->total_steps, 6);
    assert_false(step->skipped);
    assert_string_equal(step->reason, "");
    assert_string_equal(step->stage, "");
    assert_true(metric(step, "loss") == step->loss && step->loss > 0);
    assert_true(metric(step, "logps/chosen") < 0);
    assert_true(step->grad_norm > 0 && step->tokens > 0 && step->seconds > 0 && step->epoch > 0);
    w->evaluations += isfinite(metric(step, "eval_loss"));
    w->losses[step->step] = step->loss;
    w->steps = step->step;
}
static void on_note(void *context, const char *text) {
    assert_true(*text);
    ((watcher *)context)->notes++;
}
static void on_warning(void *context, const char *text) {
    assert_true(*text);
    ((watcher *)context)->warnings++;
}
static bool should_stop(void *context) {
    const watcher *w = context;
    return w->steps == w->stop_at;
}

static cso_lm_status train(const char *config, watcher *w, const char *dir, cso_lm_error *error) {
    char folder[300];
    snprintf(folder, sizeof folder, "checkpoint.dir=%s", dir);
    const char *const overrides[] = {folder};
    const cso_lm_train_options options = {
        .overrides = overrides,
        .n_overrides = 1,
        .context = w,
        .step = on_step,
        .note = on_note,
        .warning = on_warning,
        .should_stop = should_stop,
    };
    return cso_lm_train(config, &options, error);
}

static char *read_adapter(const char *dir, size_t *size) {
    char path[400], *bytes;
    snprintf(path, sizeof path, "%s/adapter/adapter_model.safetensors", dir);
    assert_int_equal(cso_read_file(path, (size_t)1 << 26, &bytes, size, NULL), CSO_OK);
    return bytes;
}

static void stops_and_goes_on(void **state) {
    const char *dir = *state, *config = api_config(dir);
    char whole[200], parts[200];
    cso_lm_error error = {0};
    watcher w = {0}, first = {.stop_at = 4}, second = {0};
    snprintf(whole, sizeof whole, "%s/whole", dir);
    snprintf(parts, sizeof parts, "%s/parts", dir);
    w.stop_at = 100;
    api_ok(train(config, &w, whole, &error), &error);
    assert_int_equal(w.steps, 6);
    assert_int_equal(w.evaluations, 2);
    assert_true(w.notes > 0);
    assert_int_equal(w.warnings, 0);

    char message[600];
    snprintf(message, sizeof message, "stopped on request after step 4 of 6; checkpoint-4 is saved in %s", parts);
    api_fails(train(config, &first, parts, &error), &error, CSO_LM_STOPPED, message);
    assert_int_equal(first.steps, 4);
    second.stop_at = 100;
    api_ok(train(config, &second, parts, &error), &error);
    assert_int_equal(second.steps, 6);
    assert_true(second.losses[4] == 0 && second.losses[5] == w.losses[5] && second.losses[6] == w.losses[6]);

    size_t size, other;
    char *one = read_adapter(whole, &size), *two = read_adapter(parts, &other);
    assert_int_equal(size, other);
    assert_memory_equal(one, two, size);
    free(one);
    free(two);
}

static void opens_what_it_made(void **state) {
    const char *dir = *state;
    char folder[200];
    cso_lm_error error = {0};
    cso_lm *model;
    cso_lm_adapter *adapter;
    snprintf(folder, sizeof folder, "%s/whole/adapter", dir);
    api_ok(cso_lm_open(&model, API_MODEL, NULL, &error), &error);
    api_ok(cso_lm_adapter_open(&adapter, model, folder, &error), &error);
    cso_lm_adapter_close(adapter);
    cso_lm_close(model);
}

static void count_step(void *context, const cso_lm_step *step) {
    assert_true(step->n_stages == 2 && step->stage_number >= 1);
    assert_string_equal(step->stage, step->stage_number == 1 ? "sft" : "cso");
    ((watcher *)context)->steps = step->step;
    ((watcher *)context)->evaluations++; /* steps in all */
}

/* SFT and then CSO in one configuration, stopped between the two. */
static void stages(void **state) {
    const char *dir = *state, *config = api_config(dir);
    char folder[300], message[400];
    cso_lm_error error = {0};
    FILE *file = fopen(config, "a");
    assert_non_null(file);
    fputs("[[stage]]\nname = \"sft\"\nloss.type = \"sft\"\n[[stage]]\nname = \"cso\"\nloss.reference = \"initial\"\n", file);
    assert_int_equal(fclose(file), 0);
    watcher w = {.stop_at = 6};
    snprintf(folder, sizeof folder, "checkpoint.dir=%s/stages", dir);
    const char *const overrides[] = {folder};
    cso_lm_train_options options = {
        .overrides = overrides, .n_overrides = 1, .context = &w, .step = count_step, .should_stop = should_stop};
    snprintf(message, sizeof message, "stopped on request after stage sft; the next run begins with stage cso");
    api_fails(cso_lm_train(config, &options, &error), &error, CSO_LM_STOPPED, message);
    assert_int_equal(w.evaluations, 6);
    w = (watcher){.stop_at = 100};
    api_ok(cso_lm_train(config, &options, &error), &error);
    assert_int_equal(w.evaluations, 6);
    size_t size, other;
    char stage[300], *one, *two;
    snprintf(stage, sizeof stage, "%s/stages", dir);
    one = read_adapter(stage, &size);
    snprintf(stage, sizeof stage, "%s/stages/stage-2-cso", dir);
    two = read_adapter(stage, &other);
    assert_int_equal(size, other);
    assert_memory_equal(one, two, size);
    free(one);
    free(two);
    options.resume = "somewhere/checkpoint-2";
    api_fails(cso_lm_train(config, &options, &error), &error, CSO_LM_ERR_USAGE,
              "resume: \"somewhere/checkpoint-2\" is one checkpoint, and the configuration has 2 stages (expected auto)");
}

static void refused(void **state) {
    const char *dir = *state, *config = api_config(dir);
    cso_lm_error error = {0};
    char message[400];
    const char *const overrides[] = {"train.learning_rat=1"};
    const cso_lm_train_options options = {.overrides = overrides, .n_overrides = 1};
    api_fails(cso_lm_train(NULL, NULL, &error), &error, CSO_LM_ERR_USAGE, "path is NULL");
    snprintf(message, sizeof message, "%s/none.toml: cannot open: No such file or directory", dir);
    char none[200];
    snprintf(none, sizeof none, "%s/none.toml", dir);
    assert_int_not_equal(cso_lm_train(none, NULL, &error), CSO_LM_OK);
    assert_string_equal(error.message, message);
    api_fails(cso_lm_train(config, &options, &error), &error, CSO_LM_ERR_USAGE, error.message);
    assert_non_null(strstr(error.message, "train.learning_rate"));
    assert_int_equal(cso_lm_train(NULL, NULL, NULL), CSO_LM_ERR_USAGE);
}

static int make_dir(void **state) {
    static char dir[] = "/tmp/cso-test-api-XXXXXX";
    *state = mkdtemp(dir);
    return *state ? 0 : -1;
}

static int remove_dir(void **state) {
    return cso_remove_tree(*state, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stops_and_goes_on),
        cmocka_unit_test(opens_what_it_made),
        cmocka_unit_test(stages),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

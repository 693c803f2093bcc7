/* test_guard.c - NaN and Inf: steps that are skipped, runs that end, and what is saved meanwhile.
 *
 * One token has an embedding of NaN, and only the records that a test chooses have that token; or a loss has a derivative that
 * is infinite for the pairs that a test chooses.
 */
#include "resume_fixture.h"

#include "base/file.h"
#include "base/signals.h"
#include "train/optim.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BAD_TOKEN = 1 }; /* of the random tokenizer's; no record has it */

/* Puts NaN into the embedding of BAD_TOKEN, in the file, which is mapped. */
static void spoil_token(const resume_fixture *f) {
    size_t size, bytes = f->model->hparams.hidden * sizeof(float);
    float row[64];
    memcpy(row, cso_tensor_row(&f->model->embedding, BAD_TOKEN), bytes);
    const char *path = root_path(f, "model/model.safetensors");
    char *file = take_file(path, &size), *at = memmem(file, size, row, bytes);
    assert_non_null(at);
    for (size_t i = 0; i < f->model->hparams.hidden; i++)
        row[i] = NAN;
    FILE *out = fopen(path, "r+b");
    assert_int_equal(fseek(out, at - file, SEEK_SET), 0);
    assert_int_equal(fwrite(row, 1, bytes, out), bytes);
    assert_int_equal(fclose(out), 0);
    free(file);
}

static void spoil_pair(cso_dataset *data, size_t pair) {
    const cso_example_sequence *sequences = cso_dataset_sequences(data, pair);
    for (size_t side = 0; side < 2; side++)
        ((int32_t *)(uintptr_t)sequences[side].ids)[sequences[side].score_start - 1] = BAD_TOKEN;
}

static void open_fixture(resume_fixture *f) {
    resume_fixture_open(f);
    spoil_token(f);
    f->config.train.max_skipped = 5;
    f->config.log.eval_every_steps = 0;
}

static size_t count_lines_with(const char *text, const char *words) {
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, words)); at++)
        count++;
    return count;
}

static char fingerprints[RESUME_STEPS + 1][33];
static void take_fingerprint(cso_adapter *adapter, const cso_step_report *report) {
    cso_adapter_fingerprint(adapter, fingerprints[report->step]);
}

/* A record with a bad token spoils one step of each epoch, which changes nothing. */
static void one_bad_record(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    size_t size, skipped = 0;
    open_fixture(&f);
    spoil_pair(&f.data, 17);
    f.after_step = take_fingerprint;
    run_well(&f, &p, "run", 0);
    assert_int_equal(p.count, RESUME_STEPS);
    for (size_t i = 0; i < p.count; i++) {
        const cso_step_report *s = &p.steps[i];
        assert_int_equal(s->step, i + 1);
        skipped += s->skipped;
        if (i)
            assert_int_equal(strcmp(fingerprints[i + 1], fingerprints[i]) == 0, s->skipped || s->learning_rate == 0);
        if (s->skipped)
            if (!strstr(s->reason, "record 18: the reference's log-probability of the chosen reply is "))
                fail_msg("%s", s->reason);
        double rate = cso_schedule_rate(CSO_SCHEDULE_COSINE, 5e-3, i, 6, RESUME_STEPS);
        assert_true(s->learning_rate == rate); /* goes on by the step's number */
    }
    assert_int_equal(skipped, 3);
    assert_int_equal(count_lines_with(p.warnings, " is skipped: record 18: "), 3);

    char *text = take_file(root_path(&f, "run/checkpoint-60/cso_state.json"), &size);
    assert_non_null(strstr(text, "\"optimizer_steps\": 57,"));
    assert_non_null(strstr(text, "\"skipped\": 3,"));
    assert_non_null(strstr(text, "\"skipped_in_row\": 0,"));
    free(text);

    /* A line for every step, all of them JSON; those of skipped steps have no numbers of a loss. */
    text = take_file(root_path(&f, "run/metrics.jsonl"), &size);
    char *save, *line = strtok_r(text, "\n", &save);
    for (size_t i = 0; i < RESUME_STEPS; i++, line = strtok_r(NULL, "\n", &save)) {
        cJSON *json;
        cso_error err = {0};
        assert_non_null(line);
        golden_ok(cso_json_parse(&json, line, strlen(line), "metrics", 1, &err), &err);
        assert_true(cJSON_GetObjectItem(json, "step")->valuedouble == (double)(i + 1));
        assert_int_equal(cJSON_IsTrue(cJSON_GetObjectItem(json, "skipped")), p.steps[i].skipped);
        assert_int_equal(cJSON_HasObjectItem(json, "loss"), !p.steps[i].skipped);
        assert_int_equal(cJSON_HasObjectItem(json, "reason"), p.steps[i].skipped);
        assert_null(strstr(line, "null"));
        cJSON_Delete(json);
    }
    assert_null(line);
    free(text);
    resume_fixture_close(&f);
}

/* Stopped before, at and after skipped steps, a run gives what it gives without. */
static void resume_with_skipped_steps(void **state) {
    (void)state;
    resume_fixture f;
    process whole, p;
    open_fixture(&f);
    f.config.train.epochs = 0.5;
    f.config.data.shuffle = CSO_SHUFFLE_NONE;
    spoil_pair(&f.data, 4); /* steps 3, 4 and 7 */
    spoil_pair(&f.data, 6);
    spoil_pair(&f.data, 13);
    run_well(&f, &whole, "whole", 0);
    assert_int_equal(whole.count, 10);
    for (size_t i = 0; i < whole.count; i++)
        assert_int_equal(whole.steps[i].skipped, i == 2 || i == 3 || i == 6);
    for (size_t stop = 1; stop < 10; stop++) {
        char dir[20];
        snprintf(dir, sizeof dir, "stop-%zu", stop);
        run_well(&f, &p, dir, stop);
        run_well(&f, &p, dir, 0);
        same_checkpoint(&f, "whole", dir, 10);
        same_metrics(&f, "whole", dir, 10);
    }
    resume_fixture_close(&f);
}

/* So many in a row end the run, also where a process has come in between; the checkpoint before stays. */
static void too_many_in_a_row(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    size_t size;
    open_fixture(&f);
    f.config.data.shuffle = CSO_SHUFFLE_NONE;
    f.config.train.max_skipped = 4;
    f.config.checkpoint.every_steps = 2;
    for (size_t i = 10; i < RESUME_PAIRS; i++) /* from step 6 on */
        spoil_pair(&f.data, i);
    run_process(&f, &p, "run", "auto", 0);
    assert_int_equal(p.status, CSO_ERR_NUMERIC);
    if (!strstr(p.err.message, "step 9: record 17: the reference's log-probability of the chosen reply is ") ||
        !strstr(p.err.message, "; 4 skipped in a row (train.max_skipped), the last checkpoint is that of step 4"))
        fail_msg("%s", p.err.message);
    expect_steps(&f, "run", (size_t[]){2, 4}, 2); /* none is made of skipped steps */
    char *text = take_file(root_path(&f, "run/metrics.jsonl"), &size);
    assert_int_equal(count_lines_with(text, "\"skipped\": true"), 4);
    assert_int_equal(count_lines_with(text, "\"step\": "), 9);
    free(text);

    run_well(&f, &p, "other", 7); /* a signal saves at a skipped step */
    expect_steps(&f, "other", (size_t[]){2, 4, 7}, 3);
    run_process(&f, &p, "other", "auto", 0);
    assert_int_equal(p.status, CSO_ERR_NUMERIC);
    assert_non_null(strstr(p.err.message, "step 9: "));
    assert_non_null(strstr(p.err.message, "4 skipped in a row"));

    f.config.train.max_skipped = 0;
    run_process(&f, &p, "none", "auto", 0);
    assert_int_equal(p.status, CSO_ERR_NUMERIC);
    assert_ptr_equal(strstr(p.err.message, "step 6: record 11: "), p.err.message);
    assert_int_equal(p.count, 5);
    assert_string_equal(p.warnings, "");
    resume_fixture_close(&f);
}

/* A checkpoint that was due at a skipped step is made after the next good one. */
static void put_off(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    open_fixture(&f);
    f.config.data.shuffle = CSO_SHUFFLE_NONE;
    f.config.train.max_steps = 12;
    f.config.checkpoint.every_steps = 5;
    f.config.checkpoint.keep_last = 9;
    spoil_pair(&f.data, 8); /* step 5 */
    run_well(&f, &p, "run", 0);
    expect_steps(&f, "run", (size_t[]){6, 10, 12}, 3);
    resume_fixture_close(&f);
}

/* The cso loss, but its derivative is infinite at one of its calls. */
static size_t calls, bad_call;
static void steep_compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    cso_loss_find("cso")->compute(options, batch, result);
    if (++calls == bad_call)
        result->d_policy[0] = INFINITY;
}

/* A gradient that is no finite number is told by layer, projection, factor and records. */
static void gradients(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    open_fixture(&f);
    f.config.data.shuffle = CSO_SHUFFLE_NONE;
    f.config.train.max_steps = 6;
    cso_loss steep = *cso_loss_find("cso");
    steep.compute = steep_compute;
    f.loss = &steep;
    calls = 0;
    bad_call = 4;
    f.after_step = take_fingerprint;
    run_well(&f, &p, "run", 0);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(p.steps[i].skipped, i == 3);
    if (!strstr(p.warnings, "step 4 is skipped: layer 0 q_proj lora_A: a gradient is ") ||
        !strstr(p.warnings, "nan (records 7, 8)\n"))
        fail_msg("%s", p.warnings);
    assert_string_equal(fingerprints[4], fingerprints[3]);
    assert_string_not_equal(fingerprints[5], fingerprints[4]);
    resume_fixture_close(&f);
}

/* A finite gradient may still lead to an update that f32 cannot hold. */
static void updates(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    open_fixture(&f);
    f.config.train.max_skipped = 2;
    f.config.train.learning_rate = 1e39;
    f.config.train.warmup_steps = 0;
    run_process(&f, &p, "run", "auto", 0);
    assert_int_equal(p.status, CSO_ERR_NUMERIC);
    if (!strstr(p.err.message, "step 2: layer 0 q_proj lora_") || !strstr(p.err.message, " is too large for f32 (records ") ||
        !strstr(p.err.message, "no checkpoint has been saved"))
        fail_msg("%s", p.err.message);
    expect_steps(&f, "run", NULL, 0);

    float params[] = {1, 2, 3}, grads[] = {0.5F, 1, 0.25F};
    cso_adamw adamw;
    const cso_trainables trained = {.n_params = 3, .params = params};
    assert_int_equal(cso_adamw_create(&adamw, &trained, 0.9, 0.999, 1e-8, 0.01, NULL), CSO_OK);
    assert_int_equal(cso_adamw_overflow(&adamw, f.ctx, grads, 1, 1e-3), 3);
    grads[2] = 1e17F;
    assert_int_equal(cso_adamw_overflow(&adamw, f.ctx, grads, 1, 1e-3), 3);
    grads[2] = 1e30F;
    assert_int_equal(cso_adamw_overflow(&adamw, f.ctx, grads, 1, 1e-3), 2);
    assert_int_equal(cso_adamw_overflow(&adamw, f.ctx, grads, 1e-20, 1e-3), 3);
    params[1] = NAN;
    assert_int_equal(cso_adamw_overflow(&adamw, f.ctx, grads, 1, 1e-3), 1);
    adamw.v[0] = INFINITY;
    assert_int_equal(cso_adamw_overflow(&adamw, f.ctx, grads, 1, 1e-3), 0);
    cso_adamw_free(&adamw);
    resume_fixture_close(&f);
}

/* What f32 rounds to 0 or Inf must not get into an update: 0 / 0 of an epsilon of 0, Inf * 0 of a weight decay of Inf. */
static void rounded_settings(void **state) {
    (void)state;
    resume_fixture f;
    open_fixture(&f);
    float params[] = {1, 0, 3}, grads[] = {0.5F, 0, 0.25F};
    const cso_trainables trained = {.n_params = 3, .params = params};
    static const struct {
        double eps, decay;
        size_t bad;
    } cases[] = {{1e-8, 0.01, 3}, {1e-300, 0.01, 1}, {1e300, 0.01, 0}, {1e-8, 1e300, 0}, {1e-8, 1000, 3}, {1, 0, 3}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cso_adamw adamw;
        assert_int_equal(cso_adamw_create(&adamw, &trained, 0.9, 0.999, cases[i].eps, cases[i].decay, NULL), CSO_OK);
        assert_int_equal(cso_adamw_overflow(&adamw, f.ctx, grads, 1, 1e-3), cases[i].bad);
        cso_adamw_free(&adamw);
    }
    resume_fixture_close(&f);
}

/* A run in which every step is skipped is no success, however few steps it has, and leaves no adapter; nor is it one when it is
 * started again. */
static void nothing_but_skipped_steps(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    open_fixture(&f);
    f.config.data.shuffle = CSO_SHUFFLE_NONE;
    f.config.train.max_steps = 4;
    for (size_t i = 0; i < 8; i++)
        spoil_pair(&f.data, i);
    for (int again = 0; again < 2; again++) {
        run_process(&f, &p, "run", "auto", 0);
        assert_int_equal(p.status, CSO_ERR_NUMERIC);
        assert_int_equal(p.count, again ? 0 : 4);
        assert_string_equal(p.err.message,
                            "no step has changed the adapter: 4 of 4 were skipped, as their loss, gradient or update "
                            "was no finite number (metrics.jsonl has the reasons); no adapter is written");
        assert_false(cso_path_exists(root_path(&f, "run/adapter")));
    }
    f.config.train.max_steps = 12; /* the steps after them do something */
    f.config.train.max_skipped = 9;
    run_well(&f, &p, "run", 0);
    assert_true(cso_path_exists(root_path(&f, "run/adapter")));
    resume_fixture_close(&f);
}

/* Updates that f32 rounds away are the settings' fault, not the program's. */
static void a_rate_that_changes_nothing(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    open_fixture(&f);
    f.config.train.learning_rate = 1e-60;
    f.config.train.warmup_steps = 0;
    run_process(&f, &p, "run", "auto", 0);
    assert_int_equal(p.status, CSO_ERR_USAGE);
    assert_ptr_equal(
        strstr(p.err.message, "step 1: train.learning_rate 1e-60 with train.eps 1e-08 makes updates that f32 rounds away"),
        p.err.message);
    resume_fixture_close(&f);
}

/* Parameters that are finite but worth nothing: what went before step 5 is not rotated away for the checkpoints of them. */
static void ruin_after_5(cso_adapter *adapter, const cso_step_report *report) {
    for (size_t i = 0; report->step == 5 && i < adapter->n_params; i++)
        adapter->params[i] = adapter->params[i] < 0 ? -1e30F : 1e30F;
}
static void the_last_healthy_one_stays(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    open_fixture(&f);
    f.config.train.max_skipped = 3;
    f.config.checkpoint.every_steps = 1;
    f.config.checkpoint.keep_last = 1;
    f.after_step = ruin_after_5;
    run_process(&f, &p, "run", "auto", 0);
    assert_int_equal(p.status, CSO_ERR_NUMERIC);
    assert_non_null(strstr(p.err.message, "step 8: "));
    expect_steps(&f, "run", (size_t[]){4, 5}, 2);
    run_process(&f, &p, "run", "auto", 0); /* tried again, it fails again and still removes nothing */
    assert_int_equal(p.status, CSO_ERR_NUMERIC);
    expect_steps(&f, "run", (size_t[]){4, 5}, 2);
    f.after_step = NULL;
    golden_ok(cso_remove_tree(root_path(&f, "run/checkpoint-5"), NULL), &p.err);
    f.config.train.max_steps = 9;
    run_well(&f, &p, "run", 0);
    expect_steps(&f, "run", (size_t[]){8, 9}, 2); /* nothing has tried the last step's parameters */
    f.config.log.eval_every_steps = 100;
    run_well(&f, &p, "evaluated", 0);
    expect_steps(&f, "evaluated", (size_t[]){9}, 1); /* the evaluation at the end has */
    resume_fixture_close(&f);
}

static void ruin_after_3(cso_adapter *adapter, const cso_step_report *report) {
    if (report->step == 3)
        adapter->params[7] = INFINITY;
}
static void no_checkpoint_of_infinity(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    open_fixture(&f);
    f.config.checkpoint.every_steps = 1;
    f.after_step = ruin_after_3;
    run_process(&f, &p, "run", "auto", 0);
    assert_int_equal(p.status, CSO_ERR_NUMERIC);
    assert_string_equal(p.err.message, "layer 0 q_proj lora_A: a parameter is inf; no checkpoint is made of that");
    expect_steps(&f, "run", (size_t[]){1, 2}, 2);
    resume_fixture_close(&f);
}

static void evaluation(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    open_fixture(&f);
    f.config.log.eval_every_steps = 2;
    f.config.train.max_steps = 4;
    spoil_pair(&f.eval, 2);
    run_well(&f, &p, "run", 0);
    assert_int_equal(p.count, 4);
    assert_int_equal(count_lines_with(p.warnings, "no evaluation: record 3: "), 2);
    for (size_t i = 0; i < 4; i++)
        assert_false(p.steps[i].evaluated || p.steps[i].skipped);
    resume_fixture_close(&f);
}

static void ask_for_a_save(cso_adapter *adapter, const cso_step_report *report) {
    (void)adapter;
    if (report->step == 3 || report->step == 7)
        cso_signals_raise(SIGUSR1);
}
static void save_on_demand(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    open_fixture(&f);
    f.after_step = ask_for_a_save;
    f.config.train.max_steps = 9;
    f.config.checkpoint.keep_last = 9;
    run_well(&f, &p, "run", 0);
    expect_steps(&f, "run", (size_t[]){3, 7, 9}, 3);
    resume_fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_bad_record),
        cmocka_unit_test(resume_with_skipped_steps),
        cmocka_unit_test(too_many_in_a_row),
        cmocka_unit_test(put_off),
        cmocka_unit_test(gradients),
        cmocka_unit_test(updates),
        cmocka_unit_test(rounded_settings),
        cmocka_unit_test(nothing_but_skipped_steps),
        cmocka_unit_test(a_rate_that_changes_nothing),
        cmocka_unit_test(the_last_healthy_one_stays),
        cmocka_unit_test(no_checkpoint_of_infinity),
        cmocka_unit_test(evaluation),
        cmocka_unit_test(save_on_demand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

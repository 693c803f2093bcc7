/* Whole runs: TRL's trajectories, evaluation, guards, --resume. Exact resume is in test_resume.c, damage in test_damage.c. */
#include "train_fixture.h"

#include "base/file.h"
#include "base/parallel.h"
#include "base/signals.h"
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

#include <cmocka.h>

enum { MAX_STEPS = 64 };

/* Collects what a run reports; raises SIGTERM after stop_at. */
typedef struct watcher {
    cso_step_report steps[MAX_STEPS];
    size_t count, stop_at;
    char warnings[2000], notes[2000];
} watcher;

static void on_step(void *context, const cso_step_report *report) {
    watcher *w = context;
    assert_true(w->count < MAX_STEPS);
    w->steps[w->count++] = *report;
    if (report->step == w->stop_at)
        cso_signals_raise(SIGTERM);
}
static void append(char *to, size_t size, const char *text) {
    size_t used = strlen(to);
    snprintf(to + used, size - used, "%s\n", text);
}
static void on_note(void *context, const char *text) {
    append(((watcher *)context)->notes, 2000, text);
}
static void on_warning(void *context, const char *text) {
    append(((watcher *)context)->warnings, 2000, text);
}

static cso_status train(train_fixture *f, watcher *w, const char *resume, cso_error *err) {
    cso_train_job job = train_fixture_job(f);
    size_t stop_at = w->stop_at;
    *w = (watcher){.stop_at = stop_at};
    job.observer = (cso_train_observer){.context = w, .step = on_step, .note = on_note, .warning = on_warning};
    job.resume = resume;
    cso_signals_raise(0);
    cso_status status = cso_train(&job, err);
    cso_signals_raise(0);
    return status;
}

static void train_ok(train_fixture *f, watcher *w, const char *resume) {
    cso_error err = {0};
    golden_ok(train(f, w, resume, &err), &err);
}

/* One of goldens/train: every step's loss, gradient norm, learning rate and metrics, and the adapter at the end. */
static void as_trl(const char *name, const char *start, bool reference_is_adapter, cso_packing packing) {
    train_fixture f;
    watcher w = {0};
    train_fixture_open(&f, start, 0);
    if (reference_is_adapter)
        f.reference = train_fixture_adapter(&f, start);
    f.config.data.packing = packing;
    train_ok(&f, &w, "never");
    cJSON *log = golden_json(golden_path("train/llama-tiny/%s/log.json", name));
    const cJSON *f64 = cJSON_GetObjectItem(log, "f64"), *trl = cJSON_GetObjectItem(log, "trl_log_history");
    double loss = 0, norm = 0, metrics = 0;
    assert_int_equal(w.count, 6);
    assert_int_equal(cJSON_GetArraySize(f64), 6);
    for (int i = 0; i < 6; i++) {
        const cJSON *truth = cJSON_GetArrayItem(f64, i), *logged = cJSON_GetArrayItem(trl, i);
        const cso_step_report *s = &w.steps[i];
        loss = fmax(loss, fabs(s->metrics[0] - cJSON_GetObjectItem(truth, "loss")->valuedouble));
        norm = fmax(norm, fabs(s->grad_norm / cJSON_GetObjectItem(truth, "grad_norm")->valuedouble - 1));
        assert_true(fabs(s->learning_rate - cJSON_GetObjectItem(truth, "learning_rate_used")->valuedouble) <= 1e-15);
        assert_true(fabs(s->epoch - cJSON_GetObjectItem(logged, "epoch")->valuedouble) <= 1e-9);
        static const char *const keys[] = {"rewards/chosen", "rewards/rejected", "rewards/margins", "logps/chosen",
                                           "logps/rejected"};
        for (size_t k = 0; k < 5; k++) {
            double expected = cJSON_GetObjectItem(logged, keys[k])->valuedouble;
            metrics = fmax(metrics, fabs(pair_metric(s->metrics, keys[k]) - expected) / (k < 3 ? 1 : 100));
        }
        /* Where policy and reference are equal, TRL's f32 decides by rounding. */
        if (fabs(pair_metric(s->metrics, "rewards/margins")) > 1e-3)
            assert_true(fabs(pair_metric(s->metrics, "rewards/accuracies") -
                             cJSON_GetObjectItem(logged, "rewards/accuracies")->valuedouble) <= 1e-6);
    }
    cso_safetensors *steps = golden_safetensors(golden_path("train/llama-tiny/%s/steps.safetensors", name));
    double distance = adapter_distance(f.adapter, steps, "f64.step6.");
    print_message("%s: loss %.1e, gradient norm %.1e, metrics %.1e, final adapter %.1e from the float64 run\n", name, loss, norm,
                  metrics, distance);
    if (!(loss <= 1e-5 && norm <= 1e-4 && metrics <= 1e-4 && distance <= 1e-4))
        fail_msg("%s: too far from the golden run", name);
    cso_safetensors_close(steps);
    cJSON_Delete(log);

    /* The adapter folder holds what was trained. */
    cso_adapter *written;
    cso_error err = {0};
    golden_ok(cso_adapter_read(&written, f.model, train_fixture_path(&f, "adapter"), &err), &err);
    assert_memory_equal(written->params, f.adapter->params, written->n_params * sizeof *written->params);
    cso_adapter_free(written);
    train_fixture_close(&f);
}

static void dpo_ref_base(void **state) {
    (void)state;
    as_trl("dpo-ref-base", "r4", false, CSO_PACK_TREE);
}
static void dpo_ref_base_unshared(void **state) {
    (void)state;
    as_trl("dpo-ref-base", "r4", false, CSO_PACK_NONE);
}
static void dpo_ref_adapter(void **state) {
    (void)state;
    as_trl("dpo-ref-adapter", "r4", true, CSO_PACK_TREE);
}
static void dpo_fresh(void **state) {
    (void)state;
    as_trl("dpo-fresh", "r4-fresh", false, CSO_PACK_PAIR);
}

/* Before the first update the policy is the reference, to the last bit: rewards are 0 and the loss is ln 2. With a fresh
 * adapter (B = 0) and dropout, and with a trained one that is its own reference. */
static void step_0_policy_is_the_reference(void **state) {
    (void)state;
    for (int threads = 1; threads <= 3; threads++)
        for (int own = 0; own < 2; own++) {
            train_fixture f;
            watcher w = {.stop_at = 0};
            train_fixture_open(&f, own ? "r4" : "r4-fresh", 0);
            cso_pool_set_threads(f.ctx->pool, threads);
            if (own)
                f.reference = train_fixture_adapter(&f, "r4");
            else
                f.adapter->options.dropout = 0.1;
            f.config.train.max_steps = 1;
            f.config.train.warmup_steps = 0;
            train_ok(&f, &w, "never");
            static const char *const zero[] = {"rewards/chosen", "rewards/rejected", "rewards/margins", "rewards/accuracies"};
            const double *metrics = w.steps[0].metrics;
            assert_true(metrics[0] == log(2.0));
            for (size_t k = 0; k < 4; k++)
                assert_true(pair_metric(metrics, zero[k]) == 0);
            assert_true(pair_metric(metrics, "logps/chosen") < 0 && pair_metric(metrics, "logps/rejected") < 0);
            train_fixture_close(&f);
        }
}

/* The bytes of a file of the run, without what depends on the clock. */
static char *stable_metrics(const train_fixture *f) {
    size_t size;
    char *text = read_text(train_fixture_path(f, "metrics.jsonl"), &size), *out = calloc(size + 1, 1), *to = out;
    for (char *at = text; *at;) {
        if (!strncmp(at, ", \"tokens_per_second\"", 21) || !strncmp(at, ", \"gflops\"", 10) || !strncmp(at, ", \"seconds\"", 11) ||
            !strncmp(at, ", \"reference_seconds\"", 21) || !strncmp(at, ", \"eval_seconds\"", 16)) {
            at += 2;
            while (*at != ',' && *at != '}')
                at++;
        } else {
            *to++ = *at++;
        }
    }
    free(text);
    return out;
}

static void same_file_here(const train_fixture *f, const char *a, const char *b) {
    size_t size_a, size_b;
    char *one = read_text(train_fixture_path(f, "%s", a), &size_a), *two = read_text(train_fixture_path(f, "%s", b), &size_b);
    assert_int_equal(size_a, size_b);
    assert_memory_equal(one, two, size_a);
    free(one);
    free(two);
}

static void same_file(const train_fixture *a, const train_fixture *b, const char *name) {
    size_t size_a, size_b;
    char *one = read_text(train_fixture_path(a, "%s", name), &size_a), *two = read_text(train_fixture_path(b, "%s", name), &size_b);
    if (size_a != size_b || memcmp(one, two, size_a))
        fail_msg("%s differs", name);
    free(one);
    free(two);
}

static void same_runs(const train_fixture *a, const train_fixture *b) {
    same_file(a, b, "checkpoint-6/adapter_model.safetensors");
    same_file(a, b, "checkpoint-6/optimizer.safetensors");
    same_file(a, b, "adapter/adapter_model.safetensors");
    char *one = stable_metrics(a), *two = stable_metrics(b);
    assert_string_equal(one, two);
    free(one);
    free(two);
}

static void configure_shuffled(train_fixture *f) {
    f->config.data.shuffle = CSO_SHUFFLE_PAIR;
    f->config.train.batch_size = 5; /* three steps and a short one */
    f->config.train.epochs = 1.5;
    f->adapter->options.dropout = 0.1;
}

static void threads_do_not_matter(void **state) {
    (void)state;
    train_fixture one, two;
    watcher w = {0};
    train_fixture_open(&one, "r4", 0);
    train_fixture_open(&two, "r4", 0);
    configure_shuffled(&one);
    configure_shuffled(&two);
    cso_pool_set_threads(one.ctx->pool, 1);
    train_ok(&one, &w, "never");
    cso_pool_set_threads(two.ctx->pool, 3);
    train_ok(&two, &w, "never");
    same_runs(&one, &two);
    train_fixture_close(&one);
    train_fixture_close(&two);
}

static void resume_choices(void **state) {
    (void)state;
    train_fixture f;
    watcher w = {0};
    cso_error err = {0};
    train_fixture_open(&f, "r4", 0);
    f.config.checkpoint.every_steps = 2;
    f.config.checkpoint.keep_last = 3;
    train_ok(&f, &w, "never");
    assert_int_equal(train(&f, &w, "never", &err), CSO_ERR_USAGE);
    assert_non_null(strstr(err.message, "holds checkpoint-6 already (expected --resume auto, or another checkpoint.dir)"));
    train_fixture_restart(&f);
    assert_int_equal(train(&f, &w, train_fixture_path(&f, "checkpoint-2"), &err), CSO_ERR_USAGE);
    assert_non_null(strstr(err.message, "holds checkpoint-6, which is newer than"));
    assert_int_equal(train(&f, &w, train_fixture_path(&f, "checkpoint-5"), &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "checkpoint-5: no such checkpoint"));

    /* Once complete there is nothing to do. */
    train_fixture_restart(&f);
    train_ok(&f, &w, "auto");
    assert_int_equal(w.count, 0);
    assert_non_null(strstr(w.notes, "the run is complete: step 6 of 6"));

    /* Another folder may go on from here. */
    char *from = strdup(train_fixture_path(&f, "checkpoint-4")), *other = strdup(train_fixture_path(&f, "other"));
    f.config.checkpoint.dir = other;
    train_fixture_restart(&f);
    train_ok(&f, &w, from);
    assert_int_equal(w.count, 2);
    f.config.checkpoint.dir = f.dir;
    same_file_here(&f, "adapter/adapter_model.safetensors", "other/adapter/adapter_model.safetensors");
    free(from);
    free(other);
    train_fixture_close(&f);
}

static void evaluation_and_the_best(void **state) {
    (void)state;
    train_fixture f;
    watcher w = {0};
    train_fixture_open(&f, "r4-fresh", 0);
    f.config.log.eval_every_steps = 2;
    f.config.checkpoint.keep_last = 1;
    f.config.train.learning_rate = 2e-2; /* large enough to go up and down */
    cso_train_job job = train_fixture_job(&f);
    job.eval = &f.data;
    job.observer = (cso_train_observer){.context = &w, .step = on_step, .note = on_note, .warning = on_warning};
    cso_error err = {0};
    golden_ok(cso_train(&job, &err), &err);
    double best = INFINITY;
    size_t best_step = 0, *steps, n;
    for (size_t i = 0; i < w.count; i++) {
        assert_int_equal(w.steps[i].evaluated, w.steps[i].step % 2 == 0);
        if (w.steps[i].evaluated && w.steps[i].eval_metrics[0] < best) {
            best = w.steps[i].eval_metrics[0];
            best_step = w.steps[i].step;
        }
    }
    golden_ok(cso_checkpoint_list(f.dir, &steps, &n, &err), &err);
    assert_int_equal(steps[n - 1], 6);
    assert_int_equal(n, best_step == 6 ? 1 : 2);
    assert_int_equal(steps[0], best_step);
    free(steps);
    size_t size;
    char *text = read_text(train_fixture_path(&f, "metrics.jsonl"), &size);
    assert_non_null(strstr(text, "\"eval_rewards/accuracies\": "));
    free(text);
    train_fixture_close(&f);
}

/* Numbers that are none: nothing is written, nothing is changed. */
static void not_a_number(void **state) {
    (void)state;
    train_fixture f;
    watcher w = {0};
    cso_error err = {0};
    train_fixture_open(&f, "r4", 0);
    float *before = malloc(f.adapter->n_params * sizeof *before);
    f.adapter->params[5] = NAN;
    memcpy(before, f.adapter->params, f.adapter->n_params * sizeof *before);
    assert_int_equal(train(&f, &w, "never", &err), CSO_ERR_NUMERIC);
    if (!strstr(err.message, "step 1: record ") || !strstr(err.message, "the policy's log-probability of the "))
        fail_msg("%s", err.message);
    assert_memory_equal(before, f.adapter->params, f.adapter->n_params * sizeof *before);
    size_t *steps, n;
    golden_ok(cso_checkpoint_list(f.dir, &steps, &n, &err), &err);
    assert_int_equal(n, 0);
    free(steps);
    free(before);
    train_fixture_close(&f);
}

/* A huge learning rate blows the run up; the checkpoint before stays. */
static void explosion_keeps_the_last_checkpoint(void **state) {
    (void)state;
    train_fixture f;
    watcher w = {0};
    cso_error err = {0};
    train_fixture_open(&f, "r4", 0);
    f.config.train.learning_rate = 1e30;
    f.config.train.warmup_steps = 0;
    f.config.train.max_steps = 20;
    f.config.train.max_grad_norm = 0;
    f.config.checkpoint.every_steps = 1;
    assert_int_equal(train(&f, &w, "never", &err), CSO_ERR_NUMERIC);
    assert_ptr_equal(strstr(err.message, "step 2: "), err.message);
    size_t *steps, n;
    golden_ok(cso_checkpoint_list(f.dir, &steps, &n, &err), &err);
    assert_int_equal(n, 1);
    assert_int_equal(steps[0], 1);
    free(steps);
    train_fixture_close(&f);
}

/* A matrix pair that is all zero can never learn: noticed at the first step. */
static void gradients_that_reach_nothing(void **state) {
    (void)state;
    train_fixture f;
    watcher w = {0};
    cso_error err = {0};
    train_fixture_open(&f, "r4-fresh", 0);
    cso_trainables trained = cso_adapter_trainables(f.adapter);
    const cso_trainable *a = trained.items;
    while (strcmp(a->place, "layer 1 up_proj") != 0)
        a++;
    assert_int_equal(a->kind, CSO_LORA_A);
    memset(trained.params + a->offset, 0, cso_trainable_size(a) * sizeof *trained.params);
    assert_int_equal(train(&f, &w, "never", &err), CSO_ERR_NUMERIC);
    assert_string_equal(err.message, "step 1: no gradient reaches layer 1 up_proj (expected a model whose numbers let one through)");
    train_fixture_close(&f);
}

static void lengths(void **state) {
    (void)state;
    cso_run_config c = {.train = {.epochs = 1, .batch_size = 32, .warmup_ratio = 0.03, .warmup_steps = -1}};
    cso_train_length l = cso_train_measure(&c, 1100);
    assert_int_equal(l.epoch_steps, 35);
    assert_int_equal(l.total_steps, 35);
    assert_int_equal(l.warmup_steps, 2);
    c.train.epochs = 0.1;
    assert_int_equal(cso_train_measure(&c, 1100).total_steps, 4);
    c.train.epochs = 0.2;
    assert_int_equal(cso_train_measure(&c, 1100).total_steps, 7);
    c.train.epochs = 1e-9;
    assert_int_equal(cso_train_measure(&c, 1100).total_steps, 1);
    c.train.max_steps = 500;
    c.train.warmup_steps = 0;
    l = cso_train_measure(&c, 1);
    assert_int_equal(l.epoch_steps, 1);
    assert_int_equal(l.total_steps, 500);
    assert_int_equal(l.warmup_steps, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths),
        cmocka_unit_test(dpo_ref_base),
        cmocka_unit_test(dpo_ref_base_unshared),
        cmocka_unit_test(dpo_ref_adapter),
        cmocka_unit_test(dpo_fresh),
        cmocka_unit_test(step_0_policy_is_the_reference),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(resume_choices),
        cmocka_unit_test(evaluation_and_the_best),
        cmocka_unit_test(gradients_that_reach_nothing),
        cmocka_unit_test(not_a_number),
        cmocka_unit_test(explosion_keeps_the_last_checkpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

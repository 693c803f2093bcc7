/* Supervised fine-tuning: TRL's trajectories for all families and packings; batches that are cut; no reference. */
#include "train_fixture.h"

#include "base/file.h"
#include "base/parallel.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const models[] = {"llama-tiny", "qwen2-tiny", "gemma2-tiny"};
static const char *const packings[] = {"tree", "pair", "none"};

enum { STEPS = 6 };

typedef struct watcher {
    cso_step_report steps[STEPS];
    size_t count;
} watcher;

static void on_step(void *context, const cso_step_report *report) {
    watcher *w = context;
    assert_true(w->count < STEPS);
    w->steps[w->count++] = *report;
}

static void train(train_fixture *f, watcher *w) {
    cso_error err = {0};
    cso_train_job job = train_fixture_job(f);
    *w = (watcher){0};
    job.resume = "never";
    job.observer = (cso_train_observer){.context = w, .step = on_step};
    golden_ok(cso_train(&job, &err), &err);
    assert_int_equal(w->count, STEPS);
}

/* Every step's loss and gradient norm, and the adapter at the end. */
static void as_trl(const char *model, cso_packing packing) {
    train_fixture f;
    watcher w;
    train_fixture_open_sft(&f, model);
    f.config.data.packing = packing;
    train(&f, &w);
    cJSON *log = golden_json(golden_path("train/%s/sft/log.json", model));
    const cJSON *f64 = cJSON_GetObjectItem(log, "f64"), *truth;
    double loss = 0, norm = 0;
    size_t i = 0;
    assert_int_equal(cJSON_GetArraySize(f64), STEPS);
    cJSON_ArrayForEach(truth, f64) {
        loss = fmax(loss, fabs(w.steps[i].metrics[0] - cJSON_GetObjectItem(truth, "loss")->valuedouble));
        norm = fmax(norm, fabs(w.steps[i++].grad_norm / cJSON_GetObjectItem(truth, "grad_norm")->valuedouble - 1));
    }
    cso_safetensors *steps = golden_safetensors(golden_path("train/%s/sft/steps.safetensors", model));
    double distance = adapter_distance(f.adapter, steps, "f64.step6.");
    print_message("%s, packing %s: loss %.1e, gradient norm %.1e, final adapter %.1e from the float64 run\n", model,
                  packings[packing], loss, norm, distance);
    if (!(loss <= 1e-5 && norm <= 1e-4 && distance <= 1e-4))
        fail_msg("too far from the golden run");
    assert_string_equal(w.steps[0].metric_names[0], "loss");
    /* The loss knows no reference: no pass, no cache. */
    assert_false(cso_path_exists(train_fixture_path(&f, "reference-cache")));
    for (size_t k = 0; k < STEPS; k++)
        assert_true(w.steps[k].reference_seconds == 0);
    cso_safetensors_close(steps);
    cJSON_Delete(log);
    train_fixture_close(&f);
}

static void trajectories(void **state) {
    (void)state;
    for (size_t m = 0; m < 3; m++)
        for (int packing = 0; packing < 3; packing++)
            as_trl(models[m], (cso_packing)packing);
}

static cso_batch_result run(const train_fixture *f, size_t max_tokens, float *grads) {
    size_t examples[16];
    cso_batch_result result;
    cso_error err = {0};
    test_objective o;
    test_objective_make(&o, cso_loss_find("sft"), cso_loss_default_options(), &f->data);
    const cso_batch_job job = {
        .engine = f->engine, .data = &f->data, .objective = &o.objective, .metrics = &o.table, .max_tokens = max_tokens};
    for (size_t i = 0; i < 16; i++)
        examples[i] = i;
    memset(grads, 0, f->adapter->n_params * sizeof *grads);
    golden_ok(cso_batch_run(&job, f->adapter, examples, 16, grads, &result, &err), &err);
    return result;
}

/* The mean is over the step's tokens, however many trees these are in; and no tree is computed twice for that. */
static void several_trees(void **state) {
    (void)state;
    train_fixture f;
    train_fixture_open_sft(&f, "llama-tiny");
    size_t n = f.adapter->n_params, counted = 0;
    float *one = malloc(n * sizeof *one), *two = malloc(n * sizeof *two);
    double difference = 0, norm = 0;
    cso_pool_set_threads(f.ctx->pool, 1);
    cso_batch_result whole = run(&f, 0, one), cut = run(&f, 300, two);
    assert_true(whole.trees == 1 && cut.trees > 2);
    for (size_t i = 0; i < n; i++) {
        difference += ((double)one[i] - two[i]) * ((double)one[i] - two[i]);
        norm += (double)one[i] * one[i];
    }
    print_message("%zu trees: loss %.1e, gradient %.1e apart\n", cut.trees, fabs(whole.metrics[0] - cut.metrics[0]),
                  sqrt(difference / norm));
    assert_true(fabs(whole.metrics[0] - cut.metrics[0]) <= 1e-5 && sqrt(difference / norm) <= 1e-5 && norm > 0);
    for (size_t i = 0; i < f.data.count; i++)
        counted += cso_example_sequence_tokens(cso_dataset_sequences(&f.data, i));
    assert_true(whole.weights[0] == (double)counted);
    assert_true(cut.flops < whole.flops / (double)whole.tokens * (double)cut.tokens * 1.1);
    cso_pool_set_threads(f.ctx->pool, 2); /* and the same bits */
    cut = run(&f, 300, one);
    assert_memory_equal(one, two, n * sizeof *one);
    free(one);
    free(two);
    train_fixture_close(&f);
}

/* A mean over a data set weighs batches by their tokens: it does not depend on the size of the batches. */
static void evaluation(void **state) {
    (void)state;
    train_fixture f;
    cso_batch_result a, b;
    cso_error err = {0};
    train_fixture_open_sft(&f, "llama-tiny");
    test_objective o;
    test_objective_make(&o, cso_loss_find("sft"), cso_loss_default_options(), &f.data);
    const cso_batch_job job = {.engine = f.engine, .data = &f.data, .objective = &o.objective, .metrics = &o.table};
    golden_ok(cso_evaluate(&job, f.adapter, 16, &a, &err), &err);
    golden_ok(cso_evaluate(&job, f.adapter, 3, &b, &err), &err);
    assert_true(a.metrics[0] > 1 && fabs(a.metrics[0] - b.metrics[0]) <= 1e-5);
    train_fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trajectories),
        cmocka_unit_test(several_trees),
        cmocka_unit_test(evaluation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The files of a run: reference cache, metrics, checkpoints, lock. */
#include "train_fixture.h"

#include "base/file.h"
#include "train/checkpoint.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const parts[] = {"model", "base", "data"};

/* A cache for the first n examples. */
static cso_reference_cache open_cache(const train_fixture *f, size_t n_parts, size_t n, cso_error *warning) {
    static cso_dataset data;
    cso_reference_cache cache;
    data = f->data;
    data.count = n;
    data.n_sequences = 2 * n;
    cso_error err = {0};
    golden_ok(cso_reference_cache_open(&cache, train_fixture_path(f, "cache"), parts, n_parts, &data, warning, &err), &err);
    return cache;
}

static void write_bytes(const char *path, const char *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void reference_cache(void **state) {
    (void)state;
    train_fixture f;
    cso_error warning, err = {0};
    train_fixture_open(&f, "r4", 0);
    cso_reference_cache cache = open_cache(&f, 3, 5, &warning);
    assert_int_equal(warning.status, CSO_OK);
    assert_false(cso_reference_cache_has(&cache, 2));
    cso_reference_cache_put(&cache, 2, (double[]){-1.25, -2.5});
    assert_true(cso_reference_cache_has(&cache, 2));
    golden_ok(cso_reference_cache_save(&cache, &err), &err);
    assert_false(cache.changed);
    char *path = strdup(cache.path);
    cso_reference_cache_free(&cache);

    cache = open_cache(&f, 3, 5, &warning);
    assert_int_equal(warning.status, CSO_OK);
    assert_true(cso_reference_cache_has(&cache, 2) && !cso_reference_cache_has(&cache, 1));
    assert_true(cso_reference_cache_get(&cache, 2)[0] == -1.25 && cso_reference_cache_get(&cache, 2)[1] == -2.5);
    cso_reference_cache_free(&cache);
    cache = open_cache(&f, 2, 5, &warning); /* another key is another file */
    assert_int_equal(warning.status, CSO_OK);
    assert_false(cso_reference_cache_has(&cache, 2));
    assert_string_not_equal(cache.path, path);
    cso_reference_cache_free(&cache);

    /* Whatever byte is wrong, and whatever is missing at the end: reported, ignored. */
    size_t size;
    char *bytes = read_text(path, &size);
    for (size_t i = 0; i < size; i++) {
        bytes[i] ^= 0x10;
        write_bytes(path, bytes, size);
        cache = open_cache(&f, 3, 5, &warning);
        assert_int_equal(warning.status, CSO_ERR_INPUT);
        for (size_t pair = 0; pair < 5; pair++)
            assert_false(cso_reference_cache_has(&cache, pair));
        cso_reference_cache_free(&cache);
        bytes[i] ^= 0x10;
        write_bytes(path, bytes, i);
        cache = open_cache(&f, 3, 5, &warning);
        assert_int_equal(warning.status, CSO_ERR_INPUT);
        cso_reference_cache_free(&cache);
    }
    free(bytes);
    free(path);
    train_fixture_close(&f);
}

/* Every line to the byte: of a step that was made and evaluated, and of one that was skipped. */
static void metrics_lines(void **state) {
    (void)state;
    train_fixture f;
    cso_metrics_log log;
    cso_error err = {0};
    train_fixture_open(&f, "r4", 0);
    const char *path = train_fixture_path(&f, "metrics.jsonl");
    golden_ok(cso_metrics_log_open(&log, path, 0, &err), &err);
    const cso_step_report made = {
        .step = 3,
        .total_steps = 9,
        .epoch = 0.375,
        .metric_names = pair_metric_names,
        .metrics = {0.5, 0.25, -0.25, 1, 0.5, -12.5, -1e-7},
        .grad_norm = 1.0 / 3,
        .learning_rate = 1e-5,
        .tokens = 70,
        .tokens_unshared = 140,
        .trees = 2,
        .tokens_per_second = 35,
        .gflops = 12.25,
        .seconds = 2,
        .reference_seconds = 0.5,
        .evaluated = true,
        .eval_metrics = {0.75, 1, 2, 0.5, -1, -3, -4},
        .eval_seconds = 8,
    };
    const cso_step_report skipped = {
        .step = 4, .epoch = 0.5, .learning_rate = 2e-5, .seconds = 1, .skipped = true, .reason = "a \"NaN\""};
    golden_ok(cso_metrics_log_write(&log, &made, &err), &err);
    golden_ok(cso_metrics_log_write(&log, &skipped, &err), &err);
    cso_metrics_log_close(&log);
    size_t size;
    char *text = read_text(path, &size);
    assert_string_equal(
        text,
        "{\"step\": 3, \"epoch\": 0.375, \"loss\": 0.5, \"rewards/chosen\": 0.25, \"rewards/rejected\": -0.25, "
        "\"rewards/accuracies\": 1, \"rewards/margins\": 0.5, \"logps/chosen\": -12.5, \"logps/rejected\": -1e-07, "
        "\"grad_norm\": 0.3333333333333333, \"learning_rate\": 1e-05, \"tokens\": 70, \"tokens_unshared\": 140, \"trees\": 2, "
        "\"tokens_per_second\": 35, \"gflops\": 12.25, \"seconds\": 2, \"reference_seconds\": 0.5, \"eval_loss\": 0.75, "
        "\"eval_rewards/chosen\": 1, \"eval_rewards/rejected\": 2, \"eval_rewards/accuracies\": 0.5, "
        "\"eval_rewards/margins\": -1, \"eval_logps/chosen\": -3, \"eval_logps/rejected\": -4, \"eval_seconds\": 8}\n"
        "{\"step\": 4, \"epoch\": 0.5, \"skipped\": true, \"reason\": \"a \\\"NaN\\\"\", \"learning_rate\": 2e-05, "
        "\"seconds\": 1}\n");
    free(text);
    train_fixture_close(&f);
}

static void metrics(void **state) {
    (void)state;
    train_fixture f;
    cso_metrics_log log;
    cso_error err = {0};
    train_fixture_open(&f, "r4", 0);
    const char *path = train_fixture_path(&f, "metrics.jsonl");
    golden_ok(cso_metrics_log_open(&log, path, 0, &err), &err);
    for (size_t step = 1; step <= 4; step++) {
        cso_step_report report = {
            .step = step, .epoch = (double)step / 2, .metric_names = pair_metric_names, .metrics = {0.5, [4] = 0.25}, .tokens = 7};
        report.evaluated = step == 3;
        golden_ok(cso_metrics_log_write(&log, &report, &err), &err);
    }
    cso_metrics_log_close(&log);
    size_t size;
    char *text = read_text(path, &size);
    static const char *const keys[] = {
        "\"step\": 1, \"epoch\": 0.5,",
        "\"loss\": 0.5,",
        "\"rewards/chosen\": ",
        "\"rewards/rejected\": ",
        "\"rewards/accuracies\": ",
        "\"rewards/margins\": 0.25,",
        "\"logps/chosen\": ",
        "\"logps/rejected\": ",
        "\"grad_norm\": ",
        "\"learning_rate\": ",
        "\"tokens\": 7,",
        "\"tokens_per_second\": ",
        "\"gflops\": ",
        "\"seconds\": ",
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strstr(text, keys[i]))
            fail_msg("%s is not in %s", keys[i], text);
    assert_non_null(strstr(text, "\"eval_loss\": "));
    free(text);

    /* A torn line and the lines of later steps go; the rest stays byte by byte. */
    FILE *file = fopen(path, "a");
    fputs("{\"step\": 2, \"loss\"", file);
    fclose(file);
    golden_ok(cso_metrics_log_open(&log, path, 2, &err), &err);
    cso_metrics_log_close(&log);
    text = read_text(path, &size);
    assert_non_null(strstr(text, "{\"step\": 2,"));
    assert_null(strstr(text, "{\"step\": 3,"));
    assert_int_equal(text[size - 1], '\n');
    free(text);
    golden_ok(cso_metrics_log_open(&log, path, 0, &err), &err);
    cso_metrics_log_close(&log);
    text = read_text(path, &size);
    assert_int_equal(size, 0);
    free(text);
    train_fixture_close(&f);
}

static cso_identity some_identity(size_t batch_size) {
    cso_identity identity = {0};
    cso_identity_add(&identity, "model", "abc");
    cso_identity_add(&identity, "train.batch_size", "%zu", batch_size);
    return identity;
}

static cso_adamw some_adamw(const cso_adapter *adapter) {
    cso_adamw adamw;
    cso_trainables trained = cso_adapter_trainables(adapter);
    assert_int_equal(cso_adamw_create(&adamw, &trained, 0.9, 0.999, 1e-8, 0, NULL), CSO_OK);
    for (size_t i = 0; i < adamw.n; i++) {
        adamw.m[i] = (float)i / 3;
        adamw.v[i] = (float)i / 7;
    }
    adamw.steps = 11;
    return adamw;
}

static void checkpoint_and_back(void **state) {
    (void)state;
    train_fixture f;
    cso_error err = {0};
    bool damaged;
    char *folder;
    train_fixture_open(&f, "r4", 0);
    cso_adamw adamw = some_adamw(f.adapter), other;
    cso_identity identity = some_identity(8), changed = some_identity(4);
    cso_train_state out, in = {.step = 12, .epoch = 1.0 / 3, .position = 40, .has_best = true, .best_metric = 0.1, .best_step = 9};
    cso_log_history history = {.count = 1, .n = 2, .sums = {0.1, -0.7}};
    cso_text_add(&history.entries, "    {\"step\": 11}", strlen("    {\"step\": 11}"));
    const cso_checkpoint checkpoint = {&in, &identity, f.adapter, &adamw, &history, {.logging_steps = 11, .best_kept = true}};
    golden_ok(cso_checkpoint_write(f.dir, &checkpoint, &folder, &err), &err);
    cso_log_history_free(&history);
    assert_string_equal(folder, train_fixture_path(&f, "checkpoint-12"));

    cso_adapter *fresh = train_fixture_adapter(&f, "r4-fresh");
    cso_trainables trained = cso_adapter_trainables(fresh);
    assert_int_equal(cso_adamw_create(&other, &trained, 0.9, 0.999, 1e-8, 0, NULL), CSO_OK);
    golden_ok(cso_checkpoint_read(folder, &identity, &other, &out, &history, &damaged, &err), &err);
    assert_memory_equal(fresh->params, f.adapter->params, fresh->n_params * sizeof *fresh->params);
    assert_memory_equal(other.m, adamw.m, adamw.n * sizeof *adamw.m);
    assert_memory_equal(other.v, adamw.v, adamw.n * sizeof *adamw.v);
    assert_int_equal(other.steps, 11);
    assert_int_equal(out.step, 12);
    assert_int_equal(out.position, 40);
    assert_true(history.count == 1 && history.n == 2 && history.sums[0] == 0.1 && history.sums[1] == -0.7);
    assert_string_equal(history.entries.data, "    {\"step\": 11}");
    assert_true(out.epoch == in.epoch && out.has_best && out.best_metric == 0.1 && out.best_step == 9);

    assert_int_equal(cso_checkpoint_read(folder, &changed, &other, &out, &history, &damaged, &err), CSO_ERR_INPUT);
    assert_false(damaged);
    assert_non_null(strstr(err.message, "checkpoint-12: a checkpoint of another run: train.batch_size is 4 here and 8 there"));

    cso_adapter_free(fresh);
    cso_adamw_free(&adamw);
    cso_adamw_free(&other);
    cso_log_history_free(&history);
    free(folder);
    train_fixture_close(&f);
}

/* Every file: bytes flipped all over, cut short, gone. */
static void damaged_checkpoints(void **state) {
    (void)state;
    train_fixture f;
    cso_error err = {0};
    bool damaged;
    char *folder;
    train_fixture_open(&f, "r4", 0);
    cso_adamw adamw = some_adamw(f.adapter), other = some_adamw(f.adapter);
    cso_identity identity = some_identity(8);
    cso_train_state out, in = {.step = 12};
    cso_log_history history = {0};
    const cso_checkpoint checkpoint = {&in, &identity, f.adapter, &adamw, &history, {.logging_steps = 1}};
    golden_ok(cso_checkpoint_write(f.dir, &checkpoint, &folder, &err), &err);
    static const char *const files[] = {"adapter_model.safetensors", "adapter_config.json", "optimizer.safetensors",
                                        "trainer_state.json", "cso_state.json"};
    for (size_t k = 0; k < 5; k++) {
        const char *path = train_fixture_path(&f, "checkpoint-12/%s", files[k]);
        size_t size;
        char *bytes = read_text(path, &size);
        size_t stride = size > 2000 ? size / 97 : 1;
        for (size_t i = 0; i < size; i += stride) {
            bytes[i] ^= 1;
            write_bytes(path, bytes, size);
            if (cso_checkpoint_read(folder, &identity, &other, &out, &history, &damaged, &err) != CSO_ERR_INPUT || !damaged)
                fail_msg("%s: byte %zu is wrong, and it was not found: %s", files[k], i, err.message);
            bytes[i] ^= 1;
        }
        write_bytes(path, bytes, size / 2);
        assert_int_equal(cso_checkpoint_read(folder, &identity, &other, &out, &history, &damaged, &err), CSO_ERR_INPUT);
        assert_true(damaged);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(cso_checkpoint_read(folder, &identity, &other, &out, &history, &damaged, &err), CSO_ERR_INPUT);
        assert_true(damaged);
        write_bytes(path, bytes, size);
        free(bytes);
    }
    golden_ok(cso_checkpoint_read(folder, &identity, &other, &out, &history, &damaged, &err), &err);
    cso_adamw_free(&adamw);
    cso_adamw_free(&other);
    cso_log_history_free(&history);
    free(folder);
    train_fixture_close(&f);
}

static void make_checkpoints(const train_fixture *f, const size_t *steps, size_t count) {
    cso_error err = {0};
    for (size_t i = 0; i < count; i++)
        golden_ok(cso_make_folders(train_fixture_path(f, "checkpoint-%zu/inside", steps[i]), &err), &err);
}

static void expect_checkpoints(const train_fixture *f, const size_t *steps, size_t count) {
    size_t *found, n;
    cso_error err = {0};
    golden_ok(cso_checkpoint_list(f->dir, &found, &n, &err), &err);
    assert_int_equal(n, count);
    assert_memory_equal(found, steps, count * sizeof *steps);
    free(found);
}

static void rotation(void **state) {
    (void)state;
    train_fixture f;
    cso_error err = {0};
    train_fixture_open(&f, "r4", 0);
    expect_checkpoints(&f, (size_t[]){0}, 0);
    make_checkpoints(&f, (size_t[]){100, 9, 20, 3}, 4);
    golden_ok(cso_make_folders(train_fixture_path(&f, "checkpoint-7.tmp"), &err), &err); /* these are no checkpoints */
    golden_ok(cso_make_folders(train_fixture_path(&f, "checkpoint-x"), &err), &err);
    golden_ok(cso_make_folders(train_fixture_path(&f, "checkpoint-0"), &err), &err);
    golden_ok(cso_make_folders(train_fixture_path(&f, "checkpoint-99999999999999999999999"), &err), &err);
    expect_checkpoints(&f, (size_t[]){3, 9, 20, 100}, 4);
    golden_ok(cso_checkpoint_rotate(f.dir, 100, 2, 3, &err), &err);
    expect_checkpoints(&f, (size_t[]){3, 20, 100}, 3); /* the best one stays */
    golden_ok(cso_checkpoint_rotate(f.dir, 100, 0, 20, &err), &err);
    expect_checkpoints(&f, (size_t[]){20, 100}, 2); /* the newest stays, whatever is asked */
    golden_ok(cso_checkpoint_rotate(f.dir, 100, 1, 100, &err), &err);
    expect_checkpoints(&f, (size_t[]){100}, 1);
    assert_true(cso_path_exists(train_fixture_path(&f, "checkpoint-x")));
    train_fixture_close(&f);
}

static void lock(void **state) {
    (void)state;
    train_fixture f;
    cso_error err = {0};
    int first, second;
    train_fixture_open(&f, "r4", 0);
    golden_ok(cso_run_folder_lock(f.dir, &first, &err), &err);
    assert_int_equal(cso_run_folder_lock(f.dir, &second, &err), CSO_ERR_USAGE);
    assert_non_null(strstr(err.message, "another process is training in this folder"));
    assert_int_equal(second, -1);
    close(first);
    golden_ok(cso_run_folder_lock(f.dir, &second, &err), &err);
    close(second);
    train_fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_cache),
        cmocka_unit_test(metrics),
        cmocka_unit_test(metrics_lines),
        cmocka_unit_test(checkpoint_and_back),
        cmocka_unit_test(damaged_checkpoints),
        cmocka_unit_test(rotation),
        cmocka_unit_test(lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

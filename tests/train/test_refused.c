/* What may change between the processes of a run and what may not: a configured value is neither ignored for the stored one nor
 * slipped in beside it. And runs that train nothing. */
#include "change_option.h"
#include "resume_fixture.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void run_to_30(resume_fixture *f) {
    process p;
    run_well(f, &p, "run", 30);
}

/* Refused with the key's name and both values, and the folder as it was. */
static void expect_named(resume_fixture *f, const char *words) {
    size_t size, again;
    char *before = take_file(root_path(f, "run/metrics.jsonl"), &size);
    run_refused(f, "run", CSO_ERR_INPUT, "checkpoint-30: a checkpoint of another run: ", words,
                "(expected the same, or another checkpoint.dir)", NULL);
    char *after = take_file(root_path(f, "run/metrics.jsonl"), &again);
    assert_int_equal(size, again);
    assert_memory_equal(before, after, size);
    assert_true(cso_path_is_folder(root_path(f, "run/checkpoint-30")));
    free(before);
    free(after);
}

/* Each value that the result depends on, changed and changed back. */
static void every_key_that_matters_is_refused(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    resume_fixture_open(&f);
    run_to_30(&f);
#define CHANGED(field, value, words)                                                                                               \
    do {                                                                                                                           \
        __typeof__(field) stored = field;                                                                                          \
        field = value;                                                                                                             \
        expect_named(&f, words);                                                                                                   \
        field = stored;                                                                                                            \
    } while (0)
    CHANGED(f.config.train.weight_decay, 0.1, "train.weight_decay is 0.1 here and 0.01 there");
    CHANGED(f.config.train.learning_rate, 1e-4, "train.learning_rate is 0.0001 here and 0.005 there");
    CHANGED(f.config.train.schedule, CSO_SCHEDULE_LINEAR, "train.schedule is linear here and cosine there");
    CHANGED(f.config.train.warmup_ratio, 0.2, "train.warmup_ratio is 0.2 here and 0.1 there");
    CHANGED(f.config.train.warmup_steps, 7, "train.warmup_steps is 7 here and -1 there");
    CHANGED(f.config.train.betas[0], 0.8, "train.betas[0] is 0.8 here and 0.9 there");
    CHANGED(f.config.train.betas[1], 0.99, "train.betas[1] is 0.99 here and 0.999 there");
    CHANGED(f.config.train.eps, 1e-6, "train.eps is 1e-06 here and 1e-08 there");
    CHANGED(f.config.train.max_grad_norm, 0, "train.max_grad_norm is 0 here and 1 there");
    CHANGED(f.config.train.batch_size, 3, "train.batch_size is 3 here and 2 there");
    CHANGED(f.config.train.seed, 43, "train.seed is 43 here and 42 there");
    CHANGED(f.config.loss.options.beta, 0.2, "loss.beta is 0.2 here and 0.1 there");
    CHANGED(f.config.loss.options.label_smoothing, 0.1, "loss.label_smoothing is 0.1 here and 0 there");
    CHANGED(f.config.data.shuffle, CSO_SHUFFLE_PAIR, "data.shuffle is pair here and dialogue there");
    CHANGED(f.config.data.packing, CSO_PACK_NONE, "data.packing is none here and tree there");
    CHANGED(f.lora.rank, 3, "lora.rank is 3 here and 2 there");
    CHANGED(f.lora.alpha, 8, "lora.alpha is 8 here and 4 there");
    CHANGED(f.lora.dropout, 0, "lora.dropout is 0 here and 0.1 there");
    CHANGED(f.lora.rslora, true, "lora.rslora is true here and false there");
    CHANGED(f.lora.targets[CSO_K_PROJ], true, "lora.targets is q_proj,k_proj,down_proj here and q_proj,down_proj there");
    CHANGED(f.config.train.seed, 43, "lora.init is "); /* another fresh adapter */
    CHANGED(f.data.fingerprint[0], f.data.fingerprint[0] == 'f' ? 'e' : 'f', "data.train is ");
    CHANGED(f.eval.fingerprint[0], f.eval.fingerprint[0] == 'f' ? 'e' : 'f', "data.eval is ");
    CHANGED(f.config.log.eval_every_steps, 0, "data.eval is none here"); /* as the fixture has it: no evaluation data then */
    f.config.train.weight_decay = 0.1;                                   /* all of them in one message */
    f.config.train.seed = 7;
    run_refused(&f, "run", CSO_ERR_INPUT, "train.weight_decay is 0.1 here", "train.seed is 7 here", NULL);
    f.config.train.weight_decay = 0.01;
    f.config.train.seed = 42;
    run_well(&f, &p, "run", 31);
    resume_fixture_close(&f);
}

/* The same by the rows of the keys: a new key cannot be forgotten. Keys that may change are taken as they come. */
static void by_the_rows(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    resume_fixture_open(&f);
    run_to_30(&f);
    cso_option_place key;
    size_t refused = 0;
    for (size_t i = 0; (key = cso_options_at(&cso_run_options, i)).row; i++) {
        cso_run_config stored = f.config;
        char words[80];
        if (!key.row->identity || *key.row->identity || is_ignored_option(&f.config, key))
            continue;
        snprintf(words, sizeof words, key.row->type == CSO_OPTION_NUMBERS2 ? "%s[1] is " : "%s is ", key.row->name);
        assert_true(change_option(&f.config, key));
        expect_named(&f, words);
        f.config = stored;
        refused++;
    }
    assert_in_range(refused, 10, 200);
    for (size_t i = 0; (key = cso_options_at(&cso_run_options, i)).row; i++)
        if (!key.row->identity && strcmp(key.row->name, "train.epochs") != 0 && strcmp(key.row->name, "train.max_steps") != 0)
            change_option(&f.config, key); /* all at once; the length of the run has tests of its own */
    run_well(&f, &p, "run", 31);
    assert_int_equal(p.count, 1);
    resume_fixture_close(&f);
}

/* The base model: one weight of it is another. */
static void another_base_model(void **state) {
    (void)state;
    resume_fixture f, other;
    resume_fixture_open(&f);
    resume_fixture_open(&other);
    run_to_30(&f);
    cso_model *stored = f.model;
    size_t size;
    const char *path = root_path(&other, "model/model.safetensors");
    char *bytes = take_file(path, &size);
    bytes[size - 2] ^= 1;
    put_file(path, bytes, size);
    free(bytes);
    cso_error err = {0};
    cso_model_free(other.model);
    golden_ok(cso_model_open(&other.model, root_path(&other, "model"), &err), &err);
    f.model = other.model;
    expect_named(&f, "model is ");
    f.model = stored;
    resume_fixture_close(&f);
    resume_fixture_close(&other);
}

/* More epochs with a constant rate: the run is that which had them from the start. With a schedule that ends, the rates to come are
 * those of the longer run, and that is said. */
static void more_epochs(void **state) {
    (void)state;
    static const cso_schedule schedules[] = {CSO_SCHEDULE_CONSTANT, CSO_SCHEDULE_LINEAR, CSO_SCHEDULE_COSINE};
    for (size_t i = 0; i < 3; i++) {
        resume_fixture f;
        process p;
        resume_fixture_open(&f);
        f.config.train.schedule = schedules[i];
        f.config.train.warmup_steps = 6;
        f.config.train.epochs = 1;
        run_well(&f, &p, "run", 0);
        f.config.train.epochs = 2;
        run_well(&f, &p, "run", 30);
        assert_int_equal(p.count, 10);
        for (size_t k = 0; k < 10; k++)
            assert_true(p.steps[k].learning_rate == cso_schedule_rate(schedules[i], 5e-3, RESUME_EPOCH + k, 6, 2 * RESUME_EPOCH));
        if (schedules[i] == CSO_SCHEDULE_CONSTANT) {
            assert_string_equal(p.warnings, "");
            f.config.log.eval_every_steps = 7;
            run_well(&f, &p, "run", 0);
            size_t size_a, size_b;
            char *a = take_file(root_path(&f, "run/adapter/adapter_model.safetensors"), &size_a);
            run_well(&f, &p, "whole", 0);
            char *b = take_file(root_path(&f, "whole/adapter/adapter_model.safetensors"), &size_b);
            assert_int_equal(size_a, size_b);
            assert_memory_equal(a, b, size_a);
            free(a);
            free(b);
        } else {
            assert_non_null(strstr(p.warnings, "the run had 20 steps and has 40 now: its "));
            run_well(&f, &p, "run", 31); /* said once, when it changes */
            assert_string_equal(p.warnings, "");
        }
        f.config.train.epochs = 0.5; /* fewer than are done */
        run_well(&f, &p, "run", 0);
        assert_int_equal(p.count, 0);
        assert_non_null(strstr(p.notes, "the run is complete: step "));
        resume_fixture_close(&f);
    }
}

/* The adapter at the end is that of the start: said, whether the rate is 0 or the warm-up is longer than the run. */
static void a_run_that_trained_nothing(void **state) {
    (void)state;
    static const char *const words = "the adapter is as it was at the start";
    resume_fixture f;
    process p;
    resume_fixture_open(&f);
    f.config.train.max_steps = 1; /* a step of warm-up begins at rate 0 */
    run_well(&f, &p, "one", 0);
    assert_non_null(strstr(p.warnings, words));
    f.config.train.max_steps = 4;
    f.config.train.learning_rate = 0;
    run_well(&f, &p, "zero", 2);
    run_well(&f, &p, "zero", 0);
    assert_non_null(strstr(p.warnings, words));
    f.config.train.learning_rate = 5e-3;
    run_well(&f, &p, "some", 0);
    assert_null(strstr(p.warnings, words));
    resume_fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_that_matters_is_refused),
        cmocka_unit_test(by_the_rows),
        cmocka_unit_test(another_base_model),
        cmocka_unit_test(more_epochs),
        cmocka_unit_test(a_run_that_trained_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

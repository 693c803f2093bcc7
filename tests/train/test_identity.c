/* test_identity.c - the identity of a run: every key is in it or may change, and it reads as it does in stored checkpoints. */
#include "change_option.h"
#include "train_fixture.h"

#include "train/run_identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *value_of(const cso_identity *identity, const char *key) {
    for (size_t i = 0; i < identity->count; i++)
        if (!strcmp(identity->items[i].key, key))
            return identity->items[i].value;
    return NULL;
}

static cso_identity make(train_fixture *f) {
    cso_error err = {0};
    cso_identity identity;
    const cso_train_job job = train_fixture_job(f);
    golden_ok(run_identity_make(&identity, &job, &err), &err);
    return identity;
}

/* Names, order and form of the values: a checkpoint of an earlier version must be taken for the same run. */
static void as_stored(void **state) {
    (void)state;
    train_fixture f;
    train_fixture_open(&f, "r4", 0);
    f.config.loss.options.label_smoothing = 0.125;
    f.config.train.eps = 1e-6;
    f.config.train.warmup_ratio = 1.0 / 3;
    f.config.train.seed = UINT64_MAX;
    char model[33], adapter[33];
    cso_weights_fingerprint(f.model->weights, model);
    cso_adapter_fingerprint(f.adapter, adapter);
    const char *const expected[][2] = {
        {"model", model},
        {"model.compute", "f32"},
        {"data.train", f.data.fingerprint},
        {"data.eval", "none"},
        {"data.shuffle", "none"},
        {"data.packing", "tree"},
        {"lora.rank", "4"},
        {"lora.alpha", "8"},
        {"lora.dropout", "0"},
        {"lora.rslora", "false"},
        {"lora.targets", "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"},
        {"lora.init", adapter},
        {"loss.type", "cso"},
        {"loss.beta", "0.1"},
        {"loss.label_smoothing", "0.125"},
        {"loss.reference", "base"},
        {"train.batch_size", "8"},
        {"train.learning_rate", "0.0005"},
        {"train.schedule", "cosine"},
        {"train.warmup_ratio", "0.3333333333333333"},
        {"train.warmup_steps", "2"},
        {"train.weight_decay", "0.01"},
        {"train.betas[0]", "0.9"},
        {"train.betas[1]", "0.999"},
        {"train.eps", "1e-06"},
        {"train.max_grad_norm", "1"},
        {"train.seed", "18446744073709551615"},
    };
    const cso_identity identity = make(&f);
    for (size_t i = 0; i < identity.count && i < sizeof expected / sizeof *expected; i++) {
        assert_string_equal(identity.items[i].key, expected[i][0]);
        assert_string_equal(identity.items[i].value, expected[i][1]);
    }
    assert_int_equal(identity.count, sizeof expected / sizeof *expected);
    train_fixture_close(&f);
}

/* A key is in the identity with its own value, or something in the identity stands for it, or it may change. */
static void every_key_counts_or_is_free(void **state) {
    (void)state;
    train_fixture f;
    train_fixture_open(&f, "r4", 0);
    const cso_identity before = make(&f);
    cso_option_place key;
    size_t own = 0, named = 0, changeable = 0;
    for (size_t i = 0; (key = cso_options_at(&cso_run_options, i)).row; i++) {
        const char *name = key.row->name, *identity = key.row->identity;
        if (identity && *identity) {
            named++;
            if (!value_of(&before, identity))
                fail_msg("%s: nothing in the identity is called %s", name, identity);
            continue;
        }
        if (is_ignored_option(&f.config, key))
            continue;
        cso_run_config stored = f.config;
        bool changed = change_option(&f.config, key);
        const cso_identity after = make(&f);
        f.config = stored;
        size_t differences = 0, mine = 0;
        for (size_t k = 0; k < after.count; k++) {
            const char *was = value_of(&before, after.items[k].key); /* NULL: a late key that had its default */
            bool differs = !was || strcmp(was, after.items[k].value) != 0;
            differences += differs;
            mine += differs && !strncmp(after.items[k].key, name, strlen(name));
        }
        assert_int_equal(after.count, before.count + (identity && key.row->flags & CSO_OPTION_LATE ? 1 : 0));
        own += identity != NULL;
        changeable += identity == NULL;
        if (identity && (!changed || differences != 1 || mine != 1))
            fail_msg("%s: %zu differences in the identity, %zu of them its own (expected 1)", name, differences, mine);
        if (!identity && differences)
            fail_msg("%s may change at resume, but the identity differs", name);
    }
    assert_true(own && named && changeable);
    train_fixture_close(&f);
}

/* What all processes must have, but may change at resume. */
static void course(void **state) {
    (void)state;
    train_fixture f;
    train_fixture_open(&f, "r4", 0);
    cso_error err = {0};
    cso_identity course;
    const cso_train_job job = train_fixture_job(&f);
    golden_ok(run_course_make(&course, &job, 77, &err), &err);
    assert_string_equal(value_of(&course, "the number of steps"), "77");
    assert_string_equal(value_of(&course, "checkpoint.keep_best"), "true");
    static const char *const keys[] = {"checkpoint.every_steps", "train.max_skipped", "log.eval_every_steps", "data.eval"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_non_null(value_of(&course, keys[i]));
    assert_null(value_of(&course, "train.threads"));
    train_fixture_close(&f);
}

/* What does not fit is an error that names it, never dropped or cut. */
static void no_room(void **state) {
    (void)state;
    cso_identity identity = {0};
    cso_error err = {0};
    char text[CSO_IDENTITY_VALUE + 1];
    for (size_t i = 0; i < CSO_IDENTITY_MAX; i++)
        cso_identity_add(&identity, "key", "%zu", i);
    assert_int_equal(cso_identity_check(&identity, &err), CSO_OK);
    cso_identity_add(&identity, "one.more", "1");
    cso_identity_add(&identity, "two.more", "2");
    assert_int_equal(cso_identity_check(&identity, &err), CSO_ERR_INTERNAL);
    assert_string_equal(err.message,
                        "one.more does not fit into the identity of the run (expected up to 96 keys of 191 characters)");
    identity = (cso_identity){0};
    memset(text, 'x', sizeof text);
    text[CSO_IDENTITY_VALUE - 1] = '\0';
    cso_identity_add(&identity, "long", "%s", text);
    assert_int_equal(cso_identity_check(&identity, &err), CSO_OK);
    text[CSO_IDENTITY_VALUE - 1] = 'x';
    text[CSO_IDENTITY_VALUE] = '\0';
    cso_identity_add(&identity, "too.long", "%s", text);
    assert_int_equal(cso_identity_check(&identity, &err), CSO_ERR_INTERNAL);
    assert_int_equal(identity.count, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_stored),
        cmocka_unit_test(every_key_counts_or_is_free),
        cmocka_unit_test(course),
        cmocka_unit_test(no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

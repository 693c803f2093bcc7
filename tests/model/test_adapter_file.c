/* PEFT adapter folders: what is written reads back equal, and what does not belong to the model is refused with a message. */
#include "../engine/model_fixture.h"

#include "base/file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_round_trip(void **state) {
    (void)state;
    cso_error error = {0};
    cso_adapter *adapter, *again;
    fixture f = fixture_open(golden_path("models/llama-tiny"), 0);
    char folder[] = "/tmp/cso-test-XXXXXX", before[33], after[33];
    assert_non_null(mkdtemp(folder));
    const char *names[] = {"r4", "r4-rslora", "r4-qv", "r4-fresh"};
    for (size_t i = 0; i < 4; i++) {
        golden_ok(cso_adapter_read(&adapter, f.model, golden_path("adapters/llama-tiny/%s", names[i]), &error), &error);
        golden_ok(cso_adapter_write(adapter, folder, &error), &error);
        golden_ok(cso_adapter_read(&again, f.model, folder, &error), &error);
        cso_adapter_fingerprint(adapter, before);
        cso_adapter_fingerprint(again, after);
        assert_string_equal(before, after);
        assert_true(adapter->scale == again->scale);
        assert_string_equal(adapter->base, again->base);
        cso_adapter_free(adapter);
        cso_adapter_free(again);
    }
    golden_ok(cso_remove_tree(folder, &error), &error);
    fixture_close(&f);
}

static void test_fresh(void **state) {
    (void)state;
    cso_error error = {0};
    fixture f = fixture_open(golden_path("models/llama-tiny"), 0);
    cso_lora_options options = {.rank = 4, .alpha = 8};
    for (int m = 0; m < CSO_MODULE_COUNT; m++)
        options.targets[m] = m != CSO_K_PROJ;
    cso_adapter *one, *two, *other;
    golden_ok(cso_adapter_create(&one, f.model, &options, 42, &error), &error);
    golden_ok(cso_adapter_create(&two, f.model, &options, 42, &error), &error);
    golden_ok(cso_adapter_create(&other, f.model, &options, 43, &error), &error);
    assert_memory_equal(one->params, two->params, one->n_params * sizeof *one->params);
    assert_memory_not_equal(one->params, other->params, one->n_params * sizeof *one->params);
    double square = 0;
    size_t count = 0;
    for (size_t i = 0; i < one->n_layers * CSO_MODULE_COUNT; i++) {
        const cso_lora_slot *slot = &one->slots[i];
        assert_int_equal(slot->in == 0, i % CSO_MODULE_COUNT == CSO_K_PROJ);
        for (size_t j = 0; slot->in && j < 4 * slot->out; j++)
            assert_true(one->params[slot->b + j] == 0);
        for (size_t j = 0; slot->in && j < 4 * slot->in; j++, count++)
            square += (double)one->params[slot->a + j] * (double)one->params[slot->a + j] * (double)slot->in;
    }
    double variance = square / (double)count; /* of U(-1, 1) scaled by 1/sqrt(in): 1/3 */
    assert_true(variance > 0.31 && variance < 0.36);
    cso_adapter_free(one);
    cso_adapter_free(two);
    cso_adapter_free(other);
    options.rank = 0;
    assert_int_equal(cso_adapter_create(&one, f.model, &options, 1, &error), CSO_ERR_USAGE);
    assert_non_null(strstr(error.message, "lora.rank"));
    fixture_close(&f);
}

/* Copies the llama adapter r4 with one text of a file replaced (equal length for the weights' header), and expects a
 * refusal. */
static void expect_refused(const cso_model *model, const char *file, const char *from, const char *to, const char *message) {
    char folder[] = "/tmp/cso-test-XXXXXX", path[256];
    cso_error error = {0};
    cso_adapter *adapter = NULL;
    assert_non_null(mkdtemp(folder));
    const char *names[] = {"adapter_config.json", "adapter_model.safetensors"};
    for (int i = 0; i < 2; i++) {
        char *text;
        size_t size;
        golden_ok(cso_read_file(golden_path("adapters/llama-tiny/r4/%s", names[i]), 1 << 24, &text, &size, &error), &error);
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (strcmp(names[i], file) == 0) {
            char *at = memmem(text, size, from, strlen(from));
            assert_non_null(at);
            char *changed = malloc(size + strlen(to) + 1);
            size_t before = (size_t)(at - text), rest = size - before - strlen(from);
            memcpy(changed, text, before);
            memcpy(changed + before, to, strlen(to));
            memcpy(changed + before + strlen(to), at + strlen(from), rest);
            golden_ok(cso_save_text(path, changed, before + strlen(to) + rest, &error), &error);
            free(changed);
        } else {
            golden_ok(cso_save_text(path, text, size, &error), &error);
        }
        free(text);
    }
    assert_int_equal(cso_adapter_read(&adapter, model, folder, &error), CSO_ERR_INPUT);
    assert_null(adapter);
    if (!strstr(error.message, message))
        fail_msg("\"%s\" does not say \"%s\"", error.message, message);
    golden_ok(cso_remove_tree(folder, &error), &error);
}

/* The same with the last `missing` bytes of the weights cut off (0: all), or with a NaN as their last number. */
static void expect_cut(const cso_model *model, size_t missing, bool nan, const char *message) {
    char folder[] = "/tmp/cso-test-XXXXXX", path[256], *text;
    cso_error error = {0};
    cso_adapter *adapter = NULL;
    size_t size;
    assert_non_null(mkdtemp(folder));
    golden_ok(cso_read_file(golden_path("adapters/llama-tiny/r4/adapter_config.json"), 1 << 24, &text, &size, &error), &error);
    snprintf(path, sizeof path, "%s/adapter_config.json", folder);
    golden_ok(cso_save_text(path, text, size, &error), &error);
    free(text);
    golden_ok(cso_read_file(golden_path("adapters/llama-tiny/r4/adapter_model.safetensors"), 1 << 24, &text, &size, &error),
              &error);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", folder);
    if (nan)
        memcpy(text + size - 4, &(float){NAN}, 4);
    golden_ok(cso_save_text(path, text, nan ? size : missing ? size - missing : 0, &error), &error);
    free(text);
    assert_int_equal(cso_adapter_read(&adapter, model, folder, &error), CSO_ERR_INPUT);
    assert_null(adapter);
    if (!strstr(error.message, message) || !strstr(error.message, "adapter_model.safetensors"))
        fail_msg("\"%s\" does not say \"%s\"", error.message, message);
    golden_ok(cso_remove_tree(folder, &error), &error);
}

static void test_cut(void **state) {
    (void)state;
    fixture f = fixture_open(golden_path("models/llama-tiny"), 0);
    expect_cut(f.model, 0, false, "not a safetensors file (it has 0 bytes)");
    expect_cut(f.model, 1, false, "data_offsets");
    expect_cut(f.model, 4, false, "data_offsets");
    expect_cut(f.model, 1000, false, "data_offsets");
    expect_cut(f.model, 0, true, "layers.2.self_attn.v_proj.lora_B.weight: item 127 is not a finite number");
    fixture_close(&f);
}

static void test_refused(void **state) {
    (void)state;
    cso_error error = {0};
    cso_adapter *adapter;
    fixture f = fixture_open(golden_path("models/llama-tiny"), 0);
    const char *config = "adapter_config.json", *weights = "adapter_model.safetensors";
    expect_refused(f.model, config, "\"use_dora\": false", "\"use_dora\": true", "use_dora");
    expect_refused(f.model, config, "\"bias\": \"none\"", "\"bias\": \"all\"", "bias");
    expect_refused(f.model, config, "\"r\": 4", "\"r\": 5", "shape");
    expect_refused(f.model, config, "\"r\": 4", "\"r\": 0", "r 0");
    expect_refused(f.model, config, "\"lora_alpha\": 8", "\"lora_alpha\": 0", "lora_alpha");
    expect_refused(f.model, config, "LORA", "LOHA", "LOHA");
    expect_refused(f.model, config, "\"rank_pattern\": {}", "\"rank_pattern\": {\"a\": 1}", "rank_pattern");
    expect_refused(f.model, config, "{", "", "adapter_config.json");
    expect_refused(f.model, weights, "layers.2.mlp.up_proj.lora_A", "layers.9.mlp.up_proj.lora_A", "another model");
    expect_refused(f.model, weights, "layers.2.mlp.up_proj.lora_A", "layers.2.mlp.xx_proj.lora_A", "no LoRA factor");
    expect_refused(f.model, weights, "[4,160]", "[160,4]", "shape");
    /* A and B of different ranks, a dimension that is not the model's, others than two. */
    expect_refused(f.model, weights, "[64,4]", "[32,8]", "down_proj.lora_B.weight has shape (32, 8) (expected (64, 4)");
    expect_refused(f.model, weights, "[4,64]", "[8,32]", "gate_proj.lora_A.weight has shape (8, 32) (expected (4, 64)");
    expect_refused(f.model, weights, "[4,160]", "[640]  ", "down_proj.lora_A.weight has 1 dimensions (expected 2)");
    const char *first =
        "\"pt\"},\"base_model.model.model.layers.0.mlp.down_proj.lora_A.weight\":{\"dtype\":\"F32\",\"shape\":[4,160]";
    const char *three =
        "\"p\"},\"base_model.model.model.layers.0.mlp.down_proj.lora_A.weight\":{\"dtype\":\"F32\",\"shape\":[8,8,10]";
    expect_refused(f.model, weights, first, three, "down_proj.lora_A.weight has 3 dimensions (expected 2)");
    expect_refused(f.model, weights, "\"F32\",\"shape\":[64,4]", "\"I32\",\"shape\":[64,4]", "lora_B.weight is of dtype I32");
    expect_refused(f.model, weights, "layers.2.self_attn.q_proj.lora_A", "layers.2.self_attn.q_proj.lora_C", "no LoRA factor");
    expect_refused(f.model, weights, "layers.1.mlp.up_proj.lora_B", "layers.7.mlp.up_proj.lora_B", "has only 3 layers");
    expect_refused(f.model, weights, "layers.0.mlp.up_proj.lora_B.weight", "layers.0.mlp.up_proj.lora_B.weighs", "no LoRA factor");
    expect_refused(f.model, weights, "layers.0.mlp", "layers.x.mlp", "no LoRA factor");
    expect_refused(f.model, weights, "layers.0.mlp", "layers.0,mlp", "no LoRA factor");
    expect_refused(f.model, config, "\"lora_alpha\": 8", "\"lora_alpha\": NaN", "adapter_config.json:");
    expect_refused(f.model, config, "\"lora_alpha\": 8", "\"lora_alpha\": 1e999", "a number out of range");
    expect_refused(f.model, config, "\"lora_alpha\": 8", "\"lora_alpha\": \"8\"", "lora_alpha: expected a number");
    expect_refused(f.model, config, "\"r\": 4", "\"r\": -4", "r: expected a whole number");
    expect_refused(f.model, config, "\"r\": 4", "\"r\": 4.5", "r: expected a whole number");
    expect_refused(f.model, config, "\"r\": 4", "\"r\": 1e300", "r: expected a whole number");
    expect_refused(f.model, config, "\"r\": 4", "\"r\": 9007199254740992", "shape"); /* and nothing is allocated for it */
    expect_refused(f.model, config, "\"lora_dropout\": 0.0", "\"lora_dropout\": 1.0", "lora_dropout 1");
    /* Another model's adapter, a missing folder. */
    assert_int_equal(cso_adapter_read(&adapter, f.model, golden_path("adapters/gemma2-tiny/r4"), &error), CSO_ERR_INPUT);
    assert_non_null(strstr(error.message, "another model"));
    assert_int_equal(cso_adapter_read(&adapter, f.model, "/nowhere/adapter", &error), CSO_ERR_INPUT);
    assert_non_null(strstr(error.message, "/nowhere/adapter/adapter_config.json"));
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_fresh),
                                       cmocka_unit_test(test_refused), cmocka_unit_test(test_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

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

/* Reads r4 with `key` taken out of its configuration and `first` put at the beginning: refused with the message, or if it is NULL,
 * read. */
static void expect_changed(const cso_model *model, const char *key, const char *first, const char *message) {
    char folder[] = "/tmp/cso-test-XXXXXX", path[256];
    cso_error error = {0};
    cso_adapter *adapter = NULL;
    assert_non_null(mkdtemp(folder));
    cJSON *config = golden_json(golden_path("adapters/llama-tiny/r4/adapter_config.json"));
    cJSON_DeleteItemFromObjectCaseSensitive(config, key);
    if (strstr(first, "init_lora_weights"))
        cJSON_DeleteItemFromObjectCaseSensitive(config, "init_lora_weights");
    for (int i = 0; i < 3; i++) /* members of the harmless cases that r4 may have */
        cJSON_DeleteItemFromObjectCaseSensitive(config, (const char *[]){"megatron_core", "qalora_group_size", "peft_version"}[i]);
    char *rest = cJSON_PrintUnformatted(config), *text = malloc(strlen(rest) + strlen(first) + 1);
    assert_non_null(text);
    snprintf(text, strlen(rest) + strlen(first) + 1, "%s%s", first, rest + 1);
    snprintf(path, sizeof path, "%s/adapter_config.json", folder);
    golden_ok(cso_save_text(path, text, strlen(text), &error), &error);
    free(text);
    free(rest);
    cJSON_Delete(config);
    size_t size;
    golden_ok(cso_read_file(golden_path("adapters/llama-tiny/r4/adapter_model.safetensors"), 1 << 24, &text, &size, &error),
              &error);
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", folder);
    golden_ok(cso_save_text(path, text, size, &error), &error);
    free(text);
    cso_status status = cso_adapter_read(&adapter, model, folder, &error);
    if (message ? status != CSO_ERR_INPUT || !strstr(error.message, message) : status != CSO_OK)
        fail_msg("%s: status %d, \"%s\" (expected \"%s\")", first, (int)status, status == CSO_OK ? "" : error.message,
                 message ? message : "");
    cso_adapter_free(adapter);
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

static void copy_tensor(cso_safetensors_item *item, const cso_safetensors *file, const char *name) {
    const cso_tensor *tensor = cso_safetensors_find(file, name);
    assert_non_null(tensor);
    *item = (cso_safetensors_item){tensor->name, tensor->data, 2, {tensor->shape[0], tensor->shape[1]}};
}

/* An adapter folder whose configuration is that of r4 with a case's members, and whose tensors are r4's for the modules that PEFT
 * adapts, less `missing` of the last. */
static void write_case(const char *folder, const cJSON *test, size_t missing) {
    cso_error error = {0};
    char path[256], name[160];
    cJSON *config = golden_json(golden_path("adapters/llama-tiny/r4/adapter_config.json"));
    const cJSON *member, *module;
    cJSON_ArrayForEach(member, cJSON_GetObjectItem(test, "config")) {
        cJSON_DeleteItemFromObjectCaseSensitive(config, member->string);
        cJSON_AddItemToObject(config, member->string, cJSON_Duplicate(member, true));
    }
    char *text = cJSON_PrintUnformatted(config);
    snprintf(path, sizeof path, "%s/adapter_config.json", folder);
    golden_ok(cso_save_text(path, text, strlen(text), &error), &error);
    free(text);
    cJSON_Delete(config);
    cso_safetensors *file = golden_safetensors(golden_path("adapters/llama-tiny/r4/adapter_model.safetensors"));
    cso_safetensors_item items[64];
    size_t count = 0;
    cJSON_ArrayForEach(module, cJSON_GetObjectItem(test, "adapted")) for (int b = 0; b < 2; b++) {
        snprintf(name, sizeof name, "base_model.model.%s.lora_%c.weight", module->valuestring, b ? 'B' : 'A');
        if (!strcmp(module->valuestring, "lm_head") || !strcmp(module->valuestring, "model.embed_tokens"))
            continue;
        copy_tensor(&items[count++], file, name);
    }
    if (!count)
        copy_tensor(&items[count++], file, "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight");
    static const char *const metadata[] = {"format", "pt", NULL};
    snprintf(path, sizeof path, "%s/adapter_model.safetensors", folder);
    golden_ok(cso_safetensors_write(path, items, count - missing, metadata, &error), &error);
    cso_safetensors_close(file);
}

/* Whether the adapter has exactly the modules that PEFT adapts; all of them are the engine's. */
static void compare_modules(const cso_adapter *adapter, const cJSON *expected) {
    size_t count = 0;
    for (size_t layer = 0; layer < adapter->n_layers; layer++)
        for (cso_module m = 0; m < CSO_MODULE_COUNT; m++) {
            char name[128];
            bool found = false;
            const cJSON *item;
            snprintf(name, sizeof name, "model.layers.%zu.%s", layer, cso_module_path(m));
            cJSON_ArrayForEach(item, expected) found = found || !strcmp(item->valuestring, name);
            if (found != (cso_adapter_slot(adapter, layer, m)->in > 0))
                fail_msg("%s: PEFT %s it", name, found ? "adapts" : "does not adapt");
            count += found;
        }
    assert_int_equal(count, cJSON_GetArraySize(expected));
}

/* target_modules, exclude_modules, layers_to_transform and layers_pattern mean what they mean to PEFT, or the file is refused. What
 * PEFT makes of each case was asked of it. */
static void test_targets_as_peft(void **state) {
    (void)state;
    fixture f = fixture_open(golden_path("models/llama-tiny"), 0);
    cJSON *root = golden_json(golden_path("adapters/peft_targets.json"));
    char folder[] = "/tmp/cso-test-XXXXXX", again[300], before[33], after[33];
    assert_non_null(mkdtemp(folder));
    snprintf(again, sizeof again, "%s/again", folder);
    cso_error error = {0};
    golden_ok(cso_make_folders(again, &error), &error);
    const cJSON *test;
    size_t read = 0, refused = 0;
    cJSON_ArrayForEach(test, cJSON_GetObjectItem(root, "cases")) {
        const cJSON *adapted = cJSON_GetObjectItem(test, "adapted"), *item;
        cso_adapter *adapter = NULL, *other = NULL;
        char *shown = cJSON_PrintUnformatted(cJSON_GetObjectItem(test, "config"));
        bool ours = adapted != NULL;
        cJSON_ArrayForEach(item, adapted) ours = ours && !strncmp(item->valuestring, "model.layers.", 13);
        write_case(folder, test, 0);
        cso_status status = cso_adapter_read(&adapter, f.model, folder, &error);
        if (status != (ours ? CSO_OK : CSO_ERR_INPUT))
            fail_msg("%s: status %d, %s", shown, (int)status, error.message);
        if (ours) {
            compare_modules(adapter, adapted);
            golden_ok(cso_adapter_write(adapter, again, &error), &error);
            golden_ok(cso_adapter_read(&other, f.model, again, &error), &error);
            compare_modules(other, adapted);
            cso_adapter_fingerprint(adapter, before);
            cso_adapter_fingerprint(other, after);
            assert_string_equal(before, after);
            write_case(folder, test, 1);
            cso_adapter *torn = NULL;
            assert_int_equal(cso_adapter_read(&torn, f.model, folder, &error), CSO_ERR_INPUT);
            read++;
        } else {
            refused++;
        }
        free(shown);
        cso_adapter_free(adapter);
        cso_adapter_free(other);
    }
    print_message("%zu configurations read, %zu refused\n", read, refused);
    assert_true(read >= 30 && refused >= 15);
    cJSON_Delete(root);
    golden_ok(cso_remove_tree(folder, &error), &error);
    fixture_close(&f);
}

/* What PEFT would do otherwise than the engine, and files whose two parts do not belong together. */
static void test_not_as_peft(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"\"target_modules\": \"(?i).*q_proj\"", "has something that is not supported at byte 0"},
        {"\"target_modules\": \".*[[:alpha:]]_proj\"", "has something that is not supported at byte 2"},
        {"\"target_modules\": \"(?P<a>.*)q_proj\"", "not supported at byte 0"},
        {"\"target_modules\": \".*\\\\1q_proj\"", "not supported at byte 2"},
        {"\"target_modules\": \".*q_proj{,2}\"", "not supported at byte 8"},
        {"\"target_modules\": \"(?:\\\\w+\\\\.?|\\\\w)*[^\\\\w.]\"",
         "adapter_config.json: the regular expression \"(?:\\w+\\.?|\\w)*[^\\w.]\" takes too long"},
        {"\"target_modules\": \".*q_proj)\"", "is no regular expression"},
        {"\"target_modules\": 7", "target_modules: expected a list"},
        {"\"target_modules\": [7]", "target_modules: expected a list of names"},
        {"\"exclude_modules\": {\"a\": 1}", "exclude_modules: expected a list"},
        {"\"exclude_modules\": [\"q_proj\"]", "q_proj.lora_A.weight: adapter_config.json does not adapt its module"},
        {"\"target_modules\": [\"q_proj\"]", "adapter_config.json does not adapt its module"},
        {"\"layers_to_transform\": [0]", "layers.1."},
        {"\"layers_to_transform\": [true]", "layers_to_transform: expected whole numbers"},
        {"\"init_lora_weights\": \"pissa\"", "init_lora_weights is \"pissa\""},
        {"\"init_lora_weights\": \"OLoRA\"", "init_lora_weights is \"OLoRA\""},
        {"\"init_lora_weights\": 3", "init_lora_weights"},
        {"\"task_type\": \"SEQ_CLS\"", "task_type is \"SEQ_CLS\""},
        {"\"alpha_pattern\": {\"q_proj\": 3}", "alpha_pattern is set"},
        {"\"modules_to_save\": [\"lm_head\"]", "modules_to_save is set"},
        {"\"lora_bias\": true", "lora_bias is set"},
        {"\"fan_in_fan_out\": true", "fan_in_fan_out is set"},
        {"\"trainable_token_indices\": [1]", "trainable_token_indices is set"},
        {"\"target_parameters\": [\"a\"]", "target_parameters is set"},
        {"\"layer_replication\": [[0, 1]]", "layer_replication is set"},
        {"\"a_key_of_later_days\": 1", "a_key_of_later_days is set"},
    };
    fixture f = fixture_open(golden_path("models/llama-tiny"), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char key[64], first[300];
        assert_int_equal(sscanf(cases[i][0], "\"%60[^\"]\"", key), 1);
        snprintf(first, sizeof first, "{%s,", cases[i][0]);
        expect_changed(f.model, key, first, cases[i][1]);
    }
    fixture_close(&f);
}

/* What a file leaves out is as in PEFT; what has no influence is not refused. */
static void test_harmless(void **state) {
    (void)state;
    static const char *const cases[] = {
        "\"a_key_of_later_days\": null",
        "\"a_key_of_later_days\": []",
        "\"init_lora_weights\": \"Gaussian\"",
        "\"init_lora_weights\": false",
        "\"task_type\": null",
        "\"eva_config\": {\"rho\": 2.0}, \"init_lora_weights\": \"eva\"",
        "\"megatron_core\": \"megatron.core\", \"qalora_group_size\": 16, \"peft_version\": \"0.21.2\"",
    };
    fixture f = fixture_open(golden_path("models/llama-tiny"), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char key[64], first[300];
        assert_int_equal(sscanf(cases[i], "\"%60[^\"]\"", key), 1);
        snprintf(first, sizeof first, "{%s,", cases[i]);
        expect_changed(f.model, key, first, NULL);
    }
    fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_fresh),
                                       cmocka_unit_test(test_refused),         cmocka_unit_test(test_cut),
                                       cmocka_unit_test(test_targets_as_peft), cmocka_unit_test(test_not_as_peft),
                                       cmocka_unit_test(test_harmless)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Models whose files do not fit together are refused with a line that names the key or tensor. */
#include "../golden.h"
#include "cso/file.h"
#include "cso/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void read_golden(const char *name, char **text, size_t *size) {
    cso_error error = {0};
    golden_ok(cso_read_file(golden_path("%s", name), (size_t)1 << 30, text, size, &error), &error);
}

/* Opens a copy of a golden model with `from` replaced by `to` in config.json (from NULL: unchanged) and with `patch` applied to the
 * weights' bytes. Expects CSO_ERR_INPUT with `message`. */
typedef void (*patcher)(char *weights, size_t size);
static void expect_refused(const char *model, const char *from, const char *to, patcher patch, const char *message) {
    char folder[] = "/tmp/cso-test-XXXXXX", path[256], name[128], *text;
    size_t size;
    cso_error error = {0};
    cso_model *opened = NULL;
    assert_non_null(mkdtemp(folder));
    snprintf(name, sizeof name, "models/%s/config.json", model);
    read_golden(name, &text, &size);
    char *changed = calloc(size + 1024, 1), *at = from ? strstr(text, from) : text;
    assert_non_null(at);
    snprintf(changed, size + 1024, "%.*s%s%s", (int)(at - text), text, from ? to : "", at + (from ? strlen(from) : 0));
    snprintf(path, sizeof path, "%s/config.json", folder);
    golden_ok(cso_save_text(path, changed, strlen(changed), &error), &error);
    free(text);
    free(changed);
    snprintf(name, sizeof name, "models/%s/model.safetensors", model);
    read_golden(name, &text, &size);
    if (patch)
        patch(text, size);
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    golden_ok(cso_save_text(path, text, size, &error), &error);
    free(text);
    cso_status status = cso_model_open(&opened, folder, &error);
    if (status != CSO_ERR_INPUT || !strstr(error.message, message))
        fail_msg("status %d, \"%s\" does not say \"%s\"", status, error.message, message);
    assert_null(opened);
    golden_ok(cso_remove_tree(folder, &error), &error);
}

static void test_config(void **state) {
    (void)state;
    const struct {
        const char *model, *from, *to, *message;
    } cases[] = {
        {"llama-tiny", "\"hidden_size\": 64", "\"hidden_size\": 128", "model.embed_tokens.weight"},
        {"llama-tiny", "\"vocab_size\": 1024", "\"vocab_size\": 1000", "vocab_size = 1000"},
        {"llama-tiny", "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 4", "model.layers.3.input_layernorm.weight"},
        {"llama-tiny", "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 0", "number of layers is 0"},
        {"llama-tiny", "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 100000", "number of layers is 100000"},
        {"llama-tiny", "\"num_hidden_layers\": 3", "\"num_hidden_layers\": -1", "num_hidden_layers"},
        {"llama-tiny", "\"num_hidden_layers\": 3", "\"num_hidden_layers\": \"3\"", "num_hidden_layers"},
        {"llama-tiny", "\"num_hidden_layers\": 3,", "", "num_hidden_layers"},
        {"llama-tiny", "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3", "no multiple"},
        {"llama-tiny", "\"num_key_value_heads\": 2", "\"num_key_value_heads\": 4", "k_proj.weight"},
        {"llama-tiny", "\"intermediate_size\": 160", "\"intermediate_size\": 161", "gate_proj.weight"},
        {"llama-tiny", "\"rms_norm_eps\": 1e-05", "\"rms_norm_eps\": -1", "rms_norm_eps"},
        {"llama-tiny", "\"rope_theta\": 500000.0", "\"rope_theta\": 0", "rope_theta"},
        {"llama-tiny", "\"rope_type\": \"llama3\"", "\"rope_type\": \"yarn\"", "yarn"},
        {"llama-tiny", "\"high_freq_factor\": 4.0", "\"high_freq_factor\": 1.0", "rope_scaling"},
        {"llama-tiny", "\"attention_bias\": false", "\"attention_bias\": true", "attention_bias"},
        {"llama-tiny", "\"hidden_act\": \"silu\"", "\"hidden_act\": \"gelu\"", "activation \"gelu\""},
        {"llama-tiny", "\"model_type\": \"llama\"", "\"model_type\": \"mixtral\"", "expected one of llama, qwen2, gemma2"},
        {"llama-tiny", "{", "[", "config.json"},
        {"qwen2-tiny", "\"use_sliding_window\": false", "\"use_sliding_window\": true", "use_sliding_window"},
        {"gemma2-tiny", "\"head_dim\": 32", "\"head_dim\": 31", "head_dim"},
        {"gemma2-tiny", "\"attn_logit_softcapping\": 50.0", "\"attn_logit_softcapping\": -50.0", "attn_logit_softcapping"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused(cases[i].model, cases[i].from, cases[i].to, NULL, cases[i].message);
}

/* The last tensor of a layer's names gets another name: one is missing. */
static void rename_tensor(char *weights, size_t size) {
    char *at = memmem(weights, size, "layers.1.mlp.up_proj", 20);
    assert_non_null(at);
    memcpy(at, "layers.1.mlp.xx_proj", 20);
}

static void transpose(char *weights, size_t size) {
    char *at = memmem(weights, size, "[160,64]", 8);
    assert_non_null(at);
    memcpy(at, "[64,160]", 8);
}

static void cut_dtype(char *weights, size_t size) {
    char *at = memmem(weights, size, "\"F32\"", 5);
    assert_non_null(at);
    memcpy(at, "\"I32\"", 5);
}

/* A NaN in the final norm, found through the header. */
static void poison(char *weights, size_t size) {
    uint64_t header;
    memcpy(&header, weights, sizeof header);
    char *at = memmem(weights, size, "\"model.norm.weight\"", 19);
    assert_non_null(at);
    unsigned long long begin = 0;
    char *offsets = strstr(at, "\"data_offsets\":[");
    assert_non_null(offsets);
    assert_int_equal(sscanf(offsets, "\"data_offsets\":[%llu", &begin), 1);
    float nan_value = NAN;
    memcpy(weights + 8 + header + begin + 12, &nan_value, sizeof nan_value);
}

static void test_weights(void **state) {
    (void)state;
    expect_refused("llama-tiny", NULL, NULL, rename_tensor, "model.layers.1.mlp.up_proj.weight");
    expect_refused("llama-tiny", NULL, NULL, transpose, "expected");
    expect_refused("llama-tiny", NULL, NULL, cut_dtype, "model.safetensors");
    expect_refused("llama-tiny", NULL, NULL, poison, "tensor model.norm.weight: item 3 is not a finite number");
}

static void test_missing(void **state) {
    (void)state;
    cso_error error = {0};
    cso_model *model = NULL;
    assert_int_equal(cso_model_open(&model, "/nowhere/model.gguf", &error), CSO_ERR_INPUT);
    assert_non_null(strstr(error.message, "/nowhere/model.gguf"));
    assert_null(model);
}

/* A GGUF cut anywhere is refused: the model's own reading adds no way around the reader's checks. */
static void test_cut_gguf(void **state) {
    (void)state;
    char *text, folder[] = "/tmp/cso-test-XXXXXX", path[256];
    size_t size;
    cso_error error = {0};
    assert_non_null(mkdtemp(folder));
    read_golden("gguf/llama-tiny-Q8_0.gguf", &text, &size);
    snprintf(path, sizeof path, "%s/model.gguf", folder);
    for (size_t cut = 0; cut < size; cut += size / 97) {
        cso_model *model = NULL;
        golden_ok(cso_save_text(path, text, cut, &error), &error);
        assert_int_equal(cso_model_open(&model, path, &error), CSO_ERR_INPUT);
        assert_null(model);
    }
    free(text);
    golden_ok(cso_remove_tree(folder, &error), &error);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_config), cmocka_unit_test(test_weights),
                                       cmocka_unit_test(test_missing), cmocka_unit_test(test_cut_gguf)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Models whose files do not fit together are refused with a line that names the key or tensor. */
#include "../golden.h"
#include "base/file.h"
#include "model/model.h"

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
        {"llama-tiny", "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 18446744073709551615", "num_hidden_layers"},
        {"llama-tiny", "\"num_hidden_layers\": 3", "\"num_hidden_layers\": 3, \"num_hidden_layers\": 3", "duplicate key"},
        {"llama-tiny", "\"vocab_size\": 1024", "\"vocab_size\": 9223372036854775808", "vocab_size"},
        {"llama-tiny", "\"hidden_size\": 64", "\"hidden_size\": 0", "hidden size is 0"},
        {"llama-tiny", "\"num_attention_heads\": 4", "\"num_attention_heads\": 0", "number of attention heads is 0"},
        {"llama-tiny", "\"rope_theta\": 500000.0", "\"rope_theta\": NaN", "config.json:"},
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

static void resize_head(char *weights, size_t size) {
    static const char head[] = "\"lm_head.weight\":{\"dtype\":\"F32\",\"shape\":";
    char *at = memmem(weights, size, head, sizeof head - 1);
    assert_non_null(at);
    memcpy(at + sizeof head - 1, "[512,128]", 9); /* of the same length and size as [1024,64] */
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
    expect_refused("llama-tiny", NULL, NULL, resize_head, "tensor lm_head.weight has shape (512, 128) (expected (1024, 64))");
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

/* Where `text` stands in the file as a GGUF string, after its length; `next` is what follows it. */
static char *find_string(char *file, size_t size, const char *text, char **next) {
    uint64_t length = strlen(text);
    char wanted[128];
    memcpy(wanted, &length, 8);
    memcpy(wanted + 8, text, length);
    char *at = memmem(file, size, wanted, 8 + length);
    assert_non_null(at);
    *next = at + 8 + length;
    return at + 8;
}

enum { U32 = 4, I32 = 5, FLOAT32 = 6, KEEP = 99 };

/* Without waiting for the disk, unlike cso_save_text. */
static void put_file(const char *path, const char *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* One key of a GGUF file with another name (of equal length), type (of equal size) or value. */
typedef struct gguf_case {
    const char *model, *key, *name;
    uint32_t type, value;
    const char *message;
} gguf_case;

static void expect_gguf(const char *path, const char *file, size_t size, const char *message) {
    cso_error error = {0};
    cso_model *model = NULL;
    put_file(path, file, size);
    cso_status status = cso_model_open(&model, path, &error);
    if (!message)
        golden_ok(status, &error);
    else if (status != CSO_ERR_INPUT || !strstr(error.message, message) || !strstr(error.message, "model.gguf"))
        fail_msg("status %d, \"%s\" does not say \"%s\"", status, error.message, message);
    assert_true(message ? model == NULL : model != NULL);
    cso_model_free(model);
}

static const gguf_case key_cases[] = {
    {"llama", "llama.block_count", NULL, KEEP, 3, NULL},
    {"llama", "llama.block_count", NULL, KEEP, 4, "tensor blk.3.attn_norm.weight is missing"},
    {"llama", "llama.block_count", NULL, KEEP, 0, "number of layers is 0 (expected 1 to 1024)"},
    {"llama", "llama.block_count", NULL, KEEP, UINT32_MAX, "number of layers is 4294967295"},
    {"llama", "llama.block_count", NULL, I32, UINT32_MAX, "key llama.block_count: must be >= 0, got -1"},
    {"llama", "llama.block_count", NULL, FLOAT32, 0x40400000, "key llama.block_count: is of type float32 (expected an integer)"},
    {"llama", "llama.block_count", "llama.block_cnt__", KEEP, 3, "key llama.block_count is missing"},
    {"llama", "llama.embedding_length", NULL, KEEP, 0, "hidden size is 0"},
    {"llama", "llama.embedding_length", NULL, KEEP, 128, "llama.rope.dimension_count is 16 (expected the head size, 32)"},
    {"gemma2", "gemma2.embedding_length", NULL, KEEP, 96, "tensor token_embd.weight has shape (1024, 48) (expected (1024, 96))"},
    {"llama", "llama.embedding_length", NULL, KEEP, UINT32_MAX, "hidden size is 4294967295"},
    {"llama", "llama.feed_forward_length", NULL, KEEP, 161,
     "tensor blk.0.ffn_gate.weight has shape (160, 64) (expected (161, 64))"},
    {"llama", "llama.feed_forward_length", NULL, KEEP, 0x80000000, "feed-forward size is 2147483648"},
    {"llama", "llama.attention.head_count", NULL, KEEP, 0, "number of attention heads is 0"},
    {"llama", "llama.attention.head_count", NULL, KEEP, 0x7FFFFFFF, "number of attention heads is 2147483647"},
    {"llama", "llama.attention.head_count_kv", NULL, KEEP, 0, "number of key-value heads is 0"},
    {"llama", "llama.attention.head_count_kv", NULL, KEEP, 3, "4 attention heads are no multiple of 3 key-value heads"},
    {"llama", "llama.attention.head_count_kv", NULL, KEEP, 1, "tensor blk.0.attn_k.weight has shape (32, 64) (expected (16, 64))"},
    {"llama", "llama.attention.layer_norm_rms_epsilon", NULL, KEEP, 0x7FC00000, "layer_norm_rms_epsilon is nan"},
    {"llama", "llama.attention.layer_norm_rms_epsilon", NULL, KEEP, 0xBF800000, "layer_norm_rms_epsilon is -1"},
    {"llama", "llama.attention.layer_norm_rms_epsilon", NULL, KEEP, 0x40000000, "the norms' epsilon is 2 (expected at most 1)"},
    {"llama", "llama.attention.layer_norm_rms_epsilon", NULL, KEEP, 1,
     "layer_norm_rms_epsilon is 1.4013e-45 (expected a positive number that f32 holds)"},
    {"llama", "llama.rope.freq_base", NULL, KEEP, 0x7F800000, "rope.freq_base is inf"},
    {"llama", "llama.rope.freq_base", NULL, KEEP, 0x3F000000, "rope_theta is 0.5"},
    {"llama", "llama.rope.dimension_count", NULL, KEEP, 8, "llama.rope.dimension_count is 8 (expected the head size, 16)"},
    {"llama", "llama.context_length", NULL, KEEP, 0, "context length is 0"},
    {"llama", "general.architecture", "general.architecturX", KEEP, 5, "key general.architecture is missing"},
    {"gemma2", "gemma2.attention.key_length", NULL, KEEP, 31, "head_dim is 31 (expected an even number)"},
    {"gemma2", "gemma2.attention.key_length", NULL, KEEP, 16, "expected the"},
    {"gemma2", "gemma2.attention.value_length", NULL, KEEP, 16, "attention.value_length is 16 (expected the key's, 32)"},
    {"gemma2", "gemma2.attn_logit_softcapping", NULL, KEEP, 0xFFC00000, "attn_logit_softcapping is "},
    {"gemma2", "gemma2.final_logit_softcapping", NULL, KEEP, 0, "final_logit_softcapping is 0"},
    {"gemma2", "gemma2.attention.sliding_window", NULL, FLOAT32, 0, "is of type float32 (expected an integer)"},
};

static void test_gguf_keys(void **state) {
    (void)state;
    char folder[] = "/tmp/cso-test-XXXXXX", path[256], name[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.gguf", folder);
    for (size_t i = 0; i < sizeof key_cases / sizeof *key_cases; i++) {
        const gguf_case *c = &key_cases[i];
        char *file, *next;
        size_t size;
        snprintf(name, sizeof name, "gguf/%s-tiny-Q8_0.gguf", c->model);
        read_golden(name, &file, &size);
        char *key = find_string(file, size, c->key, &next);
        if (c->name)
            memcpy(key, c->name, strlen(c->key));
        if (c->type != KEEP)
            memcpy(next, &c->type, 4);
        if (strcmp(c->key, "general.architecture"))
            memcpy(next + 4, &c->value, 4);
        expect_gguf(path, file, size, c->message);
        free(file);
    }
    cso_error error = {0};
    golden_ok(cso_remove_tree(folder, &error), &error);
}

/* Norms that are not finite, and divisors of rotary frequencies that are not positive. */
static void expect_bad_numbers(const char *path, char *file, size_t size) {
    cso_error error = {0};
    cso_gguf *gguf;
    golden_ok(cso_gguf_open_memory(&gguf, file, size, "t", &error), &error);
    char *norm = file + ((const char *)cso_gguf_tensor(gguf, "blk.2.ffn_norm.weight")->data - file);
    char *divisors = file + ((const char *)cso_gguf_tensor(gguf, "rope_freqs.weight")->data - file);
    cso_gguf_close(gguf);
    float kept;
    memcpy(&kept, norm + 20, 4);
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        memcpy(norm + 20, &bad[i], 4);
        expect_gguf(path, file, size, "tensor blk.2.ffn_norm.weight: item 5 is not a finite number");
        memcpy(norm + 20, &kept, 4);
        memcpy(&kept, divisors + 8, 4);
        memcpy(divisors + 8, i ? &bad[i] : &(float){0}, 4);
        expect_gguf(path, file, size, "tensor rope_freqs.weight: item 2 is ");
        memcpy(divisors + 8, &kept, 4);
        memcpy(&kept, norm + 20, 4);
    }
}

static void test_gguf_tensors(void **state) {
    (void)state;
    char folder[] = "/tmp/cso-test-XXXXXX", path[256], *file, *next;
    size_t size;
    cso_error error = {0};
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.gguf", folder);
    read_golden("gguf/llama-tiny-F32.gguf", &file, &size);
    file[4] = 2; /* version 2 is the same on little-endian machines */
    expect_gguf(path, file, size, NULL);
    file[4] = 3;
    static const char *const names[] = {"token_embd.weight", "output_norm.weight", "blk.1.ffn_up.weight",
                                        "blk.2.attn_output.weight"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) { /* missing */
        char message[96], *name = find_string(file, size, names[i], &next);
        snprintf(message, sizeof message, "tensor %s is missing", names[i]);
        name[0] ^= 1;
        expect_gguf(path, file, size, message);
        name[0] ^= 1;
    }
    find_string(file, size, "blk.1.ffn_up.weight", &next); /* u32 dimensions, u64 each, u32 type */
    memcpy(next + 4, &(uint64_t){160}, 8);
    memcpy(next + 12, &(uint64_t){64}, 8);
    expect_gguf(path, file, size, "tensor blk.1.ffn_up.weight has shape (64, 160) (expected (160, 64))");
    memcpy(next + 4, &(uint64_t){64}, 8);
    memcpy(next + 12, &(uint64_t){160}, 8);
    find_string(file, size, "output.weight", &next); /* a head with fewer rows than the embedding */
    memcpy(next + 12, &(uint64_t){1023}, 8);
    expect_gguf(path, file, size, "tensor output.weight has shape (1023, 64) (expected (1024, 64))");
    memcpy(next + 12, &(uint64_t){1024}, 8);
    static const uint32_t types[] = {26, 4, 99};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        find_string(file, size, "blk.0.attn_norm.weight", &next);
        memcpy(next + 12, &types[i], 4);
        expect_gguf(path, file, size, "tensor blk.0.attn_norm.weight: type");
    }
    memcpy(next + 12, &(uint32_t){0}, 4);
    expect_gguf(path, file, size, NULL);

    expect_bad_numbers(path, file, size);
    free(file);
    golden_ok(cso_remove_tree(folder, &error), &error);
}

/* Whatever a changed byte of the keys and the list of tensors does, nothing crashes. */
static void test_changed_gguf(void **state) {
    (void)state;
    char folder[] = "/tmp/cso-test-XXXXXX", path[256], *file;
    size_t size, opened = 0;
    cso_error error = {0};
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.gguf", folder);
    read_golden("gguf/gemma2-tiny-Q8_0.gguf", &file, &size);
    char *next, *keys = find_string(file, size, "tokenizer.ggml.model", &next);
    char *tensors = find_string(file, size, "token_embd.weight", &next) - 1024;
    static const char flips[] = {1, 0x40, (char)0x80, (char)0xFF};
    for (char *at = file; at < file + size && at < tensors + 1024 + 46 * 64; at += at < keys || at > tensors ? 3 : 997) {
        char flip = flips[(size_t)(at - file) % sizeof flips];
        cso_model *model = NULL;
        *at ^= flip;
        put_file(path, file, size);
        cso_status status = cso_model_open(&model, path, &error);
        if (status != CSO_OK && (status != CSO_ERR_INPUT || !error.message[0] || model))
            fail_msg("byte %zu: status %d, \"%s\"", (size_t)(at - file), status, error.message);
        opened += status == CSO_OK;
        cso_model_free(model);
        *at ^= flip;
    }
    assert_true(opened > 0);
    free(file);
    golden_ok(cso_remove_tree(folder, &error), &error);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_config),      cmocka_unit_test(test_weights),
                                       cmocka_unit_test(test_missing),     cmocka_unit_test(test_cut_gguf),
                                       cmocka_unit_test(test_gguf_keys),   cmocka_unit_test(test_gguf_tensors),
                                       cmocka_unit_test(test_changed_gguf)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_random_model.c - random models are one model in every format, load in every type, and appear whole or not at all. */
#include "../engine/model_fixture.h"
#include "../test_folder.h"

#include "base/file.h"
#include "base/memory.h"
#include "synth/random_model.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static cso_random_model preset(const char *family, const char *name) {
    cso_random_model model = {.seed = 7};
    cso_error error = {0};
    golden_ok(cso_random_model_preset(&model, family, name, &error), &error);
    return model;
}

/* Writes the model under a name, anew. */
static const char *make(cso_random_model model, const char *name, cso_dtype dtype) {
    cso_error error = {0};
    const char *path = in_folder(name);
    size_t length = strlen(name);
    model.gguf = length > 5 && !strcmp(name + length - 5, ".gguf");
    model.dtype = dtype;
    golden_ok(cso_remove_tree(path, &error), &error);
    golden_ok(cso_random_model_write(&model, path, &error), &error);
    return path;
}

/* Logits of a fixed sequence of 40 tokens; *count of them. */
static float *logits_of(const char *path, size_t *count) {
    enum { LENGTH = 40 };
    int32_t ids[LENGTH];
    cso_error error = {0};
    fixture f = fixture_open(path, 0);
    size_t vocab = f.model->hparams.vocab;
    for (int32_t i = 0; i < LENGTH; i++)
        ids[i] = i * 53 % 259;
    cso_tree tree = fixture_chain(ids, LENGTH);
    double *logps = calloc(tree.n_edges, sizeof *logps);
    float *logits = calloc(LENGTH * vocab, sizeof *logits);
    golden_ok(cso_engine_forward(f.engine, &tree, NULL, false, logps, &error), &error);
    golden_ok(cso_engine_logits(f.engine, &tree, logits, &error), &error);
    *count = LENGTH * vocab;
    free(logps);
    cso_tree_free(&tree);
    fixture_close(&f);
    return logits;
}

static double deviation(const float *x, size_t n) {
    double mean = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        mean += (double)x[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    return sqrt(squares / (double)n);
}

/* Largest difference of the two models' logits; NaN counts as infinite. */
static double difference(const char *a, const char *b) {
    size_t n, m;
    float *x = logits_of(a, &n), *y = logits_of(b, &m);
    double worst = 0;
    assert_int_equal(n, m);
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)x[i] - (double)y[i]) <= worst))
            worst = isnan(x[i]) || isnan(y[i]) ? HUGE_VAL : fabs((double)x[i] - (double)y[i]);
    double spread = deviation(x, n);
    print_message("  logits: spread %.2f, largest difference %.1e\n", spread, worst);
    assert_true(spread > 0.7 && spread < 2.5);
    free(x);
    free(y);
    return worst;
}

static const char *const FAMILIES[] = {"llama", "qwen2", "gemma2"};

/* Hugging Face's layout and GGUF hold the same model: rotary order, norms, scaling and biases are converted. */
static void test_same_model(void **state) {
    (void)state;
    const cso_dtype types[] = {CSO_F32, CSO_F16, CSO_BF16};
    for (int f = 0; f < 3; f++)
        for (int t = 0; t < 3; t++) {
            cso_random_model model = preset(FAMILIES[f], "tiny");
            print_message("%s %s\n", FAMILIES[f], cso_dtype_get(types[t])->name);
            assert_true(difference(make(model, "a", types[t]), make(model, "a.gguf", types[t])) <= 1e-5);
        }
}

/* The same with tensors assembled from the table, including Q, and rows that are not whole runs. */
static void test_same_large_model(void **state) {
    (void)state;
    for (int f = 0; f < 3; f++) {
        cso_random_model model = preset(FAMILIES[f], "tiny");
        model.hparams.hidden = 544;
        model.hparams.n_heads = 8;
        model.hparams.head_dim = 80;
        model.hparams.n_layers = 1;
        model.hparams.vocab = 1000;
        print_message("%s, large\n", FAMILIES[f]);
        assert_true(difference(make(model, "a", CSO_F32), make(model, "a.gguf", CSO_F32)) <= 1e-5);
        assert_true(difference(make(model, "a", CSO_F32), make(model, "b.gguf", CSO_Q8_0)) <= 0.2);
    }
}

static void test_shards(void **state) {
    (void)state;
    cso_random_model model = preset("qwen2", "tiny");
    const char *whole = make(model, "a", CSO_BF16);
    model.shard_bytes = 400000;
    const char *parts = make(model, "b", CSO_BF16);
    char index[300];
    snprintf(index, sizeof index, "%s/model.safetensors.index.json", parts);
    assert_true(cso_path_exists(index));
    assert_true(difference(whole, parts) == 0);
}

/* Root of the mean square of a tensor's weights, and the relative root mean square of its difference from another's. */
static void compare_tensor(const cso_tensor *a, const cso_tensor *b, double *size, double *error) {
    size_t columns = cso_tensor_columns(a), rows = cso_tensor_rows(a);
    float *x = calloc(columns, sizeof *x), *y = calloc(columns, sizeof *y);
    double squares = 0, differences = 0;
    for (size_t r = 0; r < rows; r++) {
        cso_dequantize_row(a->dtype, cso_tensor_row(a, r), x, columns);
        cso_dequantize_row(b->dtype, cso_tensor_row(b, r), y, columns);
        for (size_t i = 0; i < columns; i++) {
            squares += (double)x[i] * (double)x[i];
            differences += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
        }
    }
    *size = sqrt(squares / (double)(rows * columns));
    *error = sqrt(differences / squares);
    free(x);
    free(y);
}

/* Every type loads, computes, and has weights of the right size; those that are encoded are near the F32 model's. */
static void test_types(void **state) {
    (void)state;
    cso_error error = {0};
    const struct {
        cso_dtype dtype;
        double error;
    } encoded[] = {{CSO_F16, 4e-4}, {CSO_BF16, 3e-3}, {CSO_Q8_0, 8e-3}, {CSO_Q4_0, 0.12}};
    cso_random_model model = preset("llama", "tiny");
    cso_weights *plain, *other;
    golden_ok(cso_weights_open(&plain, make(model, "a.gguf", CSO_F32), &error), &error);
    for (int dtype = 0; dtype < CSO_DTYPE_COUNT; dtype++) {
        const char *name = cso_dtype_get((cso_dtype)dtype)->name, *path = make(model, "b.gguf", (cso_dtype)dtype);
        size_t n;
        float *logits = logits_of(path, &n);
        double spread = deviation(logits, n), size, relative;
        free(logits);
        golden_ok(cso_weights_open(&other, path, &error), &error);
        const cso_tensor *mine = cso_weights_find(other, "blk.1.ffn_up.weight");
        assert_int_equal(mine->dtype, dtype);
        compare_tensor(mine, cso_weights_find(plain, "blk.1.ffn_up.weight"), &size, &relative);
        print_message("%-7s weights %.4f (expected 0.0800), from F32 %.1e, logits spread %.2f\n", name, size, relative, spread);
        assert_true(fabs(size / 0.08 - 1) < 0.05);
        assert_true(spread > 0.5 && spread < 4);
        for (size_t i = 0; i < sizeof encoded / sizeof *encoded; i++)
            if ((int)encoded[i].dtype == dtype)
                assert_true(relative > 0 && relative <= encoded[i].error);
        cso_weights_close(other);
    }
    cso_weights_close(plain);
}

/* Rows that are not whole blocks of the type get a type that fits. */
static void test_fallback(void **state) {
    (void)state;
    cso_error error = {0};
    cso_random_model model = preset("llama", "tiny");
    model.hparams.ffn = 336;
    cso_weights *weights;
    golden_ok(cso_weights_open(&weights, make(model, "a.gguf", CSO_Q4_K), &error), &error);
    assert_int_equal(cso_weights_find(weights, "blk.0.ffn_up.weight")->dtype, CSO_Q4_K);
    assert_int_equal(cso_weights_find(weights, "blk.0.ffn_down.weight")->dtype, CSO_F16);
    cso_weights_close(weights);
}

static char *bytes_of(const char *path, size_t *size) {
    char *bytes;
    cso_error error = {0};
    golden_ok(cso_read_file(path, (size_t)1 << 30, &bytes, size, &error), &error);
    return bytes;
}

/* The seed alone decides the bytes, whatever the number of threads. */
static void test_seed(void **state) {
    (void)state;
    size_t sizes[3];
    char *bytes[3];
    for (int i = 0; i < 3; i++) {
        cso_random_model model = preset("gemma2", "tiny");
        model.hparams.vocab = 2000;
        model.seed = i == 2 ? 8 : 7;
        model.threads = i ? 3 : 1;
        bytes[i] = bytes_of(make(model, "a.gguf", CSO_BF16), &sizes[i]);
    }
    assert_int_equal(sizes[0], sizes[1]);
    assert_int_equal(sizes[0], sizes[2]);
    assert_memory_equal(bytes[0], bytes[1], sizes[0]);
    size_t same = 0;
    for (size_t i = 0; i < sizes[0]; i++)
        same += bytes[0][i] == bytes[2][i];
    assert_true((double)same < 0.3 * (double)sizes[0]);
    for (int i = 0; i < 3; i++)
        free(bytes[i]);
}

static void test_presets(void **state) {
    (void)state;
    static const struct {
        const char *family, *preset;
        uint64_t params; /* as the models' cards and transformers count them */
    } known[] = {
        {"llama", "135m", 134515008}, {"llama", "1b", 1235814400}, {"llama", "8b", 8030261248},
        {"qwen2", "0.5b", 494032768}, {"qwen2", "7b", 7615616512}, {"gemma2", "9b", 9241705984},
    };
    cso_error error = {0};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        cso_random_model model = preset(known[i].family, known[i].preset);
        uint64_t bytes, params;
        model.dtype = CSO_BF16;
        golden_ok(cso_random_model_size(&model, &bytes, &params, &error), &error);
        assert_int_equal(params, known[i].params);
        assert_int_equal(bytes, 2 * params);
    }
    cso_random_model model;
    assert_int_equal(cso_random_model_preset(&model, "llama", "7b", &error), CSO_ERR_USAGE);
    assert_string_equal(error.message, "unknown preset '7b' of the family llama (expected one of tiny, 135m, 1b, 8b)");
    assert_int_equal(cso_random_model_preset(&model, "gpt2", "tiny", &error), CSO_ERR_USAGE);
}

/* Files of the folder but "." and "..". */
static size_t files_in_folder(void) {
    DIR *handle = opendir(test_folder);
    size_t count = 0;
    for (struct dirent *item; (item = readdir(handle));)
        count += strcmp(item->d_name, ".") && strcmp(item->d_name, "..");
    closedir(handle);
    return count;
}

static bool stop_after_half(void *context, uint64_t done, uint64_t total) {
    *(uint64_t *)context = done;
    return done < total / 2;
}

static void expect(const cso_random_model *model, const char *name, cso_status status, const char *part) {
    cso_error error = {0};
    size_t before = files_in_folder();
    cso_status found = cso_random_model_write(model, in_folder(name), &error);
    if (found != status || !strstr(error.message, part))
        fail_msg("status %d, expected %d\nmessage: %s\nexpected: %s", (int)found, (int)status, error.message, part);
    assert_int_equal(files_in_folder(), before);
}

static void test_refusals(void **state) {
    (void)state;
    uint64_t done = 0;
    cso_random_model model = preset("llama", "tiny");
    make(model, "a", CSO_F32);
    expect(&model, "a", CSO_ERR_USAGE, "exists already");
    model.gguf = true;
    expect(&model, "a/b/c.gguf", CSO_ERR_SYSTEM, "cannot write to");
    model.hparams.vocab = 261;
    expect(&model, "new.gguf", CSO_ERR_USAGE, "the built-in tokenizer has 262 tokens");
    model = preset("llama", "tiny");
    model.dtype = CSO_Q8_0;
    expect(&model, "new", CSO_ERR_USAGE, "safetensors cannot hold Q8_0");
    model = preset("llama", "tiny");
    model.hparams.n_heads = 3;
    expect(&model, "new", CSO_ERR_USAGE, "3 heads are not a multiple of 2 key-value heads");
    model = preset("llama", "8b");
    model.hparams.hidden = 1 << 22;
    expect(&model, "new", CSO_ERR_SYSTEM, "GB free");
    model = preset("llama", "tiny");
    model.tokenizer = in_folder("none");
    expect(&model, "new", CSO_ERR_USAGE, "has no tokenizer.json or tokenizer.model");
    model.gguf = true;
    expect(&model, "new.gguf", CSO_ERR_USAGE, "not a .gguf file");
    for (int gguf = 0; gguf < 2; gguf++) {
        model = preset("llama", "tiny");
        model.gguf = gguf;
        model.progress = stop_after_half;
        model.context = &done;
        expect(&model, gguf ? "new.gguf" : "new", CSO_STOPPED, "stopped");
        assert_true(done > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_model), cmocka_unit_test(test_same_large_model), cmocka_unit_test(test_shards),
        cmocka_unit_test(test_types),      cmocka_unit_test(test_fallback),         cmocka_unit_test(test_seed),
        cmocka_unit_test(test_presets),    cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

/* test_importance.c - importance matrices: what collecting sums up, both forms of files, and files that are wrong. */
#include "../golden.h"
#include "../test_folder.h"
#include "base/file.h"
#include "export/importance.h"
#include "io/gguf_write.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const int32_t IDS[] = {5, 9, 5, 17, 30, 2, 9, 41, 8, 3};
enum { N_IDS = sizeof IDS / sizeof *IDS };

static cso_model *open_tiny(const char *name) {
    cso_model *model;
    cso_error err = {0};
    golden_ok(cso_model_open(&model, golden_path("models/%s", name), &err), &err);
    return model;
}

static cso_importance *collect(const cso_model *model, int threads) {
    cso_context *ctx;
    cso_engine *engine;
    cso_importance *importance;
    cso_error err = {0};
    char text[128] = "{\"ids\": [";
    for (int i = 0; i < N_IDS; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%d", i ? ", " : "", (int)IDS[i]);
    strcat(text, "]}\n");
    save_in_folder("ids.jsonl", text);
    golden_ok(cso_context_create(&ctx, threads, &err), &err);
    golden_ok(cso_engine_create(&engine, ctx, model, CSO_COMPUTE_F32, (size_t)256 << 20, &err), &err);
    const cso_score_job job = {.engine = engine, .max_length = 100};
    golden_ok(cso_importance_collect(&importance, &job, in_folder("ids.jsonl"), &err), &err);
    cso_engine_free(engine);
    cso_context_free(ctx);
    return importance;
}

/* What layer 0 reads is norm(embedding), which is made here from the model's own numbers. */
static void check_first_layer(const cso_model *model, const cso_importance *importance, size_t tokens) {
    size_t width = model->hparams.hidden;
    double *expected = calloc(width, sizeof *expected);
    float *x = malloc(width * sizeof *x);
    assert_true(expected && x);
    for (size_t t = 0; t < tokens; t++) {
        double squares = 0;
        cso_dequantize_row(model->embedding.dtype, cso_tensor_row(&model->embedding, (size_t)IDS[t]), x, width);
        for (size_t i = 0; i < width; i++) {
            x[i] *= model->hparams.embedding_scale;
            squares += (double)x[i] * (double)x[i];
        }
        double root = sqrt(squares / (double)width + (double)model->hparams.norm_eps);
        for (size_t i = 0; i < width; i++)
            expected[i] += pow((double)x[i] / root * (double)model->layers[0].input_norm[i], 2) / (double)tokens;
    }
    for (cso_module module = CSO_Q_PROJ; module <= CSO_V_PROJ; module++) {
        const float *mean = cso_importance_of(importance, 0, module);
        assert_non_null(mean);
        for (size_t i = 0; i < width; i++)
            if (!(fabs((double)mean[i] - expected[i]) <= 1e-5 * expected[i] + 1e-12))
                fail_msg("%s, column %zu: %g instead of %g", cso_module_name(module), i, (double)mean[i], expected[i]);
    }
    free(expected);
    free(x);
}

static void means_of_the_inputs(void **state) {
    (void)state;
    static const char *const models[] = {"llama-tiny", "gemma2-tiny", "qwen2-tiny"};
    for (int m = 0; m < 3; m++) {
        cso_model *model = open_tiny(models[m]);
        cso_importance *one = collect(model, 1), *two = collect(model, 2);
        size_t of, known = cso_importance_known(one, &of);
        assert_int_equal(known, of);
        assert_int_equal(of, model->hparams.n_layers * CSO_MODULE_COUNT);
        check_first_layer(model, one, N_IDS - 1); /* the last token is only predicted */
        for (size_t i = 0; i < of; i++) {
            size_t layer = i / CSO_MODULE_COUNT;
            cso_module module = (cso_module)(i % CSO_MODULE_COUNT);
            const float *mean = cso_importance_of(one, layer, module);
            assert_non_null(mean);
            assert_memory_equal(mean, cso_importance_of(two, layer, module), cso_module_in(model, module) * sizeof *mean);
        }
        cso_importance_free(one);
        cso_importance_free(two);
        cso_model_free(model);
    }
}

/* A file of llama-imatrix with sums i + 1 for `columns` columns of two matrices, over four tokens. */
static void write_gguf(const char *path, size_t columns, const char *type, float first, const char *name) {
    cso_gguf_writer *writer;
    cso_error err = {0};
    char sums[64], counts[64];
    float *values = malloc(columns * sizeof *values), count = 4;
    assert_non_null(values);
    for (size_t i = 0; i < columns; i++)
        values[i] = (float)(i + 1);
    values[0] = first;
    snprintf(sums, sizeof sums, "%s.in_sum2", name);
    snprintf(counts, sizeof counts, "%s.counts", name);
    golden_ok(cso_gguf_writer_begin(&writer, path, &err), &err);
    cso_gguf_writer_string(writer, "general.type", type);
    golden_ok(cso_gguf_writer_tensor(writer, sums, CSO_F32, 2, (const size_t[]){1, columns}, &err), &err);
    golden_ok(cso_gguf_writer_tensor(writer, counts, CSO_F32, 2, (const size_t[]){1, 1}, &err), &err);
    golden_ok(cso_gguf_writer_write(writer, values, columns * sizeof *values, &err), &err);
    golden_ok(cso_gguf_writer_write(writer, &count, sizeof count, &err), &err);
    golden_ok(cso_gguf_writer_commit(writer, &err), &err);
    free(values);
}

typedef struct bytes {
    unsigned char data[8192];
    size_t size;
} bytes;

static void put_int(bytes *b, int32_t value) {
    for (int i = 0; i < 4; i++)
        b->data[b->size++] = (unsigned char)((uint32_t)value >> 8 * i);
}

/* The older form: sums of means over two calls, and what newer versions add at the end. */
static bytes older_form(size_t columns) {
    static const char name[] = "blk.1.ffn_up.weight";
    bytes b = {.size = 0};
    put_int(&b, 1);
    put_int(&b, (int32_t)strlen(name));
    memcpy(b.data + b.size, name, strlen(name));
    b.size += strlen(name);
    put_int(&b, 2);
    put_int(&b, (int32_t)columns);
    for (size_t i = 0; i < columns; i++) {
        float value = (float)(i + 1);
        int32_t bits;
        memcpy(&bits, &value, sizeof bits);
        put_int(&b, bits);
    }
    return b;
}

static void save_bytes(const char *name, const bytes *b, size_t size) {
    FILE *file = fopen(in_folder(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(b->data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void both_forms_are_read(void **state) {
    (void)state;
    cso_model *model = open_tiny("llama-tiny");
    size_t columns = model->hparams.hidden, of;
    cso_importance *importance;
    cso_error err = {0};
    write_gguf(in_folder("new"), columns, "imatrix", 1, "blk.0.attn_v.weight");
    golden_ok(cso_importance_read(&importance, model, in_folder("new"), &err), &err);
    assert_int_equal(cso_importance_known(importance, &of), 1);
    assert_null(cso_importance_of(importance, 0, CSO_Q_PROJ));
    for (size_t i = 0; i < columns; i++)
        assert_true(cso_importance_of(importance, 0, CSO_V_PROJ)[i] == (float)(i + 1) / 4);
    cso_importance_free(importance);
    bytes older = older_form(columns);
    save_bytes("old", &older, older.size);
    golden_ok(cso_importance_read(&importance, model, in_folder("old"), &err), &err);
    assert_int_equal(cso_importance_known(importance, &of), 1);
    for (size_t i = 0; i < columns; i++)
        assert_true(cso_importance_of(importance, 1, CSO_UP_PROJ)[i] == (float)(i + 1) / 2);
    cso_importance_free(importance);
    cso_model_free(model);
}

static void refused(const cso_model *model, const char *path, const char *says) {
    cso_importance *importance;
    cso_error err = {0};
    assert_int_equal(cso_importance_read(&importance, model, path, &err), CSO_ERR_INPUT);
    assert_null(importance);
    if (!strstr(err.message, says) || !strstr(err.message, path))
        fail_msg("'%s' does not say '%s'", err.message, says);
}

static void wrong_files_are_refused(void **state) {
    (void)state;
    cso_model *model = open_tiny("llama-tiny");
    size_t columns = model->hparams.hidden;
    write_gguf(in_folder("size"), columns + 1, "imatrix", 1, "blk.0.attn_v.weight");
    refused(model, in_folder("size"), "blk.0.attn_v.weight has");
    write_gguf(in_folder("type"), columns, "model", 1, "blk.0.attn_v.weight");
    refused(model, in_folder("type"), "no importance matrix");
    write_gguf(in_folder("sign"), columns, "imatrix", -1, "blk.0.attn_v.weight");
    refused(model, in_folder("sign"), "not negative");
    write_gguf(in_folder("nan"), columns, "imatrix", NAN, "blk.0.attn_v.weight");
    refused(model, in_folder("nan"), "not negative");
    write_gguf(in_folder("other"), columns, "imatrix", 1, "blk.99.attn_v.weight");
    refused(model, in_folder("other"), "no importances of this model");
    save_in_folder("text", "this is text\n");
    refused(model, in_folder("text"), "damaged");
    bytes older = older_form(columns);
    for (size_t size = 0; size < older.size; size += size < 60 ? 1 : 37) {
        save_bytes("cut", &older, size);
        refused(model, in_folder("cut"), "damaged");
    }
    cso_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(means_of_the_inputs),
        cmocka_unit_test(both_forms_are_read),
        cmocka_unit_test(wrong_files_are_refused),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

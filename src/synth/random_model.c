/* random_model.c - lists the tensors of a random model and writes them with their config, metadata and tokenizer. */
#include "random_model.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "io/gguf_write.h"
#include "io/json.h"
#include "io/safetensors_stream.h"
#include "model/family.h"
#include "random_metadata.h"
#include "random_tokenizer.h"
#include "random_weights.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

enum { CHUNK_BYTES = 32 * 1024 * 1024 };
enum { MAX_LAYERS = 1024, MAX_HEADS = 4096, MAX_HEAD_DIM = 4096, MAX_WIDTH = 1 << 22, MAX_VOCAB = 1 << 28 };
static const size_t DEFAULT_SHARD_BYTES = (size_t)5 * 1000 * 1000 * 1000;

/* A model with all defaults filled in, and the list of its tensors. */
typedef struct plan {
    cso_random_model model;
    const cso_family *family;
    cso_random_tensor *tensors;
    size_t count, capacity;
    float *rope_freqs;
    uint64_t bytes, params;
} plan;

static void plan_free(plan *p) {
    free(p->tensors);
    free(p->rope_freqs);
}

static cso_status check_range(const char *what, size_t value, size_t max, cso_error *err) {
    if (value == 0 || value > max)
        return cso_fail(err, CSO_ERR_USAGE, "%s is %zu (expected 1 to %zu)", what, value, max);
    return CSO_OK;
}

static cso_status check_model(const cso_random_model *model, cso_error *err) {
    const cso_hparams *h = &model->hparams;
    CSO_TRY(check_range("the number of layers", h->n_layers, MAX_LAYERS, err));
    CSO_TRY(check_range("the hidden size", h->hidden, MAX_WIDTH, err));
    CSO_TRY(check_range("the feed-forward size", h->ffn, MAX_WIDTH, err));
    CSO_TRY(check_range("the number of heads", h->n_heads, MAX_HEADS, err));
    CSO_TRY(check_range("the number of key-value heads", h->n_kv_heads, h->n_heads, err));
    CSO_TRY(check_range("the head size", h->head_dim, MAX_HEAD_DIM, err));
    CSO_TRY(check_range("the context length", h->max_positions, (size_t)1 << 31, err));
    CSO_TRY(check_range("the vocabulary size", h->vocab, MAX_VOCAB, err));
    if (h->n_heads % h->n_kv_heads != 0)
        return cso_fail(err, CSO_ERR_USAGE, "%zu heads are not a multiple of %zu key-value heads", h->n_heads, h->n_kv_heads);
    if (h->head_dim % 2 != 0)
        return cso_fail(err, CSO_ERR_USAGE, "the head size is %zu (expected an even number)", h->head_dim);
    if (!model->tokenizer && h->vocab < cso_builtin_token_count(model->family))
        return cso_fail(err, CSO_ERR_USAGE, "the vocabulary size is %zu (the built-in tokenizer has %zu tokens)", h->vocab,
                        cso_builtin_token_count(model->family));
    if (!model->gguf && !cso_dtype_get(model->dtype)->safetensors)
        return cso_fail(err, CSO_ERR_USAGE, "safetensors cannot hold %s (expected F32, F16 or BF16, or a .gguf file)",
                        cso_dtype_get(model->dtype)->name);
    return CSO_OK;
}

/* A tensor with its two names; the caller sets the shape. NULL: out of memory. */
static cso_random_tensor *add(plan *p, const char *hf, const char *gguf) {
    if (!cso_grow(&p->tensors, &p->capacity, p->count + 1, sizeof *p->tensors))
        return NULL;
    cso_random_tensor *tensor = &p->tensors[p->count++];
    *tensor = (cso_random_tensor){0};
    snprintf(tensor->hf, sizeof tensor->hf, "%s", hf);
    snprintf(tensor->name, sizeof tensor->name, "%s", p->model.gguf ? gguf : hf);
    return tensor;
}

static void count_up(plan *p, const cso_random_tensor *tensor) {
    uint64_t rows = cso_random_tensor_rows(tensor);
    p->bytes += rows * cso_random_tensor_row_bytes(tensor);
    p->params += rows * tensor->shape[tensor->n_dims - 1];
}

/* A type that rows of this length can have; falls back as llama.cpp's converter does. */
static cso_dtype matrix_dtype(cso_dtype wanted, size_t columns) {
    if (columns % cso_dtype_get(wanted)->block == 0)
        return wanted;
    return columns % cso_dtype_get(CSO_Q8_0)->block == 0 ? CSO_Q8_0 : CSO_F16;
}

static bool add_matrix(plan *p, const char *hf, const char *gguf, size_t rows, size_t columns, double shrink, size_t interleaved) {
    cso_random_tensor *tensor = add(p, hf, gguf);
    if (!tensor)
        return false;
    tensor->dtype = matrix_dtype(p->model.dtype, columns);
    tensor->n_dims = 2;
    tensor->shape[0] = rows;
    tensor->shape[1] = columns;
    tensor->deviation = (float)(1.28 * shrink / sqrt((double)columns));
    tensor->interleaved_head_dim = p->model.gguf ? interleaved : 0;
    count_up(p, tensor);
    return true;
}

static bool add_vector(plan *p, const char *hf, const char *gguf, size_t size, cso_random_kind kind, float center) {
    cso_random_tensor *tensor = add(p, hf, gguf);
    if (!tensor)
        return false;
    tensor->kind = kind;
    tensor->dtype = p->model.gguf ? CSO_F32 : p->model.dtype;
    tensor->n_dims = 1;
    tensor->shape[0] = size;
    tensor->center = center;
    tensor->values = p->rope_freqs;
    count_up(p, tensor);
    return true;
}

/* Norms are 1 + k/128. Hugging Face's Gemma stores k/128. */
static bool add_norm(plan *p, const char *hf, const char *gguf) {
    float center = p->family->norm_plus_one && !p->model.gguf ? 0 : 1;
    return add_vector(p, hf, gguf, p->model.hparams.hidden, CSO_RANDOM_NORM, center);
}

static bool add_layer(plan *p, size_t layer) {
    const cso_hparams *h = &p->model.hparams;
    size_t q = h->n_heads * h->head_dim, kv = h->n_kv_heads * h->head_dim;
    const size_t rows[CSO_MODULE_COUNT] = {q, kv, kv, h->hidden, h->ffn, h->ffn, h->hidden};
    const size_t columns[CSO_MODULE_COUNT] = {h->hidden, h->hidden, h->hidden, q, h->hidden, h->hidden, h->ffn};
    double residual = 1 / sqrt(2.0 * (double)h->n_layers);
    bool good = true;
    char hf[96], gguf[96];
    for (int i = 0; i < CSO_NORM_COUNT; i++)
        if (p->family->norm_hf[i]) {
            snprintf(hf, sizeof hf, "model.layers.%zu.%s.weight", layer, p->family->norm_hf[i]);
            snprintf(gguf, sizeof gguf, "blk.%zu.%s.weight", layer, p->family->norm_gguf[i]);
            good = good && add_norm(p, hf, gguf);
        }
    for (cso_module m = 0; m < CSO_MODULE_COUNT; m++) {
        bool rotated = m <= CSO_K_PROJ && p->family->gguf_interleaved_qk;
        snprintf(hf, sizeof hf, "model.layers.%zu.%s.weight", layer, cso_module_path(m));
        snprintf(gguf, sizeof gguf, "blk.%zu.%s.weight", layer, cso_module_gguf(m));
        good = good && add_matrix(p, hf, gguf, rows[m], columns[m], m == CSO_O_PROJ || m == CSO_DOWN_PROJ ? residual : 1,
                                  rotated ? h->head_dim : 0);
        if (m > CSO_V_PROJ || !p->family->qkv_bias)
            continue;
        snprintf(hf, sizeof hf, "model.layers.%zu.%s.bias", layer, cso_module_path(m));
        snprintf(gguf, sizeof gguf, "blk.%zu.%s.bias", layer, cso_module_gguf(m));
        good = good && add_vector(p, hf, gguf, rows[m], CSO_RANDOM_BIAS, 0);
    }
    return good;
}

/* Divisors of the rotary frequencies in GGUF, for llama3 scaling (rope.c has the rule and its source). */
static bool make_rope_freqs(plan *p) {
    const double low = 1, high = 4, two_pi = 6.283185307179586476925;
    size_t d = p->model.hparams.head_dim;
    double original = (double)p->model.rope_original, factor = p->model.rope_factor;
    if (!(p->rope_freqs = cso_calloc(d / 2, sizeof *p->rope_freqs)))
        return false;
    for (size_t i = 0; i < d / 2; i++) {
        double wave_length = two_pi * pow(p->model.hparams.rope_theta, 2.0 * (double)i / (double)d);
        double smooth = (original / wave_length - low) / (high - low);
        p->rope_freqs[i] = (float)(wave_length < original / high  ? 1
                                   : wave_length > original / low ? factor
                                                                  : 1 / ((1 - smooth) / factor + smooth));
    }
    return true;
}

static bool list_tensors(plan *p) {
    const cso_hparams *h = &p->model.hparams;
    bool good = true;
    if (p->model.gguf && p->model.rope_factor > 0)
        good = make_rope_freqs(p) && add_vector(p, "", "rope_freqs.weight", h->head_dim / 2, CSO_RANDOM_ROPE_FREQS, 0);
    good = good && add_matrix(p, "model.embed_tokens.weight", "token_embd.weight", h->vocab, h->hidden, 1, 0);
    for (size_t layer = 0; good && layer < h->n_layers; layer++)
        good = add_layer(p, layer);
    good = good && add_norm(p, "model.norm.weight", "output_norm.weight");
    if (!h->tied)
        good = good && add_matrix(p, "lm_head.weight", "output.weight", h->vocab, h->hidden, 1, 0);
    return good;
}

static cso_status plan_create(plan *p, const cso_random_model *model, cso_error *err) {
    *p = (plan){.model = *model, .family = cso_family_find(model->family)};
    cso_hparams *h = &p->model.hparams;
    if (!p->family)
        return cso_fail(err, CSO_ERR_USAGE, "unknown model family '%s' (expected one of %s)", model->family, cso_family_names());
    if (!h->vocab)
        h->vocab = cso_builtin_token_count(model->family);
    if (!model->tokenizer) {
        p->model.bos = cso_builtin_bos(model->family);
        p->model.eos = cso_builtin_eos(model->family);
    }
    if (!model->shard_bytes)
        p->model.shard_bytes = DEFAULT_SHARD_BYTES;
    CSO_TRY(check_model(&p->model, err));
    return list_tensors(p) ? CSO_OK : cso_fail_memory(err, "the list of tensors");
}

cso_status cso_random_model_size(const cso_random_model *model, uint64_t *bytes, uint64_t *params, cso_error *err) {
    plan p;
    cso_status status = plan_create(&p, model, err);
    *bytes = p.bytes;
    *params = p.params;
    plan_free(&p);
    return status;
}

/* The output: one of the two is open. */
typedef struct output {
    const plan *plan;
    cso_gguf_writer *gguf;
    cso_safetensors_stream *stream;
    cso_random_table table;
    void *chunk;
    uint64_t done;
} output;

static cso_status write_tensor(output *out, const cso_random_tensor *tensor, cso_error *err) {
    size_t rows = cso_random_tensor_rows(tensor), row_bytes = cso_random_tensor_row_bytes(tensor);
    size_t step = row_bytes && row_bytes < CHUNK_BYTES ? CHUNK_BYTES / row_bytes : 1;
    const cso_random_model *model = &out->plan->model;
    CSO_TRY(cso_random_tensor_prepare(tensor, &out->table, err));
    for (size_t row = 0; row < rows; row += step) {
        size_t count = rows - row < step ? rows - row : step;
        cso_random_tensor_fill(tensor, &out->table, row, count, out->chunk);
        if (out->gguf)
            CSO_TRY(cso_gguf_writer_write(out->gguf, out->chunk, count * row_bytes, err));
        else
            CSO_TRY(cso_safetensors_stream_write(out->stream, out->chunk, count * row_bytes, err));
        out->done += (uint64_t)count * row_bytes;
        if (model->progress && !model->progress(model->context, out->done, out->plan->bytes))
            return cso_fail(err, CSO_STOPPED, "stopped, nothing is written");
    }
    return CSO_OK;
}

static cso_status write_gguf(output *out, const char *path, cso_error *err) {
    const plan *p = out->plan;
    const cso_random_model *model = &p->model;
    cso_status status;
    CSO_TRY(cso_gguf_writer_begin(&out->gguf, path, err));
    cso_random_write_keys(model, out->gguf);
    if (model->tokenizer)
        CSO_TRY_DONE(cso_tokenizer_copy_keys(model->tokenizer, out->gguf, model->hparams.vocab, err));
    else
        CSO_TRY_DONE(cso_builtin_write_keys(model->family, out->gguf, model->hparams.vocab, err));
    for (size_t i = 0; i < p->count; i++)
        CSO_TRY_DONE(cso_gguf_writer_tensor(out->gguf, p->tensors[i].name, p->tensors[i].dtype, p->tensors[i].n_dims,
                                            p->tensors[i].shape, err));
    for (size_t i = 0; i < p->count; i++)
        CSO_TRY_DONE(write_tensor(out, &p->tensors[i], err));
    status = cso_gguf_writer_commit(out->gguf, err);
    out->gguf = NULL;
done:
    cso_gguf_writer_abort(out->gguf);
    return status;
}

/* The tensor after the last of the shard that begins with tensor `begin`. */
static size_t shard_end(const plan *p, size_t begin) {
    uint64_t bytes = 0;
    size_t i = begin;
    for (; i < p->count; i++) {
        bytes += (uint64_t)cso_random_tensor_rows(&p->tensors[i]) * cso_random_tensor_row_bytes(&p->tensors[i]);
        if (i > begin && bytes > p->model.shard_bytes)
            break;
    }
    return i;
}

static cso_status write_shard(output *out, const char *folder, const char *name, size_t begin, size_t end, cso_error *err) {
    static const char *const METADATA[] = {"format", "pt", NULL};
    const plan *p = out->plan;
    cso_status status = CSO_OK;
    char *path = cso_path_join(folder, name);
    cso_safetensors_entry *entries = cso_calloc(end - begin, sizeof *entries);
    if (!path || !entries)
        CSO_TRY_DONE(cso_fail_memory(err, name));
    for (size_t i = begin; i < end; i++) {
        const cso_random_tensor *tensor = &p->tensors[i];
        entries[i - begin] = (cso_safetensors_entry){.name = tensor->name, .dtype = tensor->dtype, .n_dims = tensor->n_dims};
        memcpy(entries[i - begin].shape, tensor->shape, sizeof tensor->shape);
    }
    CSO_TRY_DONE(cso_safetensors_stream_begin(&out->stream, path, entries, end - begin, METADATA, err));
    for (size_t i = begin; i < end; i++)
        CSO_TRY_DONE(write_tensor(out, &p->tensors[i], err));
    status = cso_safetensors_stream_commit(out->stream, err);
    out->stream = NULL;
done:
    cso_safetensors_stream_abort(out->stream);
    out->stream = NULL;
    free(entries);
    free(path);
    return status;
}

static cso_status write_shards(output *out, const char *folder, cso_error *err) {
    const plan *p = out->plan;
    size_t shards = 0, number = 0;
    for (size_t begin = 0; begin < p->count; begin = shard_end(p, begin))
        shards++;
    if (shards == 1)
        return write_shard(out, folder, "model.safetensors", 0, p->count, err);
    cso_text index = {0};
    cso_status status = CSO_OK;
    char *path = NULL;
    cso_text_format(&index, "{\n  \"metadata\": {\"total_size\": %llu},\n  \"weight_map\": {", (unsigned long long)p->bytes);
    for (size_t begin = 0, end; begin < p->count; begin = end) {
        char name[64];
        end = shard_end(p, begin);
        snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", ++number, shards);
        for (size_t i = begin; i < end; i++)
            cso_text_format(&index, "%s\n    \"%s\": \"%s\"", i ? "," : "", p->tensors[i].name, name);
        CSO_TRY_DONE(write_shard(out, folder, name, begin, end, err));
    }
    cso_text_format(&index, "\n  }\n}\n");
    path = cso_path_join(folder, "model.safetensors.index.json");
    status = path && !index.failed ? cso_save_text(path, index.data, index.size, err) : cso_fail_memory(err, "the index");
done:
    free(path);
    free(index.data);
    return status;
}

static cso_status write_folder(output *out, const char *path, cso_error *err) {
    const cso_random_model *model = &out->plan->model;
    char *folder;
    cso_status status;
    CSO_TRY(cso_folder_begin(path, &folder, err));
    if (model->tokenizer)
        CSO_TRY_DONE(cso_tokenizer_copy_files(model->tokenizer, folder, err));
    else
        CSO_TRY_DONE(cso_builtin_write_files(model->family, folder, model->hparams.vocab, err));
    CSO_TRY_DONE(cso_random_write_config(model, folder, err));
    CSO_TRY_DONE(write_shards(out, folder, err));
    status = cso_folder_commit(path, folder, err);
    folder = NULL;
done:
    cso_folder_abort(folder);
    return status;
}

static cso_status check_place(const plan *p, const char *path, cso_error *err) {
    struct statvfs disk;
    if (cso_path_exists(path))
        return cso_fail(err, CSO_ERR_USAGE, "%s: exists already (expected a new name)", path);
    char *folder = cso_path_folder(path);
    if (!folder)
        return cso_fail_memory(err, path);
    cso_status status = CSO_OK;
    if (statvfs(folder, &disk))
        status = cso_fail_errno(err, "write to", folder);
    else if ((double)disk.f_bavail * (double)disk.f_frsize < (double)p->bytes + CHUNK_BYTES)
        status = cso_fail(err, CSO_ERR_SYSTEM, "%s: the model takes %.2f GB, the disk has %.2f GB free", path,
                          (double)p->bytes * 1e-9, (double)disk.f_bavail * (double)disk.f_frsize * 1e-9);
    free(folder);
    return status;
}

cso_status cso_random_model_write(const cso_random_model *model, const char *path, cso_error *err) {
    plan p;
    output out = {.plan = &p};
    cso_status status;
    CSO_TRY_DONE(plan_create(&p, model, err));
    CSO_TRY_DONE(check_place(&p, path, err));
    CSO_TRY_DONE(cso_random_table_create(&out.table, model->seed, model->threads, err));
    if (!(out.chunk = cso_aligned_alloc(CHUNK_BYTES + MAX_WIDTH * sizeof(float), 1))) /* a row of any length fits */
        CSO_TRY_DONE(cso_fail_memory(err, "a buffer"));
    status = model->gguf ? write_gguf(&out, path, err) : write_folder(&out, path, err);
done:
    free(out.chunk);
    cso_random_table_free(&out.table);
    plan_free(&p);
    return status;
}

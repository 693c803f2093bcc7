/* random_weights.c - see random_weights.h and random_model.h for the distribution. */
#include "random_weights.h"

#include "base/memory.h"
#include "base/rng.h"
#include "random_blocks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum {
    RUN = 256,             /* weights drawn together for a large tensor: a whole block of every type */
    RUNS = 4096,           /* in the table */
    LARGE = 1 << 18,       /* weights; in tensors up to this size each is drawn alone */
    TASK_BYTES = 1 << 22,  /* what one task copies from the table, about */
    TASK_NUMBERS = 1 << 14 /* what one task draws, about */
};

cso_status cso_random_table_create(cso_random_table *table, uint64_t seed, int threads, cso_error *err) {
    *table = (cso_random_table){.seed = seed};
    CSO_TRY(cso_pool_create(&table->pool, threads, err));
    table->normals = cso_aligned_alloc((size_t)RUN * RUNS, sizeof *table->normals);
    return table->normals ? CSO_OK : cso_fail_memory(err, "random numbers");
}

/* With the first large tensor. */
static void draw_normals(cso_random_table *table) {
    cso_rng rng = cso_rng_make(table->seed, CSO_STREAM_MODEL, 0);
    for (size_t i = 0; i < (size_t)RUN * RUNS && !table->drawn; i++)
        table->normals[i] = (float)cso_rng_normal(&rng);
    table->drawn = true;
}

void cso_random_table_free(cso_random_table *table) {
    cso_pool_free(table->pool);
    free(table->normals);
    for (int i = 0; i < CSO_RANDOM_SLOTS; i++)
        free(table->slots[i].encoded);
    *table = (cso_random_table){0};
}

size_t cso_random_tensor_rows(const cso_random_tensor *tensor) {
    size_t rows = 1;
    for (int i = 0; i + 1 < tensor->n_dims; i++)
        rows *= tensor->shape[i];
    return rows;
}

static size_t columns_of(const cso_random_tensor *tensor) {
    return tensor->shape[tensor->n_dims - 1];
}

size_t cso_random_tensor_row_bytes(const cso_random_tensor *tensor) {
    size_t bytes = 0;
    cso_dtype_row_bytes(tensor->dtype, columns_of(tensor), &bytes);
    return bytes;
}

static bool uses_table(const cso_random_tensor *tensor) {
    return tensor->kind == CSO_RANDOM_MATRIX &&
           (!cso_random_can_encode(tensor->dtype) || cso_random_tensor_rows(tensor) > LARGE / columns_of(tensor));
}

cso_status cso_random_tensor_prepare(const cso_random_tensor *tensor, cso_random_table *table, cso_error *err) {
    if (!uses_table(tensor))
        return cso_scratch_reserve(table->pool, columns_of(tensor) * sizeof(float), err);
    for (int i = 0; i < CSO_RANDOM_SLOTS; i++)
        if (table->slots[i].encoded && table->slots[i].dtype == tensor->dtype && table->slots[i].deviation == tensor->deviation) {
            table->current = table->slots[i].encoded;
            return CSO_OK;
        }
    cso_random_slot *slot = &table->slots[table->next_slot++ % CSO_RANDOM_SLOTS];
    if (!slot->encoded && !(slot->encoded = cso_aligned_alloc((size_t)RUN * RUNS, sizeof(float))))
        return cso_fail_memory(err, "random numbers");
    slot->dtype = tensor->dtype;
    slot->deviation = tensor->deviation;
    table->current = slot->encoded;
    if (!cso_random_can_encode(tensor->dtype)) {
        cso_random_bits(tensor->dtype, table->seed, tensor->deviation, slot->encoded, (size_t)RUN * RUNS);
        return CSO_OK;
    }
    float scaled[RUN];
    size_t run_bytes = 0;
    cso_dtype_row_bytes(tensor->dtype, RUN, &run_bytes);
    draw_normals(table);
    for (size_t run = 0; run < RUNS; run++) {
        for (size_t i = 0; i < RUN; i++)
            scaled[i] = table->normals[run * RUN + i] * tensor->deviation;
        cso_random_encode_row(tensor->dtype, scaled, slot->encoded + run * run_bytes, RUN);
    }
    return CSO_OK;
}

/* The last step of SplitMix64 (Steele, Lea & Flood 2014): a good hash of a counter. */
static uint64_t mix(uint64_t x) {
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

static void fill_from_table(const cso_random_tensor *tensor, const cso_random_table *table, uint64_t key, size_t row,
                            uint8_t *out) {
    size_t columns = columns_of(tensor), runs = (columns + RUN - 1) / RUN, run_bytes = 0;
    cso_dtype_row_bytes(tensor->dtype, RUN, &run_bytes);
    for (size_t i = 0; i < runs; i++) {
        size_t left = columns - i * RUN, bytes = run_bytes;
        if (left < RUN)
            cso_dtype_row_bytes(tensor->dtype, left, &bytes);
        uint64_t run = mix(key + (row * runs + i) * 0x9E3779B97F4A7C15u) % RUNS;
        memcpy(out + i * run_bytes, table->current + run * run_bytes, bytes);
    }
}

static float limited(double value, double limit) {
    double whole = round(value);
    return (float)(whole < -limit ? -limit : whole > limit ? limit : whole);
}

/* The weights of one row, as f32. */
static void make_row(const cso_random_tensor *tensor, uint64_t seed, uint64_t key, size_t row, float *out) {
    size_t columns = columns_of(tensor);
    if (tensor->kind == CSO_RANDOM_ROPE_FREQS) {
        memcpy(out, tensor->values, columns * sizeof *out);
        return;
    }
    cso_rng rng = cso_rng_make(seed, CSO_STREAM_MODEL, key);
    rng.index = row * columns;
    for (size_t i = 0; i < columns; i++) {
        double normal = cso_rng_normal(&rng);
        if (tensor->kind == CSO_RANDOM_NORM)
            out[i] = tensor->center + limited(normal * 8, 32) / 128;
        else if (tensor->kind == CSO_RANDOM_BIAS)
            out[i] = limited(normal * 20, 128) / 1024;
        else
            out[i] = (float)(normal * (double)tensor->deviation);
    }
}

typedef struct fill_job {
    const cso_random_tensor *tensor;
    const cso_random_table *table;
    uint64_t key;
    size_t begin, count, rows_per_task, row_bytes;
    uint8_t *out;
} fill_job;

/* Hugging Face's number of the row that the file has at `row` (tensor.h has the rule the other way round). */
static size_t original_row(const cso_random_tensor *tensor, size_t row) {
    size_t d = tensor->interleaved_head_dim;
    return d ? row - row % d + row % 2 * (d / 2) + row % d / 2 : row;
}

static void fill_task(void *context, size_t index, int thread) {
    const fill_job *job = context;
    size_t first = index * job->rows_per_task, last = first + job->rows_per_task;
    for (size_t i = first; i < last && i < job->count; i++) {
        size_t row = original_row(job->tensor, job->begin + i);
        uint8_t *out = job->out + i * job->row_bytes;
        if (uses_table(job->tensor)) {
            fill_from_table(job->tensor, job->table, job->key, row, out);
        } else {
            float *numbers = cso_scratch(job->table->pool, thread);
            make_row(job->tensor, job->table->seed, job->key, row, numbers);
            cso_random_encode_row(job->tensor->dtype, numbers, out, columns_of(job->tensor));
        }
    }
}

void cso_random_tensor_fill(const cso_random_tensor *tensor, const cso_random_table *table, size_t begin, size_t count, void *out) {
    fill_job job = {.tensor = tensor, .table = table, .begin = begin, .count = count, .out = out};
    uint64_t name = XXH3_64bits(tensor->hf, strlen(tensor->hf));
    job.key = uses_table(tensor) ? mix(name ^ mix(table->seed + 0x9E3779B97F4A7C15u)) : name;
    job.row_bytes = cso_random_tensor_row_bytes(tensor);
    job.rows_per_task = uses_table(tensor) ? TASK_BYTES / (job.row_bytes + 1) + 1 : TASK_NUMBERS / (columns_of(tensor) + 1) + 1;
    cso_parallel_for(table->pool, (count + job.rows_per_task - 1) / job.rows_per_task, fill_task, &job);
}

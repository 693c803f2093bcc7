/* onednn.c - products in bf16 by oneDNN: both sides rounded to bf16, products summed in f32.
 *
 * x is rounded into a buffer; weights stored as BF16 are read where they lie, others are dequantized and rounded in panels
 * of rows. oneDNN computes one tile at a time, serially, in each of our threads: the tiles depend on the shape alone, so the
 * bits do not depend on the number of threads. Its programs are generated for exact shapes, therefore the last rows of x are
 * filled up with zeros to a few sizes and their result goes through a scratch tile; the programs are kept.
 */
#include "gemm_internal.h"

#include "base/memory.h"
#include "base/parallel.h"
#include "base/profile.h"

#include <oneapi/dnnl/dnnl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    TILE_M = 256,
    TILE_N = 512,
    ROUND_M = 32,           /* the last rows of x are filled up to a multiple of this */
    PANEL_WEIGHTS = 1 << 22 /* 8 MiB of bf16 */
};

/* C[m,n] = A[m,k] B[k,n] (+ C). B's stride along n is 1, or where `trans`, along k. */
typedef struct {
    int64_t m, n, k, lda, ldb, ldc;
    bool trans, add;
} program_key;

typedef struct program {
    program_key key;
    dnnl_primitive_t primitive;
    dnnl_memory_desc_t a, b, c, scratchpad;
    struct program *next;
} program;

struct cso_onednn {
    cso_context *ctx;
    dnnl_engine_t engine;
    dnnl_stream_t *streams; /* one for each thread, like what follows */
    float **tiles;          /* TILE_M * TILE_N */
    void **scratchpads;
    int threads;
    size_t scratchpad_bytes;
    program *programs;
    uint16_t *x;
    size_t x_bytes;
};

static cso_status check(dnnl_status_t status, const char *what, cso_error *err) {
    if (status == dnnl_success)
        return CSO_OK;
    if (status == dnnl_out_of_memory)
        return cso_fail_memory(err, what);
    return cso_fail(err, CSO_ERR_INTERNAL, "oneDNN: %s failed (status %d)", what, (int)status);
}

cso_status cso_onednn_create(cso_onednn **onednn, cso_context *ctx, cso_error *err) {
    *onednn = NULL;
#ifdef CSO_HAVE_X86
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512bf16")) {
        cso_onednn *o = cso_calloc(1, sizeof *o);
        if (!o)
            return cso_fail_memory(err, "matrix products");
        o->ctx = ctx;
        cso_status status = check(dnnl_engine_create(&o->engine, dnnl_cpu, 0), "its engine", err);
        if (status != CSO_OK)
            free(o);
        else
            *onednn = o;
        return status;
    }
#endif
    return cso_fail(err, CSO_ERR_USAGE,
                    "model.compute: this processor cannot compute in bf16, it lacks AVX512_BF16 (expected \"f32\")");
}

static void free_threads(cso_onednn *o) {
    for (int i = 0; i < o->threads; i++) {
        if (o->streams)
            dnnl_stream_destroy(o->streams[i]);
        if (o->tiles)
            free(o->tiles[i]);
        if (o->scratchpads)
            free(o->scratchpads[i]);
    }
    free(o->streams);
    free(o->tiles);
    free(o->scratchpads);
    o->streams = NULL;
    o->tiles = NULL;
    o->scratchpads = NULL;
    o->threads = 0;
    o->scratchpad_bytes = 0;
}

void cso_onednn_free(cso_onednn *o) {
    if (!o)
        return;
    while (o->programs) {
        program *next = o->programs->next;
        dnnl_primitive_destroy(o->programs->primitive);
        free(o->programs);
        o->programs = next;
    }
    free_threads(o);
    dnnl_engine_destroy(o->engine);
    free(o->x);
    free(o);
}

static cso_status reserve_threads(cso_onednn *o, cso_error *err) {
    int threads = cso_pool_threads(o->ctx->pool);
    if (threads <= o->threads)
        return CSO_OK;
    free_threads(o);
    o->streams = cso_calloc((size_t)threads, sizeof *o->streams);
    o->tiles = cso_calloc((size_t)threads, sizeof *o->tiles);
    o->scratchpads = cso_calloc((size_t)threads, sizeof *o->scratchpads);
    if (!o->streams || !o->tiles || !o->scratchpads)
        return cso_fail_memory(err, "matrix products");
    for (; o->threads < threads; o->threads++) {
        float *tile = cso_aligned_alloc(TILE_M * TILE_N, sizeof *tile);
        if (!tile)
            return cso_fail_memory(err, "matrix products");
        o->tiles[o->threads] = tile;
        cso_status status =
            check(dnnl_stream_create(&o->streams[o->threads], o->engine, dnnl_stream_default_flags), "a stream", err);
        if (status != CSO_OK) {
            free(tile);
            return status;
        }
    }
    return CSO_OK;
}

static cso_status reserve_scratchpads(cso_onednn *o, size_t bytes, cso_error *err) {
    for (int i = 0; i < o->threads; i++) {
        if (o->scratchpads[i] && bytes <= o->scratchpad_bytes)
            continue;
        free(o->scratchpads[i]);
        o->scratchpads[i] = cso_aligned_alloc(bytes > o->scratchpad_bytes ? bytes : o->scratchpad_bytes, 1);
        if (!o->scratchpads[i])
            return cso_fail_memory(err, "matrix products");
    }
    if (bytes > o->scratchpad_bytes)
        o->scratchpad_bytes = bytes;
    return CSO_OK;
}

/* --- programs --- */

static cso_status describe(dnnl_memory_desc_t *desc, int64_t rows, int64_t columns, dnnl_data_type_t type, int64_t row_stride,
                           int64_t column_stride, cso_error *err) {
    const dnnl_dims_t dims = {rows, columns}, strides = {row_stride, column_stride};
    return check(dnnl_memory_desc_init_by_strides(desc, 2, dims, type, strides), "a matrix", err);
}

static cso_status generate(cso_onednn *o, program *p, cso_error *err) {
    const program_key *key = &p->key;
    CSO_TRY(describe(&p->a, key->m, key->k, dnnl_bf16, key->lda, 1, err));
    CSO_TRY(describe(&p->b, key->k, key->n, dnnl_bf16, key->trans ? 1 : key->ldb, key->trans ? key->ldb : 1, err));
    CSO_TRY(describe(&p->c, key->m, key->n, dnnl_f32, key->ldc, 1, err));
    dnnl_matmul_desc_t matmul;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_post_ops_t post = NULL;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_status_t status = dnnl_matmul_desc_init(&matmul, &p->a, &p->b, NULL, &p->c);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_create(&attributes);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    if (status == dnnl_success && key->add) {
        status = dnnl_post_ops_create(&post);
        if (status == dnnl_success)
            status = dnnl_post_ops_append_sum(post, 1.0f);
        if (status == dnnl_success)
            status = dnnl_primitive_attr_set_post_ops(attributes, post);
    }
    if (status == dnnl_success)
        status = dnnl_primitive_desc_create(&desc, &matmul, attributes, o->engine, NULL);
    if (status == dnnl_success) {
        p->scratchpad = *dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
        status = dnnl_primitive_create(&p->primitive, desc);
    }
    dnnl_primitive_desc_destroy(desc);
    dnnl_post_ops_destroy(post);
    dnnl_primitive_attr_destroy(attributes);
    return check(status, "a matrix product", err);
}

typedef struct {
    cso_onednn *o;
    program *p;
    cso_error *err;
    cso_status status;
} generate_job;

/* As a task, in which OpenMP's limit is one thread: programs are made for as many threads as there are. */
static void generate_task(void *context, size_t index, int thread) {
    (void)index, (void)thread;
    generate_job *job = context;
    job->status = generate(job->o, job->p, job->err);
}

static cso_status find_program(cso_onednn *o, const program_key *key, const program **found, cso_error *err) {
    for (program *p = o->programs; p; p = p->next) {
        const program_key *k = &p->key;
        if (k->m == key->m && k->n == key->n && k->k == key->k && k->lda == key->lda && k->ldb == key->ldb && k->ldc == key->ldc &&
            k->trans == key->trans && k->add == key->add) {
            *found = p;
            return reserve_scratchpads(o, dnnl_memory_desc_get_size(&p->scratchpad), err);
        }
    }
    program *p = cso_calloc(1, sizeof *p);
    if (!p)
        return cso_fail_memory(err, "matrix products");
    p->key = *key;
    generate_job job = {o, p, err, CSO_OK};
    cso_parallel_for(o->ctx->pool, 1, generate_task, &job);
    if (job.status != CSO_OK) {
        free(p);
        return job.status;
    }
    p->next = o->programs;
    o->programs = p;
    *found = p;
    return reserve_scratchpads(o, dnnl_memory_desc_get_size(&p->scratchpad), err);
}

static dnnl_status_t execute(cso_onednn *o, const program *p, const void *a, const void *b, float *c, int thread) {
    enum { A, B, C, SCRATCHPAD, ARGUMENTS };
    dnnl_memory_t memory[ARGUMENTS] = {NULL};
    dnnl_status_t status = dnnl_memory_create(&memory[A], &p->a, o->engine, (void *)(uintptr_t)a);
    if (status == dnnl_success)
        status = dnnl_memory_create(&memory[B], &p->b, o->engine, (void *)(uintptr_t)b);
    if (status == dnnl_success)
        status = dnnl_memory_create(&memory[C], &p->c, o->engine, c);
    if (status == dnnl_success)
        status = dnnl_memory_create(&memory[SCRATCHPAD], &p->scratchpad, o->engine, o->scratchpads[thread]);
    if (status == dnnl_success) {
        const dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, memory[A]},
                                             {DNNL_ARG_WEIGHTS, memory[B]},
                                             {DNNL_ARG_DST, memory[C]},
                                             {DNNL_ARG_SCRATCHPAD, memory[SCRATCHPAD]}};
        status = dnnl_primitive_execute(p->primitive, o->streams[thread], ARGUMENTS, arguments);
    }
    for (int i = 0; i < ARGUMENTS; i++)
        dnnl_memory_destroy(memory[i]);
    return status;
}

/* --- x and panels in bf16 --- */

typedef struct {
    const cso_kernels *kernels;
    const cso_gemm_product *p;
    size_t k, rows_padded;
    uint16_t *x;
} round_job;

enum { ROUND_ROWS = 16 };

static void round_task(void *context, size_t index, int thread) {
    (void)thread;
    const round_job *job = context;
    for (size_t i = index * ROUND_ROWS; i < (index + 1) * ROUND_ROWS; i++) {
        if (i < job->p->m)
            job->kernels->round_bf16(job->x + i * job->k, job->p->source + i * job->p->lds, job->k);
        else
            memset(job->x + i * job->k, 0, job->k * sizeof *job->x);
    }
}

static cso_status round_x(cso_onednn *o, const cso_gemm_product *p, size_t k, cso_error *err) {
    size_t rows = (p->m + ROUND_M - 1) / ROUND_M * ROUND_M, bytes;
    if (!cso_size_mul(rows, k, &bytes) || !cso_size_mul(bytes, sizeof *o->x, &bytes))
        return cso_fail_memory(err, "matrix products");
    if (bytes > o->x_bytes) {
        free(o->x);
        o->x_bytes = 0;
        o->x = cso_aligned_alloc(bytes, 1);
        if (!o->x)
            return cso_fail_memory(err, "matrix products");
        o->x_bytes = bytes;
    }
    round_job job = {o->ctx->kernels, p, k, rows, o->x};
    cso_parallel_for(o->ctx->pool, rows / ROUND_ROWS, round_task, &job);
    return CSO_OK;
}

typedef struct {
    const cso_kernels *kernels;
    const cso_gemm_weight *w;
    size_t row0, rows, step;
    uint16_t *panel;
} panel_job;

static void panel_task(void *context, size_t index, int thread) {
    (void)thread;
    enum { PIECE = 2048 };
    const panel_job *job = context;
    size_t columns = job->w->columns, end = (index + 1) * job->step < job->rows ? (index + 1) * job->step : job->rows;
    float piece[PIECE];
    for (size_t row = index * job->step; row < end; row++) {
        uint16_t *out = job->panel + row * columns;
        if (job->w->tensor->dtype == CSO_BF16) {
            memcpy(out, cso_tensor_row(job->w->tensor, job->w->row0 + job->row0 + row), columns * sizeof *out);
            continue;
        }
        for (size_t c = 0; c < columns; c += PIECE) {
            size_t n = columns - c < PIECE ? columns - c : PIECE;
            cso_gemm_weights(job->kernels, job->w, job->row0 + row, c, n, piece);
            job->kernels->round_bf16(out + c, piece, n);
        }
    }
}

/* --- tiles --- */

typedef struct {
    cso_onednn *o;
    const cso_gemm_product *p;
    const uint16_t *x, *weights;
    float *result;
    size_t n, ldx, ldw;
    size_t tile_m, tile_n, tiles_m;
    const program *programs[2][2]; /* [is the last tile of rows][is the last tile of columns] */
    bool padded, add;              /* the last tile of rows has more rows than the result */
    atomic_int failed;
} tile_job;

static void tile_task(void *context, size_t index, int thread) {
    tile_job *job = context;
    const cso_gemm_product *p = job->p;
    size_t i = index % job->tiles_m * job->tile_m, j = index / job->tiles_m * job->tile_n;
    size_t m = p->m - i < job->tile_m ? p->m - i : job->tile_m, n = job->n - j < job->tile_n ? job->n - j : job->tile_n;
    bool last_m = i + job->tile_m >= p->m, last_n = j + job->tile_n >= job->n;
    const uint16_t *weights = job->weights + (p->backward ? j : j * job->ldw);
    float *result = job->result + i * p->ldr + j, *tile = job->o->tiles[thread];
    bool through_tile = last_m && job->padded;
    dnnl_status_t status =
        execute(job->o, job->programs[last_m][last_n], job->x + i * job->ldx, weights, through_tile ? tile : result, thread);
    if (status != dnnl_success)
        atomic_store(&job->failed, (int)status);
    for (size_t r = 0; through_tile && r < m; r++) {
        for (size_t c = 0; c < n; c++)
            result[r * p->ldr + c] = job->add ? result[r * p->ldr + c] + tile[r * n + c] : tile[r * n + c];
    }
}

/* result[m, n] = x[m, k] times n columns of weights (+ result). */
static cso_status multiply(cso_onednn *o, const cso_gemm_product *p, const uint16_t *x, size_t ldx, const uint16_t *weights,
                           size_t ldw, size_t n, size_t k, float *result, bool add, cso_error *err) {
    tile_job job = {.o = o, .p = p, .x = x, .weights = weights, .result = result, .n = n, .ldx = ldx, .ldw = ldw, .add = add};
    job.tile_m = cso_gemm_piece(p->m, TILE_M, ROUND_M);
    job.tile_n = cso_gemm_piece(n, TILE_N, 32);
    job.tiles_m = (p->m + job.tile_m - 1) / job.tile_m;
    size_t tiles_n = (n + job.tile_n - 1) / job.tile_n;
    size_t last_m = p->m - (job.tiles_m - 1) * job.tile_m, last_n = n - (tiles_n - 1) * job.tile_n;
    size_t padded_m = (last_m + ROUND_M - 1) / ROUND_M * ROUND_M;
    job.padded = padded_m != last_m;
    for (int i = 0; i < 2; i++) {
        for (int j = 0; j < 2; j++) {
            if ((!i && job.tiles_m == 1) || (!j && tiles_n == 1))
                continue;
            bool through_tile = i && job.padded;
            size_t columns = j ? last_n : job.tile_n;
            program_key key = {.m = (int64_t)(i ? padded_m : job.tile_m),
                               .n = (int64_t)columns,
                               .k = (int64_t)k,
                               .lda = (int64_t)ldx,
                               .ldb = (int64_t)ldw,
                               .ldc = (int64_t)(through_tile ? columns : p->ldr),
                               .trans = !p->backward,
                               .add = add && !through_tile};
            CSO_TRY(find_program(o, &key, &job.programs[i][j], err));
        }
    }
    cso_parallel_for(o->ctx->pool, job.tiles_m * tiles_n, tile_task, &job);
    return check((dnnl_status_t)atomic_load(&job.failed), "a matrix product", err);
}

cso_status cso_gemm_onednn(cso_gemm *gemm, const cso_gemm_product *p, cso_error *err) {
    enum { TASK_WEIGHTS = 1 << 15 };
    cso_onednn *o = gemm->onednn;
    const cso_gemm_weight *w = &p->w;
    size_t k = p->backward ? w->rows : w->columns;
    CSO_TRY(reserve_threads(o, err));
    CSO_TRY(round_x(o, p, k, err));
    if (w->tensor->dtype == CSO_BF16 && !w->tensor->interleaved_head_dim && (uintptr_t)w->tensor->data % _Alignof(uint16_t) == 0)
        return multiply(o, p, o->x, k, cso_tensor_row(w->tensor, w->row0), w->columns, p->backward ? w->columns : w->rows, k,
                        p->result, p->accumulate, err);
    size_t panel_rows = PANEL_WEIGHTS / w->columns / 32 * 32;
    if (panel_rows < TILE_N)
        panel_rows = TILE_N;
    if (panel_rows > w->rows)
        panel_rows = w->rows;
    CSO_TRY(cso_gemm_reserve(&gemm->panel, panel_rows, w->columns, sizeof(uint16_t), err));
    for (size_t row = 0; row < w->rows; row += panel_rows) {
        size_t rows = w->rows - row < panel_rows ? w->rows - row : panel_rows;
        panel_job job = {o->ctx->kernels, w, row, rows, (TASK_WEIGHTS + w->columns - 1) / w->columns, gemm->panel.data};
        cso_phase phase = cso_profile_enter(CSO_PHASE_DEQUANTIZE);
        cso_parallel_for(o->ctx->pool, (rows + job.step - 1) / job.step, panel_task, &job);
        cso_profile_leave(phase);
        if (p->backward)
            CSO_TRY(multiply(o, p, o->x + row, k, gemm->panel.data, w->columns, w->columns, rows, p->result, p->accumulate || row,
                             err));
        else
            CSO_TRY(multiply(o, p, o->x, k, gemm->panel.data, w->columns, rows, k, p->result + row, p->accumulate, err));
    }
    return CSO_OK;
}

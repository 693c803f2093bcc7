#include "rows.h"

#include "base/parallel.h"
#include "base/profile.h"
#include "engine_state.h"

#include <string.h>

enum { NORM_TILE = 16, ADD_TILE = 1 << 15 };

typedef struct rows_job {
    size_t rows, tile;
    cso_rows_fn run;
    const void *context;
} rows_job;

static void run_tile(void *context, size_t index, int thread) {
    const rows_job *job = context;
    size_t first = index * job->tile, left = job->rows - first;
    job->run(job->context, first, left < job->tile ? left : job->tile, thread);
}

void cso_rows(cso_context *ctx, size_t rows, size_t tile, cso_rows_fn run, const void *context) {
    rows_job job = {rows, tile, run, context};
    cso_phase phase = cso_profile_enter(CSO_PHASE_NORMS);
    cso_parallel_for(ctx->pool, (rows + tile - 1) / tile, run_tile, &job);
    cso_profile_leave(phase);
}

typedef struct norm_job {
    const cso_kernels *kernels;
    float *y, *dx, *rstd_out;
    const float *x, *dy, *weight, *rstd;
    size_t width;
    float eps;
} norm_job;

static void norm_forward(const void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const norm_job *job = context;
    for (size_t i = first; i < first + count; i++) {
        float rstd =
            job->kernels->rmsnorm_forward(job->y + i * job->width, job->x + i * job->width, job->weight, job->width, job->eps);
        if (job->rstd_out)
            job->rstd_out[i] = rstd;
    }
}

static void norm_backward(const void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const norm_job *job = context;
    for (size_t i = first; i < first + count; i++)
        job->kernels->rmsnorm_backward(job->dx + i * job->width, job->dy + i * job->width, job->x + i * job->width, job->weight,
                                       job->rstd[i], job->width);
}

void cso_rows_rmsnorm(struct cso_engine *engine, float *y, const float *x, const float *weight, size_t rows, float *rstd) {
    const cso_hparams *h = &engine->model->hparams;
    norm_job job = {engine->ctx->kernels, .y = y, .x = x, .weight = weight, .rstd_out = rstd, .width = h->hidden,
                    .eps = h->norm_eps};
    cso_rows(engine->ctx, rows, NORM_TILE, norm_forward, &job);
}

void cso_rows_rmsnorm_backward(struct cso_engine *engine, float *dx, const float *dy, const float *x, const float *weight,
                               const float *rstd, size_t rows) {
    norm_job job = {
        engine->ctx->kernels, .dx = dx, .dy = dy, .x = x, .weight = weight, .rstd = rstd, .width = engine->model->hparams.hidden};
    cso_rows(engine->ctx, rows, NORM_TILE, norm_backward, &job);
}

typedef struct add_job {
    const cso_kernels *kernels;
    float *y;
    const float *x;
} add_job;

static void add_tile(const void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const add_job *job = context;
    job->kernels->add(job->y + first, job->x + first, count);
}

void cso_rows_add(cso_context *ctx, float *y, const float *x, size_t n) {
    add_job job = {ctx->kernels, y, x};
    cso_rows(ctx, n, ADD_TILE, add_tile, &job);
}

typedef struct index_job {
    const cso_kernels *kernels;
    float *y;
    const float *x;
    const int32_t *index;
    size_t width;
} index_job;

static void gather_tile(const void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const index_job *job = context;
    for (size_t i = first; i < first + count; i++)
        memcpy(job->y + i * job->width, job->x + (job->index ? (size_t)job->index[i] : i) * job->width,
               job->width * sizeof *job->y);
}

static void scatter_add_tile(const void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const index_job *job = context;
    for (size_t i = first; i < first + count; i++)
        job->kernels->add(job->y + (size_t)job->index[i] * job->width, job->x + i * job->width, job->width);
}

void cso_rows_gather(cso_context *ctx, float *y, const float *x, const int32_t *index, size_t rows, size_t width) {
    index_job job = {ctx->kernels, y, x, index, width};
    cso_rows(ctx, rows, NORM_TILE, gather_tile, &job);
}

void cso_rows_scatter_add(cso_context *ctx, float *y, const float *x, const int32_t *index, size_t rows, size_t width) {
    index_job job = {ctx->kernels, y, x, index, width};
    cso_rows(ctx, rows, NORM_TILE, scatter_add_tile, &job);
}

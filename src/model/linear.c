/* linear.c - a projection with LoRA: the frozen weight's product through cso_gemm, the adapter's thin factors through
 * cso_sgemm. */
#include "engine_state.h"

#include "cso/kernels.h"
#include "cso/profile.h"
#include "cso/rng.h"
#include "rows.h"

#include <string.h>

typedef struct bias_job {
    float *y;
    const float *bias;
    size_t width;
} bias_job;

static void add_bias(const void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const bias_job *job = context;
    for (size_t i = first; i < first + count; i++)
        cso_kernels_get()->add(job->y + i * job->width, job->bias, job->width);
}

typedef struct dropout_job {
    float *y;
    const float *x;
    size_t width;
    float probability;
    uint64_t seed, stream;
    bool accumulate;
} dropout_job;

/* y = x * mask / (1 - p), or += that. The mask of a row is a pure function of (seed, step, layer, module, row), so the
 * backward pass (and a recomputed forward) draws the same one again. */
static void drop_rows(const void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const dropout_job *job = context;
    float scale = 1 / (1 - job->probability);
    for (size_t i = first; i < first + count; i++) {
        cso_rng rng = cso_rng_make(job->seed, CSO_STREAM_DROPOUT, job->stream);
        rng.index = (uint64_t)i << 32;
        for (size_t j = 0; j < job->width; j++) {
            size_t at = i * job->width + j;
            float value = cso_rng_float(&rng) < job->probability ? 0 : job->x[at] * scale;
            job->y[at] = job->accumulate ? job->y[at] + value : value;
        }
    }
}

static void drop(const cso_engine *engine, const cso_adapter *adapter, size_t layer, cso_module module, const float *x, size_t m,
                 size_t width, float *y, bool accumulate) {
    uint64_t stream = (engine->step * adapter->n_layers + layer) * CSO_MODULE_COUNT + module;
    dropout_job job = {y, x, width, (float)adapter->options.dropout, engine->seed, stream, accumulate};
    cso_rows(m, 8, drop_rows, &job);
}

cso_status cso_linear_forward(cso_engine *engine, const cso_adapter *adapter, size_t layer, cso_module module, const float *x,
                              size_t m, float *y, bool accumulate, float *h, cso_error *err) {
    const cso_model *model = engine->model;
    const cso_tensor *w = &model->layers[layer].linear[module];
    size_t in = cso_module_in(model, module), out = cso_module_out(model, module);
    CSO_TRY(cso_gemm_nt(engine->gemm, y, out, x, in, m, w, 0, out, accumulate, err));
    engine->flops += 2.0 * (double)m * (double)in * (double)out;
    if (model->layers[layer].bias[module]) {
        bias_job job = {y, model->layers[layer].bias[module], out};
        cso_rows(m, 32, add_bias, &job);
    }
    const cso_lora_slot *slot = adapter ? cso_adapter_slot(adapter, layer, module) : NULL;
    if (!slot || !slot->in)
        return CSO_OK;
    size_t rank = adapter->options.rank;
    const float *lora_in = x;
    cso_phase phase = cso_profile_enter(CSO_PHASE_LORA);
    if (engine->dropped) {
        drop(engine, adapter, layer, module, x, m, in, engine->dropped, false);
        lora_in = engine->dropped;
    }
    cso_sgemm(false, true, m, rank, in, 1, lora_in, in, adapter->params + slot->a, in, 0, h, rank);
    cso_sgemm(false, true, m, out, rank, adapter->scale, h, rank, adapter->params + slot->b, rank, 1, y, out);
    engine->flops += 2.0 * (double)m * (double)rank * (double)(in + out);
    cso_profile_leave(phase);
    return CSO_OK;
}

/* The adapter's part: gradients of A and B, and what it adds to dx. */
static void lora_backward(cso_engine *engine, const cso_adapter *adapter, size_t layer, cso_module module, const float *x,
                          const float *dy, size_t m, const float *h, float *dx, float *grads) {
    const cso_lora_slot *slot = cso_adapter_slot(adapter, layer, module);
    size_t in = slot->in, out = slot->out, rank = adapter->options.rank;
    const float *a = adapter->params + slot->a, *b = adapter->params + slot->b, *lora_in = x;
    cso_sgemm(true, false, out, rank, m, adapter->scale, dy, out, h, rank, 1, grads + slot->b, rank);
    cso_sgemm(false, false, m, rank, out, adapter->scale, dy, out, b, rank, 0, engine->dlora, rank);
    if (engine->dropped) {
        drop(engine, adapter, layer, module, x, m, in, engine->dropped, false);
        lora_in = engine->dropped;
    }
    cso_sgemm(true, false, rank, in, m, 1, engine->dlora, rank, lora_in, in, 1, grads + slot->a, in);
    engine->flops += 2.0 * (double)m * (double)rank * (double)(in + 2 * out);
    if (!dx)
        return;
    engine->flops += 2.0 * (double)m * (double)rank * (double)in;
    if (!engine->dropped) {
        cso_sgemm(false, false, m, in, rank, 1, engine->dlora, rank, a, in, 1, dx, in);
        return;
    }
    cso_sgemm(false, false, m, in, rank, 1, engine->dlora, rank, a, in, 0, engine->dropped, in);
    drop(engine, adapter, layer, module, engine->dropped, m, in, dx, true);
}

cso_status cso_linear_backward(cso_engine *engine, const cso_adapter *adapter, size_t layer, cso_module module, const float *x,
                               const float *dy, size_t m, const float *h, float *dx, bool accumulate, float *grads,
                               cso_error *err) {
    const cso_tensor *w = &engine->model->layers[layer].linear[module];
    size_t in = cso_module_in(engine->model, module), out = cso_module_out(engine->model, module);
    if (dx) {
        CSO_TRY(cso_gemm_nn(engine->gemm, dx, in, dy, out, m, w, 0, out, accumulate, err));
        engine->flops += 2.0 * (double)m * (double)in * (double)out;
    }
    cso_phase phase = cso_profile_enter(CSO_PHASE_LORA);
    if (cso_adapter_slot(adapter, layer, module)->in)
        lora_backward(engine, adapter, layer, module, x, dy, m, h, dx, grads);
    cso_profile_leave(phase);
    return CSO_OK;
}

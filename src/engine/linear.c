/* linear.c - projections with LoRA. The products that only read x, h and dy are cso_sgemm's; what LoRA adds to y and to dx is
 * added by the frozen weight's product, tile by tile, while the tile is in cache. */
#include "engine_state.h"

#include "base/profile.h"
#include "base/rng.h"
#include "kernels/kernels.h"
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
    const uint64_t *keys; /* of the tree's tokens */
    const int32_t *rows;  /* (m) the token of each row; NULL: row i is token i */
    uint64_t seed, stream;
    bool accumulate;
} dropout_job;

/* y = x * mask / (1 - p), or += that. The mask of a token is a pure function of (seed, step, layer, module, the token and all
 * before it on its path), so the backward pass (and a recomputed forward) draws the same one again, and so does another tree
 * that holds the same prefix. */
static void drop_rows(const void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const dropout_job *job = context;
    float scale = 1 / (1 - job->probability);
    for (size_t i = first; i < first + count; i++) {
        uint64_t key = job->keys[job->rows ? (size_t)job->rows[i] : i];
        cso_rng rng = cso_rng_make(job->seed ^ key, CSO_STREAM_DROPOUT, job->stream);
        for (size_t j = 0; j < job->width; j++) {
            size_t at = i * job->width + j;
            float value = cso_rng_float(&rng) < job->probability ? 0 : job->x[at] * scale;
            job->y[at] = job->accumulate ? job->y[at] + value : value;
        }
    }
}

static void drop(const cso_engine *engine, const cso_linear *l, cso_module module, const float *x, size_t width, float *y,
                 bool accumulate) {
    dropout_job job = {.y = y,
                       .x = x,
                       .width = width,
                       .probability = (float)l->adapter->options.dropout,
                       .keys = engine->token_keys,
                       .rows = l->rows,
                       .seed = engine->seed,
                       .stream = (engine->step * l->adapter->n_layers + l->layer) * CSO_MODULE_COUNT + module,
                       .accumulate = accumulate};
    cso_rows(l->m, 8, drop_rows, &job);
}

static const cso_lora_slot *slot_of(const cso_linear *l, int j) {
    const cso_lora_slot *slot = l->adapter ? cso_adapter_slot(l->adapter, l->layer, l->first + (cso_module)j) : NULL;
    return slot && slot->in ? slot : NULL;
}

/* How many of the projections are adapted, and the first A of theirs. */
static size_t adapted(const cso_linear *l, size_t *a) {
    size_t n = 0;
    for (int j = l->count; j-- > 0;)
        if (slot_of(l, j)) {
            *a = slot_of(l, j)->a;
            n++;
        }
    return n;
}

/* h = drop(x) A^T of all adapted projections: in one product where they see the same x, that is without dropout. */
static void lora_down(cso_engine *engine, const cso_linear *l, size_t a, size_t n) {
    size_t in = cso_module_in(engine->model, l->first), rank = l->adapter->options.rank, width = n * rank, at = 0;
    if (!engine->dropped) {
        cso_sgemm(false, true, l->m, width, in, 1, l->x, in, l->adapter->params + a, in, 0, l->h, width);
        return;
    }
    for (int j = 0; j < l->count; j++)
        if (slot_of(l, j)) {
            drop(engine, l, l->first + (cso_module)j, l->x, in, engine->dropped, false);
            cso_sgemm(false, true, l->m, rank, in, 1, engine->dropped, in, l->adapter->params + slot_of(l, j)->a, in, 0, l->h + at,
                      width);
            at += rank;
        }
}

cso_status cso_linear_forward(cso_engine *engine, const cso_linear *l, float *const *y, bool accumulate, cso_error *err) {
    const cso_layer *layer = &engine->model->layers[l->layer];
    size_t in = cso_module_in(engine->model, l->first), a, n = adapted(l, &a), rank = n ? l->adapter->options.rank : 0;
    cso_gemm_term term = {.left = l->h, .ld_left = n * rank, .ld_right = rank, .rank = rank, .trans = true};
    if (n) {
        cso_phase phase = cso_profile_enter(CSO_PHASE_LORA);
        lora_down(engine, l, a, n);
        cso_profile_leave(phase);
        term.alpha = l->adapter->scale;
    }
    for (int j = 0; j < l->count; j++) {
        cso_module module = l->first + (cso_module)j;
        const cso_lora_slot *slot = slot_of(l, j);
        size_t out = cso_module_out(engine->model, module);
        if (slot)
            term.right = l->adapter->params + slot->b;
        CSO_TRY(cso_gemm_nt_plus(engine->gemm, y[j], out, l->x, in, l->m, &layer->linear[module], 0, out, accumulate,
                                 slot ? &term : NULL, err));
        if (slot)
            term.left += rank;
        if (layer->bias[module]) {
            bias_job job = {y[j], layer->bias[module], out};
            cso_rows(l->m, 32, add_bias, &job);
        }
    }
    return CSO_OK;
}

/* dh = scale dy B of all adapted projections, in dlora, and the gradients of B. */
static void lora_up_backward(cso_engine *engine, const cso_linear *l, size_t n, const float *const *dy, float *grads) {
    size_t rank = l->adapter->options.rank, width = n * rank, at = 0;
    for (int j = 0; j < l->count; j++) {
        const cso_lora_slot *slot = slot_of(l, j);
        if (!slot)
            continue;
        size_t out = slot->out;
        cso_sgemm(true, false, out, rank, l->m, l->adapter->scale, dy[j], out, l->h + at, width, 1, grads + slot->b, rank);
        cso_sgemm(false, false, l->m, rank, out, l->adapter->scale, dy[j], out, l->adapter->params + slot->b, rank, 0,
                  engine->dlora + at, width);
        at += rank;
    }
}

/* From dh, with dropout: the gradients of A, and A's part of dx. */
static void lora_dropped_backward(cso_engine *engine, const cso_linear *l, size_t n, float *dx, float *grads) {
    size_t in = cso_module_in(engine->model, l->first), rank = l->adapter->options.rank, width = n * rank, at = 0;
    for (int j = 0; j < l->count; j++) {
        const cso_lora_slot *slot = slot_of(l, j);
        cso_module module = l->first + (cso_module)j;
        if (!slot)
            continue;
        drop(engine, l, module, l->x, in, engine->dropped, false);
        cso_sgemm(true, false, rank, in, l->m, 1, engine->dlora + at, width, engine->dropped, in, 1, grads + slot->a, in);
        if (dx) {
            cso_sgemm(false, false, l->m, in, rank, 1, engine->dlora + at, width, l->adapter->params + slot->a, in, 0,
                      engine->dropped, in);
            drop(engine, l, module, engine->dropped, in, dx, true);
        }
        at += rank;
    }
}

/* All of LoRA's backward pass but its part of dx, which is `term` of the last product that makes dx; with dropout after it. */
static bool lora_backward(cso_engine *engine, const cso_linear *l, const float *const *dy, float *grads, cso_gemm_term *term) {
    size_t a, n = adapted(l, &a);
    if (!n)
        return false;
    size_t in = cso_module_in(engine->model, l->first), width = n * l->adapter->options.rank;
    cso_phase phase = cso_profile_enter(CSO_PHASE_LORA);
    lora_up_backward(engine, l, n, dy, grads);
    if (!engine->dropped)
        cso_sgemm(true, false, width, in, l->m, 1, engine->dlora, width, l->x, in, 1, grads + a, in);
    cso_profile_leave(phase);
    *term = (cso_gemm_term){engine->dlora, l->adapter->params + a, width, in, width, false, 1};
    return true;
}

cso_status cso_linear_backward(cso_engine *engine, const cso_linear *l, const float *const *dy, float *dx, float *grads,
                               cso_error *err) {
    size_t in = cso_module_in(engine->model, l->first), a;
    cso_gemm_term term;
    bool adds = lora_backward(engine, l, dy, grads, &term);
    for (int j = 0; dx && j < l->count; j++) {
        cso_module module = l->first + (cso_module)j;
        size_t out = cso_module_out(engine->model, module);
        const cso_tensor *w = &engine->model->layers[l->layer].linear[module];
        bool last = j + 1 == l->count;
        CSO_TRY(cso_gemm_nn_plus(engine->gemm, dx, in, dy[j], out, l->m, w, 0, out, j > 0,
                                 last && adds && !engine->dropped ? &term : NULL, err));
    }
    if (adds && engine->dropped) {
        cso_phase phase = cso_profile_enter(CSO_PHASE_LORA);
        lora_dropped_backward(engine, l, adapted(l, &a), dx, grads);
        cso_profile_leave(phase);
    }
    return CSO_OK;
}

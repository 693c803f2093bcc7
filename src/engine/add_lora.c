/* add_lora.c - LoRA: y += scale h B^T with h = drop(x) A^T.
 *
 * Backward, with dh = scale dy B: dB += scale dy^T h, dA += dh^T drop(x), dx += drop'(dh A).
 *
 * The adapted projections of one cso_linear have their A one after another and their h side by side, so without dropout one
 * product makes all h, one all dA, and one term of the last product all of their dx. With dropout each projection has its own
 * mask, so its own drop(x), and their parts of dx follow the products.
 */
#include "addition.h"

#include "base/profile.h"
#include "base/rng.h"
#include "rows.h"

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

/* y = x * mask / (1 - p), or += that. The mask of a token is a pure function of seed, step, layer, module, the token and all tokens
 * before it on its path. So the backward pass and a recomputed forward pass draw the same mask again, and so does another tree
 * with the same prefix. */
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

/* With the mask of projection j; x and y are (m, in). */
static void drop(const cso_engine *engine, const cso_linear *l, int j, const float *x, float *y, bool accumulate) {
    cso_module module = l->first + (cso_module)j;
    dropout_job job = {.y = y,
                       .x = x,
                       .width = cso_module_in(engine->model, module),
                       .probability = (float)l->adapter->options.dropout,
                       .keys = engine->token_keys,
                       .rows = l->rows,
                       .seed = engine->seed,
                       .stream = (engine->step * l->adapter->n_layers + l->layer) * CSO_MODULE_COUNT + module,
                       .accumulate = accumulate};
    cso_rows(engine->ctx, l->m, 8, drop_rows, &job);
}

/* The factors of projection j; NULL: it has none. */
static const cso_lora_slot *slot_of(const cso_linear *l, int j) {
    const cso_lora_slot *slot = cso_adapter_slot(l->adapter, l->layer, l->first + (cso_module)j);
    return slot->in ? slot : NULL;
}

/* The adapted ones among the projections. */
typedef struct adapted {
    size_t in, rank;
    size_t width;  /* rank times their number: columns of h and dh */
    size_t a;      /* offset of the first A */
    size_t before; /* columns of h before projection j's */
} adapted;

static adapted adapted_of(const cso_linear *l, int j) {
    adapted s = {.rank = l->adapter->options.rank};
    for (int i = l->count; i-- > 0;) {
        const cso_lora_slot *slot = slot_of(l, i);
        if (!slot)
            continue;
        s.in = slot->in;
        s.a = slot->a;
        s.width += s.rank;
        s.before += i < j ? s.rank : 0;
    }
    return s;
}

static void measure(const cso_adapter *adapter, bool backward, cso_shape *shape) {
    shape->rank = adapter->options.rank;
    shape->dropout = backward && adapter->options.dropout > 0;
}

/* h = drop(x) A^T. */
static cso_status prepare(cso_engine *engine, const cso_linear *l, cso_error *err) {
    (void)err;
    const adapted s = adapted_of(l, 0);
    const float *params = l->adapter->params;
    if (!s.width)
        return CSO_OK;
    cso_phase phase = cso_profile_enter(CSO_PHASE_LORA);
    if (!engine->dropped)
        cso_sgemm(engine->ctx, false, true, l->m, s.width, s.in, 1, l->x, s.in, params + s.a, s.in, 0, l->kept, s.width);
    float *h = l->kept;
    for (int j = 0; engine->dropped && j < l->count; j++) {
        const cso_lora_slot *slot = slot_of(l, j);
        if (!slot)
            continue;
        drop(engine, l, j, l->x, engine->dropped, false);
        cso_sgemm(engine->ctx, false, true, l->m, s.rank, s.in, 1, engine->dropped, s.in, params + slot->a, s.in, 0, h, s.width);
        h += s.rank;
    }
    engine->flops += 2.0 * (double)l->m * (double)s.width * (double)s.in;
    cso_profile_leave(phase);
    return CSO_OK;
}

/* scale h B^T. */
static bool term(const cso_engine *engine, const cso_linear *l, int j, cso_gemm_term *term) {
    (void)engine;
    const cso_lora_slot *slot = slot_of(l, j);
    if (!slot)
        return false;
    const adapted s = adapted_of(l, j);
    *term = (cso_gemm_term){.left = l->kept + s.before,
                            .right = l->adapter->params + slot->b,
                            .ld_left = s.width,
                            .ld_right = s.rank,
                            .rank = s.rank,
                            .trans = true,
                            .alpha = l->adapter->scale};
    return true;
}

/* dB += scale dy^T h; dh = scale dy B, in engine->dlora; without dropout dA += dh^T x. */
static cso_status gradients(cso_engine *engine, const cso_linear *l, const float *const *dy, bool dx_wanted, float *grads,
                            cso_error *err) {
    (void)err;
    const adapted s = adapted_of(l, 0);
    const float *params = l->adapter->params, *h = l->kept;
    float scale = l->adapter->scale, *dh = engine->dlora;
    if (!s.width)
        return CSO_OK;
    cso_phase phase = cso_profile_enter(CSO_PHASE_LORA);
    for (int j = 0; j < l->count; j++) {
        const cso_lora_slot *slot = slot_of(l, j);
        if (!slot)
            continue;
        cso_sgemm(engine->ctx, true, false, slot->out, s.rank, l->m, scale, dy[j], slot->out, h, s.width, 1, grads + slot->b,
                  s.rank);
        cso_sgemm(engine->ctx, false, false, l->m, s.rank, slot->out, scale, dy[j], slot->out, params + slot->b, s.rank, 0, dh,
                  s.width);
        engine->flops += 4.0 * (double)l->m * (double)s.rank * (double)slot->out;
        h += s.rank;
        dh += s.rank;
    }
    if (!engine->dropped)
        cso_sgemm(engine->ctx, true, false, s.width, s.in, l->m, 1, engine->dlora, s.width, l->x, s.in, 1, grads + s.a, s.in);
    engine->flops += (dx_wanted && engine->dropped ? 4.0 : 2.0) * (double)l->m * (double)s.width * (double)s.in;
    cso_profile_leave(phase);
    return CSO_OK;
}

/* dh A of all projections, once for them all. */
static bool dx_term(const cso_engine *engine, const cso_linear *l, int j, cso_gemm_term *term) {
    const adapted s = adapted_of(l, 0);
    if (engine->dropped || !s.width || j + 1 < l->count)
        return false;
    *term = (cso_gemm_term){.left = engine->dlora,
                            .right = l->adapter->params + s.a,
                            .ld_left = s.width,
                            .ld_right = s.in,
                            .rank = s.width,
                            .alpha = 1};
    return true;
}

/* With dropout: dA += dh^T drop(x), dx += drop'(dh A). */
static cso_status finish_backward(cso_engine *engine, const cso_linear *l, float *dx, float *grads, cso_error *err) {
    (void)err;
    const adapted s = adapted_of(l, 0);
    const float *dh = engine->dlora;
    float *room = engine->dropped;
    if (!s.width || !room)
        return CSO_OK;
    cso_phase phase = cso_profile_enter(CSO_PHASE_LORA);
    for (int j = 0; j < l->count; j++) {
        const cso_lora_slot *slot = slot_of(l, j);
        if (!slot)
            continue;
        drop(engine, l, j, l->x, room, false);
        cso_sgemm(engine->ctx, true, false, s.rank, s.in, l->m, 1, dh, s.width, room, s.in, 1, grads + slot->a, s.in);
        if (dx) {
            cso_sgemm(engine->ctx, false, false, l->m, s.in, s.rank, 1, dh, s.width, l->adapter->params + slot->a, s.in, 0, room,
                      s.in);
            drop(engine, l, j, room, dx, true);
        }
        dh += s.rank;
    }
    cso_profile_leave(phase);
    return CSO_OK;
}

const cso_addition cso_add_lora = {.measure = measure,
                                   .weights = cso_stored_weights,
                                   .prepare = prepare,
                                   .term = term,
                                   .gradients = gradients,
                                   .dx_term = dx_term,
                                   .finish_backward = finish_backward};

/* optim.c - AdamW over one flat array, in tiles of fixed size. */
#include "optim.h"

#include "base/memory.h"
#include "base/parallel.h"
#include "base/profile.h"

#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { TILE = 1 << 15 }; /* parameters of one task */

cso_status cso_adamw_create(cso_adamw *adamw, const cso_trainables *trained, double beta1, double beta2, double eps,
                            double weight_decay, cso_error *err) {
    size_t n = trained->n_params;
    *adamw = (cso_adamw){.trained = *trained, .n = n, .beta1 = beta1, .beta2 = beta2, .eps = eps, .weight_decay = weight_decay};
    adamw->m = cso_calloc(n, sizeof *adamw->m);
    adamw->v = cso_calloc(n, sizeof *adamw->v);
    if (!adamw->m || !adamw->v) {
        cso_adamw_free(adamw);
        return cso_fail_memory(err, "the optimizer's state");
    }
    return CSO_OK;
}

void cso_adamw_free(cso_adamw *adamw) {
    free(adamw->m);
    free(adamw->v);
    *adamw = (cso_adamw){0};
}

typedef struct update {
    const cso_kernels *kernels;
    cso_adamw *adamw;
    const float *grads;
    double grad_scale, learning_rate, c1, c2;
} update;

static void update_tile(void *context, size_t index, int thread) {
    const update *u = context;
    cso_adamw *a = u->adamw;
    size_t at = index * TILE, n = a->n - at < TILE ? a->n - at : TILE;
    (void)thread;
    u->kernels->adamw(a->trained.params + at, a->m + at, a->v + at, u->grads + at, n, u->grad_scale, u->learning_rate, a->beta1,
                      a->beta2, a->eps, a->weight_decay, u->c1, u->c2);
}

static update make_update(const cso_adamw *adamw, const float *grads, double grad_scale, double learning_rate) {
    double t = (double)(adamw->steps + 1);
    return (update){
        .grads = grads,
        .grad_scale = grad_scale,
        .learning_rate = learning_rate,
        .c1 = 1 - pow(adamw->beta1, t),
        .c2 = 1 - pow(adamw->beta2, t),
    };
}

void cso_adamw_step(cso_adamw *adamw, cso_context *ctx, const float *grads, double grad_scale, double learning_rate) {
    update u = make_update(adamw, grads, grad_scale, learning_rate);
    u.kernels = ctx->kernels;
    u.adamw = adamw;
    adamw->steps++;
    cso_phase phase = cso_profile_enter(CSO_PHASE_OPTIMIZER);
    cso_parallel_for(ctx->pool, (adamw->n + TILE - 1) / TILE, update_tile, &u);
    cso_profile_leave(phase);
}

/* Kernels may evaluate each subexpression in f32, so each must be in range, and what f32 rounds to 0 divides as 0. */
static bool update_fits(const update *u, const cso_adamw *a, size_t i) {
    const double limit = FLT_MAX / 2;
    double g = (double)u->grads[i] * u->grad_scale, lr = u->learning_rate, decay = lr * a->weight_decay;
    if (!(g * g < limit && decay < limit)) /* a NaN, too */
        return false;
    double m = a->beta1 * a->m[i] + (1 - a->beta1) * g, v = a->beta2 * a->v[i] + (1 - a->beta2) * (g * g);
    if (!(v / u->c2 < limit))
        return false;
    double divisor = sqrt((float)v / u->c2) + (float)a->eps, way = lr * (m / u->c1), lost = decay * a->trained.params[i];
    double p = a->trained.params[i] - lost - way / divisor;
    return fabs(way) < limit && lr / u->c1 < limit && fabs(m / u->c1) < limit && divisor > 0 && divisor < limit &&
           fabs(way / divisor) < limit && fabs(lost) < limit && fabs(p) < limit;
}

typedef struct fit_check {
    const cso_adamw *adamw;
    update u;
    atomic_size_t first;
} fit_check;

/* From numbers this small a usual update computes nothing near f32's limits. */
static bool update_is_small(const update *u, const cso_adamw *a, size_t from, size_t to) {
    const float small = 1e15F, *params = a->trained.params;
    int large = !(u->learning_rate / u->c1 < 1e10 && u->c2 > 1e-6 && u->grad_scale <= 1 && a->eps > 1e-12 && a->eps < 1e10 &&
                  a->weight_decay < 1e10);
    for (size_t i = from; i < to; i++)
        large |= !(fabsf(params[i]) < small) | !(fabsf(a->m[i]) < small) | !(a->v[i] < small) | !(fabsf(u->grads[i]) < small);
    return !large;
}

static void fit_tile(void *context, size_t index, int thread) {
    fit_check *c = context;
    size_t at = index * TILE, end = c->adamw->n - at < TILE ? c->adamw->n : at + TILE, bad = at;
    (void)thread;
    if (update_is_small(&c->u, c->adamw, at, end))
        return;
    while (bad < end && update_fits(&c->u, c->adamw, bad))
        bad++;
    size_t first = atomic_load(&c->first);
    while (bad < end && bad < first && !atomic_compare_exchange_weak(&c->first, &first, bad)) {
    }
}

size_t cso_adamw_overflow(const cso_adamw *adamw, cso_context *ctx, const float *grads, double grad_scale, double learning_rate) {
    fit_check check = {.adamw = adamw, .u = make_update(adamw, grads, grad_scale, learning_rate)};
    cso_phase phase = cso_profile_enter(CSO_PHASE_OPTIMIZER);
    atomic_init(&check.first, adamw->n);
    cso_parallel_for(ctx->pool, (adamw->n + TILE - 1) / TILE, fit_tile, &check);
    cso_profile_leave(phase);
    return atomic_load(&check.first);
}

bool cso_adamw_was_lost(const cso_adamw *adamw, double learning_rate) {
    double t = (double)adamw->steps, c1 = 1 - pow(adamw->beta1, t), c2 = 1 - pow(adamw->beta2, t);
    for (size_t i = 0; i < adamw->n; i++)
        if (learning_rate * fabs(adamw->m[i] / c1) / (sqrt(adamw->v[i] / c2) + adamw->eps) > 0)
            return true;
    return false;
}

double cso_grad_norm(const float *grads, size_t n) {
    double sum = 0;
    cso_phase phase = cso_profile_enter(CSO_PHASE_OPTIMIZER);
    for (size_t at = 0; at < n; at += TILE) { /* partial sums keep the error small and the order fixed */
        size_t end = n - at < TILE ? n : at + TILE;
        double part = 0;
        for (size_t i = at; i < end; i++)
            part += (double)grads[i] * grads[i];
        sum += part;
    }
    cso_profile_leave(phase);
    return sqrt(sum);
}

/* optim.c - AdamW over one flat array, in tiles of fixed size. */
#include "cso/optim.h"

#include "cso/kernels.h"
#include "cso/memory.h"
#include "cso/parallel.h"
#include "cso/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TILE = 1 << 15 }; /* parameters of one task */

cso_status cso_adamw_create(cso_adamw *adamw, size_t n, double beta1, double beta2, double eps, double weight_decay,
                            cso_error *err) {
    *adamw = (cso_adamw){.n = n, .beta1 = beta1, .beta2 = beta2, .eps = eps, .weight_decay = weight_decay};
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
    cso_adamw *adamw;
    float *params;
    const float *grads;
    float grad_scale, learning_rate, c1, c2;
} update;

static void update_tile(void *context, size_t index, int thread) {
    const update *u = context;
    cso_adamw *a = u->adamw;
    size_t at = index * TILE, n = a->n - at < TILE ? a->n - at : TILE;
    (void)thread;
    cso_kernels_get()->adamw(u->params + at, a->m + at, a->v + at, u->grads + at, n, u->grad_scale, u->learning_rate,
                             (float)a->beta1, (float)a->beta2, (float)a->eps, (float)a->weight_decay, u->c1, u->c2);
}

void cso_adamw_step(cso_adamw *adamw, float *params, const float *grads, double grad_scale, double learning_rate) {
    double t = (double)++adamw->steps;
    update u = {adamw,
                params,
                grads,
                (float)grad_scale,
                (float)learning_rate,
                (float)(1 - pow(adamw->beta1, t)),
                (float)(1 - pow(adamw->beta2, t))};
    cso_phase phase = cso_profile_enter(CSO_PHASE_OPTIMIZER);
    cso_parallel_for((adamw->n + TILE - 1) / TILE, update_tile, &u);
    cso_profile_leave(phase);
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

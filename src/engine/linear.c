/* linear.c - the products of projections and their biases, in both directions. What an adapter adds is in additions
 * (addition.h). */
#include "linear.h"

#include "addition.h"
#include "kernels/kernels.h"
#include "rows.h"

typedef struct bias_job {
    const cso_kernels *kernels;
    float *y;
    const float *bias;
    size_t width;
} bias_job;

static void bias_rows(const void *context, size_t first, size_t count, int thread) {
    (void)thread;
    const bias_job *job = context;
    for (size_t i = first; i < first + count; i++)
        job->kernels->add(job->y + i * job->width, job->bias, job->width);
}

static void add_bias(const cso_engine *engine, float *y, const float *bias, size_t m, size_t width) {
    bias_job job = {engine->ctx->kernels, y, bias, width};
    cso_rows(engine->ctx, m, 32, bias_rows, &job);
}

cso_status cso_linear_forward(cso_engine *engine, const cso_linear *l, float *const *y, bool accumulate, cso_error *err) {
    const cso_addition *adds = cso_addition_of(l->adapter);
    size_t in = cso_module_in(engine->model, l->first);
    if (engine->watcher.input)
        engine->watcher.input(engine->watcher.context, l->layer, l->first, l->count, l->x, l->m);
    if (adds->prepare)
        CSO_TRY(adds->prepare(engine, l, err));
    for (int j = 0; j < l->count; j++) {
        cso_projection p = adds->weights(engine, l, j);
        size_t out = cso_module_out(engine->model, l->first + (cso_module)j);
        cso_gemm_term room, *term = adds->term && adds->term(engine, l, j, &room) ? &room : NULL;
        CSO_TRY(cso_gemm_nt_plus(engine->gemm, y[j], out, l->x, in, l->m, p.weight, 0, out, accumulate, term, err));
        if (adds->finish)
            CSO_TRY(adds->finish(engine, l, j, y[j], err));
        if (p.bias)
            add_bias(engine, y[j], p.bias, l->m, out);
    }
    return CSO_OK;
}

cso_status cso_linear_backward(cso_engine *engine, const cso_linear *l, const float *const *dy, float *dx, float *grads,
                               cso_error *err) {
    const cso_addition *adds = cso_addition_of(l->adapter);
    size_t in = cso_module_in(engine->model, l->first);
    if (adds->gradients)
        CSO_TRY(adds->gradients(engine, l, dy, grads, err));
    for (int j = 0; dx && j < l->count; j++) {
        cso_projection p = adds->weights(engine, l, j);
        size_t out = cso_module_out(engine->model, l->first + (cso_module)j);
        cso_gemm_term room, *term = adds->dx_term && adds->dx_term(engine, l, j, &room) ? &room : NULL;
        CSO_TRY(cso_gemm_nn_plus(engine->gemm, dx, in, dy[j], out, l->m, p.weight, 0, out, j > 0, term, err));
    }
    if (adds->finish_backward)
        CSO_TRY(adds->finish_backward(engine, l, dx, grads, err));
    return CSO_OK;
}

/* linear.h - projections with a common input: products with stored weights, biases, and what an adapter adds (addition.h). */
#ifndef CSO_LINEAR_H
#define CSO_LINEAR_H

#include "engine.h"

/* Modules first .. first+count of a layer, which read the same x. */
typedef struct cso_linear {
    const cso_adapter *adapter; /* NULL: the base model */
    size_t layer;
    cso_module first;
    int count;
    const float *x; /* (m, in) */
    size_t m;
    const int32_t *rows; /* (m) the tree's token of each row; NULL: row i is token i */
    float *kept;         /* (m, count R) what the addition keeps from forward for backward */
} cso_linear;

/* y[j] (m, out) = x W^T + bias + what the adapter adds; with accumulate, added to y. */
cso_status cso_linear_forward(struct cso_engine *engine, const cso_linear *linear, float *const *y, bool accumulate,
                              cso_error *err);
/* Given dy[j] (m, out), sets dx (m, in) to the sum over the projections (NULL: not wanted) and adds to grads. */
cso_status cso_linear_backward(struct cso_engine *engine, const cso_linear *linear, const float *const *dy, float *dx, float *grads,
                               cso_error *err);

#endif

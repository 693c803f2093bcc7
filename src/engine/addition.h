/* addition.h - what an adapter adds to projections with a common input, as a row of functions for each kind of adapter.
 *
 * linear.c makes the products with W and calls these functions around them; it knows no kind. Forward:
 *
 *   prepare                         once, before the products
 *   y_j (+)= x W_j^T + term_j       W_j by `weights`; the product adds the low-rank term tile by tile, while a tile is in cache
 *   finish, y_j += bias_j           for each j
 *
 * and backward:
 *
 *   gradients                       once, before the products
 *   dx = sum_j (dy_j W_j + dx_term_j)
 *   finish_backward                 once, after them
 *
 * A NULL function does nothing. LoRA is add_lora.c. How the others of PEFT would fit, with s = alpha / r, c = m / n, and n the
 * norms of the rows of V = W + s B A, constants for the gradient:
 *
 * DoRA, y = diag(c) (x W^T + s (x A^T) B^T) + bias. prepare: c (from the current A and B) and h = x A^T. term: LoRA's, with c as a
 *   field to be added to cso_gemm_term, factors of the rows of W and B in both products. gradients: with dz = dy diag(c) LoRA's
 *   (dB += s dz^T h, dh = s dz B, dA += dh^T x), and dm_i += sum over rows of dy_i (x V^T)_i / n_i, which takes one more product.
 *   dx_term: dh A, with c. With dropout the base is not scaled: y = x W^T + bias + (c - 1) drop(x) W^T + c s (drop(x) A^T) B^T;
 *   then term has diag(c) B, finish adds the product with drop(x) and the factors c - 1, finish_backward its part of dx.
 * Full weights. weights: W and bias in the flat array of trained numbers. gradients: dW_j += dy_j^T x, dbias_j += sum over rows of
 *   dy_j. No terms. (Trained biases beside LoRA are the same with W stored. Norms, embedding and head are not linear.c's.)
 * PiSSA, OLoRA, y = x (W - s B0 A0)^T + s (x A^T) B^T. prepare, term, dx_term: LoRA's with [A; A0] and [B, -B0]; gradients: LoRA's.
 */
#ifndef CSO_ADDITION_H
#define CSO_ADDITION_H

#include "engine_state.h"
#include "linear.h"

/* What projection j is multiplied with. */
typedef struct cso_projection {
    const cso_tensor *weight; /* (out, in) */
    const float *bias;        /* (out) or NULL */
} cso_projection;

typedef struct cso_addition {
    /* See cso_addition_measure. */
    void (*measure)(const cso_adapter *adapter, bool backward, cso_shape *shape);
    cso_projection (*weights)(const cso_engine *engine, const cso_linear *linear, int j); /* never NULL */
    cso_status (*prepare)(cso_engine *engine, const cso_linear *linear, cso_error *err);
    /* False: nothing is added to product j. */
    bool (*term)(const cso_engine *engine, const cso_linear *linear, int j, cso_gemm_term *term);
    /* y may hold what the product was added to: finish may add to it, not change it otherwise. */
    cso_status (*finish)(cso_engine *engine, const cso_linear *linear, int j, float *y, cso_error *err);
    /* Adds to grads. Terms of dx may read what it leaves in the engine. */
    cso_status (*gradients)(cso_engine *engine, const cso_linear *linear, const float *const *dy, float *grads, cso_error *err);
    bool (*dx_term)(const cso_engine *engine, const cso_linear *linear, int j, cso_gemm_term *term);
    /* dx NULL: not wanted. */
    cso_status (*finish_backward)(cso_engine *engine, const cso_linear *linear, float *dx, float *grads, cso_error *err);
} cso_addition;

extern const cso_addition cso_add_nothing, cso_add_lora;

/* The row for an adapter; NULL: cso_add_nothing. */
const cso_addition *cso_addition_of(const cso_adapter *adapter);
/* Sets the fields of a pass's shape on which the memory for an adapter depends; adapter NULL: none. */
void cso_addition_measure(const cso_adapter *adapter, bool backward, cso_shape *shape);
/* The model's own weight and bias. */
cso_projection cso_stored_weights(const cso_engine *engine, const cso_linear *linear, int j);

#endif

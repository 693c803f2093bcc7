/* block.h - a transformer block: its forward pass, its backward pass, and the operations on rows that both are made of.
 *
 * T are the rows of the input: all tokens. S are the rows of the output: all tokens too, but in the last layer, whose output only
 * the head reads, the tree's nodes alone. D hidden, H heads, G heads of keys and values, E a head's size, F the MLP's width.
 */
#ifndef CSO_BLOCK_H
#define CSO_BLOCK_H

#include "engine_state.h"
#include "linear.h"
#include "model/family.h"

/* One block of one pass. The attention's plan is engine->plan. */
typedef struct cso_block {
    cso_engine *engine;
    const cso_adapter *adapter; /* NULL: the base model */
    size_t layer;
    size_t m;                 /* T */
    size_t n;                 /* S */
    const int32_t *nodes;     /* (S) the row of x of each row of out; NULL: all, S = T */
    const int32_t *positions; /* (T) */
    const float *x;           /* (T, D) */
    float *out;               /* (S, D), apart from x; not for backward */
    float *k, *v;             /* (T, G, E) */
    cso_activations *a;       /* written by forward, used up by backward */
    float *grads;             /* of the adapter's parameters, added to; backward only */
} cso_block;

cso_status cso_block_forward(const cso_block *b, cso_error *err);
/* engine->d holds the gradient of out (S, D), and afterwards, where input_wanted, that of x (T, D). */
cso_status cso_block_backward(const cso_block *b, bool input_wanted, cso_error *err);

/* block_ops.c. y = norm(x) for `rows` rows; keeps 1 / rms in a->rstd. */
void cso_block_norm(const cso_block *b, cso_norm norm, float *y, const float *x, size_t rows);
/* dx += the gradient of norm(x). */
void cso_block_norm_backward(const cso_block *b, cso_norm norm, float *dx, const float *dy, const float *x, size_t rows);
/* y (S, D) += norm(x). */
cso_status cso_block_add_norm(const cso_block *b, cso_norm norm, float *y, const float *x, cso_error *err);
/* Rotates x (rows, heads, E) in place; row i is at positions[nodes[i]], or positions[i] with nodes NULL. inverse: backward. */
void cso_block_rope(const cso_block *b, float *x, size_t rows, size_t heads, const int32_t *nodes, bool inverse);
/* engine->act (S, F) = activation(a->gate) * a->up. */
void cso_block_activation(const cso_block *b);
/* From dact (S, F) to dgate and dup, which may be a->gate and a->up themselves. */
void cso_block_activation_backward(const cso_block *b, const float *dact, float *dgate, float *dup);
/* d's rows 0 .. S go to their nodes' rows among T, with zeros between them: backward of taking the nodes' rows. */
void cso_block_spread(const cso_block *b, float *d);

/* The block's attention with q and attended of a. */
cso_attention cso_block_attention(const cso_block *b);
/* Projections of x: (T, in) for keys and values, which are those of all tokens, (S, in) for the others. */
cso_linear cso_block_linear(const cso_block *b, cso_module first, int count, const float *x);

#endif

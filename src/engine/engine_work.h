/* engine_work.h - how much work a forward and a backward pass over a tree are, by arithmetic alone. The one place that counts:
 * plans, metrics and benchmarks all ask here.
 */
#ifndef CSO_ENGINE_WORK_H
#define CSO_ENGINE_WORK_H

#include "base/profile.h"
#include "model/lora.h"
#include "model/model.h"
#include "tree/tree.h"

/* Work by the phase of a profile that spends time on it:
 *   gemm        flops of products with the layers' weights (2 per multiply-add, as everywhere here)
 *   lora        flops of products with LoRA's factors
 *   attention   flops of the products of queries, keys and values, without the scores that a mask hides. A backward pass has five
 *               products where a forward pass has two.
 *   head        flops of the products with the head's matrix, which has rows for the tree's nodes only
 *   dequantize  weights that are converted: each once for every CSO_WORK_ROWS rows, about as kernels/gemm/tiles.c cuts products.
 *               The head's are not counted: what they take is part of the head's time.
 *   norms       floats that work row by row writes: norms, RoPE, activations, residual sums
 *   optimizer   parameters
 *   other       tokens
 */
typedef struct cso_work {
    double of[CSO_PHASE_COUNT];
} cso_work;

enum { CSO_WORK_ROWS = 768 };

typedef struct cso_pass_work {
    cso_work forward;
    cso_work backward; /* zeros where no backward pass follows */
    cso_work again;    /* the forward pass that backward makes again, of the layers that are not kept */
} cso_pass_work;

/* The work of cso_engine_forward with `keep` and of the cso_engine_backward that follows it where `keep` is true. adapter NULL:
 * none. kept: cso_engine_need.kept_layers; it says nothing without `keep`. */
cso_pass_work cso_engine_work(const cso_model *model, const cso_tree *tree, const cso_adapter *adapter, size_t kept, bool keep);

/* The floating-point operations among it: gemm, lora, attention and head. */
double cso_work_flops(const cso_work *work);
/* *sum += times * part. */
void cso_work_add(cso_work *sum, const cso_work *part, double times);

#endif

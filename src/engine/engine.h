/* engine.h - forward and backward over token trees.
 *
 * An engine owns the working memory for one model. It knows trees and edges, not sequences or losses: forward gives the
 * log-probability of each scored edge, backward takes dL/dlogp of each and adds to the adapter's gradient.
 */
#ifndef CSO_ENGINE_H
#define CSO_ENGINE_H

#include "base/status.h"
#include "kernels/context.h"
#include "kernels/gemm/gemm.h"
#include "model/lora.h"
#include "model/model.h"
#include "tree/tree.h"

typedef struct cso_engine cso_engine;

/* ctx and model must outlive the engine, which computes with ctx: see context.h for who may use it when. memory: bytes the engine
 * may use for activations; layers whose activations do not fit are recomputed in backward. */
cso_status cso_engine_create(cso_engine **engine, cso_context *ctx, const cso_model *model, cso_compute compute, size_t memory,
                             cso_error *err);
void cso_engine_free(cso_engine *engine);
cso_context *cso_engine_context(const cso_engine *engine);
const cso_model *cso_engine_model(const cso_engine *engine);

/* Upper bound on a tree's tokens for this memory: any tree up to it fits with every layer recomputed and one thread. */
size_t cso_engine_max_tokens(const cso_engine *engine);
/* By what batches are best cut into trees: fewer tokens than that, so that the buffers of many threads fit as well. Both are
 * functions of the memory and the model alone, never of the number of threads. */
size_t cso_engine_tree_tokens(const cso_engine *engine);
/* Upper bound on the bytes of a tree of n tokens whose first `kept_layers` layers keep their activations, with one thread. */
size_t cso_engine_bytes(const cso_engine *engine, size_t n_tokens, size_t kept_layers);

/* Memory of a pass over a tree, beside the model's. */
typedef struct cso_engine_need {
    size_t activations; /* bytes */
    size_t positions;   /* of the rotary tables: the longest path */
    size_t scratch;     /* bytes for each thread */
    size_t kept_layers; /* with a backward pass, which computes the other layers again */
} cso_engine_need;
/* Plans a forward pass with these arguments (see cso_engine_forward). Not allowed between a forward pass and its backward pass.
 * Where the memory does not hold the buffers of all threads beside the tree, the context's pool has fewer threads from then on. */
cso_status cso_engine_plan(cso_engine *engine, const cso_tree *tree, const cso_adapter *adapter, bool keep, cso_engine_need *need,
                           cso_error *err);
/* Raises *most to cover *need too. */
void cso_engine_need_grow(cso_engine_need *most, const cso_engine_need *need);
/* All bytes, those of threads and libraries included. */
size_t cso_engine_need_bytes(const cso_engine *engine, const cso_engine_need *need);
/* Allocates *need now. Passes over trees whose plans it covers then allocate nothing. */
cso_status cso_engine_reserve(cso_engine *engine, const cso_engine_need *need, cso_error *err);
/* The layers that the last forward pass kept. */
size_t cso_engine_kept_layers(const cso_engine *engine);

/* edge_logps[tree->n_edges] = log p(target | node), natural logarithm. adapter NULL: the base model (reference). keep:
 * activations are kept for a backward, which must follow with the same tree and adapter before the next forward. */
cso_status cso_engine_forward(cso_engine *engine, const cso_tree *tree, const cso_adapter *adapter, bool keep, double *edge_logps,
                              cso_error *err);
/* The same, and edge_squares[tree->n_edges] = log of the sum over the vocabulary of p(v | node)^2. */
cso_status cso_engine_forward_squares(cso_engine *engine, const cso_tree *tree, const cso_adapter *adapter, bool keep,
                                      double *edge_logps, double *edge_squares, cso_error *err);
/* grads[adapter->n_params] += dL/dparams, where edge_weights[e] = dL/d edge_logps[e]. LoRA dropout draws from (seed, step). */
cso_status cso_engine_backward(cso_engine *engine, const cso_tree *tree, const cso_adapter *adapter, const double *edge_weights,
                               float *grads, cso_error *err);
/* Is told of the passes' progress after each layer and after the head: done of `of` parts. Quick, and without use of the engine. */
typedef struct cso_engine_listener {
    void (*part)(void *context, size_t done, size_t of); /* NULL: nobody is told */
    void *context;
} cso_engine_listener;
void cso_engine_listen(cso_engine *engine, cso_engine_listener listener);
/* Is given what a layer's projections first .. first + count read, x (m, in), before each of their products in forward. */
typedef struct cso_engine_watcher {
    void (*input)(void *context, size_t layer, cso_module first, int count, const float *x, size_t m); /* NULL: nobody is */
    void *context;
} cso_engine_watcher;
void cso_engine_watch(cso_engine *engine, cso_engine_watcher watcher);
/* Sets what dropout draws from; the same for a forward and its backward. */
void cso_engine_set_step(cso_engine *engine, uint64_t seed, uint64_t step);

/* Logits (n_nodes, V) of the tree's nodes, for tests and small inspections: needs a forward before. */
cso_status cso_engine_logits(cso_engine *engine, const cso_tree *tree, float *logits, cso_error *err);
/* Hidden states (n_tokens, D) before layer `layer` of the last forward with keep; with layer n_layers those after the
 * last layer, before the final norm, of the tree's nodes only (n_nodes, D). */
const float *cso_engine_hidden(const cso_engine *engine, size_t layer);

size_t cso_engine_vocab(const cso_engine *engine);

/* Floating-point operations of all forward and backward passes since creation, as engine_work.h counts them, for GFLOP/s. */
double cso_engine_flops(const cso_engine *engine);

#endif

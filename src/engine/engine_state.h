/* engine_state.h - the working memory of an engine, shared by the files that compute in it (block, head, engine). */
#ifndef CSO_ENGINE_STATE_H
#define CSO_ENGINE_STATE_H

#include "attention.h"
#include "engine.h"

/* Outputs of one layer's forward pass that its backward pass reads. T rows are tokens; S rows too, but in the last layer, whose
 * output only the head reads, they are the tree's nodes. */
typedef struct cso_activations {
    float *q, *k, *v;              /* (S, H, E), (T, G, E) after RoPE, (T, G, E) */
    float *attended;               /* (S, H, E) attention's output */
    float *lse;                    /* (S, H) */
    float *attention_out;          /* (S, D) o_proj's output if a norm follows (Gemma-2), else NULL */
    float *mid;                    /* (S, D) residual stream between attention and MLP */
    float *gate, *up;              /* (S, F) */
    float *ffn_out;                /* (S, D) down_proj's output if a norm follows, else NULL */
    float *rstd[4];                /* (T) of the input norm, (S) of the others, in the order of cso_norm */
    float *lora[CSO_MODULE_COUNT]; /* (T, R) each: cso_linear.kept; those of projections with one input are adjacent */
} cso_activations;

typedef struct cso_shape {
    size_t n_tokens, n_nodes, n_edges;
    size_t rank;  /* columns that the adapter's addition keeps for each projection */
    size_t kept;  /* layers that backward does not compute again; the last layer's activations are still there when it begins */
    bool keep;    /* a backward will follow */
    bool dropout; /* the addition draws dropout masks */
} cso_shape;

struct cso_engine {
    cso_context *ctx;
    const cso_model *model;
    cso_gemm *gemm;
    size_t memory;
    cso_engine_need least; /* of any tree planned so far, with no layer kept */

    float *block; /* all of the arrays below, laid out by engine_layout.c for `shape` */
    size_t block_floats;
    cso_shape shape, planned; /* of the last pass; of the last plan */
    float **hidden;           /* (n_layers + 1) pointers to (T, D): the residual stream before each layer; without keep two buffers
                              * alternate. The last is node_hidden */
    cso_activations *layers;  /* (n_layers): own memory for the first `kept`, one shared set for the others */
    float **measured_hidden;  /* the same two for measuring memory */
    cso_activations *measured_layers;
    float *normed;        /* (T, D) */
    float *act;           /* (T, F) */
    float *dropped;       /* (T, max(in)) with dropout: LoRA's masked input */
    uint64_t *token_keys; /* (T) with dropout: a hash of the token and all before it on its path */
    float *d;             /* (T, D) gradient of the residual stream; above the last layer (N, D) */
    float *dnormed;       /* (T, D) */
    float *dattended;     /* (T, H, E) */
    float *dk, *dv;       /* (partials, T, G, E) */
    float *dact;          /* (T, F) */
    float *dlora;         /* (T, 3 R) */
    float *node_hidden;   /* (N, D) of the scored nodes before the final norm */
    float *node_normed;   /* (N, D) after it; before, the input of the last layer's query */
    float *node_dnormed;  /* (N, D) forward: sum of exp(z_v - max) W[v] but for the targets; backward: the gradient;
                              * then that of the input of the last layer's query */
    float *node_rstd;     /* (N) */
    double *node_lse;     /* (N) log-sum-exp of its logits z */
    double *node_inverse; /* (N) 1 / sum of exp(z_v - max) */
    double *edge_logps;   /* (edges) kept for the backward pass */

    float *logits; /* (CSO_HEAD_NODES, CSO_HEAD_VOCAB) one tile of the head */
    float *rope;   /* (2, rope_positions, E/2): cosines, then sines */
    size_t rope_positions;
    cso_attention_plan plan;
    double flops;
    uint64_t seed, step;
    cso_engine_listener listener;
    cso_engine_watcher watcher;
};

enum { CSO_HEAD_NODES = 1024, CSO_HEAD_VOCAB = 4096 };

/* engine_layout.c: floats that a shape takes; and makes the engine's arrays fit it. */
size_t cso_engine_layout(struct cso_engine *engine, const cso_shape *shape, float *base);
cso_status cso_engine_reshape(struct cso_engine *engine, const cso_shape *shape, cso_error *err);
/* Makes the block hold at least so many floats; the contents are lost then. */
cso_status cso_engine_grow(struct cso_engine *engine, size_t floats, cso_error *err);
cso_status cso_engine_rope(struct cso_engine *engine, size_t positions, cso_error *err);

/* engine.c: out (count, D) = the scaled embeddings of ids, which are checked. */
cso_status cso_engine_embed(struct cso_engine *engine, const int32_t *ids, size_t count, float *out, cso_error *err);

/* head.c */
cso_status cso_head_forward(struct cso_engine *engine, const cso_tree *tree, double *edge_logps, double *edge_squares,
                            cso_error *err);
/* Sets engine->d (N, D) to the gradient of node_hidden. */
cso_status cso_head_backward(struct cso_engine *engine, const cso_tree *tree, const double *edge_weights, cso_error *err);
/* logits (m, V) of normed (m, D). */
cso_status cso_head_logits(struct cso_engine *engine, const float *normed, size_t m, float *logits, cso_error *err);

#endif

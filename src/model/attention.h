/* attention.h - causal attention over a token tree, with grouped queries, soft cap and sliding window.
 *
 * A query attends to its ancestors and itself. The ancestors of a segment's tokens are the whole runs of its ancestor
 * segments, so their keys, put one after another, stand at positions 0, 1, 2, ...: key column j is position j, a causal mask
 * is a column bound, a sliding window is another. Sibling segments (the alternatives of a turn) lie one after another and share
 * all keys but their own, so they are queried together: a query then skips the columns of the siblings before its own. No mask
 * matrix is ever made.
 */
#ifndef CSO_ATTENTION_H
#define CSO_ATTENTION_H

#include "cso/model.h"
#include "cso/status.h"
#include "cso/tree.h"

#include <stddef.h>
#include <stdint.h>

/* Consecutive rows of the flat layout with consecutive positions. */
typedef struct cso_run {
    int32_t first, count;
} cso_run;

/* Queries row .. row+count, of one segment or of sibling segments. Key columns: the `position` tokens before the first query,
 * which all of them see, then the tile's own rows, of which query i sees columns starts[first_start + i] .. i. */
typedef struct cso_query_tile {
    int32_t row, count;
    int32_t position;    /* of the first query */
    int32_t first_run;   /* runs[first_run ...] begin with the keys of positions 0 .. position */
    int32_t first_start; /* in starts */
} cso_query_tile;

typedef struct cso_attention_plan {
    cso_query_tile *tiles;
    size_t n_tiles, tile_capacity;
    cso_run *runs;
    size_t n_runs, run_capacity;
    int32_t *starts; /* the first own column that a query sees: 0, or where its sibling segment begins in the tile */
    size_t n_starts, start_capacity;
    size_t max_keys;  /* of any tile */
    size_t tile_rows; /* most queries of a tile */
} cso_attention_plan;

/* Plans (and re-plans, keeping memory) for a whole tree. */
cso_status cso_attention_plan_tree(cso_attention_plan *plan, const cso_hparams *hparams, const cso_tree *tree, cso_error *err);
/* Plans for rows first .. first+count of one chain whose keys are rows 0 .. first+count (generation). */
cso_status cso_attention_plan_chain(cso_attention_plan *plan, const cso_hparams *hparams, size_t first, size_t count,
                                    cso_error *err);
void cso_attention_plan_free(cso_attention_plan *plan);

/* Letters as in kernels.h; rows of q, out, lse are those of the layout less `row_offset`, rows of k and v are those of the
 * layout. */
typedef struct cso_attention {
    const cso_attention_plan *plan;
    const cso_hparams *hparams;
    size_t window;     /* this layer's; 0: none */
    size_t n_rows;     /* of the layout: rows of k and v */
    size_t row_offset; /* generation: the first new row */
    const float *q;    /* (rows, H, E) after RoPE */
    const float *k;    /* (rows, G, E) after RoPE */
    const float *v;    /* (rows, G, E) */
    float *out;        /* (rows, H, E) */
    float *lse;        /* (rows, H) log-sum-exp of each query's scores, for backward */
} cso_attention;

cso_status cso_attention_forward(const cso_attention *attention, cso_error *err);

/* How many partial sums of dk and dv the backward pass keeps: a function of the model alone. */
size_t cso_attention_partials(const cso_hparams *hparams);

/* Given dout (rows, H, E), sets dq (rows, H, E; may be q's own memory) and dk, dv (partials, rows, G, E), whose first part
 * holds the result. */
cso_status cso_attention_backward(const cso_attention *attention, const float *dout, float *dq, float *dk, float *dv,
                                  cso_error *err);

#endif

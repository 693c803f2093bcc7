/* attention.h - causal attention over a token tree, with grouped queries, soft cap and sliding window.
 *
 * A query attends to its ancestors and itself. The ancestors of a segment's tokens are the whole runs of its ancestor
 * segments, so their keys in a row have positions 0, 1, 2, ...: key column j is position j, a causal mask is a bound on
 * columns, a sliding window is another. Sibling segments (the alternatives of a turn) are adjacent and share all keys but
 * their own, so one tile queries them together: a query skips the columns of the siblings before its own. There is no mask
 * matrix.
 */
#ifndef CSO_ATTENTION_H
#define CSO_ATTENTION_H

#include "base/status.h"
#include "kernels/context.h"
#include "model/model.h"
#include "tree/tree.h"

#include <stddef.h>
#include <stdint.h>

/* Rows of the flat layout with consecutive positions. */
typedef struct cso_run {
    int32_t first, count;
} cso_run;

/* The columns start .. end of its tile's own rows that a query sees; the last is the query itself. */
typedef struct cso_own_columns {
    int32_t start, end;
} cso_own_columns;

/* Some queries of one segment or of sibling segments. Key columns: the `position` tokens before the tile's first row, which
 * all queries see, then the tile's own rows row .. row+count. */
typedef struct cso_query_tile {
    int32_t row, count;
    int32_t position;       /* of the first row */
    int32_t first_run;      /* runs[first_run ...] begin with the keys of positions 0 .. position */
    int32_t query, queries; /* its queries: the first row in q, and how many rows */
    int32_t first_own;      /* of query i: own[first_own + i] */
} cso_query_tile;

typedef struct cso_tile_list {
    cso_query_tile *tiles;
    size_t n_tiles, tile_capacity;
    cso_own_columns *own;
    size_t n_own, own_capacity;
    size_t max_keys; /* of any tile */
} cso_tile_list;

typedef struct cso_attention_plan {
    cso_run *runs;
    size_t n_runs, run_capacity;
    size_t tile_rows;    /* most rows of a tile */
    cso_tile_list all;   /* queries: every row */
    cso_tile_list nodes; /* queries: the tree's nodes alone, for the last layer */
    int32_t *path;       /* room for planning */
    size_t path_capacity;
} cso_attention_plan;

/* Plans (and re-plans, keeping memory) for a whole tree. */
cso_status cso_attention_plan_tree(cso_attention_plan *plan, const cso_hparams *hparams, const cso_tree *tree, cso_error *err);
/* Plans for rows first .. first+count of one chain whose keys are rows 0 .. first+count (generation); no nodes. */
cso_status cso_attention_plan_chain(cso_attention_plan *plan, const cso_hparams *hparams, size_t first, size_t count,
                                    cso_error *err);
/* Bytes of scratch that a thread needs for any tile of the plan. */
size_t cso_attention_scratch(const cso_attention_plan *plan, const cso_hparams *hparams, bool backward);
void cso_attention_plan_free(cso_attention_plan *plan);

/* Letters as in kernels.h; rows of q, out, lse are the list's queries, rows of k and v those of the layout. */
typedef struct cso_attention {
    cso_context *ctx;
    const cso_attention_plan *plan;
    const cso_tile_list *list; /* of the plan */
    const cso_hparams *hparams;
    size_t window;  /* this layer's; 0: none */
    size_t n_rows;  /* of the layout: rows of k and v */
    const float *q; /* (queries, H, E) after RoPE */
    const float *k; /* (rows, G, E) after RoPE */
    const float *v; /* (rows, G, E) */
    float *out;     /* (queries, H, E) */
    float *lse;     /* (queries, H) log-sum-exp of each query's scores, for backward */
} cso_attention;

cso_status cso_attention_forward(const cso_attention *attention, cso_error *err);

/* How many partial sums of dk and dv the backward pass keeps: a function of the model alone. */
size_t cso_attention_partials(const cso_hparams *hparams);

/* Given dout (queries, H, E), sets dq (queries, H, E; may be q's own memory) and dk, dv (partials, rows, G, E), whose first part
 * holds the result. */
cso_status cso_attention_backward(const cso_attention *attention, const float *dout, float *dq, float *dk, float *dv,
                                  cso_error *err);

#endif

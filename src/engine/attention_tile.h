/* attention_tile.h - a query tile as dense blocks: its key columns, the columns each query sees, and gathering rows from the layout
 * and scattering them back. */
#ifndef CSO_ATTENTION_TILE_H
#define CSO_ATTENTION_TILE_H

#include "attention.h"

/* A task's buffers in the thread's scratch. Row r * queries + i is query i of head r of the group. */
typedef struct cso_tile_buffers {
    float *scores, *dscores; /* (group * tile_rows, max_keys) */
    float *q, *out;          /* (group * tile_rows, E) */
    float *k, *v, *dk, *dv;  /* (max_keys, E) */
    float *row;              /* (max_keys) */
    int32_t *key_rows;       /* (max_keys) the layout's row of each key column */
} cso_tile_buffers;

/* The columns [low, high) of the tile's block that a query sees, in two spans, either of which may be empty. */
typedef struct cso_visible {
    size_t low[2], high[2];
} cso_visible;

/* Floats of scratch that any tile of the list needs, and the buffers cut out of it. */
size_t cso_tile_floats(const cso_attention *a, bool backward);
cso_tile_buffers cso_tile_carve(float *base, const cso_attention *a, bool backward);

/* The position of the first key column that any query of the tile sees, and how many columns there are. */
void cso_tile_key_range(const cso_attention *a, const cso_query_tile *tile, size_t *first, size_t *count);
/* The columns query i sees, where column 0 is position `first`. */
cso_visible cso_tile_visible(const cso_attention *a, const cso_query_tile *tile, size_t first, size_t i);
/* Sets all other columns of a row to 0. */
void cso_tile_clear_hidden(float *row, size_t keys, const cso_visible *v);

/* Lists the layout's rows of the tile's keys, from position `skip` on. */
void cso_tile_list_keys(const cso_attention *a, const cso_query_tile *tile, size_t skip, size_t keys, int32_t *key_rows);
/* Copies keys and values of head g by b->key_rows to b->k and b->v; adds b->dk and b->dv to the rows they belong to. */
void cso_tile_gather_keys(const cso_attention *a, size_t g, size_t keys, cso_tile_buffers *b);
void cso_tile_scatter_keys(const cso_attention *a, size_t g, size_t keys, const cso_tile_buffers *b, float *dk, float *dv);
/* Copies the tile's rows of x (queries, H, E), heads of group g, times factor, to a block (group * queries, E), and back. */
void cso_tile_gather_heads(const cso_attention *a, const cso_query_tile *tile, size_t g, const float *x, float factor,
                           float *block);
void cso_tile_scatter_heads(const cso_attention *a, const cso_query_tile *tile, size_t g, const float *block, float factor,
                            float *x);

#endif

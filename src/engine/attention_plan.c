/* attention_plan.c - cuts a tree into tiles of queries and lists the keys of each. */
#include "attention.h"

#include "base/memory.h"

#include <stdlib.h>

/* Queries of a tile times heads of a group: large enough for a fast matrix product, small enough for scores in cache. */
enum { TILE_ROWS = 192 };

static void reset_list(cso_tile_list *list) {
    list->n_tiles = list->n_own = list->max_keys = 0;
}

static void reset(cso_attention_plan *plan, const cso_hparams *hparams) {
    size_t group = hparams->n_heads / hparams->n_kv_heads;
    reset_list(&plan->all);
    reset_list(&plan->nodes);
    plan->n_runs = 0;
    plan->tile_rows = group < TILE_ROWS ? TILE_ROWS / group : 1;
}

/* Adds a run, or lengthens the last one if the rows follow it without a gap (a segment and its first child). */
static bool add_run(cso_attention_plan *plan, size_t from, cso_run run) {
    if (plan->n_runs > from) {
        cso_run *last = &plan->runs[plan->n_runs - 1];
        if (last->first + last->count == run.first) {
            last->count += run.count;
            return true;
        }
    }
    if (!cso_grow(&plan->runs, &plan->run_capacity, plan->n_runs + 1, sizeof *plan->runs))
        return false;
    plan->runs[plan->n_runs++] = run;
    return true;
}

/* Adds a tile without queries. */
static bool add_tile(cso_tile_list *list, cso_query_tile tile) {
    if (!cso_grow(&list->tiles, &list->tile_capacity, list->n_tiles + 1, sizeof *list->tiles))
        return false;
    tile.queries = 0;
    tile.first_own = (int32_t)list->n_own;
    list->tiles[list->n_tiles++] = tile;
    size_t keys = (size_t)tile.position + (size_t)tile.count;
    list->max_keys = keys > list->max_keys ? keys : list->max_keys;
    return true;
}

/* Adds a query to the last tile. */
static bool add_query(cso_tile_list *list, cso_own_columns own) {
    if (!cso_grow(&list->own, &list->own_capacity, list->n_own + 1, sizeof *list->own))
        return false;
    list->own[list->n_own++] = own;
    list->tiles[list->n_tiles - 1].queries++;
    return true;
}

/* Adds `count` rows of the last tile as queries, from its own column `start`; they see none of the columns before that. */
static bool add_queries(cso_tile_list *list, size_t start, size_t count) {
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = add_query(list, (cso_own_columns){(int32_t)start, (int32_t)(start + i + 1)});
    return ok;
}

/* Rows without a fork, in one or more tiles. */
static bool add_chain(cso_attention_plan *plan, cso_query_tile first, size_t count) {
    bool ok = true;
    for (size_t done = 0; ok && done < count; done += plan->tile_rows) {
        size_t left = count - done, n = left < plan->tile_rows ? left : plan->tile_rows;
        cso_query_tile tile = first;
        tile.row += (int32_t)done;
        tile.query += (int32_t)done;
        tile.position += (int32_t)done;
        tile.count = (int32_t)n;
        ok = add_tile(&plan->all, tile) && add_queries(&plan->all, 0, n);
    }
    return ok;
}

/* The number of segments from s on that are adjacent siblings (all but the last are leaves) and fit into one tile. */
static size_t siblings(const cso_attention_plan *plan, const cso_tree *tree, size_t s) {
    size_t end = s + 1, rows = (size_t)tree->segments[s].length;
    while (end < tree->n_segments && tree->segments[end].parent == tree->segments[s].parent &&
           rows + (size_t)tree->segments[end].length <= plan->tile_rows)
        rows += (size_t)tree->segments[end++].length;
    return end - s;
}

static bool add_siblings(cso_attention_plan *plan, const cso_tree *tree, cso_query_tile tile, size_t s, size_t count) {
    const cso_segment *first = &tree->segments[s], *last = &tree->segments[s + count - 1];
    tile.count = last->first + last->length - first->first;
    bool ok = add_tile(&plan->all, tile);
    for (const cso_segment *one = first; ok && one <= last; one++)
        ok = add_queries(&plan->all, (size_t)(one->first - first->first), (size_t)one->length);
    return ok;
}

/* The runs of keys from the root to segment s, in order. */
static bool add_path(cso_attention_plan *plan, const cso_tree *tree, size_t s) {
    size_t length = 0, from = plan->n_runs;
    bool ok = true;
    for (int32_t a = (int32_t)s; a >= 0; a = tree->segments[a].parent)
        plan->path[length++] = a;
    while (ok && length-- > 0)
        ok = add_run(plan, from, (cso_run){tree->segments[plan->path[length]].first, tree->segments[plan->path[length]].length});
    return ok;
}

/* Copies the tiles with only the nodes as queries; tiles without nodes are omitted. */
static bool keep_nodes(cso_attention_plan *plan, const cso_tree *tree) {
    const cso_tile_list *all = &plan->all;
    bool ok = true;
    size_t node = 0;
    for (size_t t = 0; ok && t < all->n_tiles; t++) {
        cso_query_tile tile = all->tiles[t];
        int32_t end = tile.row + tile.count;
        size_t first = node;
        while (node < tree->n_nodes && tree->node_token[node] < end)
            node++;
        if (node == first)
            continue;
        tile.query = (int32_t)first;
        tile.count = tree->node_token[node - 1] + 1 - tile.row; /* no node sees rows after the last node */
        const cso_own_columns *own = &all->own[all->tiles[t].first_own];
        ok = add_tile(&plan->nodes, tile);
        for (; ok && first < node; first++)
            ok = add_query(&plan->nodes, own[tree->node_token[first] - tile.row]);
    }
    return ok;
}

cso_status cso_attention_plan_tree(cso_attention_plan *plan, const cso_hparams *hparams, const cso_tree *tree, cso_error *err) {
    reset(plan, hparams);
    bool ok = cso_grow(&plan->path, &plan->path_capacity, tree->n_segments, sizeof *plan->path);
    for (size_t s = 0, count; ok && s < tree->n_segments; s += count) {
        const cso_segment *segment = &tree->segments[s];
        const cso_query_tile tile = {
            .row = segment->first, .query = segment->first, .position = segment->depth, .first_run = (int32_t)plan->n_runs};
        count = siblings(plan, tree, s);
        ok = add_path(plan, tree, s) &&
             (count > 1 ? add_siblings(plan, tree, tile, s, count) : add_chain(plan, tile, (size_t)segment->length));
    }
    return ok && keep_nodes(plan, tree) ? CSO_OK : cso_fail_memory(err, "an attention plan");
}

void cso_attention_plan_free(cso_attention_plan *plan) {
    free(plan->runs);
    free(plan->path);
    free(plan->all.tiles);
    free(plan->all.own);
    free(plan->nodes.tiles);
    free(plan->nodes.own);
    *plan = (cso_attention_plan){0};
}

/* attention_plan.c - which rows are keys for which queries. */
#include "attention.h"

#include "cso/memory.h"

#include <stdlib.h>

/* Queries of a tile times heads that share a key-value head: high enough for a good matrix product, low enough for scores in
 * cache. */
enum { TILE_ROWS = 192 };

static void reset(cso_attention_plan *plan, const cso_hparams *hparams) {
    size_t group = hparams->n_heads / hparams->n_kv_heads;
    plan->n_tiles = plan->n_runs = plan->n_starts = plan->max_keys = 0;
    plan->tile_rows = group < TILE_ROWS ? TILE_ROWS / group : 1;
}

/* Adds a run, or lengthens the one before where rows go on without a gap (a segment and its first child). */
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

/* A tile of `count` queries, whose starts are to follow. */
static bool add_tile(cso_attention_plan *plan, size_t first_run, size_t row, size_t count, size_t position) {
    if (!cso_grow(&plan->tiles, &plan->tile_capacity, plan->n_tiles + 1, sizeof *plan->tiles))
        return false;
    plan->tiles[plan->n_tiles++] =
        (cso_query_tile){(int32_t)row, (int32_t)count, (int32_t)position, (int32_t)first_run, (int32_t)plan->n_starts};
    plan->max_keys = position + count > plan->max_keys ? position + count : plan->max_keys;
    return true;
}

/* `count` queries more in the tile added last, whose first own column is `start`. */
static bool add_starts(cso_attention_plan *plan, size_t count, size_t start) {
    if (!cso_grow(&plan->starts, &plan->start_capacity, plan->n_starts + count, sizeof *plan->starts))
        return false;
    for (size_t i = 0; i < count; i++)
        plan->starts[plan->n_starts++] = (int32_t)start;
    return true;
}

/* A run of rows without a fork, in as many tiles as it takes. */
static bool add_chain(cso_attention_plan *plan, size_t first_run, size_t row, size_t count, size_t position) {
    for (size_t done = 0; done < count; done += plan->tile_rows) {
        size_t left = count - done, n = left < plan->tile_rows ? left : plan->tile_rows;
        if (!add_tile(plan, first_run, row + done, n, position + done) || !add_starts(plan, n, 0))
            return false;
    }
    return true;
}

/* How many segments from s on are siblings that lie side by side (all but the last are leaves) and fit into one tile. */
static size_t siblings(const cso_attention_plan *plan, const cso_tree *tree, size_t s) {
    size_t end = s + 1, rows = (size_t)tree->segments[s].length;
    while (end < tree->n_segments && tree->segments[end].parent == tree->segments[s].parent &&
           rows + (size_t)tree->segments[end].length <= plan->tile_rows)
        rows += (size_t)tree->segments[end++].length;
    return end - s;
}

static bool add_siblings(cso_attention_plan *plan, const cso_tree *tree, size_t first_run, size_t s, size_t count) {
    const cso_segment *first = &tree->segments[s], *last = &tree->segments[s + count - 1];
    bool ok =
        add_tile(plan, first_run, (size_t)first->first, (size_t)(last->first + last->length - first->first), (size_t)first->depth);
    for (const cso_segment *one = first; ok && one <= last; one++)
        ok = add_starts(plan, (size_t)one->length, (size_t)(one->first - first->first));
    return ok;
}

cso_status cso_attention_plan_tree(cso_attention_plan *plan, const cso_hparams *hparams, const cso_tree *tree, cso_error *err) {
    reset(plan, hparams);
    int32_t *path = cso_calloc(tree->n_segments + 1, sizeof *path);
    bool ok = path != NULL;
    for (size_t s = 0, count; ok && s < tree->n_segments; s += count) {
        size_t length = 0, first_run = plan->n_runs;
        for (int32_t a = (int32_t)s; a >= 0; a = tree->segments[a].parent)
            path[length++] = a;
        while (ok && length-- > 0)
            ok = add_run(plan, first_run, (cso_run){tree->segments[path[length]].first, tree->segments[path[length]].length});
        const cso_segment *segment = &tree->segments[s];
        count = siblings(plan, tree, s);
        ok =
            ok && (count > 1 ? add_siblings(plan, tree, first_run, s, count)
                             : add_chain(plan, first_run, (size_t)segment->first, (size_t)segment->length, (size_t)segment->depth));
    }
    free(path);
    return ok ? CSO_OK : cso_fail_memory(err, "an attention plan");
}

cso_status cso_attention_plan_chain(cso_attention_plan *plan, const cso_hparams *hparams, size_t first, size_t count,
                                    cso_error *err) {
    reset(plan, hparams);
    if (!add_run(plan, 0, (cso_run){0, (int32_t)(first + count)}) || !add_chain(plan, 0, first, count, first))
        return cso_fail_memory(err, "an attention plan");
    return CSO_OK;
}

void cso_attention_plan_free(cso_attention_plan *plan) {
    free(plan->tiles);
    free(plan->runs);
    free(plan->starts);
    *plan = (cso_attention_plan){0};
}

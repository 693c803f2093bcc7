/* attention_plan.c - which rows are keys for which queries. */
#include "attention.h"

#include "cso/memory.h"

#include <stdlib.h>

/* Queries of a tile times heads that share a key-value head: high enough for a good matrix product, low enough for scores in
 * cache. */
enum { TILE_ROWS = 96 };

static void reset(cso_attention_plan *plan, const cso_hparams *hparams) {
    size_t group = hparams->n_heads / hparams->n_kv_heads;
    plan->n_tiles = plan->n_runs = plan->max_keys = 0;
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

static bool add_tiles(cso_attention_plan *plan, size_t first_run, size_t row, size_t count, size_t position) {
    for (size_t done = 0; done < count; done += plan->tile_rows) {
        size_t left = count - done, n = left < plan->tile_rows ? left : plan->tile_rows;
        if (!cso_grow(&plan->tiles, &plan->tile_capacity, plan->n_tiles + 1, sizeof *plan->tiles))
            return false;
        plan->tiles[plan->n_tiles++] =
            (cso_query_tile){(int32_t)(row + done), (int32_t)n, (int32_t)(position + done), (int32_t)first_run};
        size_t keys = position + done + n;
        plan->max_keys = keys > plan->max_keys ? keys : plan->max_keys;
    }
    return true;
}

cso_status cso_attention_plan_tree(cso_attention_plan *plan, const cso_hparams *hparams, const cso_tree *tree, cso_error *err) {
    reset(plan, hparams);
    int32_t *path = cso_calloc(tree->n_segments + 1, sizeof *path);
    bool ok = path != NULL;
    for (size_t s = 0; ok && s < tree->n_segments; s++) {
        size_t length = 0, first_run = plan->n_runs;
        for (int32_t a = (int32_t)s; a >= 0; a = tree->segments[a].parent)
            path[length++] = a;
        while (ok && length-- > 0)
            ok = add_run(plan, first_run, (cso_run){tree->segments[path[length]].first, tree->segments[path[length]].length});
        const cso_segment *segment = &tree->segments[s];
        ok = ok && add_tiles(plan, first_run, (size_t)segment->first, (size_t)segment->length, (size_t)segment->depth);
    }
    free(path);
    return ok ? CSO_OK : cso_fail_memory(err, "an attention plan");
}

cso_status cso_attention_plan_chain(cso_attention_plan *plan, const cso_hparams *hparams, size_t first, size_t count,
                                    cso_error *err) {
    reset(plan, hparams);
    if (!add_run(plan, 0, (cso_run){0, (int32_t)(first + count)}) || !add_tiles(plan, 0, first, count, first))
        return cso_fail_memory(err, "an attention plan");
    return CSO_OK;
}

void cso_attention_plan_free(cso_attention_plan *plan) {
    free(plan->tiles);
    free(plan->runs);
    *plan = (cso_attention_plan){0};
}

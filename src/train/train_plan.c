/* train_plan.c - see train_plan.h. */
#include "train_plan.h"

#include "base/clock.h"
#include "base/memory.h"
#include "kernels/gemm/gemm.h"
#include "train_batch.h"

#include <math.h>
#include <stdlib.h>

enum { TRIAL_ROWS = 512 };

/* Weights that a token is multiplied with in one layer; and those of keys and values alone, which is all that tokens that are no
 * nodes need in the last. */
static double layer_weights(const cso_model *model, bool keys_only) {
    double sum = 0;
    for (cso_module m = 0; m < CSO_MODULE_COUNT; m++)
        if (!keys_only || m == CSO_K_PROJ || m == CSO_V_PROJ)
            sum += (double)cso_module_in(model, m) * (double)cso_module_out(model, m);
    return sum;
}

/* The model's own largest product, repeated for a fifth of a second. */
static cso_status measure_rate(const cso_train_job *job, cso_compute compute, double *rate, cso_error *err) {
    const cso_tensor *w = &job->model->layers[0].linear[CSO_GATE_PROJ];
    size_t rows = cso_tensor_rows(w), columns = cso_tensor_columns(w);
    float *x = cso_aligned_alloc(TRIAL_ROWS * columns, sizeof *x), *y = cso_aligned_alloc(TRIAL_ROWS * rows, sizeof *y);
    cso_gemm *gemm = NULL;
    cso_status status;
    if (!x || !y) {
        status = cso_fail_memory(err, "the trial product");
        goto done;
    }
    for (size_t i = 0; i < TRIAL_ROWS * columns; i++)
        x[i] = (float)(i % 7) - 3;
    CSO_TRY_DONE(cso_gemm_create(&gemm, cso_engine_context(job->engine), compute, err));
    CSO_TRY_DONE(cso_gemm_nt(gemm, y, rows, x, columns, TRIAL_ROWS, w, 0, rows, false, err)); /* pages and caches warm up */
    const double flops = 2.0 * TRIAL_ROWS * (double)rows * (double)columns;
    for (double began = cso_clock(), before = began, after; before - began < 0.2; before = after) {
        CSO_TRY_DONE(cso_gemm_nt(gemm, y, rows, x, columns, TRIAL_ROWS, w, 0, rows, false, err));
        after = cso_clock();
        *rate = fmax(*rate, flops / (after - before)); /* the best: others may be using the machine */
    }
done:
    cso_gemm_free(gemm);
    free(x);
    free(y);
    return status;
}

/* The batch's memory while the tree is worked on. */
static void add_need(cso_train_plan *plan, const cso_arena *arena, const cso_batch *batch, const cso_tree *tree,
                     const cso_engine_need *need) {
    size_t bytes = arena->total + cso_batch_run_bytes(batch->n, tree);
    plan->need.arena = plan->need.arena > bytes ? plan->need.arena : bytes;
    cso_engine_need_grow(&plan->need.engine, need);
}

static cso_status add_tree(cso_train_plan *plan, const cso_train_job *job, const cso_batch *batch, size_t k, const size_t *pairs,
                           cso_arena *arena, cso_error *err) {
    size_t limit = cso_engine_max_tokens(job->engine), n_layers = job->model->hparams.n_layers;
    double head = (double)job->model->hparams.vocab * (double)job->model->hparams.hidden;
    cso_engine_need need;
    cso_tree tree;
    CSO_TRY(cso_batch_tree(batch, k, arena, &tree, err));
    size_t n = tree.n_tokens, nodes = tree.n_nodes;
    if (n > limit) /* the planner leaves only single pairs too large */
        return cso_fail(
            err, CSO_ERR_USAGE,
            "train.memory_gib: record %zu alone needs %zu tokens at once, the memory holds %zu (more memory or a smaller "
            "data.max_length)",
            job->train->pairs[pairs[batch->order[batch->cuts[k]]]].record + 1, n, limit);
    CSO_TRY(cso_engine_plan(job->engine, &tree, job->adapter, true, &need, err));
    add_need(plan, arena, batch, &tree, &need);
    size_t kept = need.kept_layers;
    double again = kept == n_layers ? 0 : (double)(n_layers - 1 - kept), every = 2 * layer_weights(job->model, false);
    double last = 2 * layer_weights(job->model, true) * (double)(n - nodes) + every * (double)nodes;
    double forward = every * (double)n * (double)(n_layers - 1) + last;
    plan->tokens += n;
    plan->tokens_unshared += tree.n_unshared_tokens;
    plan->nodes += nodes;
    plan->trees++;
    if (n > plan->largest_tree) {
        plan->largest_tree = n;
        plan->kept_layers = kept;
    }
    /* Forward, backward to the inputs, and forward again in the layers that are not kept. */
    plan->epoch_flops += 2 * forward + again * every * (double)n + 4 * head * (double)nodes;
    plan->reference_flops += forward + 2 * head * (double)nodes;
    return CSO_OK;
}

/* Trees of the evaluation only add to the memory. */
static cso_status add_eval_tree(cso_train_plan *plan, const cso_train_job *job, const cso_batch *batch, size_t k, cso_arena *arena,
                                cso_error *err) {
    cso_engine_need need;
    cso_tree tree;
    CSO_TRY(cso_batch_tree(batch, k, arena, &tree, err));
    CSO_TRY(cso_engine_plan(job->engine, &tree, job->adapter, false, &need, err));
    add_need(plan, arena, batch, &tree, &need);
    return CSO_OK;
}

static cso_status add_batch(cso_train_plan *plan, const cso_train_job *job, const cso_dataset *data, const size_t *pairs, size_t n,
                            cso_arena *arena, cso_error *err) {
    cso_batch batch;
    cso_arena_reset(arena);
    CSO_TRY(cso_batch_make(&batch, data, pairs, n, job->config->data.packing, cso_engine_max_tokens(job->engine), arena, err));
    for (size_t k = 0; k < batch.n_trees; k++) {
        cso_arena_mark mark = cso_arena_get_mark(arena);
        CSO_TRY(data == job->train ? add_tree(plan, job, &batch, k, pairs, arena, err)
                                   : add_eval_tree(plan, job, &batch, k, arena, err));
        cso_arena_release(arena, mark);
    }
    return CSO_OK;
}

/* All batches of the data, in the first epoch's order or, for the evaluation, in their own. */
static cso_status add_data(cso_train_plan *plan, const cso_train_job *job, const cso_dataset *data, cso_error *err) {
    size_t count = data->count, size = job->config->train.batch_size, *order = cso_calloc(count, sizeof *order);
    cso_arena arena = {0};
    cso_status status = CSO_OK;
    if (!order)
        return cso_fail_memory(err, "the plan");
    cso_dataset_order(data, data == job->train ? job->config->data.shuffle : CSO_SHUFFLE_NONE, job->config->train.seed, 0, order);
    for (size_t at = 0; at < count; at += size)
        CSO_TRY_DONE(add_batch(plan, job, data, order + at, count - at < size ? count - at : size, &arena, err));
done:
    cso_arena_free(&arena);
    free(order);
    return status;
}

/* Of a run beside its steps' working memory: gradients and AdamW's two moments, these two once more while a checkpoint's checksum
 * is made of the mapped file; reference log-probabilities; an order of pairs. */
static size_t state_bytes(const cso_train_job *job) {
    size_t pairs = job->train->count + (job->eval ? job->eval->count : 0);
    return 5 * job->adapter->n_params * sizeof(float) + pairs * 2 * sizeof(double) + job->train->count * sizeof(size_t);
}

cso_status cso_train_plan_make(cso_train_plan *plan, const cso_train_job *job, cso_error *err) {
    size_t resident = cso_memory_resident(); /* data, adapters, tokenizer, libraries: as they are */
    *plan = (cso_train_plan){.length = cso_train_measure(job->config, job->train->count)};
    CSO_TRY(add_data(plan, job, job->train, err));
    if (job->eval)
        CSO_TRY(add_data(plan, job, job->eval, err));
    plan->bytes = cso_engine_need_bytes(job->engine, &plan->need.engine) + plan->need.arena;
    plan->peak_bytes = resident + plan->bytes + state_bytes(job);
    CSO_TRY(measure_rate(job, job->config->model.compute, &plan->rate, err));
    return job->config->model.compute == CSO_COMPUTE_BF16 ? measure_rate(job, CSO_COMPUTE_F32, &plan->f32_rate, err) : CSO_OK;
}

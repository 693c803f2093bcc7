/* train_plan.c - see train_plan.h. */
#include "train_plan.h"

#include "base/memory.h"
#include "train_batch.h"
#include "trainer_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct tree_place {
    size_t batch, tree, tokens;
} tree_place;

/* A walk through the batches of one data set. */
typedef struct walk {
    cso_train_plan *plan;
    const cso_train_job *job;
    const cso_dataset *data;
    bool training; /* else the evaluation's data */
    cso_reference_cache cache;
    cso_arena arena;
    size_t *order; /* (data->count) */
    tree_place *trees;
    size_t n_trees, tree_capacity;
} walk;

/* How often the first `steps` steps come to batch `batch` of an epoch. */
static size_t visits_until(const cso_train_length *length, size_t steps, size_t batch) {
    return steps / length->epoch_steps + (batch < steps % length->epoch_steps);
}

/* How often the run still comes to a batch: of the first epoch's, in its first and later epochs; of the evaluation's, at each
 * evaluation. */
static size_t visits(const walk *w, size_t batch) {
    const cso_train_length *length = &w->plan->length;
    if (!w->training)
        return w->plan->evaluations;
    return visits_until(length, length->total_steps, batch) - visits_until(length, w->plan->first_step, batch);
}

/* The batch's memory while the tree is worked on. */
static void add_need(walk *w, const cso_batch *batch, const cso_tree *tree, const cso_engine_need *need) {
    cso_train_plan *plan = w->plan;
    size_t bytes = w->arena.total + cso_batch_run_bytes(w->job->objective, batch, tree);
    plan->need.arena = plan->need.arena > bytes ? plan->need.arena : bytes;
    cso_engine_need_grow(&plan->need.engine, need);
}

static void add_pass(cso_train_work *sum, const cso_pass_work *work, double times) {
    cso_work_add(&sum->forward, &work->forward, times);
    cso_work_add(&sum->forward, &work->again, times);
    cso_work_add(&sum->backward, &work->backward, times);
}

static bool needs(const walk *w, unsigned what) {
    return (w->job->objective->needs & what) != 0;
}

/* Nothing is left to compute for the reference: the loss needs none, or the cache has it. */
static bool reference_is_known(const walk *w, const cso_batch *batch, size_t k) {
    bool known = true;
    for (size_t i = batch->cuts[k]; needs(w, CSO_LOSS_REFERENCE) && i < batch->cuts[k + 1]; i++)
        known = known && cso_reference_cache_has(&w->cache, batch->example[i]);
    return known;
}

/* The work of the run's passes over the tree. */
static void add_work(walk *w, size_t at, const cso_batch *batch, size_t k, const cso_tree *tree, size_t kept) {
    const cso_train_job *job = w->job;
    cso_pass_work policy = cso_engine_work(job->model, tree, job->adapter, kept, w->training);
    bool reference_known = reference_is_known(w, batch, k);
    if (w->training && needs(w, CSO_LOSS_WHOLE_BATCH) && k + 1 < batch->n_trees) /* a second forward pass (train_batch.h) */
        cso_work_add(&policy.again, &policy.forward, 1);
    cso_pass_work reference = cso_engine_work(job->model, tree, job->reference, 0, false);
    double times = (double)visits(w, at);
    add_pass(w->training ? &w->plan->steps : &w->plan->evaluation, &policy, times);
    if (needs(w, CSO_LOSS_MISMATCHED)) /* other completions in every step */
        add_pass(&w->plan->reference, &reference, times);
    else if (times > 0 && !reference_known)
        add_pass(&w->plan->reference, &reference, 1);
    if (w->training)
        w->plan->epoch_flops += cso_work_flops(&policy.forward) + cso_work_flops(&policy.backward) + cso_work_flops(&policy.again);
}

static cso_status count_tree(walk *w, size_t batch, size_t k, const cso_tree *tree, size_t kept, cso_error *err) {
    cso_train_plan *plan = w->plan;
    plan->tokens += tree->n_tokens;
    plan->tokens_unshared += tree->n_unshared_tokens;
    plan->nodes += tree->n_nodes;
    plan->trees++;
    if (tree->n_tokens > plan->largest_tree) {
        plan->largest_tree = tree->n_tokens;
        plan->kept_layers = kept;
    }
    if (!cso_grow(&w->trees, &w->tree_capacity, w->n_trees + 1, sizeof *w->trees))
        return cso_fail_memory(err, "the plan");
    w->trees[w->n_trees++] = (tree_place){batch, k, tree->n_tokens};
    return CSO_OK;
}

static cso_status add_tree(walk *w, size_t at, const cso_batch *batch, size_t k, cso_error *err) {
    const cso_train_job *job = w->job;
    size_t limit = cso_engine_max_tokens(job->engine);
    cso_engine_need need;
    cso_tree tree;
    CSO_TRY(cso_batch_tree(batch, k, &w->arena, &tree, err));
    if (tree.n_tokens > limit) /* the planner leaves only single examples too large */
        return cso_fail(
            err, CSO_ERR_USAGE,
            "train.memory_gib: record %zu alone needs %zu tokens at once, the memory holds %zu (more memory or a smaller "
            "data.max_length)",
            w->data->examples[batch->example[batch->cuts[k]]].record + 1, tree.n_tokens, limit);
    CSO_TRY(cso_engine_plan(job->engine, &tree, job->adapter, w->training, &need, err));
    add_need(w, batch, &tree, &need);
    add_work(w, at, batch, k, &tree, need.kept_layers);
    if (w->training)
        return count_tree(w, at, k, &tree, need.kept_layers, err);
    w->plan->evaluation_trees++;
    return CSO_OK;
}

static cso_status make_batch(walk *w, size_t at, cso_batch *batch, cso_error *err) {
    size_t size = w->job->config->train.batch_size, first = at * size, left = w->data->count - first;
    const cso_batch_source source = {.data = w->data,
                                     .examples = w->order + first,
                                     .n = left < size ? left : size,
                                     .packing = w->job->config->data.packing,
                                     .objective = w->job->objective};
    size_t limit = cso_engine_max_tokens(w->job->engine), wanted = w->job->start.tree_tokens;
    wanted = wanted ? wanted : cso_engine_tree_tokens(w->job->engine);
    cso_arena_reset(&w->arena);
    return cso_batch_make(batch, &source, wanted < limit ? wanted : limit, &w->arena, err);
}

static cso_status add_batch(walk *w, size_t at, cso_error *err) {
    cso_batch batch;
    CSO_TRY(make_batch(w, at, &batch, err));
    for (size_t k = 0; k < batch.n_trees; k++) {
        cso_arena_mark mark = cso_arena_get_mark(&w->arena);
        CSO_TRY(add_tree(w, at, &batch, k, err));
        cso_arena_release(&w->arena, mark);
    }
    return CSO_OK;
}

static void walk_close(walk *w) {
    cso_reference_cache_free(&w->cache);
    cso_arena_free(&w->arena);
    free(w->order);
    free(w->trees);
}

/* In the first epoch's order or, for the evaluation, in the data's own. */
static cso_status walk_open(walk *w, cso_train_plan *plan, const cso_train_job *job, bool training, cso_error *err) {
    const cso_dataset *data = training ? job->train : job->eval;
    *w = (walk){.plan = plan, .job = job, .data = data, .training = training};
    if (!(w->order = cso_calloc(data->count, sizeof *w->order)))
        return cso_fail_memory(err, "the plan");
    cso_dataset_order(data, training ? job->config->data.shuffle : CSO_SHUFFLE_NONE, job->config->train.seed, 0, w->order);
    return CSO_OK;
}

/* A token of the epoch stands, in the mean, in a tree of so many tokens: the first one of about that size. */
static void choose_typical(walk *w) {
    double squares = 0, typical, least = INFINITY;
    for (size_t i = 0; i < w->n_trees; i++)
        squares += (double)w->trees[i].tokens * (double)w->trees[i].tokens;
    typical = squares / (double)w->plan->tokens;
    for (size_t i = 0; i < w->n_trees; i++) {
        double distance = fabs((double)w->trees[i].tokens - typical);
        if (distance < least) {
            least = distance;
            w->plan->typical_batch = w->trees[i].batch;
            w->plan->typical_tree = w->trees[i].tree;
        }
    }
}

static void tell_stage(const cso_train_job *job, cso_train_stage stage, size_t done, size_t total) {
    if (job->observer.stage)
        job->observer.stage(job->observer.context, stage, done, total);
}

static cso_status add_data(cso_train_plan *plan, const cso_train_job *job, bool training, cso_error *err) {
    walk w;
    cso_error warning; /* the run itself will tell */
    cso_status status = walk_open(&w, plan, job, training, err);
    size_t size = job->config->train.batch_size;
    if (status == CSO_OK && needs(&w, CSO_LOSS_REFERENCE))
        status = trainer_read_cache(job, training, &w.cache, &warning, err);
    for (size_t at = 0; status == CSO_OK && at * size < w.data->count; at++) {
        status = add_batch(&w, at, err);
        tell_stage(job, CSO_STAGE_PLAN, at + 1, (w.data->count + size - 1) / size);
    }
    if (training)
        choose_typical(&w);
    walk_close(&w);
    return status;
}

/* Of a run beside its steps' working memory: gradients and AdamW's two moments, these two once more while a checkpoint's checksum
 * is made of the mapped file; reference log-probabilities; an order of examples. */
static size_t state_bytes(const cso_train_job *job) {
    size_t sequences = job->train->n_sequences + (job->eval ? job->eval->n_sequences : 0);
    return 5 * job->adapter->n_params * sizeof(float) + sequences * sizeof(double) + job->train->count * sizeof(size_t);
}

/* One at every log.eval_every_steps and one after the last step, of those that are left. */
size_t cso_train_evaluations(const cso_train_job *job, size_t first_step, size_t total_steps) {
    size_t every = job->config->log.eval_every_steps;
    if (!job->eval || first_step == total_steps)
        return 0;
    return every ? total_steps / every - first_step / every + (total_steps % every > 0) : 1;
}

static void warn_of_threads(const cso_train_job *job, int wanted, int threads) {
    char text[200];
    snprintf(
        text, sizeof text,
        "train.memory_gib holds the buffers of %d of the %d threads beside the largest tree: the run uses %d (the result is the "
        "same)",
        threads, wanted, threads);
    if (threads < wanted && job->observer.warning)
        job->observer.warning(job->observer.context, text);
}

cso_status cso_train_plan_make(cso_train_plan *plan, const cso_train_job *job, cso_error *err) {
    size_t resident = cso_memory_resident(); /* data, adapters, tokenizer, libraries: as they are */
    int threads = cso_pool_threads(cso_engine_context(job->engine)->pool);
    *plan = (cso_train_plan){.length = cso_train_measure(job->config, job->train->count)};
    size_t total = plan->length.total_steps, first = job->start.complete || job->start.step > total ? total : job->start.step;
    plan->first_step = first;
    plan->evaluations = cso_train_evaluations(job, first, total);
    CSO_TRY(add_data(plan, job, true, err));
    if (job->eval)
        CSO_TRY(add_data(plan, job, false, err));
    plan->steps.forward.of[CSO_PHASE_OPTIMIZER] = (double)job->adapter->n_params * (double)(total - first);
    warn_of_threads(job, threads, cso_pool_threads(cso_engine_context(job->engine)->pool));
    plan->bytes = cso_engine_need_bytes(job->engine, &plan->need.engine) + plan->need.arena;
    plan->peak_bytes = resident + plan->bytes + state_bytes(job);
    return CSO_OK;
}

/* Several processes share the passes; each makes the whole update. */
static double seconds_of(const cso_train_job *job, const cso_train_rates *rates, cso_train_work work) {
    double update = rates->forward.of[CSO_PHASE_OPTIMIZER] * work.forward.of[CSO_PHASE_OPTIMIZER];
    work.forward.of[CSO_PHASE_OPTIMIZER] = 0;
    return cso_train_seconds(rates, &work) / (double)cso_comm_size(job->comm) + update;
}

/* A compute type that is not the run's own may be missing. */
static cso_status measure(cso_train_plan *plan, const cso_train_job *job, const cso_train_sample *sample, cso_compute compute,
                          cso_error *err) {
    cso_train_rates rates;
    cso_status status = cso_train_rates_measure(&rates, sample, compute, err);
    if (status == CSO_ERR_USAGE && compute != job->config->model.compute)
        return CSO_OK;
    plan->rates[compute] = rates;
    if (status == CSO_OK)
        plan->time[compute] = (cso_train_time){.steps = seconds_of(job, &rates, plan->steps),
                                               .reference = seconds_of(job, &rates, plan->reference),
                                               .evaluation = seconds_of(job, &rates, plan->evaluation)};
    return status;
}

cso_status cso_train_plan_measure(cso_train_plan *plan, const cso_train_job *job, cso_error *err) {
    walk w;
    cso_batch batch;
    cso_status status;
    tell_stage(job, CSO_STAGE_RATES, 0, 0);
    CSO_TRY_DONE(walk_open(&w, plan, job, true, err));
    CSO_TRY_DONE(make_batch(&w, plan->typical_batch, &batch, err));
    size_t from = batch.cuts[plan->typical_tree], to = batch.cuts[plan->typical_tree + 1];
    const cso_train_sample sample = {cso_engine_context(job->engine), job->model, job->adapter, batch.sequences + batch.first[from],
                                     batch.first[to] - batch.first[from]};
    CSO_TRY_DONE(measure(plan, job, &sample, CSO_COMPUTE_F32, err));
    CSO_TRY_DONE(measure(plan, job, &sample, CSO_COMPUTE_BF16, err));
done:
    walk_close(&w);
    return status;
}

double cso_train_time_total(const cso_train_time *time) {
    return time->steps + time->reference + time->evaluation;
}

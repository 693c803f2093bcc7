/* evaluate.c - the metrics of a whole data set, without training. */
#include "trainer.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

/* The batches of an evaluation. Rank r computes the batches r, r + ranks, ...: whole batches, so that trees and bits are those of
 * one process. */
typedef struct evaluation {
    const cso_batch_job *job;
    const cso_adapter *adapter;
    size_t count, batch_size, batches, ranks;
    size_t most;            /* batches of one rank, at most */
    cso_batch_result *mine; /* (most) */
    cso_batch_result *all;  /* (ranks, most) */
    size_t *examples;       /* (batch_size) */
    double *block;          /* for the reference cache's exchange */
    int *owner;             /* (count) the rank of each example */
} evaluation;

static cso_status open_evaluation(evaluation *e, cso_error *err) {
    e->mine = cso_calloc(e->most, sizeof *e->mine);
    e->all = cso_calloc(e->most * e->ranks, sizeof *e->all);
    e->examples = cso_calloc(e->count < e->batch_size ? e->count : e->batch_size, sizeof *e->examples);
    e->block = cso_calloc(cso_reference_cache_block(e->job->data, NULL, e->count), sizeof *e->block);
    e->owner = cso_calloc(e->count, sizeof *e->owner);
    if (!e->mine || !e->all || !e->examples || !e->block || !e->owner)
        return cso_fail_memory(err, "an evaluation");
    for (size_t i = 0; i < e->count; i++)
        e->owner[i] = (int)(i / e->batch_size % e->ranks);
    return CSO_OK;
}

static void close_evaluation(evaluation *e) {
    free(e->mine);
    free(e->all);
    free(e->examples);
    free(e->block);
    free(e->owner);
}

/* This rank's batches. */
static cso_status run_batches(evaluation *e, cso_error *err) {
    cso_batch_job alone = *e->job;
    alone.comm = NULL;
    for (size_t k = (size_t)cso_comm_rank(e->job->comm); k < e->batches; k += e->ranks) {
        size_t at = k * e->batch_size, n = e->count - at < e->batch_size ? e->count - at : e->batch_size;
        for (size_t i = 0; i < n; i++)
            e->examples[i] = at + i;
        CSO_TRY(cso_batch_run(&alone, e->adapter, e->examples, n, NULL, &e->mine[k / e->ranks], err));
    }
    return CSO_OK;
}

/* The weighted mean over all ranks' batches, in their order. */
static void add_up(const evaluation *e, cso_batch_result *result) {
    const cso_metric_table *table = e->job->metrics;
    size_t n_metrics = cso_loss_metric_count(table->names);
    for (size_t k = 0; k < e->batches; k++)
        for (size_t i = 0; i < n_metrics; i++)
            result->weights[i] += e->all[k % e->ranks * e->most + k / e->ranks].weights[i];
    for (size_t k = 0; k < e->batches; k++) {
        const cso_batch_result *part = &e->all[k % e->ranks * e->most + k / e->ranks];
        for (size_t i = 0; i < n_metrics; i++)
            if (part->weights[i] > 0)
                result->metrics[i] +=
                    cso_metric_is_count(table, i) ? part->metrics[i] : part->weights[i] / result->weights[i] * part->metrics[i];
        result->tokens += part->tokens;
        result->tokens_unshared += part->tokens_unshared;
        result->trees += part->trees;
        result->reference_seconds += part->reference_seconds;
        result->flops += part->flops;
    }
    for (size_t i = 0; i < n_metrics; i++)
        if (result->weights[i] == 0)
            result->metrics[i] = NAN;
}

cso_status cso_evaluate(const cso_batch_job *job, const cso_adapter *adapter, size_t batch_size, cso_batch_result *result,
                        cso_error *err) {
    evaluation e = {.job = job, .count = job->data->count, .batch_size = batch_size, .ranks = (size_t)cso_comm_size(job->comm)};
    cso_adapter still; /* the same adapter without dropout */
    cso_status status;
    e.batches = (e.count + batch_size - 1) / batch_size;
    e.most = (e.batches + e.ranks - 1) / e.ranks;
    *result = (cso_batch_result){0};
    if (adapter) {
        still = *adapter;
        still.options.dropout = 0;
        e.adapter = &still;
    }
    CSO_TRY_DONE(open_evaluation(&e, err));
    status = run_batches(&e, err);
    if (job->cache)
        cso_reference_cache_share(job->cache, job->comm, NULL, e.owner, e.count, e.block);
    CSO_TRY_DONE(cso_comm_agree(job->comm, status, err));
    cso_comm_gather_all(job->comm, e.mine, e.all, e.most * sizeof *e.mine);
    add_up(&e, result);
done:
    close_evaluation(&e);
    return status;
}

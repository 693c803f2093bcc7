/* evaluate.c - means over a whole data set, without training. */
#include "trainer.h"

#include "base/memory.h"

#include <stdlib.h>

/* sum += n * part, member by member. */
static void add(cso_pair_means *sum, const cso_pair_means *part, double n) {
    sum->loss += n * part->loss;
    sum->accuracy += n * part->accuracy;
    sum->margin += n * part->margin;
    for (int side = 0; side < 2; side++) {
        sum->rewards[side] += n * part->rewards[side];
        sum->logps[side] += n * part->logps[side];
    }
}

/* This process's batches, in their order: the first at rank, then every ranks-th. */
static cso_status run_share(const cso_batch_job *job, const cso_adapter *adapter, size_t batch_size, size_t *pairs,
                            cso_batch_result *parts, cso_error *err) {
    size_t count = job->data->count, batches = (count + batch_size - 1) / batch_size, ranks = (size_t)cso_comm_size(job->comm);
    cso_batch_job alone = *job;
    alone.comm = NULL;
    for (size_t k = (size_t)cso_comm_rank(job->comm); k < batches; k += ranks) {
        size_t at = k * batch_size, n = count - at < batch_size ? count - at : batch_size;
        for (size_t i = 0; i < n; i++)
            pairs[i] = at + i;
        CSO_TRY(cso_batch_run(&alone, adapter, pairs, n, NULL, &parts[k / ranks], err));
    }
    return CSO_OK;
}

/* Adds the parts up in the order of the batches. */
static void add_up(cso_batch_result *result, const cso_batch_job *job, size_t batch_size, const cso_batch_result *parts,
                   size_t share) {
    size_t count = job->data->count, batches = (count + batch_size - 1) / batch_size, ranks = (size_t)cso_comm_size(job->comm);
    for (size_t k = 0; k < batches; k++) {
        const cso_batch_result *part = &parts[k % ranks * share + k / ranks];
        size_t n = k + 1 < batches ? batch_size : count - k * batch_size;
        add(&result->mean, &part->mean, (double)n / (double)count);
        result->tokens += part->tokens;
        result->tokens_unshared += part->tokens_unshared;
        result->trees += part->trees;
        result->reference_seconds += part->reference_seconds;
        result->flops += part->flops;
    }
}

/* With several processes whole batches are dealt, in turn, so that the trees and the bits are those of one process. */
cso_status cso_evaluate(const cso_batch_job *job, const cso_adapter *adapter, size_t batch_size, cso_batch_result *result,
                        cso_error *err) {
    size_t count = job->data->count, ranks = (size_t)cso_comm_size(job->comm);
    size_t share = ((count + batch_size - 1) / batch_size + ranks - 1) / ranks; /* batches of a process, at the most */
    cso_batch_result *mine = cso_calloc(share, sizeof *mine), *all = cso_calloc(share * ranks, sizeof *all);
    size_t *pairs = cso_calloc(count < batch_size ? count : batch_size, sizeof *pairs);
    double *block = cso_calloc(count, CSO_REFERENCE_VALUES * sizeof *block);
    int *owner = cso_calloc(count, sizeof *owner);
    cso_adapter still; /* the same adapter without dropout */
    cso_status status;
    *result = (cso_batch_result){0};
    if (!mine || !all || !pairs || !block || !owner) {
        status = cso_fail_memory(err, "an evaluation");
        goto done;
    }
    if (adapter) {
        still = *adapter;
        still.options.dropout = 0;
    }
    for (size_t i = 0; i < count; i++)
        owner[i] = (int)(i / batch_size % ranks);
    status = run_share(job, adapter ? &still : NULL, batch_size, pairs, mine, err);
    cso_reference_cache_share(job->cache, job->comm, NULL, owner, count, block);
    CSO_TRY_DONE(cso_comm_agree(job->comm, status, err));
    cso_comm_gather_all(job->comm, mine, all, share * sizeof *mine);
    add_up(result, job, batch_size, all, share);
done:
    free(mine);
    free(all);
    free(pairs);
    free(block);
    free(owner);
    return status;
}

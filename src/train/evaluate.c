/* evaluate.c - means over a whole data set, without training. */
#include "cso/trainer.h"

#include "cso/memory.h"

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

cso_status cso_evaluate(const cso_batch_job *job, const cso_adapter *adapter, size_t batch_size, cso_batch_result *result,
                        cso_error *err) {
    size_t count = job->data->count, *pairs = cso_calloc(count, sizeof *pairs);
    cso_status status = CSO_OK;
    cso_adapter still; /* the same adapter without dropout */
    *result = (cso_batch_result){0};
    if (!pairs)
        return cso_fail_memory(err, "an evaluation");
    if (adapter) {
        still = *adapter;
        still.options.dropout = 0;
    }
    for (size_t i = 0; i < count; i++)
        pairs[i] = i;
    for (size_t at = 0; at < count; at += batch_size) {
        size_t n = count - at < batch_size ? count - at : batch_size;
        cso_batch_result part;
        CSO_TRY_DONE(cso_batch_run(job, adapter ? &still : NULL, pairs + at, n, NULL, &part, err));
        add(&result->mean, &part.mean, (double)n / (double)count);
        result->tokens += part.tokens;
        result->tokens_unshared += part.tokens_unshared;
        result->trees += part.trees;
        result->reference_seconds += part.reference_seconds;
    }
done:
    free(pairs);
    return status;
}

/* train_batch.h - one statistical batch of pairs: trees, log-probabilities, loss and gradient.
 *
 * The loss of a batch is the mean over its pairs, however they are packed and cut into trees.
 */
#ifndef CSO_TRAIN_BATCH_H
#define CSO_TRAIN_BATCH_H

#include "base/status.h"
#include "comm/comm.h"
#include "data/dataset.h"
#include "engine/engine.h"
#include "loss/loss.h"
#include "reference_cache.h"
#include "run_config.h"
#include "tree/tree.h"

/* The sequences of n pairs, two for each, ordered so that pairs that share stand together. All of it lies in an arena. */
typedef struct cso_batch {
    size_t n;                /* pairs */
    size_t *order;           /* (n) the caller's place of the pair that stands at i */
    cso_sequence *sequences; /* (2 n) chosen and rejected of the pair that stands at i: 2 i and 2 i + 1 */
    size_t *cuts;            /* (n_trees + 1) tree k holds the pairs that stand at cuts[k] .. cuts[k + 1] */
    size_t n_trees;
} cso_batch;

/* pairs: indexes into data. What a tree shares follows packing: everything, within a pair, or nothing; with the last two a tree
 * is kept small, because size would gain nothing. */
cso_status cso_batch_make(cso_batch *batch, const cso_dataset *data, const size_t *pairs, size_t n, cso_packing packing,
                          size_t max_tokens, cso_arena *arena, cso_error *err);
/* The same without the cut into trees. */
cso_status cso_batch_lay(cso_batch *batch, const cso_dataset *data, const size_t *pairs, size_t n, cso_packing packing,
                         cso_arena *arena, cso_error *err);
/* The tree of piece k, in the arena. */
cso_status cso_batch_tree(const cso_batch *batch, size_t k, cso_arena *arena, cso_tree *tree, cso_error *err);

/* Deals n pairs to `ranks` processes: pairs[i] goes to owner[i]. The pairs of a dialogue stay together, since they share the most;
 * the dialogue with the most tokens goes first, to whoever has the fewest. A function of its arguments alone. */
cso_status cso_batch_deal(const cso_dataset *data, const size_t *pairs, size_t n, cso_packing packing, size_t ranks, int *owner,
                          cso_error *err);
/* The same for any costs: the largest first, to whoever has the least; of equals the first. */
cso_status cso_deal(const size_t *costs, size_t n, size_t ranks, int *owner, cso_error *err);

/* What stays the same from batch to batch. */
typedef struct cso_batch_job {
    cso_engine *engine;
    const cso_dataset *data;
    cso_packing packing;
    const cso_loss *loss;
    cso_loss_options options;
    const cso_adapter *reference; /* NULL: the base model */
    cso_reference_cache *cache;   /* for all pairs of data */
    size_t max_tokens;            /* of one tree, if the engine has memory for that; 0: whatever it has memory for */
    cso_arena *arena;             /* working memory, reset by each batch; NULL: each batch has its own */
    cso_comm *comm;               /* the processes that share the work; NULL: this one alone */
} cso_batch_job;

/* Means over pairs. A reward is beta * (policy - reference). */
typedef struct cso_pair_means {
    double loss, rewards[2], accuracy, margin, logps[2];
} cso_pair_means;

typedef struct cso_batch_result {
    cso_pair_means mean;
    size_t tokens, tokens_unshared, trees; /* of the policy's passes */
    double reference_seconds;              /* spent on pairs the cache did not have, by the process that spent most */
    double largest_weight;                 /* of |dL/dlogp| over edges; 0 without gradient */
    bool recut;                            /* max_tokens would have cut the batch otherwise, but memory does not allow it */
    double flops;                          /* of all passes (engine_work.h) */
} cso_batch_result;

/* grads (adapter->n_params), zero before, gets d mean loss / d params; NULL: forward only. adapter NULL: the base model (then no
 * grads). With several processes each computes its share of the dialogues; all of them get the same result, bit by bit, or the
 * same failure.
 * A log-probability that is no finite number is CSO_ERR_NUMERIC naming the record; nothing but grads is changed then. */
cso_status cso_batch_run(const cso_batch_job *job, const cso_adapter *adapter, const size_t *pairs, size_t n, float *grads,
                         cso_batch_result *result, cso_error *err);
/* At most so many bytes of the arena cso_batch_run takes beside a batch of n pairs and one of its trees: for plans. */
size_t cso_batch_run_bytes(size_t n, const cso_tree *tree);

#endif

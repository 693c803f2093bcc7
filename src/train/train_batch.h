/* train_batch.h - the examples of one optimizer step: token trees, log-probabilities, loss and gradient.
 *
 * The loss of a step is the mean over its examples, however they are packed and cut into trees. Three orders occur: an example's
 * index in the data set; its index in the step, in which the step's examples are given; and its batch position: the order in which
 * a rank lays its own examples out, those that share tokens side by side.
 */
#ifndef CSO_TRAIN_BATCH_H
#define CSO_TRAIN_BATCH_H

#include "base/status.h"
#include "comm/comm.h"
#include "data/dataset.h"
#include "engine/engine.h"
#include "loss/objective.h"
#include "metric_table.h"
#include "reference_cache.h"
#include "run_config.h"
#include "tree/tree.h"

/* What a rank's batch is made of. */
typedef struct cso_batch_source {
    const cso_dataset *data;
    const size_t *examples; /* (n) the step's examples: indexes into data, in the order of the step */
    size_t n;
    const int *owner; /* (n) the rank that computes each; NULL: this one computes all */
    int rank;         /* this one */
    cso_packing packing;
    const cso_objective *objective; /* says which sequences an example has beside its own, and what tokens count */
} cso_batch_source;

/* The examples of one rank in batch order. All arrays lie in an arena. */
typedef struct cso_batch {
    size_t n;                /* examples */
    size_t *example;         /* (n) index in the data set of the example at batch position i */
    size_t *step_index;      /* (n) its index in the step */
    size_t *first;           /* (n + 1) it has the sequences first[i] .. first[i + 1] */
    cso_sequence *sequences; /* (first[n]) */
    size_t *cuts;            /* (n_trees + 1) tree k holds the batch positions cuts[k] .. cuts[k + 1] */
    size_t n_trees;
} cso_batch;

/* Lays the rank's examples out and cuts them into trees of at most max_tokens; a larger example gets a tree of its own. What a tree
 * shares follows packing: everything, within an example, or nothing; with the last two a tree is kept small, because size would
 * gain nothing. */
cso_status cso_batch_make(cso_batch *batch, const cso_batch_source *source, size_t max_tokens, cso_arena *arena, cso_error *err);
/* The same without the cut into trees. */
cso_status cso_batch_lay(cso_batch *batch, const cso_batch_source *source, cso_arena *arena, cso_error *err);
/* Tree k, in the arena. */
cso_status cso_batch_tree(const cso_batch *batch, size_t k, cso_arena *arena, cso_tree *tree, cso_error *err);
/* Sequences and counted tokens of the whole step, in its order: first (n + 1) and token_first (first[n] + 1), in the arena; and what
 * is known of the step before any pass. */
cso_status cso_batch_count(const cso_batch_source *source, cso_arena *arena, size_t **first, size_t **token_first,
                           cso_loss_totals *totals, cso_error *err);

/* Deals the step's examples to `ranks` processes: example i of the step goes to owner[i]. The examples of a dialogue stay together,
 * since they share the most; the dialogue with the most tokens goes first, to the rank with the fewest. A function of its
 * arguments alone. */
cso_status cso_batch_deal(const cso_batch_source *source, size_t ranks, int *owner, cso_error *err);
/* The same for any costs: the largest first, to the rank with the least; of equals the first. */
cso_status cso_deal(const size_t *costs, size_t n, size_t ranks, int *owner, cso_error *err);

/* What stays the same from step to step. */
typedef struct cso_batch_job {
    cso_engine *engine;
    const cso_dataset *data;
    cso_packing packing;
    const cso_objective *objective;
    const double *weights;           /* (data->count) of the examples (example_weights.h); NULL: 1 */
    const cso_metric_table *metrics; /* what is reported */
    const cso_adapter *reference;    /* NULL: the base model */
    cso_reference_cache *cache;      /* for all of data; NULL where the loss needs no reference */
    size_t max_tokens;               /* of one tree, if the engine has memory for that; 0: cso_engine_tree_tokens */
    cso_arena *arena;                /* working memory, reset by each step; NULL: each step has its own */
    struct cso_pace *pace;           /* is told of trees and passes; NULL: nobody is */
    cso_comm *comm;                  /* the processes that divide the work; NULL: this one alone */
} cso_batch_job;

typedef struct cso_batch_result {
    double metrics[CSO_MAX_METRICS];       /* of the whole step, named by the job's table; [0] is the loss; NaN: there is none */
    double weights[CSO_MAX_METRICS];       /* of each in a mean over several steps; 0: of what there is none */
    size_t tokens, tokens_unshared, trees; /* of the policy's trees */
    double reference_seconds;              /* spent on examples the cache did not have, by the slowest rank */
    double largest_weight;                 /* of |dL/dlogp| over edges; 0 without gradient */
    bool recut;                            /* max_tokens would have cut the batch otherwise, but memory does not allow it */
    double flops;                          /* of all passes (engine_work.h) */
} cso_batch_result;

/* grads (adapter->n_params), zero before, gets d loss / d params; NULL: forward only. adapter NULL: the base model (then no
 * grads). With several processes each computes the dialogues dealt to it; all of them get the same result, bit by bit, or the
 * same failure.
 *
 * A tree takes one forward and one backward pass. A loss that needs CSO_LOSS_WHOLE_BATCH sees the log-probabilities of all trees
 * before the first backward pass: then all trees but one take a second forward pass, since activations are kept for one tree only.
 *
 * NaN or Inf in a log-probability is CSO_ERR_NUMERIC naming the record; nothing but grads is changed then. */
cso_status cso_batch_run(const cso_batch_job *job, const cso_adapter *adapter, const size_t *examples, size_t n, float *grads,
                         cso_batch_result *result, cso_error *err);
/* An upper bound of the arena's bytes that cso_batch_run takes beside a batch of n examples with n_sequences sequences and one of
 * its trees: for plans. */
size_t cso_batch_run_bytes(const cso_objective *objective, const cso_batch *batch, const cso_tree *tree);

#endif

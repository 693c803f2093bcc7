/* train_plan.h - what a run will cost, before it starts. */
#ifndef CSO_TRAIN_PLAN_H
#define CSO_TRAIN_PLAN_H

#include "trainer.h"

typedef struct cso_train_plan {
    cso_train_length length;
    size_t tokens, tokens_unshared; /* of an epoch, as it is cut */
    size_t nodes;                   /* tokens that need logits */
    size_t trees;
    size_t largest_tree;    /* tokens */
    size_t kept_layers;     /* in the largest tree: the others are recomputed */
    cso_train_need need;    /* of any of the epoch's batches, and of the evaluation's */
    size_t bytes;           /* all of that: for what train.memory_gib is the budget */
    size_t peak_bytes;      /* the process at its peak, but for the mapped weights */
    double epoch_flops;     /* forward, backward and recomputation in weight products */
    double reference_flops; /* once: the reference's forward passes; 0 where the loss needs none */
    double rate;            /* measured: flops a second in this model's own matrix products; 0: not measured */
    double f32_rate;        /* the same in f32, where the run computes in bf16 */
} cso_train_plan;

/* Goes through the first epoch's batches and measures a product of the model's for a fraction of a second. An example that does
 * not fit train.memory_gib even alone is CSO_ERR_USAGE naming its record. */
cso_status cso_train_plan_make(cso_train_plan *plan, const cso_train_job *job, cso_error *err);

#endif

/* train_rates.h - how fast this processor does each kind of a pass's work, measured in a few seconds.
 *
 * What is measured is a real forward and backward pass over a real tree of the run, through a few layers of the model and a part of
 * the head: with the stored types, the library, and the number of threads of the run. Each phase's seconds over its work
 * (engine_work.h) are that phase's rate, which gives the time of any other pass of the model.
 */
#ifndef CSO_TRAIN_RATES_H
#define CSO_TRAIN_RATES_H

#include "engine/engine_work.h"
#include "kernels/gemm/gemm.h"

/* Seconds for one unit of work (cso_work). The optimizer's is in `forward`. */
typedef struct cso_train_rates {
    cso_work forward, backward;
} cso_train_rates;

/* Work of several passes: `forward` holds those that are made again, too. */
typedef struct cso_train_work {
    cso_work forward, backward;
} cso_train_work;

/* What to measure with. The sequences are one tree of the run, or more than is needed of one. */
typedef struct cso_train_sample {
    cso_context *ctx;
    const cso_model *model;
    const cso_adapter *adapter; /* only its options count */
    const cso_sequence *sequences;
    size_t count;
} cso_train_sample;

/* Measures for up to three seconds; what is measured depends on the sample and the number of threads alone. Large models are cut:
 * fewer layers, tokens, and MLP columns. Memory: that of a tree of at most the sample's size with up to four layers. CSO_ERR_USAGE
 * where this build or processor cannot compute so. */
cso_status cso_train_rates_measure(cso_train_rates *rates, const cso_train_sample *sample, cso_compute compute, cso_error *err);

/* How long that work takes. */
double cso_train_seconds(const cso_train_rates *rates, const cso_train_work *work);

/* The compute type that takes less time; 0 seconds: not available. A draw goes to f32, which is more exact: bf16 must save a
 * twentieth. */
cso_compute cso_train_faster(double f32_seconds, double bf16_seconds);

#endif

/* optim.h - AdamW and learning-rate schedules. */
#ifndef CSO_OPTIM_H
#define CSO_OPTIM_H

#include "base/status.h"
#include "kernels/context.h"
#include "model/trainables.h"

#include <stdbool.h>
#include <stddef.h>

typedef enum cso_schedule { CSO_SCHEDULE_CONSTANT, CSO_SCHEDULE_LINEAR, CSO_SCHEDULE_COSINE } cso_schedule;
extern const char *const cso_schedule_words[]; /* "constant", "linear", "cosine", NULL */

/* Learning rate of step k (from 0) of total, as transformers' get_*_schedule_with_warmup: lr k/warmup while k < warmup, then
 * constant, or down to 0 at `total` by a line or half a cosine. */
double cso_schedule_rate(cso_schedule schedule, double learning_rate, size_t step, size_t warmup, size_t total);

typedef struct cso_adamw {
    cso_trainables trained; /* what it updates; groups of weight decay or learning rate would go by its kinds */
    size_t n;               /* trained.n_params */
    float *m, *v;           /* (n) first and second moments */
    size_t steps;           /* updates so far */
    double beta1, beta2, eps, weight_decay;
} cso_adamw;

/* trained: the table and the parameters it describes, which stay the caller's and must outlive the optimizer. */
cso_status cso_adamw_create(cso_adamw *adamw, const cso_trainables *trained, double beta1, double beta2, double eps,
                            double weight_decay, cso_error *err);
void cso_adamw_free(cso_adamw *adamw);
/* One update of the parameters from grads (n) * grad_scale, with weight decay on all of them (PEFT decays A and B). */
void cso_adamw_step(cso_adamw *adamw, cso_context *ctx, const float *grads, double grad_scale, double learning_rate);
/* The first parameter that such an update would leave with a NaN, Inf or nearly too large value or moment; n if there is none.
 * Changes nothing. */
size_t cso_adamw_overflow(const cso_adamw *adamw, cso_context *ctx, const float *grads, double grad_scale, double learning_rate);
/* After an update that left every parameter as it was: whether it would have changed one, had f32 more digits. */
bool cso_adamw_was_lost(const cso_adamw *adamw, double learning_rate);
/* Norm of grads in f64, in a fixed order. */
double cso_grad_norm(const float *grads, size_t n);

#endif

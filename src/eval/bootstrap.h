/* bootstrap.h - confidence intervals by drawing whole dialogues with replacement (Efron 1979; the percentile interval).
 *
 * The turns of a dialogue depend on one another, so dialogues are drawn, not turns. Sample k is a function of the seed, k and the number
 * of dialogues alone: systems that answered the same dialogues get the same samples, which makes differences paired.
 */
#ifndef CSO_BOOTSTRAP_H
#define CSO_BOOTSTRAP_H

#include <stddef.h>
#include <stdint.h>

/* times[i] (n_dialogues): how often dialogue i is in sample k. */
void cso_bootstrap_sample(uint64_t seed, size_t k, size_t n_dialogues, double *times);

typedef struct cso_interval {
    double low, high; /* NaN: no value is finite */
} cso_interval;
/* The middle `level` (0.95) of values[n], those that are not finite apart; linear between neighbours, as numpy's percentile. Sorts
 * values. */
cso_interval cso_bootstrap_interval(double *values, size_t n, double level);

#endif

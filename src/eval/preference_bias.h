/* preference_bias.h - how unevenly a model prefers strategies: B of Kang et al. 2024 (arXiv 2402.13211).
 *
 * w_ij is how often i was predicted where j was true. A Bradley-Terry model of these contests gives each strategy its preference p_i:
 * from p = 1, twenty sweeps in place, p_i <- sum_{j != i} w_ij p_j / (p_i + p_j) / sum_{j != i} w_ji / (p_i + p_j), after each of which
 * all are divided by the geometric mean of the positive ones. At the end they are scaled to sum to the number of strategies. B is
 * their standard deviation (that of a population): 0 where all are preferred alike, sqrt(n - 1) where one always is.
 *
 * Where the divisor is 0 the strategy was never missed (or never true), and nothing limits its preference: a sweep leaves p_i as it is.
 * Two strategies whose preferences are both 0 have no contest with each other.
 */
#ifndef CSO_PREFERENCE_BIAS_H
#define CSO_PREFERENCE_BIAS_H

#include "strategy_metrics.h"

/* preferences (confusion->n). *never_missed (may be NULL): strategies whose divisor is 0. The result is B; NaN without strategies. */
double cso_preference_bias(const cso_confusion *confusion, double *preferences, size_t *never_missed);

#endif

/* calibration.h - whether probabilities of strategies mean what they say.
 *
 * The expected calibration error (Guo et al. 2017, arXiv 1706.04599) puts predictions into bins by the probability of the likeliest
 * strategy, and is the mean over predictions of |how often it is right - its mean probability| of their bin. Brier's score is the mean
 * of the squared differences between all probabilities and 1 for the true strategy, 0 for the others: 0 to 2.
 */
#ifndef CSO_CALIBRATION_H
#define CSO_CALIBRATION_H

#include <stddef.h>

enum { CSO_CALIBRATION_BINS = 10 }; /* bin b: probabilities from b / 10 to below (b + 1) / 10; 1 is in the last */

/* Sums; zero-initialise. */
typedef struct cso_calibration {
    double count[CSO_CALIBRATION_BINS], right[CSO_CALIBRATION_BINS], probability[CSO_CALIBRATION_BINS];
    double squares;
} cso_calibration;

/* Of the largest, the first. */
size_t cso_likeliest(const double *probabilities, size_t n);
void cso_calibration_add(cso_calibration *calibration, const double *probabilities, size_t n, size_t reference, double times);
/* NaN: nothing was added. */
double cso_calibration_error(const cso_calibration *calibration);
double cso_calibration_brier(const cso_calibration *calibration);

#endif

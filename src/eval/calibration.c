/* calibration.c - see calibration.h. */
#include "calibration.h"

#include <math.h>

size_t cso_likeliest(const double *probabilities, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (probabilities[i] > probabilities[best])
            best = i;
    return best;
}

void cso_calibration_add(cso_calibration *c, const double *probabilities, size_t n, size_t reference, double times) {
    size_t best = cso_likeliest(probabilities, n), bin;
    double most = probabilities[best];
    bin = most >= 1 ? CSO_CALIBRATION_BINS - 1 : most > 0 ? (size_t)(most * CSO_CALIBRATION_BINS) : 0;
    c->count[bin] += times;
    c->right[bin] += best == reference ? times : 0;
    c->probability[bin] += times * most;
    for (size_t i = 0; i < n; i++) {
        double off = probabilities[i] - (i == reference ? 1 : 0);
        c->squares += times * off * off;
    }
}

static double added(const cso_calibration *c) {
    double all = 0;
    for (int b = 0; b < CSO_CALIBRATION_BINS; b++)
        all += c->count[b];
    return all;
}

double cso_calibration_error(const cso_calibration *c) {
    double all = added(c), off = 0;
    for (int b = 0; b < CSO_CALIBRATION_BINS; b++)
        off += fabs(c->right[b] - c->probability[b]);
    return all > 0 ? off / all : NAN;
}

double cso_calibration_brier(const cso_calibration *c) {
    double all = added(c);
    return all > 0 ? c->squares / all : NAN;
}

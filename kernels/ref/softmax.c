/* softmax.c - the pieces of softmax and log-sum-exp, and Gemma's soft caps. */
#include "ref.h"

#include <math.h>

void cso_ref_softcap(float *x, size_t n, float cap) {
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(cap * tanh((double)x[i] / cap));
}

void cso_ref_softcap_backward(float *dx, const float *capped, size_t n, float cap) {
    for (size_t i = 0; i < n; i++) {
        double t = (double)capped[i] / cap;
        dx[i] = (float)(dx[i] * (1 - t * t));
    }
}

/* A NaN anywhere makes the result NaN, so that broken logits do not pass for good ones. */
float cso_ref_max(const float *x, size_t n) {
    float best = x[0];
    for (size_t i = 1; i < n; i++)
        best = x[i] <= best ? best : best != best ? best : x[i];
    return best;
}

static float exp_or_zero(float x) {
    return x <= -87.0f ? 0.0f : (float)exp((double)x);
}

double cso_ref_exp_sum(float *x, size_t n, float shift) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        x[i] = exp_or_zero(x[i] - shift);
        sum += x[i];
    }
    return sum;
}

double cso_ref_exp_sum_only(const float *x, size_t n, float shift) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp_or_zero(x[i] - shift);
    return sum;
}

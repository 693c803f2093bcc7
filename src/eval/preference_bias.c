/* preference_bias.c - see preference_bias.h. */
#include "preference_bias.h"

#include <math.h>

enum { SWEEPS = 20 };

static bool is_missed(const cso_confusion *c, size_t i) {
    for (size_t j = 0; j < c->n; j++)
        if (j != i && c->count[i * c->n + j] > 0)
            return true;
    return false;
}

static void update(const cso_confusion *c, double *p, size_t i) {
    double above = 0, below = 0;
    for (size_t j = 0; j < c->n; j++) {
        double sum = p[i] + p[j];
        if (j == i || !(sum > 0))
            continue;
        above += c->count[j * c->n + i] * p[j] / sum;
        below += c->count[i * c->n + j] / sum;
    }
    if (below > 0)
        p[i] = above / below;
}

static void divide_by_geometric_mean(double *p, size_t n) {
    double logs = 0;
    size_t positive = 0;
    for (size_t i = 0; i < n; i++)
        if (p[i] > 0) {
            logs += log(p[i]);
            positive++;
        }
    double mean = positive ? exp(logs / (double)positive) : 1;
    for (size_t i = 0; i < n; i++)
        p[i] /= mean;
}

double cso_preference_bias(const cso_confusion *c, double *p, size_t *never_missed) {
    double sum = 0, squares = 0, n = (double)c->n;
    size_t never = 0;
    for (size_t i = 0; i < c->n; i++) {
        p[i] = 1;
        never += !is_missed(c, i);
    }
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        for (size_t i = 0; i < c->n; i++)
            update(c, p, i);
        divide_by_geometric_mean(p, c->n);
    }
    for (size_t i = 0; i < c->n; i++)
        sum += p[i];
    for (size_t i = 0; i < c->n; i++) {
        p[i] *= n / sum;
        squares += (p[i] - 1) * (p[i] - 1); /* their mean is 1 */
    }
    if (never_missed)
        *never_missed = never;
    return sqrt(squares / n);
}

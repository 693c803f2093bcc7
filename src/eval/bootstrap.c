/* bootstrap.c - see bootstrap.h. */
#include "bootstrap.h"

#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void cso_bootstrap_sample(uint64_t seed, size_t k, size_t n, double *times) {
    cso_rng rng = cso_rng_make(seed, CSO_STREAM_BOOTSTRAP, k);
    memset(times, 0, n * sizeof *times);
    for (size_t i = 0; i < n; i++)
        times[cso_rng_below(&rng, n)] += 1;
}

static int compare_values(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double quantile(const double *sorted, size_t n, double part) {
    double place = part * (double)(n - 1);
    size_t below = (size_t)place;
    if (below + 1 >= n)
        return sorted[n - 1];
    return sorted[below] + (place - (double)below) * (sorted[below + 1] - sorted[below]);
}

cso_interval cso_bootstrap_interval(double *values, size_t n, double level) {
    size_t finite = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(values[i]))
            values[finite++] = values[i];
    if (!finite)
        return (cso_interval){NAN, NAN};
    qsort(values, finite, sizeof *values, compare_values);
    return (cso_interval){quantile(values, finite, (1 - level) / 2), quantile(values, finite, (1 + level) / 2)};
}

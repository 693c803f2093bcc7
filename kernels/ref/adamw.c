/* adamw.c - Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2). */
#include "ref.h"

#include <math.h>

void cso_ref_adamw(float *p, float *m, float *v, const float *g, size_t n, double g_scale, double lr, double beta1, double beta2,
                   double eps, double wd, double c1, double c2) {
    for (size_t i = 0; i < n; i++) {
        double gradient = g[i] * g_scale;
        m[i] = (float)(beta1 * m[i] + (1 - beta1) * gradient);
        v[i] = (float)(beta2 * v[i] + (1 - beta2) * gradient * gradient);
        p[i] = (float)(p[i] * (1 - lr * wd) - lr * (m[i] / c1) / (sqrt(v[i] / c2) + eps));
    }
}

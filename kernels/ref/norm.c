/* norm.c - RMSNorm (Zhang & Sennrich 2019, equation 4). */
#include "ref.h"

#include <math.h>

float cso_ref_rmsnorm_forward(float *y, const float *x, const float *weight, size_t n, float eps) {
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += (double)x[i] * x[i];
    float rstd = (float)(1 / sqrt(squares / (n ? (double)n : 1) + eps));
    for (size_t i = 0; i < n; i++)
        y[i] = (float)((double)x[i] * rstd * weight[i]);
    return rstd;
}

/* With u = weight * dy: d/dx_i of sum_j u_j x_j rstd(x) = rstd u_i - x_i rstd^3 mean_j(u_j x_j). */
void cso_ref_rmsnorm_backward(float *dx, const float *dy, const float *x, const float *weight, float rstd, size_t n) {
    double projection = 0;
    for (size_t i = 0; i < n; i++)
        projection += (double)dy[i] * weight[i] * x[i];
    double back = n ? projection * rstd * rstd / (double)n : 0;
    for (size_t i = 0; i < n; i++)
        dx[i] = (float)(dx[i] + rstd * ((double)dy[i] * weight[i] - back * x[i]));
}

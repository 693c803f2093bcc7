/* few_rows.c - the products that decoding makes. */
#include "../dtype.h"
#include "ref.h"

#include <math.h>

void cso_ref_dots(float *y, size_t ldy, const float *x, size_t ldx, size_t m, const float *w, size_t ldw, size_t n, size_t k,
                  int accumulate) {
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = accumulate ? (double)y[i * ldy + j] : 0;
            for (size_t l = 0; l < k; l++)
                sum += (double)x[i * ldx + l] * (double)w[j * ldw + l];
            y[i * ldy + j] = (float)sum;
        }
}

void cso_ref_mix(float *y, size_t ldy, const float *x, size_t ldx, size_t m, const float *b, size_t ldb, size_t n, size_t k,
                 int accumulate, const void *next) {
    (void)next;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = accumulate ? (double)y[i * ldy + j] : 0;
            for (size_t l = 0; l < k; l++)
                sum += (double)x[i * ldx + l] * (double)b[l * ldb + j];
            y[i * ldy + j] = (float)sum;
        }
}

void cso_ref_mix_f16(float *y, size_t ldy, const float *x, size_t ldx, size_t m, const uint16_t *b, size_t ldb, size_t n, size_t k,
                     int accumulate, const void *next) {
    (void)next;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = accumulate ? (double)y[i * ldy + j] : 0;
            for (size_t l = 0; l < k; l++)
                sum += (double)x[i * ldx + l] * (double)cso_f16_to_f32(b[l * ldb + j]);
            y[i * ldy + j] = (float)sum;
        }
}

void cso_ref_round_f16(uint16_t *out, const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = cso_f32_to_f16(x[i] > 65504 ? 65504 : x[i] < -65504 ? -65504 : x[i]);
}

void cso_ref_softmax_step(float *x, size_t ldx, size_t rows, size_t n, float *m, double *l, float *out, size_t e) {
    for (size_t row = 0; row < rows; row++, x += ldx, out += e) {
        float most = m[row];
        for (size_t i = 0; i < n; i++)
            most = x[i] > most ? x[i] : most;
        if (most > m[row]) {
            double shrink = exp((double)m[row] - (double)most);
            l[row] *= shrink;
            for (size_t i = 0; i < e; i++)
                out[i] = (float)(out[i] * shrink);
            m[row] = most;
        }
        for (size_t i = 0; i < n; i++)
            l[row] += x[i] = (float)exp((double)x[i] - (double)most);
    }
}

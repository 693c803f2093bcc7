/* rows.h - operations on the rows of a matrix, in tiles of fixed size over threads; a profile counts them as `norms`. */
#ifndef CSO_ROWS_H
#define CSO_ROWS_H

#include <stddef.h>
#include <stdint.h>

/* run(context, first, count, thread) for consecutive tiles of at most `tile` rows. */
typedef void (*cso_rows_fn)(const void *context, size_t first, size_t count, int thread);
void cso_rows(size_t rows, size_t tile, cso_rows_fn run, const void *context);

/* y[i, :] = rmsnorm(x[i, :]) for every row; rstd (rows) may be NULL. */
void cso_rows_rmsnorm(float *y, const float *x, const float *weight, size_t rows, size_t width, float eps, float *rstd);
/* dx[i, :] += gradient; see kernels.h. */
void cso_rows_rmsnorm_backward(float *dx, const float *dy, const float *x, const float *weight, const float *rstd, size_t rows,
                               size_t width);
/* y += x over n floats. */
void cso_rows_add(float *y, const float *x, size_t n);
/* y[i, :] = x[index[i], :]; index NULL: x[i, :]. */
void cso_rows_gather(float *y, const float *x, const int32_t *index, size_t rows, size_t width);
/* y[index[i], :] += x[i, :]; the indices differ. */
void cso_rows_scatter_add(float *y, const float *x, const int32_t *index, size_t rows, size_t width);

#endif

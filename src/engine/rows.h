/* rows.h - operations on the rows of a matrix, in tiles of fixed size over threads; a profile counts them as `norms`. */
#ifndef CSO_ROWS_H
#define CSO_ROWS_H

#include "kernels/context.h"

#include <stddef.h>
#include <stdint.h>

struct cso_engine;

/* run(context, first, count, thread) for consecutive tiles of at most `tile` rows. */
typedef void (*cso_rows_fn)(const void *context, size_t first, size_t count, int thread);
void cso_rows(cso_context *ctx, size_t rows, size_t tile, cso_rows_fn run, const void *context);

/* y[i, :] = rmsnorm(x[i, :]) for every row, which has the model's hidden size; rstd (rows) may be NULL. */
void cso_rows_rmsnorm(struct cso_engine *engine, float *y, const float *x, const float *weight, size_t rows, float *rstd);
/* dx[i, :] += gradient; see kernels.h. */
void cso_rows_rmsnorm_backward(struct cso_engine *engine, float *dx, const float *dy, const float *x, const float *weight,
                               const float *rstd, size_t rows);
/* y += x over n floats. */
void cso_rows_add(cso_context *ctx, float *y, const float *x, size_t n);
/* y[i, :] = x[index[i], :]; index NULL: x[i, :]. */
void cso_rows_gather(cso_context *ctx, float *y, const float *x, const int32_t *index, size_t rows, size_t width);
/* y[index[i], :] += x[i, :]; the indices differ. */
void cso_rows_scatter_add(cso_context *ctx, float *y, const float *x, const int32_t *index, size_t rows, size_t width);

#endif

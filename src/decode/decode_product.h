/* decode_product.h - products of a batch's rows with stored weights: the one place that knows how they are computed.
 *
 * The bits of a number depend on its row of x and its row of weights alone.
 */
#ifndef CSO_DECODE_PRODUCT_H
#define CSO_DECODE_PRODUCT_H

#include "base/status.h"
#include "decoder.h"
#include "kernels/context.h"
#include "model/model.h"

#include <stddef.h>

/* A model's weights, as one arithmetic multiplies with them. */
typedef struct cso_decode_products cso_decode_products;
/* One matrix of them. */
typedef struct cso_decode_weight cso_decode_weight;

/* ctx and model must outlive it. */
cso_status cso_decode_products_create(cso_decode_products **products, cso_context *ctx, const cso_model *model,
                                      cso_decode_compute compute, cso_error *err);
void cso_decode_products_free(cso_decode_products *products);
const cso_decode_weight *cso_decode_weight_of(const cso_decode_products *products, size_t layer, cso_module module);
const cso_decode_weight *cso_decode_head(const cso_decode_products *products);

enum { CSO_DECODE_MOST_PRODUCTS = 3 };

typedef struct cso_decode_product {
    const cso_decode_weight *weight;
    float *out; /* (rows of x, rows of the weight) */
} cso_decode_product;

/* out = x W^T for up to CSO_DECODE_MOST_PRODUCTS products with the same x (rows, columns of all weights). */
cso_status cso_decode_multiply(cso_decode_products *products, const float *x, size_t rows, const cso_decode_product *list,
                               size_t count, cso_error *err);

#endif

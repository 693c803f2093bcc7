/* bench_model.h - the model, the tree and the products of cso-bench step. */
#ifndef CSO_BENCH_MODEL_H
#define CSO_BENCH_MODEL_H

#include "bench.h"
#include "bench_library.h"
#include "model/model.h"
#include "tree/tree.h"

/* The model at options->model, or one of random weights: written to a temporary file of which no name remains. what: a
 * description, to be freed. */
cso_status bench_model_open(cso_model **model, char **what, const bench_options *options, cso_error *err);

/* A tree of `tokens` tokens as a dialogue of ESC-Pro gives it: a prompt, then turns of a user's message and four replies, of
 * which the first goes on. Every reply is scored. */
cso_status bench_tree(cso_tree *tree, size_t tokens, size_t vocab, cso_error *err);

enum { BENCH_MAX_PRODUCTS = 4 * CSO_MODULE_COUNT + 2 };

/* The products with weights that a step makes, those of equal shape together. kept: layers that are not recomputed. */
size_t bench_step_products(const cso_model *model, const cso_tree *tree, size_t kept, bench_product products[BENCH_MAX_PRODUCTS]);

#endif

/* model_fixture.h - a model, an engine and trees for tests of the model layer. */
#ifndef CSO_TESTS_MODEL_FIXTURE_H
#define CSO_TESTS_MODEL_FIXTURE_H

#include "../golden.h"
#include "engine/engine.h"

typedef struct fixture {
    cso_context *ctx;
    cso_model *model;
    cso_engine *engine;
} fixture;

/* memory 0: plenty. */
fixture fixture_open(const char *path, size_t memory);
void fixture_close(fixture *f);

/* A chain in which every token after the first is scored, and after the last the token `extra` (so that each token is a
 * node). */
cso_tree fixture_chain(const int32_t *ids, size_t count);

/* The 16 pairs of goldens/pref/NAME/tokenized.json as sequences: 2 i chosen, 2 i + 1 rejected. pack: 0 none, 1 pair, 2 tree. */
typedef struct fixture_pairs {
    cso_sequence *sequences;
    int32_t **ids;
    size_t n_pairs;
} fixture_pairs;
fixture_pairs fixture_read_pairs(const char *path, int pack);
void fixture_free_pairs(fixture_pairs *pairs);

/* Mean DPO loss over the tree's pairs; d[sequence] = its derivative by each log-probability. */
double fixture_dpo(size_t n_pairs, const double *policy, const double *reference, double beta, double *d);

#endif

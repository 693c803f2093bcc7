/* test_objective.h - an objective of one loss, and the table of its metrics, for tests. */
#ifndef CSO_TESTS_TEST_OBJECTIVE_H
#define CSO_TESTS_TEST_OBJECTIVE_H

#include "../golden.h"
#include "train/metric_table.h"

/* The table points into the struct: it must not be moved. */
typedef struct test_objective {
    cso_objective objective;
    cso_metric_table table;
} test_objective;

static inline void test_objective_make(test_objective *o, const cso_loss *loss, cso_loss_options options, const cso_dataset *data) {
    cso_error err = {0};
    golden_ok(cso_objective_of(&o->objective, &loss, NULL, 1, &options, &err), &err);
    cso_metric_table_make(&o->table, &o->objective, data, NULL);
}

/* beta and label_smoothing, the rest at its default. */
static inline cso_loss_options test_options(double beta, double label_smoothing) {
    cso_loss_options options = cso_loss_default_options();
    options.beta = beta;
    options.label_smoothing = label_smoothing;
    return options;
}

/* The metrics of losses on pairs with a reference. */
static const char *const pair_metric_names[] = {
    "loss", "rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected", NULL};

#endif

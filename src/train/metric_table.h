/* metric_table.h - what is reported of a step: the metrics of the objective, and how the preferred strategies fare one by one.
 *
 * For each strategy of a preferred reply in the data, in the order in which they first come: pairs/NAME, how many examples prefer it;
 * rewards/accuracies/NAME and rewards/margins/NAME, the means over these.
 */
#ifndef CSO_METRIC_TABLE_H
#define CSO_METRIC_TABLE_H

#include "data/dataset.h"
#include "loss/objective.h"

enum { CSO_MAX_STRATEGIES = 24, CSO_MAX_METRICS = CSO_OBJECTIVE_MAX_METRICS + 3 * CSO_MAX_STRATEGIES };

typedef struct cso_metric_table {
    const cso_objective *objective;
    const char *names[CSO_MAX_METRICS + 1]; /* NULL-terminated */
    size_t n_strategies;
    char strategies[CSO_MAX_STRATEGIES][CSO_OBJECTIVE_METRIC];
    char strategy_names[3 * CSO_MAX_STRATEGIES][CSO_OBJECTIVE_METRIC + 24];
} cso_metric_table;

/* eval may be NULL. The table points into the objective, which must outlive it, and into itself: it must not be moved. Strategies past
 * CSO_MAX_STRATEGIES are not reported. */
void cso_metric_table_make(cso_metric_table *table, const cso_objective *objective, const cso_dataset *train,
                           const cso_dataset *eval);

/* A whole step. */
typedef struct cso_step_values {
    const cso_dataset *data;
    const size_t *examples; /* (batch->n) indexes into data */
    const cso_loss_batch *batch;
    const double *loss, *parts; /* as cso_objective_compute gives them */
} cso_step_values;

/* The metrics of a step and their weights in a mean over several; as many as there are names. */
void cso_metric_table_compute(const cso_metric_table *table, const cso_step_values *step, double *values, double *weights);
/* Whether a metric of several steps is the sum of theirs (pairs/NAME) and not their mean by weights. */
bool cso_metric_is_count(const cso_metric_table *table, size_t metric);

#endif

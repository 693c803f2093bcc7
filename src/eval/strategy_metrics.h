/* strategy_metrics.h - how well strategies are predicted: the confusion matrix, and accuracy and F1 as scikit-learn computes them. */
#ifndef CSO_STRATEGY_METRICS_H
#define CSO_STRATEGY_METRICS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Counts of n strategies; a prediction may also be none of them. */
typedef struct cso_confusion {
    size_t n;
    double *count;   /* (n, n): rows are the true strategies, columns the predicted ones */
    double *invalid; /* (n) predictions that are none of the strategies, by the true one */
} cso_confusion;

cso_status cso_confusion_create(cso_confusion *confusion, size_t n, cso_error *err); /* all zero */
void cso_confusion_clear(cso_confusion *confusion);                                  /* all zero again */
void cso_confusion_free(cso_confusion *confusion);
/* predicted < 0: none of the strategies. */
void cso_confusion_add(cso_confusion *confusion, size_t reference, int predicted, double times);

/* accuracy_score, and f1_score with the n strategies as labels, zero_division = 0, averaged "macro" and "weighted" (by how often a
 * strategy is the true one). NaN where there are no predictions. */
typedef struct cso_strategy_scores {
    double n; /* predictions that count */
    double accuracy, macro_f1, weighted_f1;
} cso_strategy_scores;
/* drop_invalid: predictions that are none of the strategies are left out; otherwise they count as wrong. */
cso_strategy_scores cso_strategy_score(const cso_confusion *confusion, bool drop_invalid);

#endif

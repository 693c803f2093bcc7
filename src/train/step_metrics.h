/* step_metrics.h - what is known of a step as names and values: for metrics.jsonl and whatever else shows a step. */
#ifndef CSO_STEP_METRICS_H
#define CSO_STEP_METRICS_H

#include "metrics_log.h"

typedef enum cso_metric_kind { CSO_METRIC_NUMBER, CSO_METRIC_COUNT, CSO_METRIC_FLAG, CSO_METRIC_TEXT } cso_metric_kind;

/* One value. Its full name is prefix + name: "eval_" + "loss". */
typedef struct cso_metric {
    const char *prefix, *name;
    cso_metric_kind kind;
    double number;    /* CSO_METRIC_NUMBER */
    size_t count;     /* CSO_METRIC_COUNT */
    bool flag;        /* CSO_METRIC_FLAG */
    const char *text; /* CSO_METRIC_TEXT */
} cso_metric;

/* Calls visit for each metric that the step has, in the order of a line of metrics.jsonl: a skipped step has neither loss nor norm,
 * and only an evaluated one has evaluation's. */
typedef void (*cso_metric_visitor)(void *context, const cso_metric *metric);
void cso_step_metrics(const cso_step_report *report, cso_metric_visitor visit, void *context);

#endif

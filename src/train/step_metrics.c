/* step_metrics.c - the table of metrics. A new one is a field of cso_step_report and a row here; those of a loss come by the names
 * that it gives them. */
#include "step_metrics.h"

#include <math.h>
#include <stddef.h>

/* When a metric is there. */
enum { DONE = 1, SKIPPED = 2, EVALUATED = 4, ALWAYS = DONE | SKIPPED };

typedef enum source { NUMBER, COUNT, FLAG, TEXT, LOSS_METRICS } source;

static const struct row {
    const char *prefix, *name;
    source source;
    size_t offset; /* of the field in cso_step_report */
    unsigned when;
} rows[] = {
#define FIELD(member) offsetof(cso_step_report, member)
    {"", "step", COUNT, FIELD(step), ALWAYS},
    {"", "epoch", NUMBER, FIELD(epoch), ALWAYS},
    {"", "skipped", FLAG, FIELD(skipped), SKIPPED},
    {"", "reason", TEXT, FIELD(reason), SKIPPED},
    {"", NULL, LOSS_METRICS, FIELD(metrics), DONE},
    {"", "grad_norm", NUMBER, FIELD(grad_norm), DONE},
    {"", "learning_rate", NUMBER, FIELD(learning_rate), ALWAYS},
    {"", "tokens", COUNT, FIELD(tokens), DONE},
    {"", "tokens_unshared", COUNT, FIELD(tokens_unshared), DONE},
    {"", "trees", COUNT, FIELD(trees), DONE},
    {"", "tokens_per_second", NUMBER, FIELD(tokens_per_second), DONE},
    {"", "gflops", NUMBER, FIELD(gflops), DONE},
    {"", "seconds", NUMBER, FIELD(seconds), ALWAYS},
    {"", "reference_seconds", NUMBER, FIELD(reference_seconds), DONE},
    {"eval_", NULL, LOSS_METRICS, FIELD(eval_metrics), EVALUATED},
    {"eval_", "seconds", NUMBER, FIELD(eval_seconds), EVALUATED},
};

static void visit_loss_metrics(const char *prefix, const char *const *names, const double *values, cso_metric_visitor visit,
                               void *context) {
    for (size_t i = 0; names[i]; i++)
        if (!isnan(values[i]) || i == 0) /* the loss is always there */
            visit(context, &(cso_metric){.prefix = prefix, .name = names[i], .number = values[i]});
}

void cso_step_metrics(const cso_step_report *report, cso_metric_visitor visit, void *context) {
    unsigned now = (report->skipped ? SKIPPED : DONE) | (report->evaluated ? EVALUATED : 0);
    for (const struct row *row = rows; row < rows + sizeof rows / sizeof *rows; row++) {
        const void *field = (const char *)report + row->offset;
        cso_metric metric = {.prefix = row->prefix, .name = row->name};
        if (!(row->when & now))
            continue;
        switch (row->source) {
        case LOSS_METRICS:
            visit_loss_metrics(row->prefix, report->metric_names, field, visit, context);
            continue;
        case NUMBER:
            metric.kind = CSO_METRIC_NUMBER;
            metric.number = *(const double *)field;
            break;
        case COUNT:
            metric.kind = CSO_METRIC_COUNT;
            metric.count = *(const size_t *)field;
            break;
        case FLAG:
            metric.kind = CSO_METRIC_FLAG;
            metric.flag = *(const bool *)field;
            break;
        case TEXT:
            metric.kind = CSO_METRIC_TEXT;
            metric.text = field;
            break;
        }
        visit(context, &metric);
    }
}

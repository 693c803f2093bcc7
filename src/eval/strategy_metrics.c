/* strategy_metrics.c - see strategy_metrics.h. */
#include "strategy_metrics.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

cso_status cso_confusion_create(cso_confusion *c, size_t n, cso_error *err) {
    size_t cells;
    *c = (cso_confusion){.n = n};
    if (!cso_size_mul(n, n + 1, &cells) || !(c->count = cso_calloc(cells, sizeof *c->count)))
        return cso_fail_memory(err, "a confusion matrix");
    c->invalid = c->count + n * n;
    return CSO_OK;
}

void cso_confusion_clear(cso_confusion *c) {
    memset(c->count, 0, c->n * (c->n + 1) * sizeof *c->count);
}

void cso_confusion_free(cso_confusion *c) {
    free(c->count);
    *c = (cso_confusion){0};
}

void cso_confusion_add(cso_confusion *c, size_t reference, int predicted, double times) {
    if (predicted < 0)
        c->invalid[reference] += times;
    else
        c->count[reference * c->n + (size_t)predicted] += times;
}

cso_strategy_scores cso_strategy_score(const cso_confusion *c, bool drop_invalid) {
    cso_strategy_scores s = {0};
    double right = 0;
    for (size_t i = 0; i < c->n; i++) {
        double hits = c->count[i * c->n + i], support = drop_invalid ? 0 : c->invalid[i], predicted = 0;
        for (size_t j = 0; j < c->n; j++) {
            support += c->count[i * c->n + j];
            predicted += c->count[j * c->n + i];
        }
        double f1 = support + predicted > 0 ? 2 * hits / (support + predicted) : 0;
        right += hits;
        s.n += support;
        s.macro_f1 += f1;
        s.weighted_f1 += f1 * support;
    }
    if (!(s.n > 0))
        return (cso_strategy_scores){.accuracy = NAN, .macro_f1 = NAN, .weighted_f1 = NAN};
    s.accuracy = right / s.n;
    s.macro_f1 /= (double)c->n;
    s.weighted_f1 /= s.n;
    return s;
}

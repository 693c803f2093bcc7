/* eval_report.c - see eval_report.h. */
#include "eval_report.h"

#include "base/memory.h"
#include "base/signals.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const double LEVEL = 0.95;

cso_status report_formats_check(const report_formats *f, cso_error *err) {
    if (f->json + f->csv + f->markdown > 1)
        return cso_fail(err, CSO_ERR_USAGE, "--json, --csv and --markdown exclude one another (expected one of them)");
    return CSO_OK;
}

static bool stop_asked(void) {
    return cso_signals_stop() != 0;
}

cso_status eval_report_measure(eval_report *r, cso_error *err) {
    for (size_t i = 0; i < r->count; i++) {
        report_system *system = &r->systems[i];
        CSO_TRY(cso_measurer_run(&system->measurer, NULL, err));
        if (!r->n_samples)
            continue;
        system->samples = cso_calloc(r->n_samples, CSO_MEASURE_COUNT * sizeof *system->samples);
        if (!system->samples)
            return cso_fail_memory(err, "bootstrap samples");
        CSO_TRY(cso_measurer_bootstrap(&system->measurer, r->seed, r->n_samples, system->samples, stop_asked, err));
    }
    return CSO_OK;
}

/* Of the samples, minus those of another system (NULL: minus nothing). */
static cso_interval interval(const eval_report *r, const double *samples, const double *other, cso_measure measure,
                             cso_error *err) {
    double *values = r->n_samples ? cso_calloc(r->n_samples, sizeof *values) : NULL;
    if (!values) {
        if (r->n_samples)
            cso_fail_memory(err, "bootstrap samples");
        return (cso_interval){NAN, NAN};
    }
    for (size_t k = 0; k < r->n_samples; k++) {
        size_t at = k * CSO_MEASURE_COUNT + measure;
        values[k] = samples[at] - (other ? other[at] : 0);
    }
    cso_interval result = cso_bootstrap_interval(values, r->n_samples, LEVEL);
    free(values);
    return result;
}

cso_interval eval_report_interval(const eval_report *r, size_t system, cso_measure measure, cso_error *err) {
    return interval(r, r->systems[system].samples, NULL, measure, err);
}

cso_interval eval_report_difference(const eval_report *r, size_t system, cso_measure measure, cso_error *err) {
    return interval(r, r->systems[system].samples, r->systems[r->against].samples, measure, err);
}

cso_status eval_report_print(const eval_report *r, const report_formats *formats, cso_error *err) {
    cso_text out = {0};
    cso_error failed = {0};
    if (formats->json)
        eval_report_json(r, &out, &failed);
    else
        eval_report_table(r, formats->csv ? TABLE_CSV : formats->markdown ? TABLE_MARKDOWN : TABLE_TEXT, &out, &failed);
    cso_status status = CSO_OK;
    if (failed.status != CSO_OK || out.failed)
        status = cso_fail_memory(err, "the results");
    else if (fwrite(out.data, 1, out.size, stdout) != out.size || fflush(stdout))
        status = cso_fail_errno(err, "write", "standard output");
    free(out.data);
    return status;
}

void eval_report_free(eval_report *r) {
    for (size_t i = 0; r->systems && i < r->count; i++) {
        cso_predictions *set = r->systems[i].set;
        cso_measurer_free(&r->systems[i].measurer);
        cso_predictions_free(set);
        free(r->systems[i].samples);
    }
    free(r->systems);
    *r = (eval_report){0};
}

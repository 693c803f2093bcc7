/* eval_report.h - what was measured of one system or several, as a table or as JSON. */
#ifndef CSO_EVAL_REPORT_H
#define CSO_EVAL_REPORT_H

#include "eval/bootstrap.h"
#include "eval/measures.h"
#include "result_table.h"

typedef struct report_system {
    const char *name;
    cso_predictions *set;
    cso_measurer measurer; /* of the set; its run without times is the last */
    double *samples;       /* (n_samples, CSO_MEASURE_COUNT) */
} report_system;

/* The systems have the same rows, if there are several. */
typedef struct eval_report {
    report_system *systems; /* (count > 0) */
    size_t count;
    size_t against; /* differences are to this one */
    size_t n_samples;
    uint64_t seed;
    bool single; /* one object, whose name does not matter */
} eval_report;

/* How results are shown. */
typedef struct report_formats {
    bool json, csv, markdown;
} report_formats;
cso_status report_formats_check(const report_formats *formats, cso_error *err);

/* Measures all systems and their samples, each of its set. A signal ends it. */
cso_status eval_report_measure(eval_report *report, cso_error *err);
/* 95 %; low and high are NaN without samples. */
cso_interval eval_report_interval(const eval_report *report, size_t system, cso_measure measure, cso_error *err);
/* Of the difference to the system that others are compared with. */
cso_interval eval_report_difference(const eval_report *report, size_t system, cso_measure measure, cso_error *err);

/* Prints to stdout. */
cso_status eval_report_print(const eval_report *report, const report_formats *formats, cso_error *err);
void eval_report_json(const eval_report *report, cso_text *out, cso_error *err);
void eval_report_table(const eval_report *report, table_format format, cso_text *out, cso_error *err);
/* Frees what the measurers and samples hold, and the sets. */
void eval_report_free(eval_report *report);

#endif

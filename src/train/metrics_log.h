/* metrics_log.h - metrics.jsonl: one JSON object for each step, written line by line. */
#ifndef CSO_METRICS_LOG_H
#define CSO_METRICS_LOG_H

#include "base/digest.h"
#include "base/status.h"
#include "io/json.h"
#include "train_batch.h"

#include <stdbool.h>

/* What is known of a step when it is done. */
typedef struct cso_step_report {
    size_t step, total_steps;        /* step counts from 1 */
    double epoch;                    /* (step) / (steps of an epoch) */
    const char *const *metric_names; /* of the metric table, NULL-terminated */
    double metrics[CSO_MAX_METRICS]; /* by these names; [0] is the loss */
    double grad_norm, learning_rate;
    size_t tokens, tokens_unshared, trees; /* laid out in the policy's trees; the same without sharing */
    double seconds, reference_seconds, tokens_per_second, gflops;
    double seconds_left; /* of the run, evaluations and the reference's passes included; NAN: not known */
    bool evaluated;
    double eval_metrics[CSO_MAX_METRICS];
    double eval_seconds;
    bool skipped;     /* the step changed nothing; then there are no metrics, norm and counts */
    char reason[256]; /* for which it was skipped */
} cso_step_report;

typedef struct cso_metrics_log {
    char *path; /* NULL: closed */
    int file;
    cso_text waiting;   /* lines, or the rest of a line, that could not be written */
    bool behind;        /* for that reason */
    size_t bytes, step; /* in the file, and the step of the last line, of which a part may be waiting */
    cso_digest digest;  /* of these bytes */
    struct {
        size_t bytes, step;
        cso_digest digest;
    } whole; /* the same up to the last moment at which nothing waited: whole lines */
} cso_metrics_log;

/* Opens `path` for appending, after removing the lines of steps beyond last_step (0: all of them) and a torn last line.
 * A link is refused: nothing outside the run's folder is written. */
cso_status cso_metrics_log_open(cso_metrics_log *log, const char *path, size_t last_step, cso_error *err);
/* Appends a line, after those that wait. If that fails while `behind` is true, nothing is lost: what is not written waits, and
 * the next write or sync goes on from that byte. */
cso_status cso_metrics_log_write(cso_metrics_log *log, const cso_step_report *report, cso_error *err);
cso_status cso_metrics_log_sync(cso_metrics_log *log, cso_error *err); /* all lines are on the disk after it */
void cso_metrics_log_close(cso_metrics_log *log);                      /* takes a zeroed one too */

#endif

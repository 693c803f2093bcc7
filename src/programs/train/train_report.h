/* train_report.h - what cso-train shows before a run, the plan, and after it. */
#ifndef CSO_TRAIN_REPORT_H
#define CSO_TRAIN_REPORT_H

#include "api/train_open.h"
#include "base/log.h"
#include "base/profile.h"
#include "train/run_check.h"
#include "train/train_plan.h"

#include <stdio.h>

/* Lines on `out`, wrapped where it is a terminal. */
void report_plan(FILE *out, const cso_train_job *job, const train_run *run, const cso_train_plan *plan, const cso_run_disk *disk);
/* Stages together. */
typedef struct stages_outlook {
    size_t stages;                    /* that are left */
    double seconds, disk, peak_bytes; /* sums, and the most of any; seconds 0: not measured */
} stages_outlook;
void report_stages(FILE *out, const stages_outlook *sum);
/* A table: where the time of the steps went. */
void report_profile(cso_log *log, const cso_profile *profile);

#endif

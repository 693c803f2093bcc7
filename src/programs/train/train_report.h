/* train_report.h - what cso-train shows: the plan before, a line for each step during a run. */
#ifndef CSO_TRAIN_REPORT_H
#define CSO_TRAIN_REPORT_H

#include "api/train_open.h"
#include "base/log.h"
#include "base/profile.h"
#include "train/train_plan.h"

#include <stdio.h>

/* Lines on `out`. */
void report_plan(FILE *out, const cso_run_config *config, const train_run *run, const cso_train_plan *plan);
/* The live line, or a plain one every `every` steps. */
void report_step(cso_log *log, size_t every, const cso_step_report *step);
/* A table: where the time of the steps went. */
void report_profile(cso_log *log, const cso_profile *profile);

#endif

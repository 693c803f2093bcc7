/* train_watch.h - what cso-train shows while it works: on a terminal one live line that is never still for more than a second,
 * elsewhere a plain line every log.every_steps steps and, within long phases, one every half minute.
 *
 * The live line has the fields "step 3/12", "8 min 12 s left", "loss 0.6412", what is being done, and the rest of the last step's
 * numbers, in this order; a terminal that is too narrow loses those at the right. In a run with stages "stage 2/2 cso" comes first, and
 * notes and warnings begin with "stage cso: ".
 */
#ifndef CSO_TRAIN_WATCH_H
#define CSO_TRAIN_WATCH_H

#include "base/log.h"
#include "train/run_config.h"
#include "train/trainer.h"

typedef struct train_watch {
    cso_log *log;
    const cso_run_config *config;
    size_t every; /* steps from one plain line to the next */
    double began, drawn;

    bool training; /* else a stage before the first step */
    cso_train_stage stage;
    size_t done, total;

    size_t step, total_steps; /* total_steps 0: not known yet */
    double seconds_left;      /* at the clock's `heard`; NAN: not known */
    double heard;
    cso_train_progress now;
    const char *ended; /* NULL: not yet */
    char lost[160];    /* what is lost if the process ends now; "": nobody has told */
    double answered;   /* when signals were last told how long the step takes */
    bool has_step;     /* `last` is that of a step */
    cso_step_report last;
} train_watch;

void watch_init(train_watch *watch, cso_log *log, const cso_run_config *config);
/* "stage 2/2 cso"; "" of a run without stages. */
enum { STAGE_TEXT = 96 };
const char *stage_text(const cso_run_config *config, char text[STAGE_TEXT]);

/* The functions of a cso_train_observer; context: the watch. */
void watch_stage(void *context, cso_train_stage stage, size_t done, size_t total);
void watch_progress(void *context, const cso_train_progress *progress);
void watch_standing(void *context, const cso_train_standing *now); /* signals.h is told */
void watch_step(void *context, const cso_step_report *step);
/* For cso_pool_set_tick: draws the line again where it is time. */
void watch_tick(void *context);
/* The plan's length of the run, and what it takes; NAN: not known. */
void watch_plan(train_watch *watch, size_t first_step, size_t total_steps, double seconds);
/* A line of its own above the live line, which is drawn again. */
void watch_note(void *context, const char *text);
void watch_warn(void *context, const char *text);
/* The last live line stays on the terminal. */
void watch_end(train_watch *watch, bool complete);

#endif

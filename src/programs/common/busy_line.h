/* busy_line.h - on a terminal, a live line while a program computes: "scoring  1,234 done  12 s", or, where the owner counts the work,
 * "generating  12/442 replies  3 min left  153 tokens/s". Nothing elsewhere. */
#ifndef CSO_BUSY_LINE_H
#define CSO_BUSY_LINE_H

#include "base/log.h"
#include "base/parallel.h"

typedef struct busy_line {
    cso_log log;
    cso_pool *pool; /* redraws the line while it works */
    const char *what, *unit;
    size_t done, most;     /* most 0: not known. The owner counts `done` up */
    size_t work;           /* the owner counts it up, too */
    const char *work_unit; /* its rate is shown, and the time left, if most is known. NULL: the time since the start */
    double began, drawn;
} busy_line;

/* quiet: no line. The line must not move before its end. */
void busy_line_start(busy_line *line, cso_pool *pool, const char *what, const char *unit, bool quiet);
/* Removes the line for now, before other output. */
void busy_line_hide(busy_line *line);
/* Removes the line and ends it. A zeroed line is fine. */
void busy_line_end(busy_line *line);

#endif

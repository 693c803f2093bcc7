/* log.h - progress on stderr: a live line on a terminal, plain lines elsewhere. Used by the trainer through the program's
 * choice. What terminals obey is shown as \xNN (printable.h), wherever it comes from: a line's colours and the like are the log's own. */
#ifndef CSO_LOG_H
#define CSO_LOG_H

#include <stdbool.h>

typedef struct cso_log {
    bool quiet; /* only warnings */
    bool live;  /* stderr is a terminal */
    bool dirty; /* the live line is showing */
} cso_log;

void cso_log_init(cso_log *log, bool quiet);
/* A line of its own. */
void cso_log_line(cso_log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "warning: ..." also when quiet. */
void cso_log_warning(cso_log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Replaces the live line (nothing when not live or quiet). */
void cso_log_live(cso_log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Ends the live line before other output. */
void cso_log_end(cso_log *log);

#endif

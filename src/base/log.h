/* log.h - progress on stderr: a live line on a terminal, plain lines elsewhere. Used by the trainer through the program's
 * choice. What terminals obey is shown as \xNN (printable.h), wherever it comes from: a line's colours and the like are the log's
 * own.
 *
 * On a terminal whose TERM is unset or "dumb" there is no live line and no escape sequence. A NO_COLOR that is not empty leaves out
 * colours and bold type alone (no-color.org).
 */
#ifndef CSO_LOG_H
#define CSO_LOG_H

#include <stdbool.h>
#include <stddef.h>

typedef struct cso_log {
    bool quiet;   /* only warnings */
    bool live;    /* stderr is a terminal that can replace a line */
    bool colour;  /* and may show colours */
    bool dirty;   /* the live line is showing */
    double spoke; /* cso_clock of the last line that stays; at first that of the start */
} cso_log;

void cso_log_init(cso_log *log, bool quiet);
/* Whether the descriptor is a terminal on which a line can be replaced: TERM is set and not "dumb". */
bool cso_terminal_replaces_lines(int descriptor);
/* Columns of a terminal; 0: the descriptor is none, or does not tell. */
size_t cso_terminal_columns(int descriptor);

/* A line of its own. */
void cso_log_line(cso_log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "warning: ..." also when quiet. */
void cso_log_warning(cso_log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Replaces the live line (nothing when not live or quiet); cut to the terminal's columns. */
void cso_log_live(cso_log *log, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Replaces the live line with the fields, two spaces apart: as many of the first as the terminal has columns for at this moment, so
 * that it never wraps. The first is bold, and cut if it does not fit alone. */
void cso_log_fields(cso_log *log, const char *const *fields, size_t count);
/* Removes the live line before other output. */
void cso_log_clear(cso_log *log);
/* Ends the live line, which stays, before other output. */
void cso_log_end(cso_log *log);

#endif

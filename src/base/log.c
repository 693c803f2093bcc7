/* log.c - progress on stderr. */
#include "log.h"

#include "printable.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LINE_BYTES = 4096 };
static const char CLEAR_LINE[] = "\r\033[K";

static void clear_live(cso_log *log) {
    if (log->dirty)
        fputs(CLEAR_LINE, stderr);
    log->dirty = false;
}

/* Columns of the terminal: a live line that wraps cannot be replaced. */
static size_t terminal_width(void) {
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || size.ws_col == 0)
        return 80;
    return size.ws_col;
}

/* Formats into text[size], printable: texts quote names from files. */
static void format_line(char *text, size_t size, const char *format, va_list arguments) __attribute__((format(printf, 3, 0)));

static void format_line(char *text, size_t size, const char *format, va_list arguments) {
    char raw[2048];
    if (vsnprintf(raw, sizeof raw, format, arguments) < 0)
        raw[0] = '\0';
    cso_printable(text, size, raw);
}

void cso_log_init(cso_log *log, bool quiet) {
    *log = (cso_log){.quiet = quiet, .live = isatty(STDERR_FILENO) == 1, .dirty = false};
}

void cso_log_line(cso_log *log, const char *format, ...) {
    if (log->quiet)
        return;
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    format_line(line, sizeof line, format, arguments);
    va_end(arguments);
    clear_live(log);
    fprintf(stderr, "%s\n", line);
}

void cso_log_warning(cso_log *log, const char *format, ...) {
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    format_line(line, sizeof line, format, arguments);
    va_end(arguments);
    clear_live(log);
    fprintf(stderr, "warning: %s\n", line);
}

void cso_log_live(cso_log *log, const char *format, ...) {
    if (log->quiet || !log->live)
        return;
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    format_line(line, sizeof line, format, arguments);
    va_end(arguments);
    size_t width = terminal_width() - 1, columns = 0, end = 0;
    while (line[end]) { /* every byte that is not a UTF-8 continuation takes a column */
        if (((unsigned char)line[end] & 0xC0) != 0x80 && ++columns > width)
            break;
        end++;
    }
    line[end] = '\0';
    fprintf(stderr, "%s%s", CLEAR_LINE, line);
    fflush(stderr);
    log->dirty = true;
}

void cso_log_end(cso_log *log) {
    if (log->dirty)
        fputc('\n', stderr);
    log->dirty = false;
}

/* log.c - progress on stderr. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

void cso_log_init(cso_log *log, bool quiet) {
    *log = (cso_log){.quiet = quiet, .live = isatty(STDERR_FILENO) == 1, .dirty = false};
}

void cso_log_line(cso_log *log, const char *format, ...) {
    if (log->quiet)
        return;
    clear_live(log);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

void cso_log_warning(cso_log *log, const char *format, ...) {
    clear_live(log);
    fputs("warning: ", stderr);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

void cso_log_live(cso_log *log, const char *format, ...) {
    if (log->quiet || !log->live)
        return;
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int formatted = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (formatted < 0)
        return;
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

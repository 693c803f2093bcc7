/* log.c - progress on stderr. */
#include "log.h"

#include "clock.h"
#include "printable.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { LINE_BYTES = 4096 };
static const char CLEAR_LINE[] = "\r\033[K", BOLD[] = "\033[1m", YELLOW[] = "\033[33m", PLAIN[] = "\033[0m";

void cso_log_clear(cso_log *log) {
    if (log->dirty)
        fputs(CLEAR_LINE, stderr);
    log->dirty = false;
}

bool cso_terminal_replaces_lines(int descriptor) {
    const char *type = getenv("TERM");
    return type && *type && strcmp(type, "dumb") != 0 && isatty(descriptor) == 1;
}

size_t cso_terminal_columns(int descriptor) {
    struct winsize size;
    return ioctl(descriptor, TIOCGWINSZ, &size) ? 0 : size.ws_col;
}

/* What a live line may take, asked at each line: the terminal may be resized. One that wraps cannot be replaced. */
static size_t live_width(void) {
    size_t columns = cso_terminal_columns(STDERR_FILENO);
    return columns ? columns - 1 : 79;
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
    const char *no_colour = getenv("NO_COLOR");
    *log = (cso_log){.quiet = quiet, .live = cso_terminal_replaces_lines(STDERR_FILENO), .spoke = cso_clock()};
    log->colour = log->live && !(no_colour && *no_colour);
}

static void paint(const cso_log *log, const char *colour) {
    if (log->colour)
        fputs(colour, stderr);
}

void cso_log_line(cso_log *log, const char *format, ...) {
    if (log->quiet)
        return;
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    format_line(line, sizeof line, format, arguments);
    va_end(arguments);
    cso_log_clear(log);
    fprintf(stderr, "%s\n", line);
    log->spoke = cso_clock();
}

void cso_log_warning(cso_log *log, const char *format, ...) {
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    format_line(line, sizeof line, format, arguments);
    va_end(arguments);
    cso_log_clear(log);
    paint(log, YELLOW);
    fputs("warning:", stderr);
    paint(log, PLAIN);
    fprintf(stderr, " %s\n", line);
    log->spoke = cso_clock();
}

/* Columns of a text: every byte that is not a UTF-8 continuation takes one. */
static size_t text_columns(const char *text) {
    size_t columns = 0;
    for (; *text; text++)
        columns += ((unsigned char)*text & 0xC0) != 0x80;
    return columns;
}

/* The bytes of at most `most` columns. */
static int cut(const char *text, size_t most) {
    size_t columns = 0, end = 0;
    while (text[end]) {
        if (((unsigned char)text[end] & 0xC0) != 0x80 && ++columns > most)
            break;
        end++;
    }
    return (int)end;
}

/* In one piece, so that nothing of another writer comes in between. */
static void draw(cso_log *log, const char *first, const char *const *others, size_t count, size_t width) {
    char line[1024];
    const char *bold = log->colour && count ? BOLD : "", *plain = log->colour && count ? PLAIN : "";
    int used = snprintf(line, sizeof line, "%s%s%.*s%s", CLEAR_LINE, bold, cut(first, width), first, plain);
    for (size_t i = 0; i < count && used < (int)sizeof line; i++)
        used += snprintf(line + used, sizeof line - (size_t)used, "  %s", others[i]);
    fwrite(line, 1, used < (int)sizeof line ? (size_t)used : sizeof line - 1, stderr);
    fflush(stderr);
    log->dirty = true;
}

void cso_log_live(cso_log *log, const char *format, ...) {
    char line[512];
    if (log->quiet || !log->live)
        return;
    va_list arguments;
    va_start(arguments, format);
    format_line(line, sizeof line, format, arguments);
    va_end(arguments);
    draw(log, line, NULL, 0, live_width());
}

void cso_log_fields(cso_log *log, const char *const *fields, size_t count) {
    if (log->quiet || !log->live || !count)
        return;
    size_t width = live_width(), used = text_columns(fields[0]), shown = 1;
    while (shown < count && used + 2 + text_columns(fields[shown]) <= width)
        used += 2 + text_columns(fields[shown++]);
    draw(log, fields[0], fields + 1, shown - 1, width);
}

void cso_log_end(cso_log *log) {
    if (log->dirty)
        fputc('\n', stderr);
    log->dirty = false;
}

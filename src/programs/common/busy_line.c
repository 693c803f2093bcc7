/* busy_line.c - see busy_line.h. */
#include "busy_line.h"

#include "amounts.h"
#include "base/clock.h"

#include <stdio.h>

/* Work that is done before nobody would look; and from one drawing to the next. */
static const double QUIET_SECONDS = 0.5, DRAW_SECONDS = 0.2;

/* "3 min left"; "time left ?" before anything is done. */
static void time_left(const busy_line *l, double seconds, char *text, size_t size) {
    char time[AMOUNT_TEXT];
    if (l->done)
        snprintf(text, size, "%s left", whole_duration_text(seconds / (double)l->done * (double)(l->most - l->done), time));
    else
        snprintf(text, size, "time left ?");
}

static void tick(void *context) {
    busy_line *l = context;
    double now = cso_clock(), seconds = now - l->began;
    char count[AMOUNT_TEXT], most[AMOUNT_TEXT], counts[3 * AMOUNT_TEXT], rate[2 * AMOUNT_TEXT], time[2 * AMOUNT_TEXT];
    if (!l->log.live || seconds < QUIET_SECONDS || now - l->drawn < DRAW_SECONDS)
        return;
    grouped_text(l->done, count);
    if (l->most)
        snprintf(counts, sizeof counts, "%s/%s %s", count, grouped_text(l->most, most), l->unit);
    else
        snprintf(counts, sizeof counts, "%s %s", count, l->unit);
    whole_duration_text(seconds, time);
    if (l->work_unit && l->most >= l->done && l->most)
        time_left(l, seconds, time, sizeof time);
    if (l->work_unit)
        snprintf(rate, sizeof rate, "%s %s/s", grouped_text((size_t)((double)l->work / seconds + 0.5), count), l->work_unit);
    cso_log_fields(&l->log, (const char *const[]){l->what, counts, time, rate}, l->work_unit ? 4 : 3);
    l->drawn = now;
}

void busy_line_start(busy_line *l, cso_pool *pool, const char *what, const char *unit, bool quiet) {
    *l = (busy_line){.pool = pool, .what = what, .unit = unit, .began = cso_clock()};
    cso_log_init(&l->log, quiet);
    if (!quiet)
        cso_pool_set_tick(pool, tick, l);
}

void busy_line_hide(busy_line *l) {
    cso_log_clear(&l->log);
}

void busy_line_end(busy_line *l) {
    if (l->pool)
        cso_pool_set_tick(l->pool, NULL, NULL);
    cso_log_clear(&l->log);
}

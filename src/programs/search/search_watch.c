/* search_watch.c - see search_watch.h. */
#include "search_watch.h"

#include "base/clock.h"
#include "programs/common/amounts.h"

#include <math.h>
#include <stdio.h>

enum { WATCH_FIELDS = 9, WATCH_TEXT = 64 };
static const double SPEAK_SECONDS = 30; /* between two plain lines */

/* How much of the run is done, 0 to 1: by iterations for a tree search, else by calls or whole dialogues. */
static double part_done(const cso_search_config *config, const cso_searches_stats *stats) {
    const cso_search_options *rules = &config->search;
    double done = (double)stats->complete, whole = (double)stats->count, each;
    if (rules->method == CSO_METHOD_MCTS)
        each = (double)stats->iterations / (double)(rules->iterations_min ? rules->iterations_min : 1);
    else
        each = (double)stats->calls / (double)(rules->budget ? rules->budget : CSO_CALLS_IN_ITERATION * rules->iterations_min);
    return fmin(1, fmax(done, fmin(each, whole)) / whole);
}

void search_watch_begin(search_watch *watch, cso_log *log, const cso_search_config *config, const cso_searches_stats *stats) {
    *watch = (search_watch){.log = log, .config = config, .began = cso_clock(), .done_before = part_done(config, stats)};
    watch->spoke = watch->began;
    for (size_t i = 0; i < CSO_ROLES; i++)
        watch->priced |= config->role[i].price_in > 0 || config->role[i].price_out > 0;
}

static void format_left(const search_watch *watch, const cso_searches_stats *stats, char *text) {
    double spent = cso_clock() - watch->began, done = part_done(watch->config, stats), made = done - watch->done_before;
    char time[AMOUNT_TEXT];
    if (made <= 0)
        snprintf(text, WATCH_TEXT, "time left ? (%s)", whole_duration_text(spent, time));
    else
        snprintf(text, WATCH_TEXT, "%s left", whole_duration_text(spent * (1 - done) / made, time));
}

/* The fields of the line as it is now; how many. */
static size_t format_fields(const search_watch *watch, const cso_searches_stats *stats, const cso_endpoint_stats *requests,
                            char fields[WATCH_FIELDS][WATCH_TEXT]) {
    char a[AMOUNT_TEXT];
    size_t n = 0;
    snprintf(fields[n++], WATCH_TEXT, "searches %zu/%zu", stats->complete, stats->count);
    format_left(watch, stats, fields[n++]);
    snprintf(fields[n++], WATCH_TEXT, "%s iterations", grouped_text(stats->iterations, a));
    snprintf(fields[n++], WATCH_TEXT, "%s pairs", grouped_text(stats->pairs, a));
    snprintf(fields[n++], WATCH_TEXT, "%zu ended", stats->ended);
    snprintf(fields[n++], WATCH_TEXT, "%s requests, %zu open", grouped_text(requests->requests, a), requests->running);
    snprintf(fields[n++], WATCH_TEXT, "tokens %s", amount_text((double)(stats->prompt_tokens + stats->completion_tokens), a));
    if (watch->priced)
        snprintf(fields[n++], WATCH_TEXT, "cost %.2f", stats->cost);
    if (stats->failed)
        snprintf(fields[n++], WATCH_TEXT, "%zu failed", stats->failed);
    return n;
}

void search_watch_tick(search_watch *watch, const cso_searches_stats *stats, const cso_endpoint_stats *requests) {
    char fields[WATCH_FIELDS][WATCH_TEXT], line[WATCH_FIELDS * WATCH_TEXT] = "";
    const char *items[WATCH_FIELDS];
    size_t count = format_fields(watch, stats, requests, fields), size = 0;
    for (size_t i = 0; i < count; i++) {
        items[i] = fields[i];
        size += (size_t)snprintf(line + size, sizeof line - size, "%s%s", i ? "  " : "", fields[i]);
    }
    if (watch->log->live) {
        cso_log_fields(watch->log, items, count);
    } else if (cso_clock() - watch->spoke >= SPEAK_SECONDS) {
        cso_log_line(watch->log, "%s", line);
        watch->spoke = cso_clock();
    }
}

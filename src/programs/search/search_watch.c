/* search_watch.c - see search_watch.h. */
#include "search_watch.h"

#include "base/clock.h"
#include "programs/common/amounts.h"

#include <math.h>
#include <stdio.h>

enum { WATCH_FIELDS = 11, WATCH_TEXT = 64 };
static const double SPEAK_SECONDS = 30; /* between two plain lines */
static const double GIB = 1073741824.0;

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

/* Tokens that were computed or reused, in a second of computing. */
static double tokens_per_second(const cso_engine_stats *s) {
    return s->seconds > 0 ? (double)(s->prompt_tokens + s->completion_tokens) / s->seconds : 0;
}

static double reused_percent(const cso_engine_stats *s) {
    return s->prompt_tokens ? 100 * (double)s->reused_tokens / (double)s->prompt_tokens : 0;
}

static size_t format_engine(const cso_engine_stats *s, char fields[][WATCH_TEXT]) {
    char a[AMOUNT_TEXT];
    snprintf(fields[0], WATCH_TEXT, "%s tokens/s", grouped_text((size_t)tokens_per_second(s), a));
    snprintf(fields[1], WATCH_TEXT, "%.0f %% reused", reused_percent(s));
    snprintf(fields[2], WATCH_TEXT, "KV %.2f/%.2f GiB", (double)s->bytes / GIB, (double)s->memory / GIB);
    return 3;
}

const char *search_engine_text(const cso_engine_stats *s, char text[SEARCH_ENGINE_TEXT]) {
    char a[AMOUNT_TEXT], b[AMOUNT_TEXT];
    snprintf(text, SEARCH_ENGINE_TEXT, "%s tokens/s, %.1f %% of %s prompt tokens reused, keys and values %.2f GiB at most, of %.2f",
             grouped_text((size_t)tokens_per_second(s), a), reused_percent(s), amount_text((double)s->prompt_tokens, b),
             (double)s->most_bytes / GIB, (double)s->memory / GIB);
    return text;
}

/* The fields of the line as it is now; how many. */
static size_t format_fields(const search_watch *watch, const cso_searches_stats *stats, const search_players_stats *players,
                            char fields[WATCH_FIELDS][WATCH_TEXT]) {
    char a[AMOUNT_TEXT];
    size_t n = 0;
    snprintf(fields[n++], WATCH_TEXT, "searches %zu/%zu", stats->complete, stats->count);
    format_left(watch, stats, fields[n++]);
    snprintf(fields[n++], WATCH_TEXT, "%s iterations", grouped_text(stats->iterations, a));
    snprintf(fields[n++], WATCH_TEXT, "%s pairs", grouped_text(stats->pairs, a));
    snprintf(fields[n++], WATCH_TEXT, "%zu ended", stats->ended);
    if (players->has_endpoints)
        snprintf(fields[n++], WATCH_TEXT, "%s requests, %zu open", grouped_text(players->requests.requests, a),
                 players->requests.running);
    if (players->has_engine)
        n += format_engine(&players->engine, fields + n);
    snprintf(fields[n++], WATCH_TEXT, "tokens %s", amount_text((double)(stats->prompt_tokens + stats->completion_tokens), a));
    if (watch->priced)
        snprintf(fields[n++], WATCH_TEXT, "cost %.2f", stats->cost);
    if (stats->failed)
        snprintf(fields[n++], WATCH_TEXT, "%zu failed", stats->failed);
    return n;
}

void search_watch_tick(search_watch *watch, const cso_searches_stats *stats, const search_players_stats *players) {
    char fields[WATCH_FIELDS][WATCH_TEXT], line[WATCH_FIELDS * WATCH_TEXT] = "";
    const char *items[WATCH_FIELDS];
    size_t count = format_fields(watch, stats, players, fields), size = 0;
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

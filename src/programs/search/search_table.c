/* search_table.c - see search_table.h. */
#include "search_table.h"

#include "programs/common/report.h"
#include "search_commands.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What all complete searches make together. */
typedef struct totals {
    size_t complete, with_path, turns, strategies, ended, records, pairs, calls;
    double reward;
} totals;

static size_t all_calls(const cso_search_summary *s) {
    size_t calls = 0;
    for (size_t i = 0; i < CSO_ROLES; i++)
        calls += s->calls[i];
    return calls;
}

static bool has_path(const cso_search_summary *s) {
    return s->begun && s->turns;
}

static void add_up(totals *t, const cso_search_summary *s) {
    t->ended += s->ended;
    t->records += s->records;
    t->pairs += s->pairs;
    t->calls += all_calls(s);
    t->complete += s->begun && s->state == CSO_SEARCH_COMPLETE;
    if (!has_path(s))
        return;
    t->with_path++;
    t->reward += s->best_q;
    t->turns += s->turns;
    t->strategies += s->strategies;
}

static const char *state_word(const cso_search_summary *s) {
    return s->begun ? cso_search_state_words[s->state] : "not begun";
}

static void add_json_row(report *r, size_t number, const cso_search_summary *s) {
    report_row(r);
    report_size(r, "search", number);
    report_text(r, "state", state_word(s));
    report_number(r, "reward", has_path(s) ? s->best_q : NAN);
    report_size(r, "iterations", s->iterations);
    report_size(r, "ended", s->ended);
    report_size(r, "turns", s->turns);
    report_size(r, "strategies", s->strategies);
    report_size(r, "records", s->records);
    report_size(r, "pairs", s->pairs);
    report_size(r, "calls", all_calls(s));
    report_size(r, "refused", s->refused);
    report_size(r, "turns_left_out", s->turns_left_out);
    report_end_row(r);
}

static void add_json(report *r, const cso_search_summary *const *summaries, size_t count, const char *method, const totals *t) {
    report_text(r, "method", method);
    report_size(r, "searches", count);
    report_size(r, "complete", t->complete);
    report_size(r, "with_path", t->with_path);
    report_number(r, "mean_reward", t->with_path ? t->reward / (double)t->with_path : NAN);
    report_size(r, "records", t->records);
    report_size(r, "pairs", t->pairs);
    report_size(r, "calls", t->calls);
    report_list(r, "rows");
    for (size_t i = 0; i < count; i++)
        add_json_row(r, i + 1, summaries[i]);
    report_end_list(r);
}

static void print_row(const char *name, const char *state, double reward, const double values[6]) {
    char text[32] = "-";
    if (!isnan(reward))
        snprintf(text, sizeof text, "%.3f", reward);
    printf("%6s  %-9s %7s %6.0f %6.*f %11.*f %8.0f %6.0f %7.0f\n", name, state, text, values[0], values[1] != floor(values[1]),
           values[1], values[2] != floor(values[2]), values[2], values[3], values[4], values[5]);
}

static void print_rows(const cso_search_summary *const *summaries, size_t count, const totals *t) {
    printf("%6s  %-9s %7s %6s %6s %11s %8s %6s %7s\n", "search", "state", "reward", "ended", "turns", "strategies", "records",
           "pairs", "calls");
    for (size_t i = 0; i < count; i++) {
        const cso_search_summary *s = summaries[i];
        char number[32];
        snprintf(number, sizeof number, "%zu", i + 1);
        const double values[] = {(double)s->ended,   (double)s->turns, (double)s->strategies,
                                 (double)s->records, (double)s->pairs, (double)all_calls(s)};
        print_row(number, state_word(s), has_path(s) ? s->best_q : NAN, values);
    }
    double paths = t->with_path ? (double)t->with_path : 1;
    const double values[] = {(double)t->ended,   (double)t->turns / paths, (double)t->strategies / paths,
                             (double)t->records, (double)t->pairs,         (double)t->calls};
    char complete[32];
    snprintf(complete, sizeof complete, "%zu/%zu", t->complete, count);
    print_row("all", complete, t->with_path ? t->reward / paths : NAN, values);
}

cso_status search_finish_output(cso_error *err) {
    return fflush(stdout) || ferror(stdout) ? cso_fail_errno(err, "write", "standard output") : CSO_OK;
}

cso_status search_print_table(const cso_search_summary *const *summaries, size_t count, const char *method, bool json,
                              cso_error *err) {
    totals t = {0};
    for (size_t i = 0; i < count; i++)
        add_up(&t, summaries[i]);
    if (!json) {
        print_rows(summaries, count, &t);
        return search_finish_output(err);
    }
    report r;
    report_begin(&r, true);
    add_json(&r, summaries, count, method, &t);
    report_end(&r);
    bool failed = r.text.failed;
    if (!failed)
        fwrite(r.text.data, 1, r.text.size, stdout);
    free(r.text.data);
    return failed ? cso_fail_memory(err, "the table") : search_finish_output(err);
}

/* train_watch.c - see train_watch.h. */
#include "train_watch.h"

#include "base/clock.h"
#include "base/signals.h"
#include "programs/common/amounts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WATCH_FIELDS = 11, WATCH_TEXT = 64 };

static const char WARM_UP[] = "warm-up";

/* Seconds between two drawings of the live line, and between two plain lines within a phase. */
static const double DRAW_SECONDS = 0.2, SPEAK_SECONDS = 30;

void watch_init(train_watch *w, cso_log *log, const cso_run_config *config) {
    *w = (train_watch){.log = log, .config = config, .every = config->log.every_steps, .began = cso_clock(), .seconds_left = NAN};
    w->heard = w->began;
}

const char *stage_text(const cso_run_config *config, char text[STAGE_TEXT]) {
    text[0] = '\0';
    if (config->stage.name)
        snprintf(text, STAGE_TEXT, "stage %zu/%zu %s", config->stage.number, config->stage.count, config->stage.name);
    return text;
}

/* What a line begins with in a run with stages. */
static const char *stage_before(const train_watch *w, char text[STAGE_TEXT + 2]) {
    if (*stage_text(w->config, text))
        memcpy(text + strlen(text), "  ", 3);
    return text;
}

/* The reference gives no opinion yet where policy and reference are equal: margin and accuracy are exactly 0, and no pair is
 * wrong. */
static bool is_warming_up(double margin, double accuracy) {
    return margin == 0 && accuracy == 0;
}

/* "margin 0.0123" and "accuracy 0.50", as far as the loss has them. Whether it has. */
static bool format_rewards(const char *const *names, const double *values, char *margin_text, char *accuracy_text) {
    double margin = cso_loss_metric(names, values, "rewards/margins");
    double accuracy = cso_loss_metric(names, values, "rewards/accuracies");
    if (isnan(margin) || isnan(accuracy))
        return false;
    snprintf(margin_text, WATCH_TEXT, "margin %.4f", margin);
    if (is_warming_up(margin, accuracy))
        memcpy(accuracy_text, WARM_UP, sizeof WARM_UP);
    else
        snprintf(accuracy_text, WATCH_TEXT, "accuracy %.2f", accuracy);
    return true;
}

/* "loss 0.6931  margin 0.0123  accuracy 0.50" */
static void format_metrics(char *text, size_t size, const char *const *names, const double *values) {
    char margin[WATCH_TEXT], accuracy[WATCH_TEXT];
    if (format_rewards(names, values, margin, accuracy))
        snprintf(text, size, "loss %.4f  %s  %s", values[0], margin, accuracy);
    else
        snprintf(text, size, "loss %.4f", values[0]);
}

static void format_stage(const train_watch *w, char *text) {
    static const char *const words[] = {"opening the model",  "reading the data", "reading evaluation data",
                                        "planning the steps", "measuring speed",  "reading the run's folder"};
    char count[AMOUNT_TEXT];
    if (w->total)
        snprintf(text, WATCH_TEXT, "%s, %.0f %%", words[w->stage], 100.0 * (double)w->done / (double)w->total);
    else if (w->done)
        snprintf(text, WATCH_TEXT, "%s, %s records", words[w->stage], grouped_text(w->done, count));
    else
        snprintf(text, WATCH_TEXT, "%s", words[w->stage]);
}

static void format_doing(const train_watch *w, char *text) {
    const cso_train_progress *p = &w->now;
    char of[AMOUNT_TEXT] = "";
    if (p->trees)
        snprintf(of, sizeof of, "/%zu", p->tree > p->trees ? p->tree : p->trees);
    char time[AMOUNT_TEXT];
    if (w->ended)
        snprintf(text, WATCH_TEXT, "%s %s", w->ended, whole_duration_text(cso_clock() - w->began, time));
    else if (!w->training)
        format_stage(w, text);
    else if (p->pass == CSO_PASS_SAVE)
        snprintf(text, WATCH_TEXT, "saving a checkpoint");
    else if (!p->tree)
        snprintf(text, WATCH_TEXT, p->evaluation ? "evaluation" : "laying out trees");
    else if (p->evaluation)
        snprintf(text, WATCH_TEXT, "evaluation, tree %zu%s", p->tree, of);
    else if (p->pass == CSO_PASS_REFERENCE)
        snprintf(text, WATCH_TEXT, "tree %zu%s, reference", p->tree, of);
    else
        snprintf(text, WATCH_TEXT, "tree %zu%s, %.0f %%", p->tree, of, 100 * p->part);
}

/* "8 min 12 s left": what was last heard, less the time since. Where nothing is known, the time since the start. */
static void format_left(const train_watch *w, char *text) {
    char time[AMOUNT_TEXT];
    if (isnan(w->seconds_left))
        snprintf(text, WATCH_TEXT, "time left ? (%s)", whole_duration_text(cso_clock() - w->began, time));
    else
        snprintf(text, WATCH_TEXT, "%s left", whole_duration_text(fmax(0, w->seconds_left - (cso_clock() - w->heard)), time));
}

/* How many fields the rewards take: "margin 0.0123" and "accuracy 0.50", or "warm-up" alone. */
static size_t add_rewards(const cso_step_report *last, char fields[2][WATCH_TEXT]) {
    if (!format_rewards(last->metric_names, last->metrics, fields[0], fields[1]))
        return 0;
    if (strcmp(fields[1], WARM_UP) != 0)
        return 2;
    memcpy(fields[0], WARM_UP, sizeof WARM_UP);
    return 1;
}

/* The fields of the line as it is now; how many. */
static size_t make_fields(const train_watch *w, char fields[WATCH_FIELDS][WATCH_TEXT]) {
    const cso_step_report *last = &w->last;
    char number[AMOUNT_TEXT], stage[STAGE_TEXT];
    size_t n = 0;
    if (*stage_text(w->config, stage))
        snprintf(fields[n++], WATCH_TEXT, "%.*s", WATCH_TEXT - 1, stage);
    if (w->total_steps)
        snprintf(fields[n++], WATCH_TEXT, "step %zu/%zu", w->step, w->total_steps);
    else
        snprintf(fields[n++], WATCH_TEXT, "step 0/?");
    format_left(w, fields[n++]);
    if (w->has_step)
        snprintf(fields[n++], WATCH_TEXT, "loss %.4f", last->metrics[0]);
    else
        snprintf(fields[n++], WATCH_TEXT, "loss -");
    format_doing(w, fields[n++]);
    if (w->has_step)
        n += add_rewards(last, fields + n);
    if (w->training && w->now.tokens)
        snprintf(fields[n++], WATCH_TEXT, "%s tokens", grouped_text(w->now.tokens, number));
    if (!w->has_step)
        return n;
    snprintf(fields[n++], WATCH_TEXT, "%s tokens/s", grouped_text((size_t)last->tokens_per_second, number));
    snprintf(fields[n++], WATCH_TEXT, "%.1f GFLOP/s", last->gflops);
    snprintf(fields[n++], WATCH_TEXT, "epoch %.2f", last->epoch);
    return n;
}

static void draw(train_watch *w) {
    char fields[WATCH_FIELDS][WATCH_TEXT];
    const char *pointers[WATCH_FIELDS];
    size_t n = make_fields(w, fields);
    for (size_t i = 0; i < n; i++)
        pointers[i] = fields[i];
    cso_log_fields(w->log, pointers, n);
    w->drawn = cso_clock();
}

/* Not on a terminal: that the run is alive. */
static void speak(train_watch *w) {
    char fields[WATCH_FIELDS][WATCH_TEXT];
    char stage[STAGE_TEXT + 2];
    make_fields(w, fields);
    const char(*own)[WATCH_TEXT] = fields + (w->config->stage.name != NULL);
    cso_log_line(w->log, "%s%s  %s  %s  %s", stage_before(w, stage), own[0], own[1], own[2], own[3]);
}

void watch_tick(void *context) {
    train_watch *w = context;
    double now = cso_clock();
    if (w->log->quiet)
        return;
    if (w->log->live && now - w->drawn >= DRAW_SECONDS)
        draw(w);
    else if (!w->log->live && now - w->log->spoke >= SPEAK_SECONDS)
        speak(w);
}

void watch_stage(void *context, cso_train_stage stage, size_t done, size_t total) {
    train_watch *w = context;
    if (stage != w->stage)
        w->drawn = 0; /* at once */
    w->stage = stage;
    w->done = done;
    w->total = total;
    watch_tick(w);
}

/* What a signal is answered in this step, and what is lost if the process ends at once. */
void watch_standing(void *context, const cso_train_standing *now) {
    train_watch *w = context;
    size_t last = now->step ? now->step : now->done, first = now->saved + 1, room = sizeof w->lost;
    int used = 0;
    if (first > last && !now->saved)
        snprintf(w->lost, room, "nothing is lost");
    else if (first > last)
        snprintf(w->lost, room, "nothing is lost since checkpoint-%zu", now->saved);
    else if (first == last)
        used = snprintf(w->lost, room, "step %zu%s", first, now->saved ? "" : " is lost, there is no checkpoint yet");
    else
        used =
            snprintf(w->lost, room, "steps %zu to %zu%s", first, last, now->saved ? "" : " are lost, there is no checkpoint yet");
    if (used && now->saved)
        snprintf(w->lost + used, room - (size_t)used, " since checkpoint-%zu %s lost", now->saved, first == last ? "is" : "are");
    cso_signals_step(now->seconds, w->lost);
    w->answered = cso_clock();
}

/* As often as the line is drawn: the time that is left becomes more exact from layer to layer. */
static void answer_signals(train_watch *w) {
    double now = cso_clock(), left = w->now.step_seconds_left;
    if (!w->lost[0] || !(left > 0) || now - w->answered < DRAW_SECONDS)
        return;
    cso_signals_step(left, w->lost);
    w->answered = now;
}

void watch_progress(void *context, const cso_train_progress *progress) {
    train_watch *w = context;
    if (!w->training)
        w->drawn = 0;
    w->training = true;
    w->now = *progress;
    w->step = progress->step;
    w->total_steps = progress->total_steps;
    w->seconds_left = progress->seconds_left;
    w->heard = cso_clock();
    answer_signals(w);
    watch_tick(w);
}

void watch_plan(train_watch *w, size_t first_step, size_t total_steps, double seconds) {
    w->step = first_step;
    w->total_steps = total_steps;
    w->seconds_left = seconds;
    w->heard = cso_clock();
}

/* The plain line of a step. */
static void speak_step(train_watch *w, const cso_step_report *step) {
    char left[AMOUNT_TEXT] = "?", rate[AMOUNT_TEXT], metrics[200], stage[STAGE_TEXT + 2];
    format_metrics(metrics, sizeof metrics, step->metric_names, step->metrics);
    if (!isnan(step->seconds_left))
        duration_text(step->seconds_left, left);
    cso_log_line(w->log, "%sstep %zu/%zu  epoch %.2f  %s  %s tokens/s  %.1f GFLOP/s  %s left", stage_before(w, stage), step->step,
                 step->total_steps, step->epoch, metrics, grouped_text((size_t)step->tokens_per_second, rate), step->gflops, left);
}

void watch_step(void *context, const cso_step_report *step) {
    train_watch *w = context;
    if (!step->skipped) { /* of a skipped step the warning has said all there is to say */
        w->last = *step;
        w->has_step = true;
        if (!w->log->live && (step->step % w->every == 0 || step->step == step->total_steps))
            speak_step(w, step);
    }
    if (step->evaluated) {
        char metrics[200], stage[STAGE_TEXT + 2];
        format_metrics(metrics, sizeof metrics, step->metric_names, step->eval_metrics);
        cso_log_line(w->log, "%sstep %zu  evaluation: %s", stage_before(w, stage), step->step, metrics);
    }
    if (w->log->live)
        draw(w);
}

void watch_note(void *context, const char *text) {
    train_watch *w = context;
    const char *stage = w->config->stage.name;
    cso_log_line(w->log, "%s%s%s%s", stage ? "stage " : "", stage ? stage : "", stage ? ": " : "", text);
    if (w->log->live)
        draw(w);
}

void watch_warn(void *context, const char *text) {
    train_watch *w = context;
    const char *stage = w->config->stage.name;
    cso_log_warning(w->log, "%s%s%s%s", stage ? "stage " : "", stage ? stage : "", stage ? ": " : "", text);
    if (w->log->live)
        draw(w);
}

void watch_end(train_watch *w, bool complete) {
    w->ended = complete ? "done in" : "ended after";
    if (w->log->live && w->training)
        draw(w);
    cso_log_end(w->log);
}

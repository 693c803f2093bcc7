/* log_history.c - see log_history.h. */
#include "log_history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ENTRIES = 10000 };

size_t cso_log_history_every(size_t total_steps) {
    return total_steps <= MAX_ENTRIES ? 1 : total_steps / MAX_ENTRIES + (total_steps % MAX_ENTRIES > 0);
}

static void add_number(cso_text *line, const char *prefix, const char *name, double value) {
    cso_text_format(line, "%s\"%s%s\": ", line->size ? ", " : "    {", prefix, name);
    cso_text_json_number(line, value);
}

/* Appends the line that is finished with the epoch and the step. */
static void end_entry(cso_log_history *history, cso_text *line, const cso_step_report *report) {
    add_number(line, "", "epoch", report->epoch);
    cso_text_format(line, ", \"step\": %zu}", report->step);
    if (!line->failed) {
        if (history->entries.size)
            cso_text_add(&history->entries, ",\n", 2);
        cso_text_add(&history->entries, line->data, line->size);
    }
    history->entries.failed |= line->failed;
    free(line->data);
}

/* A metric that a step does not have is NaN: no pair of the step prefers that strategy. */
static void add_step(cso_log_history *history, const cso_step_report *report) {
    for (history->n = 0; report->metric_names[history->n]; history->n++) {
        double value = report->metrics[history->n];
        if (isnan(value) && history->n > 0)
            continue;
        history->sums[history->n] += value;
        history->counts[history->n]++;
    }
    history->count++;
}

cso_status cso_log_history_add(cso_log_history *history, const cso_step_report *report, size_t every, cso_error *err) {
    const char *const *names = report->metric_names;
    if (!report->skipped) {
        add_step(history, report);
    }
    if (report->step % every == 0 && history->count) {
        cso_text line = {0};
        for (size_t i = 0; i < history->n; i++)
            if (history->counts[i])
                add_number(&line, "", names[i], history->sums[i] / (double)history->counts[i]);
        if (!report->skipped)
            add_number(&line, "", "grad_norm", report->grad_norm);
        add_number(&line, "", "learning_rate", report->learning_rate);
        end_entry(history, &line, report);
        history->count = 0;
        memset(history->sums, 0, sizeof history->sums);
        memset(history->counts, 0, sizeof history->counts);
    }
    if (report->evaluated) {
        cso_text line = {0};
        for (size_t i = 0; names[i]; i++)
            if (!isnan(report->eval_metrics[i]) || i == 0)
                add_number(&line, "eval_", names[i], report->eval_metrics[i]);
        end_entry(history, &line, report);
    }
    return history->entries.failed ? cso_fail_memory(err, "the log history") : CSO_OK;
}

void cso_log_history_free(cso_log_history *history) {
    free(history->entries.data);
    *history = (cso_log_history){0};
}

void cso_log_history_add_sums(cso_text *text, const cso_log_history *history) {
    cso_text_format(text, "  \"log\": {\"steps\": %zu, \"sums\": [", history->count);
    for (size_t i = 0; i < (history->count ? history->n : 0); i++) {
        cso_text_format(text, "%s", i ? ", " : "");
        cso_text_json_number(text, history->sums[i]);
    }
    cso_text_format(text, "], \"counts\": [");
    for (size_t i = 0; i < (history->count ? history->n : 0); i++)
        cso_text_format(text, "%s%zu", i ? ", " : "", history->counts[i]);
    cso_text_format(text, "]},\n");
}

cso_status cso_log_history_read_sums(cso_log_history *history, const cJSON *state, const char *place, cso_error *err) {
    const cJSON *log = cJSON_GetObjectItemCaseSensitive(state, "log"), *item;
    if (!log)
        return CSO_OK;
    CSO_TRY(cso_json_size(log, "steps", place, 0, &history->count, err));
    history->n = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(log, "sums")) {
        if (history->n == CSO_MAX_METRICS)
            return cso_fail(err, CSO_ERR_INPUT, "%s: log: sums: expected at most %d numbers", place, CSO_MAX_METRICS);
        history->counts[history->n] = history->count; /* before "counts", all steps had all metrics */
        history->sums[history->n++] = cJSON_IsNumber(item) ? item->valuedouble : (double)NAN; /* null: not finite */
    }
    size_t i = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(log, "counts")) {
        bool fits = cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble <= (double)history->count;
        if (!fits || i == history->n)
            return cso_fail(err, CSO_ERR_INPUT, "%s: log: counts: expected %zu numbers from 0 to %zu", place, history->n,
                            history->count);
        history->counts[i++] = (size_t)item->valuedouble;
    }
    return CSO_OK;
}

/* eval_report_json.c - results as one object: the names and scales of the measures, and what is behind them. */
#include "eval_report.h"

#include <string.h>

static void add_name(cso_text *out, const char *name) {
    cso_text_json_string(out, name, strlen(name));
}

static void add_number(cso_text *out, const char *name, double value) {
    cso_text_format(out, ", \"%s\": ", name);
    cso_text_json_number(out, value);
}

static void add_numbers(cso_text *out, const double *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        cso_text_add(out, i ? ", " : "[", i ? 2 : 1);
        cso_text_json_number(out, values[i]);
    }
    cso_text_add(out, "]", 1);
}

static void add_interval(cso_text *out, const char *key, cso_interval interval) {
    const double ends[] = {interval.low, interval.high};
    cso_text_format(out, ", \"%s\": ", key);
    add_numbers(out, ends, 2);
}

static void add_confusion(cso_text *out, const cso_confusion *c) {
    cso_text_format(out, ", \"confusion\": {\"rows_true_columns_predicted\": ");
    for (size_t i = 0; i < c->n; i++) {
        cso_text_add(out, i ? ", " : "[", i ? 2 : 1);
        add_numbers(out, c->count + i * c->n, c->n);
    }
    cso_text_format(out, "], \"invalid\": ");
    add_numbers(out, c->invalid, c->n);
    cso_text_add(out, "}", 1);
}

static void add_calibration(cso_text *out, const cso_calibration *c) {
    cso_text_format(out, ", \"calibration\": [");
    for (int b = 0; b < CSO_CALIBRATION_BINS; b++) {
        double count = c->count[b];
        cso_text_format(out, "%s{\"from\": %g, \"to\": %g", b ? ", " : "", (double)b / CSO_CALIBRATION_BINS,
                        (double)(b + 1) / CSO_CALIBRATION_BINS);
        add_number(out, "count", count);
        add_number(out, "accuracy", c->right[b] / count);
        add_number(out, "probability", c->probability[b] / count);
        cso_text_add(out, "}", 1);
    }
    cso_text_add(out, "]", 1);
}

static void add_strategies(cso_text *out, const cso_measurer *m) {
    const cso_predictions *set = m->set;
    cso_text_format(out, "\"n\": %zu, \"dialogues\": %zu, \"strategies\": [", set->count, set->n_dialogues);
    for (size_t i = 0; i < set->n_strategies; i++) {
        cso_text_add(out, ", ", i ? 2 : 0);
        add_name(out, set->strategies[i]);
    }
    cso_text_add(out, "]", 1);
}

static void add_measures(cso_text *out, const cso_measurer *m) {
    const cso_predictions *set = m->set;
    double invalid = 0;
    for (int i = 0; i < CSO_MEASURE_COUNT; i++)
        add_number(out, cso_measure_names[i], m->value[i]);
    for (size_t i = 0; i < set->n_strategies; i++)
        invalid += m->confusion.invalid[i];
    cso_text_format(out, ", \"invalid\": %.0f, \"never_missed\": %zu, \"preferences\": {", invalid, m->never_missed);
    for (size_t i = 0; i < set->n_strategies; i++) {
        cso_text_add(out, ", ", i ? 2 : 0);
        add_name(out, set->strategies[i]);
        cso_text_add(out, ": ", 2);
        cso_text_json_number(out, m->preferences[i]);
    }
    cso_text_add(out, "}", 1);
    add_confusion(out, &m->confusion);
    cso_text_format(out, ", \"bleu_signature\": \"%s\"", cso_bleu_signature);
    if (set->has_probabilities)
        add_calibration(out, &m->calibration);
}

static void add_samples(cso_text *out, const eval_report *r, size_t system, cso_error *err) {
    cso_text_format(out, ", \"intervals\": {\"level\": 0.95, \"samples\": %zu, \"seed\": %llu", r->n_samples,
                    (unsigned long long)r->seed);
    for (int i = 0; i < CSO_MEASURE_COUNT; i++)
        add_interval(out, cso_measure_names[i], eval_report_interval(r, system, (cso_measure)i, err));
    cso_text_add(out, "}", 1);
}

static void add_differences(cso_text *out, const eval_report *r, size_t system, cso_error *err) {
    const double *values = r->systems[system].measurer.value, *others = r->systems[r->against].measurer.value;
    cso_text_format(out, ", \"differences\": {\"to\": ");
    add_name(out, r->systems[r->against].name);
    for (int i = 0; i < CSO_MEASURE_COUNT; i++) {
        cso_text_format(out, ", \"%s\": {\"value\": ", cso_measure_names[i]);
        cso_text_json_number(out, values[i] - others[i]);
        if (r->n_samples)
            add_interval(out, "interval", eval_report_difference(r, system, (cso_measure)i, err));
        cso_text_add(out, "}", 1);
    }
    cso_text_add(out, "}", 1);
}

static void add_system(cso_text *out, const eval_report *r, size_t system, cso_error *err) {
    cso_text_add(out, "{", 1);
    if (!r->single) {
        cso_text_format(out, "\"name\": ");
        add_name(out, r->systems[system].name);
        cso_text_add(out, ", ", 2);
    }
    add_strategies(out, &r->systems[system].measurer);
    add_measures(out, &r->systems[system].measurer);
    if (r->n_samples)
        add_samples(out, r, system, err);
    if (r->count > 1 && system != r->against)
        add_differences(out, r, system, err);
    cso_text_add(out, "}", 1);
}

void eval_report_json(const eval_report *r, cso_text *out, cso_error *err) {
    if (!r->single)
        cso_text_format(out, "{\"systems\": [");
    for (size_t i = 0; i < r->count; i++) {
        cso_text_add(out, ", ", i ? 2 : 0);
        add_system(out, r, i, err);
    }
    cso_text_format(out, r->single ? "\n" : "]}\n");
}

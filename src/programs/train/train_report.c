/* train_report.c - see train_report.h. */
#include "train_report.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

/* 1234567 as "1,234,567". */
static const char *grouped(size_t number, char text[32]) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%zu", number), out = 0;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            text[out++] = ',';
        text[out++] = digits[i];
    }
    text[out] = '\0';
    return text;
}

static const char *duration(double seconds, char text[32]) {
    if (!(seconds < 3600.0 * 24 * 365))
        snprintf(text, 32, "over a year");
    else if (seconds >= 3600)
        snprintf(text, 32, "%.0f h %02d min", floor(seconds / 3600), (int)fmod(seconds / 60, 60));
    else if (seconds >= 60)
        snprintf(text, 32, "%d min %02d s", (int)(seconds / 60), (int)fmod(seconds, 60));
    else
        snprintf(text, 32, "%.*f s", seconds < 10 ? 1 : 0, seconds);
    return text;
}

static const char *amount(double number, char text[32]) {
    static const char units[] = " kMGTPE";
    size_t unit = 0;
    while (number >= 999.5 && unit + 2 < sizeof units) {
        number /= 1000;
        unit++;
    }
    if (unit)
        snprintf(text, 32, "%.3g %c", number, units[unit]);
    else
        snprintf(text, 32, "%.3g ", number);
    return text;
}

static const char *bytes_text(double bytes, char text[32]) {
    const double mib = 1024.0 * 1024, gib = 1024 * mib;
    if (bytes >= gib)
        snprintf(text, 32, "%.2f GiB", bytes / gib);
    else
        snprintf(text, 32, "%.1f MiB", bytes / mib);
    return text;
}

static void report_data(FILE *out, const char *what, const cso_data_counts *counts) {
    char pairs[32], records[32], longest[32];
    fprintf(out, "%s: %s pairs of %zu dialogues in %s records, the longest of %s tokens", what, grouped(counts->pairs, pairs),
            counts->dialogues, grouped(counts->records, records), grouped(counts->max_tokens, longest));
    if (counts->truncated)
        fprintf(out, "; %zu cut to data.max_length (%zu turns)", counts->truncated, counts->turns_dropped);
    if (counts->too_long_dropped)
        fprintf(out, "; %zu left out as too long", counts->too_long_dropped);
    if (counts->duplicates)
        fprintf(out, "; %zu duplicates left out", counts->duplicates);
    fputc('\n', out);
}

void report_plan(FILE *out, const cso_run_config *config, const train_run *run, const cso_train_plan *plan) {
    char a[32], b[32], c[32];
    const cso_model *model = run->base.model;
    const cso_lora_options *lora = &run->adapter->options;
    fprintf(out, "model: %s, %s parameters, %s, %s; template %s\n", cso_model_family_name(model),
            amount((double)model->n_params, a), bytes_text((double)opened_model_bytes(&run->base), b), config->model.path,
            cso_chat_template_name(run->base.chat));
    fprintf(out, "adapter: %s trainable parameters, rank %zu, alpha %g%s%s, %s; reference %s\n", grouped(run->adapter->n_params, a),
            lora->rank, lora->alpha, lora->rslora ? ", rslora" : "", lora->dropout > 0 ? ", dropout" : "",
            strcmp(config->lora.init, "default") ? config->lora.init : "fresh", config->loss.reference);
    report_data(out, "training data", &run->train.counts);
    if (run->eval.count)
        report_data(out, "evaluation data", &run->eval.counts);
    fprintf(out, "an epoch: %zu steps of %zu pairs; packing %s: %s tokens in %zu trees instead of %s (%.1f times fewer)\n",
            plan->length.epoch_steps, config->train.batch_size, cso_packing_words[config->data.packing], grouped(plan->tokens, a),
            plan->trees, grouped(plan->tokens_unshared, b),
            plan->tokens ? (double)plan->tokens_unshared / (double)plan->tokens : 1);
    fprintf(out, "memory: the largest tree has %s tokens: %s of %s", grouped(plan->largest_tree, a),
            bytes_text((double)plan->bytes, b), bytes_text((double)run->memory, c));
    if (plan->kept_layers == model->hparams.n_layers)
        fprintf(out, ", all layers kept");
    else
        fprintf(out, ", %zu of %zu layers kept, the others recomputed", plan->kept_layers, model->hparams.n_layers);
    fprintf(out, "; about %s at the peak with adapter, optimizer and the mapped weights\n",
            bytes_text((double)plan->peak_bytes + (double)opened_model_bytes(&run->base), b));
    fprintf(out, "work: %sFLOP an epoch", amount(plan->epoch_flops, a));
    if (plan->rate > 0)
        fprintf(out, ", about %s at %sFLOP/s; the reference once: %s", duration(plan->epoch_flops / plan->rate, b),
                amount(plan->rate, c), duration(plan->reference_flops / plan->rate, a));
    if (plan->f32_rate > plan->rate)
        fprintf(out, "\nnote: this processor is faster in f32, at %sFLOP/s: model.compute = \"f32\" would take less time",
                amount(plan->f32_rate, a));
    fprintf(out, "\nrun: %zu steps, %zu of warm-up, %s schedule, learning rate %g, in %s\n", plan->length.total_steps,
            plan->length.warmup_steps, cso_schedule_words[config->train.schedule], config->train.learning_rate,
            config->checkpoint.dir);
}

void report_step(cso_log *log, size_t every, const cso_step_report *step) {
    char left[32], rate[32];
    char line[400];
    snprintf(line, sizeof line,
             "step %zu/%zu  epoch %.2f  loss %.4f  margin %.4f  accuracy %.2f  %s tokens/s  %.1f GFLOP/s  %s left", step->step,
             step->total_steps, step->epoch, step->mean.loss, step->mean.margin, step->mean.accuracy,
             grouped((size_t)step->tokens_per_second, rate), step->gflops, duration(step->seconds_left, left));
    if (step->skipped) /* the warning has said all there is to say */
        line[0] = '\0';
    else if (log->live)
        cso_log_live(log, "%s", line);
    else if (step->step % every == 0 || step->step == step->total_steps)
        cso_log_line(log, "%s", line);
    if (step->evaluated)
        cso_log_line(log, "step %zu  evaluation: loss %.4f  margin %.4f  accuracy %.2f", step->step, step->eval.loss,
                     step->eval.margin, step->eval.accuracy);
}

void report_profile(cso_log *log, const cso_profile *profile) {
    double total = cso_profile_total(profile);
    char label[64];
    snprintf(label, sizeof label, "time of %zu steps:", profile->spans);
    cso_log_line(log, "%-24s %9s %7s %9s", label, "seconds", "share", "GFLOP/s");
    for (cso_phase phase = 0; phase < CSO_PHASE_COUNT; phase++) {
        char rate[32] = "";
        if (profile->flops[phase] > 0)
            snprintf(rate, sizeof rate, " %9.1f", profile->flops[phase] / profile->seconds[phase] / 1e9);
        cso_log_line(log, "  %-22s %9.2f %5.1f %%%s", cso_phase_name(phase), profile->seconds[phase],
                     100 * profile->seconds[phase] / total, rate);
    }
    cso_log_line(log, "  %-22s %9.2f", "all", total);
}

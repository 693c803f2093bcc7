/* train_report.c - see train_report.h. */
#include "train_report.h"

#include "base/memory.h"
#include "base/printable.h"

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

/* What an example of a loss is called. */
static const char *examples_word(const cso_loss *loss) {
    return loss->takes == CSO_EXAMPLE_PAIR ? "pairs" : "sequences";
}

static void report_data(FILE *out, const char *what, const char *examples, const cso_data_counts *counts) {
    char count[32], records[32], longest[32];
    fprintf(out, "%s: %s %s of %zu dialogues in %s records, the longest of %s tokens", what, grouped(counts->examples, count),
            examples, counts->dialogues, grouped(counts->records, records), grouped(counts->max_tokens, longest));
    if (counts->truncated)
        fprintf(out, "; %zu cut to data.max_length (%zu turns)", counts->truncated, counts->turns_dropped);
    if (counts->too_long_dropped)
        fprintf(out, "; %zu left out as too long", counts->too_long_dropped);
    if (counts->duplicates)
        fprintf(out, "; %zu duplicates left out", counts->duplicates);
    fputc('\n', out);
}

/* The whole run's time, and whether the other compute type would take less. */
static void report_time(FILE *out, cso_compute compute, const cso_train_plan *plan) {
    const char *const *names = cso_compute_words;
    const cso_train_time *time = &plan->time[compute];
    const cso_train_work *work = &plan->steps;
    cso_compute other = compute == CSO_COMPUTE_F32 ? CSO_COMPUTE_BF16 : CSO_COMPUTE_F32;
    char a[32], b[32], c[32];
    double totals[2] = {cso_train_time_total(&plan->time[0]), cso_train_time_total(&plan->time[1])};
    if (!(totals[compute] > 0))
        return;
    fprintf(out, "time: about %s: %zu step%s in %s at %sFLOP/s", duration(totals[compute], a), plan->length.total_steps,
            plan->length.total_steps == 1 ? "" : "s", duration(time->steps, b),
            amount((cso_work_flops(&work->forward) + cso_work_flops(&work->backward)) / time->steps, c));
    if (time->reference > 0)
        fprintf(out, ", the reference once %s", duration(time->reference, a));
    if (plan->evaluations == 1)
        fprintf(out, ", one evaluation %s", duration(time->evaluation, a));
    else if (plan->evaluations)
        fprintf(out, ", %zu evaluations %s", plan->evaluations, duration(time->evaluation, a));
    fputs(" (measured on this processor)\n", out);
    if (!(totals[other] > 0))
        return;
    cso_compute faster = cso_train_faster(totals[CSO_COMPUTE_F32], totals[CSO_COMPUTE_BF16]);
    fprintf(out, "compute: %s is the faster here: %s would take about %s%s\n", names[faster], names[other],
            duration(totals[other], a), faster == compute ? "" : "; set model.compute to change");
}

void report_plan(FILE *out, const cso_run_config *config, const train_run *run, const cso_train_plan *plan) {
    char a[32], b[32], c[32], name[1024]; /* name: of a file or folder, as the user gave it */
    const cso_model *model = run->base.model;
    const cso_lora_options *lora = &run->adapter->options;
    const cso_loss *loss = cso_loss_find(config->loss.type);
    bool reference = (loss->needs & CSO_LOSS_REFERENCE) != 0;
    fprintf(out, "model: %s, %s parameters, %s, %s; template %s\n", cso_model_family_name(model),
            amount((double)model->n_params, a), bytes_text((double)opened_model_bytes(&run->base), b),
            cso_printable(name, sizeof name, config->model.path), cso_chat_template_name(run->base.chat));
    fprintf(out, "adapter: %s trainable parameters, rank %zu, alpha %g%s%s, %s", grouped(run->adapter->n_params, a), lora->rank,
            lora->alpha, lora->rslora ? ", rslora" : "", lora->dropout > 0 ? ", dropout" : "",
            strcmp(config->lora.init, "default") ? cso_printable(name, sizeof name, config->lora.init) : "fresh");
    fprintf(out, "; reference %s\n", reference ? cso_printable(name, sizeof name, config->loss.reference) : "none");
    report_data(out, "training data", examples_word(loss), &run->train.counts);
    if (run->eval.count)
        report_data(out, "evaluation data", examples_word(loss), &run->eval.counts);
    fprintf(out, "an epoch: %zu steps of %zu %s; packing %s: %s tokens in %zu trees instead of %s (%.1f times fewer)\n",
            plan->length.epoch_steps, config->train.batch_size, examples_word(loss), cso_packing_words[config->data.packing],
            grouped(plan->tokens, a), plan->trees, grouped(plan->tokens_unshared, b),
            plan->tokens ? (double)plan->tokens_unshared / (double)plan->tokens : 1);
    fprintf(out, "memory: the largest tree has %s tokens: %s of %s", grouped(plan->largest_tree, a),
            bytes_text((double)plan->bytes, b), bytes_text((double)run->memory, c));
    if (plan->kept_layers == model->hparams.n_layers)
        fprintf(out, ", all layers kept");
    else
        fprintf(out, ", %zu of %zu layers kept, the others recomputed", plan->kept_layers, model->hparams.n_layers);
    fprintf(out, "; about %s at the peak with adapter, optimizer and the mapped weights\n",
            bytes_text((double)plan->peak_bytes + (double)opened_model_bytes(&run->base), b));
    fprintf(out, "work: %sFLOP an epoch\n", amount(plan->epoch_flops, a));
    report_time(out, config->model.compute, plan);
    fprintf(out, "run: %zu steps, %zu of warm-up, %s schedule, learning rate %g, in %s\n", plan->length.total_steps,
            plan->length.warmup_steps, cso_schedule_words[config->train.schedule], config->train.learning_rate,
            cso_printable(name, sizeof name, config->checkpoint.dir));
}

/* "loss 0.6931  margin 0.0123  accuracy 0.50", as far as the loss has them. */
static void format_metrics(char *text, size_t size, const char *const *names, const double *values) {
    double margin = cso_loss_metric(names, values, "rewards/margins");
    double accuracy = cso_loss_metric(names, values, "rewards/accuracies");
    size_t used = (size_t)snprintf(text, size, "loss %.4f", values[0]);
    if (!isnan(margin) && !isnan(accuracy) && used < size)
        snprintf(text + used, size - used, "  margin %.4f  accuracy %.2f", margin, accuracy);
}

void report_step(cso_log *log, size_t every, const cso_step_report *step) {
    char left[32], rate[32];
    char line[400], metrics[120];
    format_metrics(metrics, sizeof metrics, step->metric_names, step->metrics);
    snprintf(line, sizeof line, "step %zu/%zu  epoch %.2f  %s  %s tokens/s  %.1f GFLOP/s  %s left", step->step, step->total_steps,
             step->epoch, metrics, grouped((size_t)step->tokens_per_second, rate), step->gflops,
             duration(step->seconds_left, left));
    if (step->skipped) /* the warning has said all there is to say */
        line[0] = '\0';
    else if (log->live)
        cso_log_live(log, "%s", line);
    else if (step->step % every == 0 || step->step == step->total_steps)
        cso_log_line(log, "%s", line);
    if (step->evaluated) {
        format_metrics(metrics, sizeof metrics, step->metric_names, step->eval_metrics);
        cso_log_line(log, "step %zu  evaluation: %s", step->step, metrics);
    }
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

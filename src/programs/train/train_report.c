/* train_report.c - see train_report.h. */
#include "train_report.h"

#include "base/printable.h"
#include "programs/common/amounts.h"
#include "train_watch.h"

#include <stdlib.h>
#include <string.h>

static void report_data(FILE *out, const char *what, const char *examples, const cso_data_counts *counts) {
    char count[AMOUNT_TEXT], records[AMOUNT_TEXT], longest[AMOUNT_TEXT];
    fprintf(out, "%s: %s %s of %zu dialogues in %s records, the longest of %s tokens", what, grouped_text(counts->examples, count),
            examples, counts->dialogues, grouped_text(counts->records, records), grouped_text(counts->max_tokens, longest));
    if (counts->truncated)
        fprintf(out, "; %zu cut to data.max_length (%zu turns)", counts->truncated, counts->turns_dropped);
    if (counts->too_long_dropped)
        fprintf(out, "; %zu left out as too long", counts->too_long_dropped);
    if (counts->duplicates)
        fprintf(out, "; %zu duplicates left out", counts->duplicates);
    fputc('\n', out);
}

static bool needs(const train_run *run, unsigned what) {
    return (run->objective.needs & what) != 0;
}

static void report_reference(FILE *out, const train_run *run, const cso_train_time *time) {
    char a[AMOUNT_TEXT];
    const char *often = needs(run, CSO_LOSS_MISMATCHED) ? "at each step" : "once per data set";
    if (!needs(run, CSO_LOSS_REFERENCE))
        return;
    fprintf(out, "  reference log-probabilities, %s: %s\n", often,
            time->reference > 0 ? duration_text(time->reference, a) : "known already");
}

/* The time of what is left of the run, and whether the other compute type would take less. */
static void report_time(FILE *out, const train_run *run, const cso_run_config *config, const cso_train_plan *plan) {
    const char *const *names = cso_compute_words;
    cso_compute compute = config->model.compute, other = compute == CSO_COMPUTE_F32 ? CSO_COMPUTE_BF16 : CSO_COMPUTE_F32;
    const cso_train_time *time = &plan->time[compute];
    const cso_train_work *work = &plan->steps;
    char a[AMOUNT_TEXT], b[AMOUNT_TEXT];
    double totals[2] = {cso_train_time_total(&plan->time[0]), cso_train_time_total(&plan->time[1])};
    size_t steps = plan->length.total_steps - plan->first_step;
    if (!(totals[compute] > 0))
        return;
    duration_text(totals[compute], a);
    fprintf(out, "time: %s%s%s, measured on this processor\n", strncmp(a, "over", 4) ? "about " : "", a,
            plan->first_step ? " from here" : "");
    fprintf(out, "  training, %zu step%s: %s at %sFLOP/s\n", steps, steps == 1 ? "" : "s", duration_text(time->steps, a),
            amount_text((cso_work_flops(&work->forward) + cso_work_flops(&work->backward)) / time->steps, b));
    report_reference(out, run, time);
    if (plan->evaluations == 1)
        fprintf(out, "  evaluation, once: %s\n", duration_text(time->evaluation, a));
    else if (plan->evaluations)
        fprintf(out, "  evaluation, %zu times: %s\n", plan->evaluations, duration_text(time->evaluation, a));
    if (!(totals[other] > 0))
        return;
    cso_compute faster = cso_train_faster(totals[CSO_COMPUTE_F32], totals[CSO_COMPUTE_BF16]);
    fprintf(out, "compute: %s is the faster here: %s would take about %s%s\n", names[faster], names[other],
            duration_text(totals[other], a), faster == compute ? "" : "; set model.compute to change");
}

static void report_disk(FILE *out, const cso_run_disk *disk) {
    char a[AMOUNT_TEXT], b[AMOUNT_TEXT], c[AMOUNT_TEXT];
    fprintf(out, "disk: up to %zu checkpoint%s of %s; the run adds up to %s", disk->checkpoints, disk->checkpoints == 1 ? "" : "s",
            bytes_text(disk->checkpoint, a), bytes_text(disk->need, b));
    if (disk->free >= 0)
        fprintf(out, ", %s are free", bytes_text(disk->free, c));
    fputc('\n', out);
}

static void report_run(FILE *out, const cso_run_config *config, const cso_train_plan *plan) {
    const cso_train_length *length = &plan->length;
    char name[1024];
    if (plan->first_step == length->total_steps)
        fprintf(out, "resume: the run is complete: step %zu of %zu\n", plan->first_step, length->total_steps);
    else if (plan->first_step)
        fprintf(out, "resume: after step %zu of %zu\n", plan->first_step, length->total_steps);
    fprintf(out, "run: %zu steps, %zu of warm-up, %s schedule, learning rate %g, in %s\n", length->total_steps,
            length->warmup_steps, cso_schedule_words[config->train.schedule], config->train.learning_rate,
            cso_printable(name, sizeof name, config->checkpoint.dir));
}

static void write_plan(FILE *out, const cso_run_config *config, const train_run *run, const cso_train_plan *plan) {
    char a[AMOUNT_TEXT], b[AMOUNT_TEXT], c[AMOUNT_TEXT];
    char name[1024]; /* of a file or folder, as the user gave it */
    const cso_model *model = run->base.model;
    const cso_lora_options *lora = &run->adapter->options;
    char stage[STAGE_TEXT];
    const char *examples = cso_example_kind_name(run->objective.takes);
    if (*stage_text(config, stage))
        fprintf(out, "%s\n", stage);
    fprintf(out, "model: %s, %s parameters, %s, %s; template %s\n", cso_model_family_name(model),
            amount_text((double)model->n_params, a), bytes_text((double)opened_model_bytes(&run->base), b),
            cso_printable(name, sizeof name, config->model.path), cso_chat_template_name(run->base.chat));
    fprintf(out, "adapter: %s trainable parameters, rank %zu, alpha %g%s%s, %s", grouped_text(run->adapter->n_params, a),
            lora->rank, lora->alpha, lora->rslora ? ", rslora" : "", lora->dropout > 0 ? ", dropout" : "",
            strcmp(config->lora.init, "default") ? cso_printable(name, sizeof name, config->lora.init) : "fresh");
    fprintf(out, "; loss %s; reference %s\n", run->objective.text,
            needs(run, CSO_LOSS_REFERENCE) ? cso_printable(name, sizeof name, config->loss.reference) : "none");
    report_data(out, "training data", examples, &run->train.counts);
    if (run->eval.count)
        report_data(out, "evaluation data", examples, &run->eval.counts);
    fprintf(out, "an epoch: %zu steps of %zu %s; packing %s: %s tokens in %zu trees instead of %s (%.1f times fewer)\n",
            plan->length.epoch_steps, config->train.batch_size, examples, cso_packing_words[config->data.packing],
            grouped_text(plan->tokens, a), plan->trees, grouped_text(plan->tokens_unshared, b),
            plan->tokens ? (double)plan->tokens_unshared / (double)plan->tokens : 1);
    fprintf(out, "memory: the largest tree has %s tokens: %s of %s", grouped_text(plan->largest_tree, a),
            bytes_text((double)plan->bytes, b), bytes_text((double)run->memory, c));
    if (plan->kept_layers == model->hparams.n_layers)
        fprintf(out, ", all layers kept");
    else
        fprintf(out, ", %zu of %zu layers kept, the others recomputed", plan->kept_layers, model->hparams.n_layers);
    fprintf(out, "; about %s at the peak with adapter, optimizer and the mapped weights\n",
            bytes_text((double)plan->peak_bytes + (double)opened_model_bytes(&run->base), b));
    fprintf(out, "work: %sFLOP an epoch\n", amount_text(plan->epoch_flops, a));
}

enum { LEAST_COLUMNS = 20 };

/* A line of text, broken at spaces to fit the columns; what follows the first is indented. */
static void write_wrapped(FILE *out, const char *line, size_t columns) {
    size_t length = strlen(line), indent = 0;
    while (columns >= LEAST_COLUMNS && indent + length > columns) {
        size_t room = columns - indent, end = room;
        while (end > room / 2 && line[end] != ' ')
            end--;
        if (line[end] != ' ') /* a long path: the terminal cuts it */
            break;
        fprintf(out, "%*s%.*s\n", (int)indent, "", (int)end, line);
        line += end + 1;
        length -= end + 1;
        indent = 4;
    }
    fprintf(out, "%*s%s\n", (int)indent, "", line);
}

static void write_all(FILE *out, const cso_train_job *job, const train_run *run, const cso_train_plan *plan,
                      const cso_run_disk *disk) {
    write_plan(out, job->config, run, plan);
    report_time(out, run, job->config, plan);
    report_disk(out, disk);
    report_run(out, job->config, plan);
}

void report_plan(FILE *out, const cso_train_job *job, const train_run *run, const cso_train_plan *plan, const cso_run_disk *disk) {
    size_t columns = cso_terminal_columns(fileno(out)), size;
    char *text = NULL, *rest;
    FILE *memory = columns ? open_memstream(&text, &size) : NULL;
    write_all(memory ? memory : out, job, run, plan, disk);
    if (!memory)
        return;
    fclose(memory);
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line; line = strtok_r(NULL, "\n", &rest))
        write_wrapped(out, line, columns);
    free(text);
}

void report_stages(FILE *out, const stages_outlook *sum) {
    char time[AMOUNT_TEXT], memory[AMOUNT_TEXT], disk[AMOUNT_TEXT];
    if (!sum->stages)
        return;
    fprintf(out, "%zu stage%s: ", sum->stages, sum->stages == 1 ? " is left" : "s");
    if (sum->seconds > 0) {
        duration_text(sum->seconds, time);
        fprintf(out, "%s%s, ", strncmp(time, "over", 4) ? "about " : "", time);
    }
    fprintf(out, "at most %s at the peak, up to %s more on the disk\n", bytes_text(sum->peak_bytes, memory),
            bytes_text(sum->disk, disk));
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

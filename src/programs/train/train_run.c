/* train_run.c - see train_run.h. */
#include "train_run.h"

#include "base/memory.h"
#include "config/config.h"
#include "programs/common/open_context.h"
#include "train_report.h"
#include "train_watch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* A run that is open. */
typedef struct opened_run {
    train_process *process;
    const cso_run_config *config;
    cso_context *ctx;
    train_watch watch;
    train_run run;
    cso_train_job job;
    cso_train_plan plan;
    cso_run_disk disk;
} opened_run;

static bool is_first(const opened_run *r) {
    return cso_comm_rank(r->process->comm) == 0;
}

cso_status train_finish_output(cso_error *err) {
    return fflush(stdout) || ferror(stdout) ? cso_fail_errno(err, "write", "standard output") : CSO_OK;
}

/* What everyone who takes part says once: only the first process does. */
static cso_train_observer make_observer(train_watch *watch, const cso_comm *comm) {
    if (cso_comm_rank(comm))
        return (cso_train_observer){.context = watch, .standing = watch_standing};
    return (cso_train_observer){.context = watch,
                                .step = watch_step,
                                .standing = watch_standing,
                                .note = watch_note,
                                .warning = watch_warn,
                                .stage = watch_stage,
                                .progress = watch_progress};
}

static cso_status make_context(opened_run *r, cso_error *err) {
    train_process *p = r->process;
    size_t asked = p->options->threads ? p->options->threads : r->config->train.threads;
    bool tell = is_first(r) && !p->told_slow;
    char slowdown[512];
    if (tell && too_many_threads((int)asked, slowdown, sizeof slowdown))
        cso_log_warning(p->log, "%s", slowdown);
    CSO_TRY(cso_context_create(&r->ctx, asked ? (int)asked : p->threads, err));
    if (tell && cso_gemm_slowdown(r->ctx, slowdown, sizeof slowdown))
        cso_log_warning(p->log, "%s", slowdown);
    p->told_slow = true;
    if (!p->log->quiet)
        cso_pool_set_tick(r->ctx->pool, watch_tick, &r->watch);
    return CSO_OK;
}

/* Closed by close_run, also after a failure. */
static cso_status open_run(opened_run *r, train_process *process, const cso_run_config *config, const train_stand_ins *stand_ins,
                           cso_error *err) {
    *r = (opened_run){.process = process, .config = config};
    watch_init(&r->watch, process->log, config);
    CSO_TRY(make_context(r, err));
    const cso_train_observer observer = make_observer(&r->watch, process->comm);
    CSO_TRY(train_open(&r->run, r->ctx, config, cso_comm_local_size(process->comm), &observer, stand_ins, err));
    r->job = train_job(&r->run, config);
    r->job.resume = process->options->resume;
    r->job.comm = process->comm;
    r->job.observer = observer;
    return CSO_OK;
}

static void close_run(opened_run *r) {
    cso_log_clear(r->process->log); /* before the line of an error */
    train_close(&r->run);
    cso_context_free(r->ctx);
}

static void warn_of_run(opened_run *r) {
    train_warn_of_data(&r->run, &r->job.observer);
    train_warn_of_settings(&r->run, r->config, &r->job.observer);
}

/* Where the run begins. A dry run tells all that the run would, and tries what it can without changing anything. What stands in for an
 * adapter says nothing of a checkpoint. */
static cso_status find_start(opened_run *r, cso_error *err) {
    bool dry = r->process->options->dry_run;
    watch_stage(&r->watch, CSO_STAGE_RESUME, 0, 0);
    if (r->run.stands_in)
        return CSO_OK;
    CSO_TRY(cso_run_find_start(&r->job, dry, &r->job.start, err)); /* a run warns by itself */
    return dry ? cso_run_check_folder(&r->job, err) : CSO_OK;
}

static void tell_seconds(opened_run *r, double seconds) {
    watch_plan(&r->watch, r->plan.first_step, r->plan.length.total_steps, seconds > 0 ? seconds : NAN);
}

/* The plan, its time if somebody will read it, and what to reserve. */
static cso_status make_plan(opened_run *r, cso_error *err) {
    const train_options *options = r->process->options;
    CSO_TRY(cso_train_plan_make(&r->plan, &r->job, err));
    CSO_TRY(cso_run_measure_disk(&r->job, &r->plan, &r->disk, err));
    r->job.need = r->plan.need;
    r->job.plan = &r->plan;
    tell_seconds(r, NAN);
    if (!options->dry_run && options->quiet)
        return CSO_OK;
    CSO_TRY(cso_train_plan_measure(&r->plan, &r->job, err));
    tell_seconds(r, cso_train_time_total(&r->plan.time[r->config->model.compute]));
    return CSO_OK;
}

static cso_status show_plan(opened_run *r, cso_error *err) {
    const train_options *options = r->process->options;
    if (!options->dry_run && options->quiet)
        return CSO_OK;
    cso_log_clear(r->process->log);
    report_plan(options->dry_run ? stdout : stderr, &r->job, &r->run, &r->plan, &r->disk);
    return options->dry_run ? train_finish_output(err) : CSO_OK;
}

/* Too little room ends a dry run with the code that the run would end with; a run may still find some. */
static cso_status check_disk(opened_run *r, double before, cso_error *err) {
    bool dry = r->process->options->dry_run;
    cso_error full;
    cso_run_disk disk = r->disk;
    disk.need += before;
    cso_status status = cso_run_check_disk(&r->job, &disk, dry ? err : &full);
    if (status == CSO_OK || dry)
        return status;
    r->job.observer.warning(r->job.observer.context, full.message);
    return CSO_OK;
}

static cso_status plan_and_show(opened_run *r, double before, cso_error *err) {
    CSO_TRY(make_plan(r, err));
    CSO_TRY(show_plan(r, err));
    return check_disk(r, before, err);
}

static cso_status tell_complete(opened_run *r, cso_error *err) {
    const char *name = r->config->stage.name;
    size_t step = r->job.start.step, total = cso_train_measure(r->config, r->run.train.count).total_steps;
    if (!r->process->options->dry_run) {
        cso_log_line(r->process->log, "stage %s: complete, step %zu of %zu", name, step, total);
        return CSO_OK;
    }
    printf("stage %s: complete, step %zu of %zu\n", name, step, total);
    return train_finish_output(err);
}

static cso_status look(opened_run *r, double before, train_outlook *outlook, cso_error *err) {
    CSO_TRY(find_start(r, err));
    CSO_TRY(cso_adapter_copy(&outlook->adapter, r->run.adapter, err));
    outlook->complete = r->job.start.complete;
    if (outlook->complete)
        return tell_complete(r, err);
    warn_of_run(r);
    CSO_TRY(plan_and_show(r, before, err));
    outlook->disk = r->disk;
    outlook->seconds = cso_train_time_total(&r->plan.time[r->config->model.compute]);
    outlook->peak_bytes = (double)r->plan.peak_bytes + (double)opened_model_bytes(&r->run.base);
    return CSO_OK;
}

cso_status train_look(train_process *process, const cso_run_config *config, const train_stand_ins *stand_ins, double before,
                      train_outlook *outlook, cso_error *err) {
    opened_run r;
    *outlook = (train_outlook){0};
    cso_status status = open_run(&r, process, config, stand_ins, err);
    if (status == CSO_OK)
        status = look(&r, before, outlook, err);
    close_run(&r);
    return status;
}

/* The first process shows what will happen, and knows what to reserve for it. */
static cso_status prepare(opened_run *r, cso_error *err) {
    CSO_TRY(find_start(r, err));
    return r->config->stage.name ? make_plan(r, err) : plan_and_show(r, 0, err);
}

static cso_status train(opened_run *r, cso_error *err) {
    cso_profile profile = {0};
    char *text = NULL;
    CSO_TRY(cso_run_config_print(r->config, &text, err));
    r->job.config_text = text;
    r->job.profile = r->config->log.profile ? &profile : NULL;
    cso_status status = cso_train(&r->job, err);
    watch_end(&r->watch, status == CSO_OK);
    if (is_first(r) && profile.spans && (status == CSO_OK || status == CSO_STOPPED))
        report_profile(r->process->log, &profile);
    if (is_first(r) && status == CSO_OK)
        cso_log_line(r->process->log, "peak memory %.2f GiB", (double)cso_memory_peak() / (1024.0 * 1024 * 1024));
    free(text);
    return status;
}

cso_status train_run_config(train_process *process, const cso_run_config *config, cso_error *err) {
    opened_run r;
    cso_comm *comm = process->comm;
    cso_status status = cso_comm_agree(comm, open_run(&r, process, config, NULL, err), err);
    if (status == CSO_OK && !config->stage.name)
        warn_of_run(&r);
    if (status == CSO_OK)
        status = cso_comm_agree(comm, is_first(&r) ? prepare(&r, err) : CSO_OK, err);
    if (status == CSO_OK && !process->options->dry_run)
        status = train(&r, err);
    close_run(&r);
    return status;
}

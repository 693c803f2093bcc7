/* train_main.c - cso-train: a configuration in, an adapter out. */
#include "api/train_open.h"
#include "base/memory.h"
#include "base/signals.h"
#include "comm/comm.h"
#include "config/config.h"
#include "programs/common/args.h"
#include "programs/common/open_context.h"
#include "programs/common/start.h"
#include "train/checkpoint.h"
#include "train_help_loss.h"
#include "train_ranks.h"
#include "train_report.h"
#include "train_watch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *config, *resume, *help_loss;
    cso_arg_list set;
    size_t threads;
    bool dry_run, quiet, help_config;
} options;

/* An option that is a key, by our name or another trainer's. */
static void hint_key(const char *name, bool exact, char *text, size_t size) {
    cso_run_config_hint(name, "'--set ", "=VALUE'", exact, text, size);
}
static void print_line(void *context, const char *text) {
    (void)context;
    puts(text);
}

static cso_status finish_output(cso_error *err) {
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

/* Where the run begins. A dry run tells all that the run would, and tries what it can without changing anything. */
static cso_status check_folder(const options *opts, cso_train_job *job, cso_error *err) {
    CSO_TRY(cso_run_find_start(job, opts->dry_run, &job->start, err)); /* a run warns by itself */
    return opts->dry_run ? cso_run_check_folder(job, err) : CSO_OK;
}

/* Too little room ends a dry run with the code that the run would end with; a run may still find some. */
static cso_status check_disk(const options *opts, const cso_train_job *job, const cso_run_disk *disk, cso_error *err) {
    cso_error full;
    cso_status status = cso_run_check_disk(job, disk, opts->dry_run ? err : &full);
    if (status == CSO_OK || opts->dry_run)
        return status;
    job->observer.warning(job->observer.context, full.message);
    return CSO_OK;
}

/* The first process shows what will happen, and knows what to reserve for it. */
static cso_status make_plan(const options *opts, const train_run *run, cso_train_job *job, cso_train_plan *plan, train_watch *watch,
                            cso_error *err) {
    cso_run_disk disk;
    watch_stage(watch, CSO_STAGE_RESUME, 0, 0);
    CSO_TRY(check_folder(opts, job, err));
    CSO_TRY(cso_train_plan_make(plan, job, err));
    CSO_TRY(cso_run_measure_disk(job, plan, &disk, err));
    job->need = plan->need;
    job->plan = plan;
    watch_plan(watch, plan->first_step, plan->length.total_steps, NAN);
    if (opts->dry_run || !opts->quiet) {
        CSO_TRY(cso_train_plan_measure(plan, job, err));
        double seconds = cso_train_time_total(&plan->time[job->config->model.compute]);
        watch_plan(watch, plan->first_step, plan->length.total_steps, seconds > 0 ? seconds : NAN);
        cso_log_clear(watch->log);
        report_plan(opts->dry_run ? stdout : stderr, job, run, plan, &disk);
    }
    if (opts->dry_run)
        CSO_TRY(finish_output(err));
    return check_disk(opts, job, &disk, err);
}

static cso_status train(const options *opts, const cso_run_config *config, cso_context *ctx, cso_comm *comm, train_watch *watch,
                        cso_error *err) {
    train_run run;
    cso_train_plan plan;
    const cso_train_observer observer = make_observer(watch, comm);
    cso_profile profile = {0};
    char *text = NULL;
    bool first = cso_comm_rank(comm) == 0;
    cso_status status;
    CSO_TRY_DONE(cso_comm_agree(comm, train_open(&run, ctx, config, cso_comm_local_size(comm), &observer, err), err));
    cso_train_job job = train_job(&run, config);
    job.resume = opts->resume;
    job.comm = comm;
    job.profile = config->log.profile ? &profile : NULL;
    job.observer = observer;
    train_warn_of_data(&run, &job.observer);
    train_warn_of_settings(&run, config, &job.observer);
    CSO_TRY_DONE(cso_comm_agree(comm, first ? make_plan(opts, &run, &job, &plan, watch, err) : CSO_OK, err));
    if (opts->dry_run)
        goto done;
    CSO_TRY_DONE(cso_run_config_print(config, &text, err));
    job.config_text = text;
    status = cso_train(&job, err);
    watch_end(watch, status == CSO_OK);
    if (first && profile.spans && (status == CSO_OK || status == CSO_STOPPED))
        report_profile(watch->log, &profile);
    if (first && status == CSO_OK)
        cso_log_line(watch->log, "peak memory %.2f GiB", (double)cso_memory_peak() / (1024.0 * 1024 * 1024));
done:
    free(text);
    train_close(&run);
    return status;
}

static cso_status run(const options *opts, const cso_arg_list *rest, cso_comm *comm, cso_error *err) {
    cso_run_config config;
    if (!opts->dry_run && !opts->help_config && !opts->help_loss)
        cso_signals_ignore_pipes();
    if (rest->count)
        return cso_fail(err, CSO_ERR_USAGE, "unexpected argument '%s' (expected options only; --help lists them)", rest->items[0]);
    if (opts->help_config) {
        cso_run_config_help(print_line, NULL);
        return finish_output(err);
    }
    if (opts->help_loss) {
        CSO_TRY(help_loss(stdout, opts->help_loss, err));
        return finish_output(err);
    }
    if (!opts->config)
        return cso_fail(err, CSO_ERR_USAGE, "no configuration is given (expected --config FILE)");
    cso_status status = cso_run_config_read(&config, opts->config, opts->set.items, opts->set.count, err);
    if (status == CSO_OK && cso_comm_rank(comm) == 0)
        status = cso_run_folder_suits(config.checkpoint.dir, err);
    status = cso_comm_agree(comm, status, err);
    if (status == CSO_OK) {
        train_watch watch;
        cso_log log;
        cso_log_init(&log, opts->quiet || cso_comm_rank(comm));
        watch_init(&watch, &log, config.log.every_steps);
        int wanted = (int)(opts->threads ? opts->threads : config.train.threads);
        cso_context *ctx;
        char slowdown[512];
        if (!cso_comm_rank(comm) && too_many_threads(wanted, slowdown, sizeof slowdown))
            cso_log_warning(&log, "%s", slowdown);
        status = cso_context_create(&ctx, wanted ? wanted : train_threads(comm, &log), err);
        status = cso_comm_agree(comm, status, err);
        if (status == CSO_OK && !cso_comm_rank(comm) && cso_gemm_slowdown(ctx, slowdown, sizeof slowdown))
            cso_log_warning(&log, "%s", slowdown);
        if (status == CSO_OK && !log.quiet)
            cso_pool_set_tick(ctx->pool, watch_tick, &watch);
        if (status == CSO_OK)
            status = train(opts, &config, ctx, comm, &watch, err);
        cso_log_clear(&log); /* before the line of an error */
        cso_context_free(ctx);
    }
    cso_run_config_free(&config);
    return status;
}

/* Of several processes that failed, one says why. The exit code. */
static int leave(const cso_program *program, cso_comm *comm, cso_status status, const cso_error *err) {
    bool first, met = cso_comm_meet(comm, status, &first);
    int code = status == CSO_STOPPED ? CSO_STOPPED + cso_signals_stop() : (int)status;
    if (first)
        code = cso_program_exit(program, status, err);
    if (!met)
        cso_comm_abort(comm, code);
    cso_comm_close(comm);
    return code;
}

int main(int argc, char **argv) {
    options opts = {.resume = "auto"};
    const cso_arg args[] = {
        {"config", 'c', CSO_ARG_STRING, &opts.config, "FILE", "the run's configuration (TOML)"},
        {"set", 's', CSO_ARG_LIST, &opts.set, "KEY=VALUE", "override a key, e.g. train.max_steps=10; may be given often"},
        {"resume", 0, CSO_ARG_STRING, &opts.resume, "WHAT",
         "auto (default): go on from the newest checkpoint in checkpoint.dir, if any; never; or a checkpoint's folder"},
        {"dry-run", 'n', CSO_ARG_FLAG, &opts.dry_run, NULL,
         "check everything, change nothing, print the plan, and exit as the run would"},
        {"threads", 't', CSO_ARG_THREADS, &opts.threads, "N", "as train.threads; results do not depend on it"},
        {"quiet", 'q', CSO_ARG_FLAG, &opts.quiet, NULL, "print warnings and errors only"},
        {"help-config", 0, CSO_ARG_FLAG, &opts.help_config, NULL, "list the keys of a configuration, and exit"},
        {"help-loss", 0, CSO_ARG_STRING, &opts.help_loss, "NAME",
         "say what a loss is: its formula, source, options; all: list them"},
    };
    const cso_program program = {
        .name = "cso-train",
        .summary = "Fine-tunes a language model with LoRA: on preference pairs, or on conversations (SFT).",
        .usage = "--config FILE [--set KEY=VALUE]... [OPTIONS]",
        .details = "Writes checkpoints, metrics.jsonl, config.toml and the final adapter/ (PEFT's form) to checkpoint.dir.\n"
                   "SIGTERM and SIGINT (Ctrl-C) save a checkpoint at the end of the step; --resume auto goes on from it. A second "
                   "SIGINT stops "
                   "at once. SIGUSR1 saves a checkpoint at the end of the step and goes on.\n\n"
                   "Exit codes: 0 done; 1 internal error; 2 wrong use or configuration; 3 bad input file; 4 the system failed "
                   "(I/O, memory); 5 numerical failure; 128+n stopped by signal n, after saving a checkpoint.",
        .args = args,
        .arg_count = sizeof args / sizeof *args,
        .hint = hint_key,
    };
    cso_arg_list rest;
    cso_error err = {0};
    cso_comm *comm = NULL;
    bool done = false;
    program_start(program.name);
    cso_signals_accept_save();
    cso_status status = cso_args_parse(&program, argc, argv, &rest, &done, &err);
    if (status == CSO_OK && !done)
        status = cso_comm_open(&comm, &err);
    if (cso_comm_rank(comm))
        cso_signals_be_silent();
    if (status == CSO_OK && !done)
        status = run(&opts, &rest, comm, &err);
    cso_arg_list_free(&rest);
    cso_arg_list_free(&opts.set);
    return leave(&program, comm, status, &err);
}

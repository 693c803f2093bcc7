/* train_main.c - cso-train: a configuration in, an adapter out. */
#include "api/train_stages.h"
#include "base/memory.h"
#include "base/signals.h"
#include "comm/comm.h"
#include "config/config.h"
#include "programs/common/args.h"
#include "programs/common/start.h"
#include "train/checkpoint.h"
#include "train_help_loss.h"
#include "train_ranks.h"
#include "train_run.h"
#include "train_stages_look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What runs one stage after the other. */
typedef struct driver {
    train_process process;
    const cso_run_configs *configs;
    bool *done; /* (count) stages that need not be run */
} driver;

/* An option that is a key, by our name or another trainer's. */
static void hint_key(const char *name, bool exact, char *text, size_t size) {
    cso_run_config_hint(name, "'--set ", "=VALUE'", exact, text, size);
}
static void print_line(void *context, const char *text) {
    (void)context;
    puts(text);
}

static cso_status run_config(void *context, const cso_run_config *config, cso_error *err) {
    driver *d = context;
    if (config->stage.name && d->done[config->stage.number - 1])
        return CSO_OK;
    return train_run_config(&d->process, config, err);
}

/* Nothing is lost now: until the next stage's first step a signal ends the process at once. */
static void between_stages(void *context) {
    (void)context;
    cso_signals_release();
}

static void on_note(void *context, const char *text) {
    cso_log_line(context, "%s", text);
}
static void on_warning(void *context, const char *text) {
    cso_log_warning(context, "%s", text);
}

/* All stages are looked at before the first begins. */
static cso_status look_at_stages(driver *d, cso_error *err) {
    cso_comm *comm = d->process.comm;
    bool first = cso_comm_rank(comm) == 0;
    CSO_TRY(cso_comm_agree(comm, first ? train_look_at_stages(&d->process, d->configs, d->done, err) : CSO_OK, err));
    cso_comm_broadcast(comm, d->done, d->configs->count * sizeof *d->done);
    return CSO_OK;
}

static cso_status drive(driver *d, cso_error *err) {
    const train_options *options = d->process.options;
    if (d->configs->dir)
        CSO_TRY(look_at_stages(d, err));
    if (d->configs->dir && options->dry_run)
        return CSO_OK;
    const cso_train_observer observer = {.context = d->process.log, .note = on_note, .warning = on_warning};
    const train_stages stages = {
        .configs = d->configs,
        .only = options->stage,
        .comm = d->process.comm,
        .observer = &observer,
        .run = run_config,
        .between = between_stages,
        .context = d,
    };
    return train_stages_run(&stages, err);
}

/* Threads where neither --threads nor every configuration says how many. Collective. */
static int own_threads(const train_options *options, const cso_run_configs *configs, cso_comm *comm, cso_log *log) {
    bool all_set = options->threads > 0;
    for (size_t i = 0; !all_set && i < configs->count; i++)
        if (!configs->items[i].train.threads)
            return train_threads(comm, log);
    return 0;
}

static cso_status run_configs(const train_options *options, const cso_run_configs *configs, cso_comm *comm, cso_error *err) {
    cso_log log;
    bool *done = cso_calloc(configs->count, sizeof *done);
    cso_status status = cso_comm_agree(comm, done ? CSO_OK : cso_fail_memory(err, "the stages"), err);
    if (status == CSO_OK) {
        cso_log_init(&log, options->quiet || cso_comm_rank(comm));
        driver d = {{options, comm, &log, own_threads(options, configs, comm, &log), false}, configs, done};
        status = drive(&d, err);
        cso_log_clear(&log); /* before the line of an error */
    }
    free(done);
    return status;
}

/* What the options ask for must fit the configuration. */
static cso_status check_options(const train_options *options, const cso_run_configs *configs, cso_error *err) {
    size_t index;
    bool one = strcmp(options->resume, "auto") != 0 && strcmp(options->resume, "never") != 0;
    if (options->stage)
        CSO_TRY(cso_run_configs_find(configs, options->stage, &index, err));
    else if (configs->dir && one)
        return cso_fail(err, CSO_ERR_USAGE,
                        "--resume %s: is one checkpoint, and there are %zu stages (expected --stage NAME as well)", options->resume,
                        configs->count);
    return CSO_OK;
}

static cso_status run(const train_options *options, const cso_arg_list *rest, cso_comm *comm, cso_error *err) {
    cso_run_configs configs;
    if (!options->dry_run && !options->help_config && !options->help_loss)
        cso_signals_ignore_pipes();
    if (rest->count)
        return cso_fail(err, CSO_ERR_USAGE, "unexpected argument '%s' (expected options only; --help lists them)", rest->items[0]);
    if (options->help_config) {
        cso_run_config_help(print_line, NULL);
        return train_finish_output(err);
    }
    if (options->help_loss) {
        CSO_TRY(help_loss(stdout, options->help_loss, err));
        return train_finish_output(err);
    }
    if (!options->config)
        return cso_fail(err, CSO_ERR_USAGE, "no configuration is given (expected --config FILE)");
    cso_status status = cso_run_configs_read(&configs, options->config, options->set.items, options->set.count, err);
    if (status == CSO_OK)
        status = check_options(options, &configs, err);
    if (status == CSO_OK && cso_comm_rank(comm) == 0)
        status = cso_run_folder_suits(configs.dir ? configs.dir : configs.items[0].checkpoint.dir, err);
    status = cso_comm_agree(comm, status, err);
    if (status == CSO_OK)
        status = run_configs(options, &configs, comm, err);
    cso_run_configs_free(&configs);
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
    train_options opts = {.resume = "auto"};
    const cso_arg args[] = {
        {"config", 'c', CSO_ARG_STRING, &opts.config, "FILE", "the run's configuration (TOML)"},
        {"set", 's', CSO_ARG_LIST, &opts.set, "KEY=VALUE", "override a key, e.g. train.max_steps=10; may be given often"},
        {"resume", 0, CSO_ARG_STRING, &opts.resume, "WHAT",
         "auto (default): go on from the newest checkpoint in checkpoint.dir, if any; never; or a checkpoint's folder"},
        {"stage", 0, CSO_ARG_STRING, &opts.stage, "NAME", "run this one of the configuration's [[stage]] tables alone"},
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
                   "With [[stage]] tables (docs/stages.md) one stage follows the other, each in its folder there; the same command "
                   "again goes on in the first that is not complete.\n"
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

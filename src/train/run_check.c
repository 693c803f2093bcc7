/* run_check.c - see run_check.h. */
#include "run_check.h"

#include "base/file.h"
#include "base/memory.h"
#include "run_identity.h"
#include "trainer_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Reads checkpoints into a copy of the adapter's parameters. */
static cso_status look(trainer *t, float *params, cso_error *err) {
    const cso_run_config *config = t->job->config;
    cso_trainables trained = cso_adapter_trainables(t->job->adapter);
    trained.params = params;
    CSO_TRY(cso_adamw_create(&t->adamw, &trained, config->train.betas[0], config->train.betas[1], config->train.eps,
                             config->train.weight_decay, err));
    CSO_TRY(run_identity_make(&t->identity, t->job, err));
    CSO_TRY(trainer_resume(t, err));
    if (t->state.step)
        trainer_take_over(t);
    return CSO_OK;
}

cso_status cso_run_find_start(const cso_train_job *job, bool warn, cso_train_start *start, cso_error *err) {
    cso_train_job quiet = *job; /* the run itself will tell what it resumes from */
    quiet.observer = (cso_train_observer){.context = job->observer.context, .warning = warn ? job->observer.warning : NULL};
    trainer t;
    *start = (cso_train_start){0};
    CSO_TRY(cso_run_folder_check_lock(job->config->checkpoint.dir, err));
    float *params = cso_calloc(job->adapter->n_params, sizeof *params);
    if (!params)
        return cso_fail_memory(err, "parameters");
    trainer_init(&t, &quiet);
    t.looks_only = true;
    cso_status status = look(&t, params, err);
    if (status == CSO_OK)
        *start = (cso_train_start){.step = t.state.step, .tree_tokens = t.state.max_tokens, .complete = trainer_is_complete(&t)};
    trainer_close(&t);
    free(params);
    return status;
}

/* The folder itself or the nearest one above it that exists; the caller frees. NULL: no memory. */
static char *existing_folder(const char *dir) {
    char *path = cso_strdup(dir);
    while (path && !cso_path_exists(path)) {
        char *above = cso_path_folder(path);
        free(path);
        path = above;
    }
    return path;
}

static cso_status check_writable(const char *dir, cso_error *err) {
    char *existing = existing_folder(dir);
    cso_status status = CSO_OK;
    if (!existing)
        return cso_fail_memory(err, "a path");
    if (!cso_path_is_folder(existing))
        status = cso_fail(err, CSO_ERR_SYSTEM, "%s: is a file (expected a folder)", existing);
    else if (access(existing, W_OK | X_OK))
        status = cso_fail_errno(err, strcmp(existing, dir) ? "make a folder in" : "write to", existing);
    free(existing);
    return status;
}

/* A file of the folder that the run replaces, or appends to. */
static cso_status check_file(const char *dir, const char *name, bool appends, cso_error *err) {
    struct stat info;
    char *path = cso_path_join(dir, name);
    cso_status status = CSO_OK;
    if (!path)
        return cso_fail_memory(err, "a path");
    if (appends && cso_path_is_link(path))
        status = cso_fail(err, CSO_ERR_USAGE, "%s: is a link (expected a file)", path);
    else if (!stat(path, &info)) {
        if (!S_ISREG(info.st_mode))
            status = cso_fail(err, CSO_ERR_USAGE, "%s: %s (expected a file's name)", path,
                              S_ISDIR(info.st_mode) ? "is a folder" : "is not a regular file");
        else if (appends && access(path, R_OK | W_OK))
            status = cso_fail_errno(err, "write to", path);
    }
    free(path);
    return status;
}

static cso_status check_cache(const cso_train_job *job, bool training, cso_error *err) {
    cso_reference_cache cache;
    cso_error warning = {0};
    CSO_TRY(trainer_read_cache(job, training, &cache, &warning, err));
    if (warning.status != CSO_OK && job->observer.warning)
        job->observer.warning(job->observer.context, warning.message);
    cso_reference_cache_free(&cache);
    return CSO_OK;
}

cso_status cso_run_check_folder(const cso_train_job *job, cso_error *err) {
    const char *dir = job->config->checkpoint.dir;
    CSO_TRY(check_writable(dir, err));
    CSO_TRY(check_file(dir, "config.toml", false, err));
    CSO_TRY(check_file(dir, "metrics.jsonl", true, err));
    if (!(job->objective->needs & CSO_LOSS_REFERENCE))
        return CSO_OK;
    CSO_TRY(check_cache(job, true, err));
    return job->eval ? check_cache(job, false, err) : CSO_OK;
}

/* How often the run still saves, at most: when it is due, at its end, and after the evaluations that may find a new best. */
static size_t saves_left(const cso_train_job *job, const cso_train_plan *plan) {
    size_t every = job->config->checkpoint.every_steps, total = plan->length.total_steps, first = plan->first_step;
    if (first == total)
        return 0;
    size_t due = every ? total / every - first / every + (total % every > 0) : 1;
    return due + (job->config->checkpoint.keep_best ? plan->evaluations : 0);
}

cso_status cso_run_measure_disk(const cso_train_job *job, const cso_train_plan *plan, cso_run_disk *disk, cso_error *err) {
    enum { STATE_BYTES = 1 << 16, METRICS_LINE = 1 << 11, HISTORY_BYTES = 16 << 20 };
    const cso_run_config *config = job->config;
    size_t *steps, there, sequences = job->train->n_sequences + (job->eval ? job->eval->n_sequences : 0);
    double adapter = (double)job->adapter->n_params * sizeof(float);
    struct statvfs info;
    CSO_TRY(cso_checkpoint_list(config->checkpoint.dir, &steps, &there, err));
    free(steps);
    /* With keep_last = 1 the one before stays until the newest has proved good; old ones go after a new one is written. */
    double most = (double)(config->checkpoint.keep_last > 2 ? config->checkpoint.keep_last : 2) + 1;
    most += config->checkpoint.keep_best && job->eval;
    double all = (double)there + (double)saves_left(job, plan);
    most = all < most ? all : most;
    double added = most - (double)there;
    added = saves_left(job, plan) && added < 1 ? 1 : added < 0 ? 0 : added;
    double history = (double)plan->length.total_steps * METRICS_LINE; /* in trainer_state.json, which thins it out */
    history = history < HISTORY_BYTES ? history : HISTORY_BYTES;
    *disk = (cso_run_disk){.checkpoints = (size_t)most, .checkpoint = 3 * adapter + history + STATE_BYTES, .free = -1};
    disk->need =
        added * disk->checkpoint + adapter + STATE_BYTES + (double)(plan->length.total_steps - plan->first_step) * METRICS_LINE;
    if (job->objective->needs & CSO_LOSS_REFERENCE)
        disk->need += 2.0 * (double)sequences * sizeof(double); /* the new file beside the one it replaces */
    char *folder = existing_folder(config->checkpoint.dir);
    if (!folder)
        return cso_fail_memory(err, "a path");
    if (!statvfs(folder, &info) && info.f_blocks)
        disk->free = (double)info.f_bavail * (double)info.f_frsize;
    free(folder);
    return CSO_OK;
}

static const char *size_text(double bytes, char text[32]) {
    const double mib = 1024.0 * 1024, gib = 1024 * mib;
    snprintf(text, 32, bytes >= gib ? "%.2f GiB" : "%.1f MiB", bytes / (bytes >= gib ? gib : mib));
    return text;
}

cso_status cso_run_check_disk(const cso_train_job *job, const cso_run_disk *disk, cso_error *err) {
    char one[32], need[32], left[32];
    if (disk->free < 0 || disk->need <= disk->free)
        return CSO_OK;
    return cso_fail(
        err, CSO_ERR_SYSTEM,
        "%s: up to %zu checkpoints of %s and the rest of the run need %s more on the disk, which has %s free (another disk, "
        "or a lower checkpoint.keep_last)",
        job->config->checkpoint.dir, disk->checkpoints, size_text(disk->checkpoint, one), size_text(disk->need, need),
        size_text(disk->free, left));
}

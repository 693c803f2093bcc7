/* train_stages.c - see train_stages.h. */
#include "train_stages.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/signals.h"
#include "train/stage_folder.h"

#include <stdlib.h>
#include <string.h>

static cso_status check_adapter(const cso_run_configs *configs, size_t index, const char *key, const char *folder, cso_error *err) {
    const cso_run_config *config = &configs->items[index];
    for (size_t i = 0; i < index; i++) {
        char *adapter = cso_path_join(configs->items[i].checkpoint.dir, "adapter");
        if (!adapter)
            return cso_fail_memory(err, "a path");
        bool missing = !strcmp(adapter, folder) && !cso_path_exists(adapter);
        free(adapter);
        if (missing)
            return cso_fail(err, CSO_ERR_USAGE,
                            "stage %s: %s is the adapter of stage %s, which is not there: %s (expected that stage to be run first)",
                            config->stage.name, key, configs->items[i].stage.name, folder);
    }
    return CSO_OK;
}

cso_status train_stage_is_ready(const cso_run_configs *configs, size_t index, cso_error *err) {
    const cso_run_config *config = &configs->items[index];
    CSO_TRY(check_adapter(configs, index, "lora.init", config->lora.init, err));
    return check_adapter(configs, index, "loss.reference", config->loss.reference, err);
}

/* What asked one of the processes to stop: a signal, or -1 for its observer; 0: nothing. */
static cso_status share_stop(const train_stages *s, int *stop, cso_error *err) {
    size_t ranks = (size_t)cso_comm_size(s->comm);
    int *all = cso_calloc(ranks, sizeof *all), mine = cso_signals_stop();
    *stop = 0;
    CSO_TRY(cso_comm_agree(s->comm, all ? CSO_OK : cso_fail_memory(err, "signals"), err));
    if (!mine && s->observer->should_stop && s->observer->should_stop(s->observer->context))
        mine = -1;
    cso_comm_gather_all(s->comm, &mine, all, sizeof mine);
    for (size_t i = 0; i < ranks; i++)
        *stop = *stop ? *stop : all[i];
    free(all);
    if (*stop > 0)
        cso_signals_raise(*stop); /* the exit code is made of it */
    return CSO_OK;
}

static cso_status check_stop(const train_stages *s, size_t index, cso_error *err) {
    int stop;
    if (s->between)
        s->between(s->context);
    CSO_TRY(share_stop(s, &stop, err));
    if (!stop)
        return CSO_OK;
    const char *done = s->configs->items[index].stage.name, *next = s->configs->items[index + 1].stage.name;
    if (stop > 0)
        return cso_fail(err, CSO_STOPPED, "stopped by signal %d after stage %s; the next run begins with stage %s", stop, done,
                        next);
    return cso_fail(err, CSO_STOPPED, "stopped on request after stage %s; the next run begins with stage %s", done, next);
}

static cso_status run_one(const train_stages *s, size_t index, cso_error *err) {
    const cso_run_config *config = &s->configs->items[index];
    cso_status status = s->run(s->context, config, err);
    return status == CSO_OK ? CSO_OK : cso_error_prefix(err, status, "stage %s", config->stage.name);
}

static cso_status run_all(const train_stages *s, cso_error *err) {
    size_t first = 0, last = s->configs->count - 1;
    if (s->only) {
        CSO_TRY(cso_run_configs_find(s->configs, s->only, &first, err));
        CSO_TRY(train_stage_is_ready(s->configs, first, err));
        last = first;
    }
    for (size_t i = first; i <= last; i++) {
        CSO_TRY(run_one(s, i, err));
        if (i < last)
            CSO_TRY(check_stop(s, i, err));
    }
    return CSO_OK;
}

/* Only the first process writes. */
cso_status train_stages_run(const train_stages *s, cso_error *err) {
    const cso_run_configs *configs = s->configs;
    if (!configs->dir)
        return s->run(s->context, &configs->items[0], err);
    const cso_run_config *last = &configs->items[configs->count - 1];
    bool first = cso_comm_rank(s->comm) == 0, whole = !s->only || !strcmp(s->only, last->stage.name);
    cso_stage_folder folder = {0};
    cso_status status;
    CSO_TRY_DONE(cso_comm_agree(
        s->comm, first ? cso_stage_folder_open(&folder, configs->dir, configs->text, s->observer, err) : CSO_OK, err));
    CSO_TRY_DONE(run_all(s, err));
    if (whole)
        status =
            cso_comm_agree(s->comm, first ? cso_stage_folder_finish(&folder, last->checkpoint.dir, s->observer, err) : CSO_OK, err);
done:
    cso_stage_folder_close(&folder);
    return status;
}

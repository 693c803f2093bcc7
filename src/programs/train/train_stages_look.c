/* train_stages_look.c - see train_stages_look.h. */
#include "train_stages_look.h"

#include "api/train_stages.h"
#include "base/file.h"
#include "base/memory.h"
#include "train/stage_folder.h"
#include "train_report.h"

#include <stdlib.h>

/* The adapters that the stages so far will have made. */
static cso_status add_stand_in(train_stand_ins *s, const cso_run_config *config, cso_adapter *adapter, cso_error *err) {
    s->adapters[s->count] = adapter;
    s->folders[s->count] = cso_path_join(config->checkpoint.dir, "adapter");
    return s->folders[s->count++] ? CSO_OK : cso_fail_memory(err, "a path");
}

static void free_stand_ins(train_stand_ins *s) {
    for (size_t i = 0; i < s->count; i++) {
        free(s->folders[i]);
        cso_adapter_free(s->adapters[i]);
    }
    free(s->folders);
    free(s->adapters);
}

static cso_status look_at(train_process *process, const cso_run_config *config, train_stand_ins *stand_ins, stages_outlook *sum,
                          bool *done, cso_error *err) {
    train_outlook one;
    cso_status status = train_look(process, config, stand_ins, sum->disk, &one, err);
    if (status != CSO_OK) {
        cso_adapter_free(one.adapter);
        return cso_error_prefix(err, status, "stage %s", config->stage.name);
    }
    *done = one.complete && cso_stage_adapter_is_whole(config->checkpoint.dir);
    sum->stages += !one.complete;
    sum->seconds += one.seconds;
    sum->disk += one.disk.need;
    sum->peak_bytes = one.peak_bytes > sum->peak_bytes ? one.peak_bytes : sum->peak_bytes;
    return add_stand_in(stand_ins, config, one.adapter, err);
}

static cso_status look_at_all(train_process *process, const cso_run_configs *configs, train_stand_ins *stand_ins, bool *done,
                              cso_error *err) {
    const char *only = process->options->stage;
    size_t first = 0, last = configs->count - 1;
    stages_outlook sum = {0};
    CSO_TRY(cso_stage_folder_check(configs->dir, err));
    if (only) {
        CSO_TRY(cso_run_configs_find(configs, only, &first, err));
        CSO_TRY(train_stage_is_ready(configs, first, err));
        last = first;
    }
    for (size_t i = first; i <= last; i++) {
        CSO_TRY(look_at(process, &configs->items[i], stand_ins, &sum, &done[i], err));
        done[i] &= i == first || done[i - 1]; /* a stage that goes on changes what the next began with */
    }
    if (only || (process->options->quiet && !process->options->dry_run))
        return CSO_OK;
    report_stages(process->options->dry_run ? stdout : stderr, &sum);
    return process->options->dry_run ? train_finish_output(err) : CSO_OK;
}

cso_status train_look_at_stages(train_process *process, const cso_run_configs *configs, bool *done, cso_error *err) {
    train_stand_ins stand_ins = {cso_calloc(configs->count, sizeof *stand_ins.folders),
                                 cso_calloc(configs->count, sizeof *stand_ins.adapters), 0};
    cso_status status = stand_ins.folders && stand_ins.adapters ? CSO_OK : cso_fail_memory(err, "the stages");
    if (status == CSO_OK)
        status = look_at_all(process, configs, &stand_ins, done, err);
    free_stand_ins(&stand_ins);
    return status;
}

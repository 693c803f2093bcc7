/* stage_folder.c - see stage_folder.h. */
#include "stage_folder.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "checkpoint.h"
#include "run_checksums.h"
#include "verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void tell(void (*hear)(void *, const char *), void *context, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void tell(void (*hear)(void *, const char *), void *context, const char *format, ...) {
    char text[1200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (hear)
        hear(context, text);
}

static void clean(const char *dir, const cso_train_observer *observer) {
    size_t leftovers;
    cso_error err;
    if (cso_run_folder_clean(dir, &leftovers, &err) != CSO_OK)
        tell(observer->warning, observer->context, "%s; an unfinished file or folder of a process that was killed stays",
             err.message);
    if (leftovers)
        tell(observer->note, observer->context, "%s: removed %zu unfinished files or folders of a process that was killed", dir,
             leftovers);
}

/* The checkpoints of stages are in their own folders. */
static cso_status check_no_run(const char *dir, cso_error *err) {
    size_t *steps, count;
    CSO_TRY(cso_checkpoint_list(dir, &steps, &count, err));
    size_t newest = count ? steps[count - 1] : 0;
    free(steps);
    if (!count)
        return CSO_OK;
    return cso_fail(err, CSO_ERR_USAGE, "%s: holds checkpoint-%zu of a run without stages (expected another checkpoint.dir)", dir,
                    newest);
}

static cso_status write_checksums(const cso_stage_folder *f, cso_error *err) {
    const cso_run_checksums checksums = {.config = {f->config_checksum, NULL}};
    return cso_run_checksums_write(f->dir, &checksums, err);
}

cso_status cso_stage_folder_open(cso_stage_folder *f, const char *dir, const char *config_text, const cso_train_observer *observer,
                                 cso_error *err) {
    *f = (cso_stage_folder){.dir = dir, .lock = -1, .folder = -1};
    CSO_TRY(check_no_run(dir, err));
    CSO_TRY(cso_run_folder_lock(dir, &f->lock, err));
    CSO_TRY(cso_run_folder_hold(dir, &f->folder, err));
    clean(dir, observer);
    CSO_TRY(cso_run_config_save(dir, config_text, f->config_checksum, err));
    return write_checksums(f, err);
}

void cso_stage_folder_close(cso_stage_folder *f) {
    if (f->dir && f->lock >= 0)
        close(f->lock);
    if (f->dir && f->folder >= 0)
        close(f->folder);
    *f = (cso_stage_folder){0};
}

cso_status cso_stage_folder_check(const char *dir, cso_error *err) {
    CSO_TRY(check_no_run(dir, err));
    CSO_TRY(cso_run_folder_suits(dir, err));
    return cso_run_folder_check_lock(dir, err);
}

bool cso_stage_adapter_is_whole(const char *stage_dir) {
    cso_verified verified = {0};
    char *adapter = cso_path_join(stage_dir, "adapter");
    bool whole = adapter && cso_verify_adapter(adapter, true, &verified, NULL) == CSO_OK && !verified.count;
    cso_verified_free(&verified);
    free(adapter);
    return whole;
}

static cso_status copy_file(const char *from, const char *to, const char *name, cso_error *err) {
    char *source = cso_path_join(from, name), *target = cso_path_join(to, name);
    cso_map map = {0};
    cso_save *save = NULL;
    cso_status status;
    if (!source || !target)
        CSO_TRY_DONE(cso_fail_memory(err, "a path"));
    CSO_TRY_DONE(cso_map_open(&map, source, err));
    CSO_TRY_DONE(cso_save_begin(&save, target, err));
    CSO_TRY_DONE(cso_save_write(save, map.data, map.size, err));
    status = cso_save_commit(save, err);
    save = NULL;
done:
    cso_save_abort(save);
    cso_map_close(&map);
    free(source);
    free(target);
    return status;
}

/* The files of an adapter's folder, which has none below it. */
static cso_status copy_folder(const char *from, const char *to, cso_error *err) {
    cso_names names;
    cso_status status = CSO_OK;
    CSO_TRY(cso_folder_list(from, true, &names, err));
    for (size_t i = 0; i < names.count && status == CSO_OK; i++)
        status = copy_file(from, to, names.items[i], err);
    cso_names_free(&names);
    return status;
}

cso_status cso_stage_folder_finish(const cso_stage_folder *f, const char *stage_dir, const cso_train_observer *observer,
                                   cso_error *err) {
    char *from = cso_path_join(stage_dir, "adapter"), *to = cso_path_join(f->dir, "adapter"), *temporary = NULL;
    cso_status status;
    if (!from || !to)
        CSO_TRY_DONE(cso_fail_memory(err, "a path"));
    CSO_TRY_DONE(cso_run_folder_check(f->dir, f->folder, err));
    CSO_TRY_DONE(cso_folder_begin(to, &temporary, err));
    CSO_TRY_DONE(copy_folder(from, temporary, err));
    status = cso_folder_commit(to, temporary, err);
    temporary = NULL;
    CSO_TRY_DONE(status);
    CSO_TRY_DONE(write_checksums(f, err));
    tell(observer->note, observer->context, "adapter of the last stage copied to %s", to);
done:
    if (temporary)
        cso_folder_abort(temporary);
    free(from);
    free(to);
    return status;
}

bool cso_is_stage_folder(const char *name) {
    static const char before[] = "stage-";
    const char *digit = name + sizeof before - 1;
    return cso_starts_with(name, before) && *digit >= '1' && *digit <= '9' && strchr(digit, '-') != NULL;
}

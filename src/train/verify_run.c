/* verify_run.c - see verify.h: the folder of a run, which may be going on, and of its stages. */
#include "verify_parts.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "checkpoint.h"
#include "checkpoint_files.h"
#include "checksums.h"
#include "reference_cache.h"
#include "stage_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { LOOKS = 5, MAX_METRICS = 1 << 30 };

static bool has(const char *folder, const char *name) {
    char *path = cso_path_join(folder, name);
    bool found = path && cso_path_exists(path);
    free(path);
    return found;
}

/* The stages' folders in that of a run with stages, in order. The caller frees. */
static cso_status list_stages(const char *folder, cso_names *stages, cso_error *err) {
    size_t count = 0;
    CSO_TRY(cso_folder_list(folder, true, stages, err));
    for (size_t i = 0; i < stages->count; i++) {
        if (cso_is_stage_folder(stages->items[i]))
            stages->items[count++] = stages->items[i];
        else
            free(stages->items[i]);
    }
    stages->count = count;
    return CSO_OK;
}

static bool has_stages(const char *folder) {
    cso_names stages = {0};
    bool some = list_stages(folder, &stages, NULL) == CSO_OK && stages.count > 0;
    cso_names_free(&stages);
    return some;
}

static bool is_run(const char *folder) {
    size_t *steps = NULL, count = 0;
    cJSON *json = NULL;
    bool run = cso_checkpoint_list(folder, &steps, &count, NULL) == CSO_OK && count > 0;
    free(steps);
    run = run || has(folder, "metrics.jsonl") || has_stages(folder);
    if (!run && cso_sealed_read(folder, CSO_CHECKSUMS_FILE, &json, NULL) == CSO_OK)
        run = cJSON_HasObjectItem(json, "metrics");
    cJSON_Delete(json);
    return run;
}

cso_folder_kind cso_verify_kind(const char *folder, bool *must) {
    *must = false;
    if (has(folder, "model.safetensors") || has(folder, "model.safetensors.index.json") || has(folder, "training_args.bin"))
        return CSO_FOLDER_OTHER; /* a model, or what Hugging Face's Trainer wrote */
    if (is_run(folder))
        return CSO_FOLDER_RUN;
    if (has(folder, CSO_STATE_FILE) || has(folder, CSO_STATE_FILE_BEFORE) || has(folder, "optimizer.safetensors") ||
        checkpoint_step_of(cso_path_name(folder)))
        return CSO_FOLDER_CHECKPOINT;
    if (!has(folder, CSO_CHECKSUMS_FILE) && !has(folder, "adapter_config.json") && !has(folder, "adapter_model.safetensors"))
        return CSO_FOLDER_OTHER;
    char *whole = realpath(folder, NULL), *above = whole ? cso_path_folder(whole) : NULL; /* "." and "adapter/" are names, too */
    *must = above && !strcmp(cso_path_name(whole), "adapter") && is_run(above);
    free(above);
    free(whole);
    return CSO_FOLDER_ADAPTER;
}

/* The lines beyond those that a checksum covers: each a whole JSON object, of the step after that of the line before. */
static cso_status verify_lines(const char *folder, const char *text, size_t size, size_t step, cso_verified *v, cso_error *err) {
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t found = 0, length = end ? (size_t)(end - (text + at)) : 0;
        cJSON *line = NULL;
        if (!end)
            return verify_damage(v, folder, "metrics.jsonl", err, "the last line is torn");
        if (cso_json_parse(&line, text + at, length, "metrics.jsonl", 1, NULL) == CSO_OK)
            (void)cso_json_size(line, "step", "metrics.jsonl", 0, &found, NULL);
        cJSON_Delete(line);
        if (!found || (step && found != step + 1))
            return verify_damage(v, folder, "metrics.jsonl", err, "the line after that of step %zu is not that of step %zu", step,
                                 step + 1);
        step = found;
        at += length + 1;
    }
    return CSO_OK;
}

/* stored: the member "metrics", NULL or null: lines are not covered by a checksum. */
static cso_status verify_metrics(const char *folder, const cJSON *stored, cso_verified *v, cso_error *err) {
    char *path = cso_path_join(folder, "metrics.jsonl"), *text = NULL, hex[33];
    const char *expected = NULL;
    size_t size = 0, bytes = 0, step = 0;
    cso_status status;
    bool covered = cJSON_IsObject(stored);
    if (!path)
        return cso_fail_memory(err, "a path");
    if (!cso_path_exists(path) && !covered) {
        free(path);
        return CSO_OK;
    }
    v->files++;
    CSO_TRY_DONE(cso_read_file(path, MAX_METRICS, &text, &size, err));
    CSO_TRY_DONE(cso_json_size(stored, "bytes", path, 0, &bytes, err));
    CSO_TRY_DONE(cso_json_size(stored, "step", path, 0, &step, err));
    CSO_TRY_DONE(cso_json_string(stored, "checksum", path, &expected, err));
    if (bytes <= size)
        cso_digest_bytes(text, bytes, hex);
    if (covered && (bytes > size || !expected || strcmp(expected, hex) != 0))
        status = verify_damage(v, folder, "metrics.jsonl", err, "its checksum up to step %zu differs", step);
    else
        status = verify_lines(folder, text + bytes, size - bytes, step, v, err);
done:
    if (status == CSO_ERR_INPUT)
        status = verify_failed(v, status, folder, "metrics.jsonl", err);
    free(text);
    free(path);
    return status;
}

/* It may have any of the checksums; where there is more than one, or a process begins, it may be missing. */
static cso_status verify_config(const char *folder, const cJSON *run, cso_verified *v, cso_error *err) {
    const cJSON *stored = cJSON_GetObjectItemCaseSensitive(run, "config"), *item;
    char hex[33];
    if (!stored || !stored->child)
        return CSO_OK;
    if (cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(run, "metrics")) && !has(folder, "config.toml"))
        return CSO_OK;
    v->files++;
    cso_status status = cso_checksum_file(folder, "config.toml", hex, err);
    if (status != CSO_OK)
        return verify_failed(v, status, folder, "config.toml", err);
    cJSON_ArrayForEach(item, stored) if (cJSON_IsString(item) && !strcmp(item->valuestring, hex)) return CSO_OK;
    return verify_damage(v, folder, "config.toml", err, "its checksum differs");
}

/* Every checkpoint that is there, and every one that must be. *before: all are of the version before. */
static cso_status verify_checkpoints(const char *folder, const cJSON *run, bool *before, cso_verified *v, cso_error *err) {
    size_t *steps, count;
    cso_status status = CSO_OK;
    const cJSON *item;
    CSO_TRY(cso_checkpoint_list(folder, &steps, &count, err));
    *before = count > 0;
    for (size_t i = 0; i < count && status == CSO_OK; i++) {
        cJSON *json = NULL;
        const char *name;
        char *path = checkpoint_path(folder, steps[i]);
        status = path ? cso_verify_checkpoint(path, v, err) : cso_fail_memory(err, "a path");
        *before =
            *before && path && checkpoint_read_state(path, &json, &name, NULL) == CSO_OK && !strcmp(name, CSO_STATE_FILE_BEFORE);
        cJSON_Delete(json);
        free(path);
    }
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(run, "checkpoints")) {
        bool found = false;
        for (size_t i = 0; i < count; i++)
            found |= (double)steps[i] == item->valuedouble;
        char name[64];
        snprintf(name, sizeof name, "checkpoint-%.0f", item->valuedouble);
        if (status == CSO_OK && !found)
            status = verify_damage(v, folder, name, err, "is missing");
    }
    free(steps);
    return status;
}

static cso_status verify_cache(const char *folder, cso_verified *v, cso_error *err) {
    static const char *const all[] = {"", NULL};
    cso_names names = {0};
    cso_status status = CSO_OK;
    char *cache = cso_path_join(folder, "reference-cache");
    if (!cache)
        return cso_fail_memory(err, "a path");
    if (cso_path_is_folder(cache) && !cso_path_is_link(cache)) /* a run does not use one that is a link */
        status = cso_folder_list(cache, false, &names, err);
    for (size_t i = 0; i < names.count && status == CSO_OK; i++) {
        if (cso_save_is_leftover(names.items[i], all)) {
            v->unfinished++;
            continue;
        }
        char *path = cso_path_join(cache, names.items[i]);
        v->files++;
        status = path ? cso_reference_cache_check(path, err) : cso_fail_memory(err, "a path");
        status = verify_failed(v, status, cache, names.items[i], err);
        free(path);
    }
    cso_names_free(&names);
    free(cache);
    return status;
}

static cso_status count_unfinished(const char *folder, cso_verified *v, cso_error *err) {
    cso_names names;
    CSO_TRY(cso_folder_list(folder, true, &names, err));
    for (size_t i = 0; i < names.count; i++)
        v->unfinished += cso_save_is_leftover(names.items[i], run_folder_ours);
    cso_names_free(&names);
    return CSO_OK;
}

static cso_status look(const char *folder, cso_verified *v, cso_error *err) {
    cJSON *run = NULL;
    bool before;
    cso_status status = cso_sealed_read(folder, CSO_CHECKSUMS_FILE, &run, err);
    bool stored = status == CSO_OK;
    if (status != CSO_OK && status != CSO_ERR_INPUT)
        return status;
    CSO_TRY_DONE(verify_checkpoints(folder, run, &before, v, err));
    if (!stored && before && !has(folder, CSO_CHECKSUMS_FILE) && !has(folder, "adapter/" CSO_CHECKSUMS_FILE))
        v->uncompared++; /* a run of the version before */
    else if (!stored)
        CSO_TRY_DONE(verify_failed(v, CSO_ERR_INPUT, folder, CSO_CHECKSUMS_FILE, err));
    else
        v->files++;
    CSO_TRY_DONE(verify_config(folder, run, v, err));
    CSO_TRY_DONE(verify_metrics(folder, cJSON_GetObjectItemCaseSensitive(run, "metrics"), v, err));
    bool must = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(run, "adapter"));
    if (must || has(folder, "adapter")) {
        char *adapter = cso_path_join(folder, "adapter");
        status = adapter ? cso_verify_adapter(adapter, must, v, err) : cso_fail_memory(err, "a path");
        free(adapter);
    }
    CSO_TRY_DONE(status);
    CSO_TRY_DONE(verify_cache(folder, v, err));
    status = count_unfinished(folder, v, err);
done:
    cJSON_Delete(run);
    return status;
}

/* What changes when a trainer writes: the folder with every new name, and metrics.jsonl with every line. */
typedef struct moment {
    struct timespec folder, metrics, cache;
} moment;

static struct timespec changed(const char *folder, const char *name) {
    struct stat info = {0};
    char *path = cso_path_join(folder, name);
    if (path)
        (void)!stat(path, &info);
    free(path);
    return info.st_mtim;
}

static moment now(const char *folder) {
    return (moment){changed(folder, "."), changed(folder, "metrics.jsonl"), changed(folder, "reference-cache")};
}

/* The folder without its stages' folders. */
static cso_status verify_alone(const char *folder, cso_verified *v, cso_error *err) {
    for (int i = 1;; i++) {
        moment before = now(folder), after;
        cso_status status = look(folder, v, err);
        if (status == CSO_OK && !v->count)
            return CSO_OK;
        nanosleep(&(struct timespec){0, 20000000}, NULL); /* a line, or a save, that was being written */
        after = now(folder);
        if (i == LOOKS || !memcmp(&before, &after, sizeof before))
            return status;
        cso_verified_free(v);
    }
}

/* Adds what was found in one folder to what was found in others. */
static cso_status merge(cso_verified *v, cso_verified *more, cso_error *err) {
    v->files += more->files;
    v->uncompared += more->uncompared;
    v->unfinished += more->unfinished;
    if (!cso_grow(&v->damage, &v->capacity, v->count + more->count, sizeof *v->damage))
        return cso_fail_memory(err, "a list of damages");
    for (size_t i = 0; i < more->count; i++)
        v->damage[v->count++] = more->damage[i];
    more->count = 0; /* handed over */
    return CSO_OK;
}

cso_status cso_verify_run(const char *folder, cso_verified *v, cso_error *err) {
    cso_names stages = {0};
    CSO_TRY(verify_alone(folder, v, err));
    cso_status status = list_stages(folder, &stages, err);
    for (size_t i = 0; i < stages.count && status == CSO_OK; i++) {
        cso_verified one = {0};
        char *path = cso_path_join(folder, stages.items[i]);
        status = path ? verify_alone(path, &one, err) : cso_fail_memory(err, "a path");
        if (status == CSO_OK)
            status = merge(v, &one, err);
        cso_verified_free(&one);
        free(path);
    }
    cso_names_free(&stages);
    return status;
}

/* verify.c - see verify.h: entries, checkpoints and adapters. */
#include "verify_parts.h"

#include "base/file.h"
#include "base/memory.h"
#include "checkpoint_files.h"
#include "checksums.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cso_status verify_damage(cso_verified *v, const char *folder, const char *name, cso_error *err, const char *format, ...) {
    if (!cso_grow(&v->damage, &v->capacity, v->count + 1, sizeof *v->damage))
        return cso_fail_memory(err, "a list of damages");
    cso_damage *damage = &v->damage[v->count];
    damage->file = name ? cso_path_join(folder, name) : cso_strdup(folder);
    if (!damage->file)
        return cso_fail_memory(err, "a path");
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(damage->what, sizeof damage->what, format, arguments);
    va_end(arguments);
    v->count++;
    return CSO_OK;
}

void cso_verified_free(cso_verified *v) {
    for (size_t i = 0; i < v->count; i++)
        free(v->damage[i].file);
    free(v->damage);
    *v = (cso_verified){0};
}

cso_status verify_failed(cso_verified *v, cso_status status, const char *folder, const char *name, cso_error *err) {
    if (status != CSO_ERR_INPUT)
        return status;
    char *path = cso_path_join(folder, name);
    if (!path)
        return cso_fail_memory(err, "a path");
    bool there = cso_path_exists(path);
    free(path);
    return verify_damage(v, folder, name, err, there ? "its checksum differs" : "is missing");
}

/* The files that json lists. */
static cso_status verify_listed(const char *folder, const cJSON *files, cso_verified *v, cso_error *err) {
    const cJSON *item;
    cJSON_ArrayForEach(item, files) {
        char hex[33];
        cso_status status = cso_checksum_file(folder, item->string, hex, err);
        v->files++;
        if (status != CSO_OK)
            CSO_TRY(verify_failed(v, status, folder, item->string, err));
        else if (!cJSON_IsString(item) || strcmp(item->valuestring, hex) != 0)
            CSO_TRY(verify_damage(v, folder, item->string, err, "its checksum differs"));
    }
    return CSO_OK;
}

static cso_status verify_no_other(const char *folder, const cJSON *files, const char *own, cso_verified *v, cso_error *err) {
    cso_names names;
    cso_status status = CSO_OK;
    CSO_TRY(cso_folder_list(folder, true, &names, err));
    for (size_t i = 0; i < names.count && status == CSO_OK; i++)
        if (strcmp(names.items[i], own) != 0 && !cJSON_GetObjectItemCaseSensitive(files, names.items[i]))
            status = verify_damage(v, folder, names.items[i], err, "has no checksum: it was added later");
    cso_names_free(&names);
    return status;
}

/* A folder whose file `own`, which was read into json, has the checksums of all others. */
static cso_status verify_folder(const char *folder, const cJSON *json, const char *own, cso_verified *v, cso_error *err) {
    const cJSON *files = cJSON_GetObjectItemCaseSensitive(json, "files");
    v->files++;
    CSO_TRY(verify_listed(folder, files, v, err));
    return verify_no_other(folder, files, own, v, err);
}

cso_status cso_verify_checkpoint(const char *folder, cso_verified *v, cso_error *err) {
    cJSON *json = NULL;
    const char *name = NULL;
    size_t step = 0, named = checkpoint_step_of(cso_path_name(folder));
    cso_status status;
    if (!cso_path_is_folder(folder))
        return verify_damage(v, folder, NULL, err, "is missing");
    status = checkpoint_read_state(folder, &json, &name, err);
    if (status != CSO_OK)
        return verify_failed(v, status, folder, name, err);
    CSO_TRY_DONE(verify_folder(folder, json, name, v, err));
    if (named && (cso_json_size(json, "step", folder, 0, &step, NULL) != CSO_OK || step != named))
        status = verify_damage(v, folder, NULL, err, "is the checkpoint of step %zu: it was renamed", step);
done:
    cJSON_Delete(json);
    return status;
}

cso_status cso_verify_adapter(const char *folder, bool must, cso_verified *v, cso_error *err) {
    cJSON *json = NULL;
    if (!cso_path_is_folder(folder))
        return verify_damage(v, folder, NULL, err, "is missing");
    char *own = cso_path_join(folder, CSO_CHECKSUMS_FILE);
    if (!own)
        return cso_fail_memory(err, "a path");
    bool there = cso_path_exists(own);
    free(own);
    if (!there && !must) {
        v->uncompared++;
        return CSO_OK;
    }
    cso_status status = cso_sealed_read(folder, CSO_CHECKSUMS_FILE, &json, err);
    if (status != CSO_OK)
        return verify_failed(v, status, folder, CSO_CHECKSUMS_FILE, err);
    status = verify_folder(folder, json, CSO_CHECKSUMS_FILE, v, err);
    cJSON_Delete(json);
    return status;
}

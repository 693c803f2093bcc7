/* run_folder.c - the files of checkpoint.dir: its lock, its checkpoints and their rotation, and leftovers of a killed process. */
#include "checkpoint.h"

#include "base/file.h"
#include "base/io_calls.h"
#include "base/memory.h"
#include "base/text.h"
#include "checkpoint_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static cso_status fail_lock(const char *dir, const char *path, cso_error *err) {
    if (errno == EWOULDBLOCK)
        return cso_fail(err, CSO_ERR_USAGE, "%s: another process is training in this folder (expected another checkpoint.dir)",
                        dir);
    return cso_fail_errno(err, "lock", path);
}

cso_status cso_run_folder_check_lock(const char *dir, cso_error *err) {
    char *path = cso_path_join(dir, ".lock");
    cso_status status = CSO_OK;
    if (!path)
        return cso_fail_memory(err, "a path");
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0 && errno != ENOENT && errno != ENOTDIR)
        status = cso_fail_errno(err, "open", path);
    else if (file >= 0 && flock(file, LOCK_SH | LOCK_NB)) /* shared, and for a moment: two checks do not meet as rivals */
        status = fail_lock(dir, path, err);
    if (file >= 0)
        close(file);
    free(path);
    return status;
}

cso_status cso_run_folder_lock(const char *dir, int *descriptor, cso_error *err) {
    *descriptor = -1;
    CSO_TRY(cso_make_folders(dir, err));
    char *path = cso_path_join(dir, ".lock");
    if (!path)
        return cso_fail_memory(err, "a path");
    cso_status status = CSO_OK;
    int file = cso_io_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0) {
        status = cso_fail_errno(err, "open", path);
    } else if (flock(file, LOCK_EX | LOCK_NB)) {
        status = fail_lock(dir, path, err);
        close(file);
    } else {
        *descriptor = file;
    }
    free(path);
    return status;
}

/* "checkpoint-12" gives 12, every other name 0. */
static size_t step_of_name(const char *name) {
    static const char prefix[] = "checkpoint-";
    size_t step = 0;
    if (!cso_starts_with(name, prefix))
        return 0;
    const char *digit = name + sizeof prefix - 1;
    if (*digit < '1' || *digit > '9')
        return 0;
    for (; *digit; digit++) {
        if (*digit < '0' || *digit > '9' || step > (SIZE_MAX - 9) / 10)
            return 0;
        step = step * 10 + (size_t)(*digit - '0');
    }
    return step;
}

static int compare_sizes(const void *left, const void *right) {
    size_t a = *(const size_t *)left, b = *(const size_t *)right;
    return a < b ? -1 : a > b;
}

cso_status cso_checkpoint_list(const char *dir, size_t **steps, size_t *count, cso_error *err) {
    size_t capacity = 0;
    cso_status status = CSO_OK;
    *steps = NULL;
    *count = 0;
    DIR *folder = opendir(dir);
    if (!folder)
        return errno == ENOENT ? CSO_OK : cso_fail_errno(err, "open", dir);
    for (struct dirent *entry; (errno = 0, entry = readdir(folder));) {
        size_t step = step_of_name(entry->d_name);
        if (!step)
            continue;
        if (!cso_grow(steps, &capacity, *count + 1, sizeof **steps)) {
            status = cso_fail_memory(err, "the list of checkpoints");
            break;
        }
        (*steps)[(*count)++] = step;
    }
    if (status == CSO_OK && errno)
        status = cso_fail_errno(err, "read", dir);
    closedir(folder);
    if (status != CSO_OK) {
        free(*steps);
        *steps = NULL;
        *count = 0;
    } else if (*count) {
        qsort(*steps, *count, sizeof **steps, compare_sizes);
    }
    return status;
}

char *checkpoint_path(const char *dir, size_t step) {
    char name[64];
    snprintf(name, sizeof name, "checkpoint-%zu", step);
    return cso_path_join(dir, name);
}

/* Renames the checkpoint before it removes the files, so that a kill in between leaves no half checkpoint. The new name is that of an
 * empty temporary folder, which a rename may replace. */
static cso_status remove_checkpoint(const char *dir, size_t step, cso_error *err) {
    char *path = checkpoint_path(dir, step), *temporary = NULL;
    cso_status status;
    if (!path)
        return cso_fail_memory(err, "a path");
    if (!cso_path_is_folder(path)) {
        status = cso_remove_tree(path, err);
        goto done;
    }
    CSO_TRY_DONE(cso_folder_begin(path, &temporary, err));
    if (cso_io_rename(path, temporary))
        status = cso_fail_errno(err, "remove", path);
    else
        status = cso_remove_tree(temporary, err);
done:
    cso_folder_abort(temporary);
    free(path);
    return status;
}

cso_status cso_checkpoint_rotate(const char *dir, size_t newest, size_t keep_last, size_t best_step, cso_error *err) {
    size_t *steps, count;
    CSO_TRY(cso_checkpoint_list(dir, &steps, &count, err));
    while (count && steps[count - 1] > newest)
        count--;
    keep_last = keep_last ? keep_last : 1;
    cso_status status = CSO_OK;
    for (size_t i = 0; status == CSO_OK && i + keep_last < count; i++)
        if (steps[i] != best_step)
            status = remove_checkpoint(dir, steps[i], err);
    free(steps);
    return status;
}

cso_status cso_checkpoint_set_aside(const char *dir, size_t step, cso_error *err) {
    char *path = checkpoint_path(dir, step), *aside = NULL;
    cso_status status;
    if (!path || !(aside = cso_format("%s.damaged", path))) {
        status = cso_fail_memory(err, "a path");
        goto done;
    }
    CSO_TRY_DONE(cso_remove_tree(aside, err)); /* an earlier one of this step */
    if (cso_io_rename(path, aside))
        status = cso_fail_errno(err, "rename", path);
done:
    free(path);
    free(aside);
    return status;
}

/* Whether save.c gave this name to an unfinished file of a trainer: "NAME.<process>-<number>.tmp". */
static bool is_leftover(const char *name, const char *const *ours) {
    if (!cso_ends_with(name, ".tmp"))
        return false;
    const char *at = name + strlen(name) - strlen(".tmp");
    size_t digits;
    for (int part = 0; part < 2; part++) {
        for (digits = 0; at > name && at[-1] >= '0' && at[-1] <= '9'; at--)
            digits++;
        if (!digits || at == name || *--at != (part ? '.' : '-'))
            return false;
    }
    for (; *ours; ours++)
        if (cso_starts_with(name, *ours))
            return true;
    return false;
}

static cso_status clean(const char *dir, const char *const *ours, size_t *removed, cso_error *err) {
    cso_status status = CSO_OK;
    DIR *folder = opendir(dir);
    if (!folder)
        return errno == ENOENT ? CSO_OK : cso_fail_errno(err, "open", dir);
    for (struct dirent *entry; status == CSO_OK && (entry = readdir(folder));) {
        if (!is_leftover(entry->d_name, ours))
            continue;
        char *path = cso_path_join(dir, entry->d_name);
        status = path ? cso_remove_tree(path, err) : cso_fail_memory(err, "a path");
        free(path);
        *removed += status == CSO_OK;
    }
    closedir(folder);
    return status;
}

cso_status cso_run_folder_clean(const char *dir, size_t *removed, cso_error *err) {
    static const char *const ours[] = {"checkpoint-", "adapter.", "metrics.jsonl.", "config.toml.", NULL}, *const all[] = {"",
                                                                                                                           NULL};
    *removed = 0;
    CSO_TRY(clean(dir, ours, removed, err));
    char *cache = cso_path_join(dir, "reference-cache");
    if (!cache)
        return cso_fail_memory(err, "a path");
    cso_status status = clean(cache, all, removed, err);
    free(cache);
    return status;
}

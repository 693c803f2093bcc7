/* run_folder.c - the files of checkpoint.dir: its lock, its checkpoints and their rotation, and leftovers of a killed process. */
#include "checkpoint.h"

#include "base/file.h"
#include "base/folder_lock.h"
#include "base/io_calls.h"
#include "base/memory.h"
#include "base/text.h"
#include "checkpoint_files.h"
#include "checksums.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const cso_folder_owner OWNER = {"training", "checkpoint.dir"};

cso_status cso_run_folder_check_lock(const char *dir, cso_error *err) {
    return cso_folder_check_lock(dir, &OWNER, err);
}

cso_status cso_run_folder_lock(const char *dir, int *descriptor, cso_error *err) {
    *descriptor = -1;
    CSO_TRY(cso_run_folder_suits(dir, err));
    CSO_TRY(cso_make_folders(dir, err));
    return cso_folder_lock(dir, &OWNER, descriptor, err);
}

cso_status cso_run_folder_hold(const char *dir, int *descriptor, cso_error *err) {
    *descriptor = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return *descriptor < 0 ? cso_fail_errno(err, "open", dir) : CSO_OK;
}

cso_status cso_run_folder_check(const char *dir, int descriptor, cso_error *err) {
    struct stat held, there;
    if (fstat(descriptor, &held))
        return cso_fail_errno(err, "stat", dir);
    bool same = !stat(dir, &there);
    if (!same && errno != ENOENT && errno != ENOTDIR)
        return cso_fail_errno(err, "stat", dir);
    same = same && held.st_dev == there.st_dev && held.st_ino == there.st_ino;
    return same ? CSO_OK
                : cso_fail(err, CSO_ERR_SYSTEM,
                           "%s: is no longer the run's folder: it was moved, removed or replaced during the run (expected it to "
                           "stay; to go on from its checkpoints, set checkpoint.dir to where it is now)",
                           dir);
}

size_t checkpoint_step_of(const char *name) {
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
        size_t step = checkpoint_step_of(entry->d_name);
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

/* Renames the checkpoint before it removes the files, so that a kill in between leaves no half checkpoint. The new name is that of
 * an empty temporary folder, which a rename may replace. */
static cso_status remove_checkpoint(const char *dir, size_t step, cso_error *err) {
    char *path = checkpoint_path(dir, step), *temporary = NULL;
    cso_status status;
    if (!path)
        return cso_fail_memory(err, "a path");
    if (!cso_path_is_folder(path) || cso_path_is_link(path)) { /* a link itself goes; what it names stays */
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

/* Lists the checkpoints up to `newest`; those that are kept come first. */
static cso_status divide(const char *dir, size_t newest, size_t keep_last, size_t best_step, size_t **steps, size_t counts[2],
                         cso_error *err) {
    size_t *all, count, kept = 0;
    CSO_TRY(cso_checkpoint_list(dir, &all, &count, err));
    while (count && all[count - 1] > newest)
        count--;
    keep_last = keep_last > count ? count : keep_last ? keep_last : 1;
    for (size_t i = 0; i < count; i++)
        if (i + keep_last >= count || all[i] == best_step) {
            size_t step = all[i];
            memmove(all + kept + 1, all + kept, (i - kept) * sizeof *all);
            all[kept++] = step;
        }
    *steps = all;
    counts[0] = kept;
    counts[1] = count;
    return CSO_OK;
}

cso_status cso_checkpoint_list_kept(const char *dir, size_t newest, size_t keep_last, size_t best_step, size_t **steps,
                                    size_t *count, cso_error *err) {
    size_t counts[2];
    CSO_TRY(divide(dir, newest, keep_last, best_step, steps, counts, err));
    *count = counts[0];
    return CSO_OK;
}

cso_status cso_checkpoint_rotate(const char *dir, size_t newest, size_t keep_last, size_t best_step, cso_error *err) {
    size_t *steps, counts[2];
    CSO_TRY(divide(dir, newest, keep_last, best_step, &steps, counts, err));
    cso_status status = CSO_OK;
    for (size_t i = counts[0]; i < counts[1]; i++) {
        cso_status removed = remove_checkpoint(dir, steps[i], status == CSO_OK ? err : NULL);
        status = status == CSO_OK ? removed : status;
    }
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

const char *const run_folder_ours[] = {"checkpoint-", "adapter.", "metrics.jsonl.", "config.toml.", CSO_CHECKSUMS_FILE ".", NULL};

cso_status cso_run_folder_clean(const char *dir, size_t *removed, cso_error *err) {
    static const char *const all[] = {"", NULL};
    *removed = 0;
    cso_status status = cso_folder_remove_leftovers(dir, true, run_folder_ours, removed, err);
    char *cache = cso_path_join(dir, "reference-cache");
    if (!cache)
        return cso_fail_memory(err, "a path");
    if (cso_path_is_folder(cache) && !cso_path_is_link(cache)) {
        cso_status second = cso_folder_remove_leftovers(cache, false, all, removed, status == CSO_OK ? err : NULL);
        status = status == CSO_OK ? second : status;
    }
    free(cache);
    return status;
}

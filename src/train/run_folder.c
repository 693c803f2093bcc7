/* run_folder.c - what lies in checkpoint.dir: its lock, the list of checkpoints, and which of them may go. */
#include "cso/checkpoint.h"

#include "cso/file.h"
#include "cso/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

cso_status cso_run_folder_lock(const char *dir, int *descriptor, cso_error *err) {
    *descriptor = -1;
    CSO_TRY(cso_make_folders(dir, err));
    char *path = cso_path_join(dir, ".lock");
    if (!path)
        return cso_fail_memory(err, "a path");
    cso_status status = CSO_OK;
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0) {
        status = cso_fail_errno(err, "open", path);
    } else if (flock(file, LOCK_EX | LOCK_NB)) {
        if (errno == EWOULDBLOCK)
            status = cso_fail(err, CSO_ERR_USAGE,
                              "%s: another process is training in this folder (expected another checkpoint.dir)", dir);
        else
            status = cso_fail_errno(err, "lock", path);
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
    if (strncmp(name, prefix, sizeof prefix - 1) != 0)
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

cso_status cso_checkpoint_rotate(const char *dir, size_t keep_last, size_t best_step, cso_error *err) {
    size_t *steps, count;
    CSO_TRY(cso_checkpoint_list(dir, &steps, &count, err));
    keep_last = keep_last ? keep_last : 1;
    cso_status status = CSO_OK;
    for (size_t i = 0; status == CSO_OK && i + keep_last < count; i++) {
        char name[64];
        if (steps[i] == best_step)
            continue;
        snprintf(name, sizeof name, "checkpoint-%zu", steps[i]);
        char *path = cso_path_join(dir, name);
        status = path ? cso_remove_tree(path, err) : cso_fail_memory(err, "a path");
        free(path);
    }
    free(steps);
    return status;
}

/* folder.c - making, listing and removing folders. A symbolic link is removed, never followed: nothing outside the folder
 * changes. */
#include "file.h"

#include "io_calls.h"
#include "memory.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_NESTING = 64 };

cso_status cso_folder_sync(const char *folder, cso_error *err) {
    int file = cso_io_open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (file < 0)
        return cso_fail_errno(err, "open", folder);
    cso_status status = CSO_OK;
    if (cso_io_fsync(file) && errno != EINVAL && errno != ENOTSUP) /* some file systems cannot */
        status = cso_fail_errno(err, "flush", folder);
    cso_io_close(file);
    return status;
}

cso_status cso_folder_sync_above(const char *path, cso_error *err) {
    char *folder = cso_path_folder(path);
    if (!folder)
        return cso_fail_memory(err, path);
    cso_status status = cso_folder_sync(folder, err);
    free(folder);
    return status;
}

cso_status cso_make_folders(const char *path, cso_error *err) {
    char *copy = cso_strdup(path);
    if (!copy)
        return cso_fail_memory(err, path);
    cso_status status = CSO_OK;
    for (char *end = copy; status == CSO_OK && *end;) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        char next = *end;
        *end = '\0';
        bool made = !cso_io_mkdir(copy, 0777);
        int number = errno;
        if (made) {
            status = cso_folder_sync_above(copy, err);
        } else if (!cso_path_exists(copy)) {
            errno = number;
            status = cso_fail_errno(err, "make folder", copy);
        } else if (!cso_path_is_folder(copy)) {
            status = cso_fail(err, CSO_ERR_USAGE, "%s: is a file (expected a folder)", copy);
        }
        *end = next;
    }
    free(copy);
    return status;
}

cso_status cso_make_folder(const char *path, cso_error *err) {
    struct stat info;
    if (!cso_io_mkdir(path, 0777))
        return cso_folder_sync_above(path, err);
    int number = errno;
    if (lstat(path, &info)) {
        errno = number;
        return cso_fail_errno(err, "make folder", path);
    }
    if (!S_ISDIR(info.st_mode))
        return cso_fail(err, CSO_ERR_SYSTEM, "%s: is a %s (expected a folder)", path, S_ISLNK(info.st_mode) ? "link" : "file");
    return CSO_OK;
}

bool cso_path_is_link(const char *path) {
    struct stat info;
    return !lstat(path, &info) && S_ISLNK(info.st_mode);
}

static cso_status remove_nested(int parent, const char *name, const char *path, int nesting, cso_error *err);

/* Everything in the folder `name` of parent. path: its whole path, for messages. */
static cso_status empty(int parent, const char *name, const char *path, int nesting, cso_error *err) {
    if (nesting > MAX_NESTING)
        return cso_fail(err, CSO_ERR_SYSTEM, "%s: folders are nested too deeply", path);
    int file = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = file < 0 ? NULL : fdopendir(file);
    if (!folder) {
        cso_status status = cso_fail_errno(err, "open", path);
        if (file >= 0)
            close(file);
        return status;
    }
    cso_status status = CSO_OK;
    struct dirent *entry;
    while (status == CSO_OK && (errno = 0, entry = readdir(folder))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        char inner[PATH_MAX]; /* not allocated: temporary files must be removed even without free memory */
        if (snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) >= (int)sizeof inner)
            status = cso_fail(err, CSO_ERR_SYSTEM, "%s: holds a path that is too long", path);
        else
            status = remove_nested(file, entry->d_name, inner, nesting + 1, err);
    }
    if (status == CSO_OK && errno)
        status = cso_fail_errno(err, "read", path);
    closedir(folder);
    return status;
}

static cso_status remove_nested(int parent, const char *name, const char *path, int nesting, cso_error *err) {
    struct stat info;
    if (fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT || errno == ENOTDIR ? CSO_OK : cso_fail_errno(err, "stat", path);
    bool folder = S_ISDIR(info.st_mode);
    if (folder)
        CSO_TRY(empty(parent, name, path, nesting, err));
    if (cso_io_unlinkat(parent, name, folder ? AT_REMOVEDIR : 0) && errno != ENOENT)
        return cso_fail_errno(err, "remove", path);
    return CSO_OK;
}

cso_status cso_remove_tree(const char *path, cso_error *err) {
    return remove_nested(AT_FDCWD, path, path, 0, err);
}

static int compare_names(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

cso_status cso_folder_list(const char *path, bool follow, cso_names *names, cso_error *err) {
    cso_status status = CSO_OK;
    size_t capacity = 0;
    *names = (cso_names){0};
    int file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW));
    DIR *folder = file < 0 ? NULL : fdopendir(file);
    if (!folder) {
        status = cso_fail_errno(err, "open", path);
        if (file >= 0)
            close(file);
        return status;
    }
    for (struct dirent *entry; (errno = 0, entry = readdir(folder));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (!cso_grow(&names->items, &capacity, names->count + 1, sizeof *names->items) ||
            !(names->items[names->count] = cso_strdup(entry->d_name))) {
            status = cso_fail_memory(err, path);
            break;
        }
        names->count++;
    }
    if (status == CSO_OK && errno)
        status = cso_fail_errno(err, "read", path);
    closedir(folder);
    if (status != CSO_OK)
        cso_names_free(names);
    else if (names->count)
        qsort(names->items, names->count, sizeof *names->items, compare_names);
    return status;
}

void cso_names_free(cso_names *names) {
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (cso_names){0};
}

bool cso_save_is_leftover(const char *name, const char *const *ours) {
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

cso_status cso_folder_remove_leftovers(const char *path, bool follow, const char *const *ours, size_t *removed, cso_error *err) {
    cso_status status = CSO_OK;
    cso_names names;
    CSO_TRY(cso_folder_list(path, follow, &names, err));
    for (size_t i = 0; i < names.count; i++) {
        if (!cso_save_is_leftover(names.items[i], ours))
            continue;
        cso_error *first = status == CSO_OK ? err : NULL;
        char *file = cso_path_join(path, names.items[i]);
        cso_status one = file ? cso_remove_tree(file, first) : cso_fail_memory(first, "a path");
        free(file);
        *removed += one == CSO_OK;
        status = status == CSO_OK ? one : status;
    }
    cso_names_free(&names);
    return status;
}

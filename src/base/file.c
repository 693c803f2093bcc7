/* file.c - reading files, and paths. Writing is in save.c. */
#include "file.h"

#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t EMPTY_FILE[1];

/* Bad input if the path itself is at fault, else a failure of the system. */
static cso_status fail_open(cso_error *err, const char *path) {
    int number = errno;
    switch (number) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case EACCES:
    case ELOOP:
    case ENAMETOOLONG:
        return cso_fail(err, CSO_ERR_INPUT, "%s: cannot open: %s", path, strerror(number));
    default:
        return cso_fail_errno(err, "open", path);
    }
}

/* What a thing that is no file is called. */
static const char *kind_name(mode_t mode) {
    return S_ISDIR(mode) ? "a folder" : S_ISSOCK(mode) ? "a socket" : "a device";
}

bool cso_is_standard_input(const char *path) {
    return !strcmp(path, "-") || !strcmp(path, "/dev/stdin");
}

const char *cso_input_name(const char *path) {
    return cso_is_standard_input(path) ? "standard input" : path;
}

cso_status cso_open_input(const char *path, int *file, size_t *size, cso_error *err) {
    struct stat info;
    cso_status status;
    *file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a pipe without a writer does not hang */
    if (*file < 0 && errno == ENXIO)
        return cso_fail(err, CSO_ERR_INPUT, "%s: is a socket or device (expected a file)", path);
    if (*file < 0)
        return fail_open(err, path);
    if (fstat(*file, &info)) {
        status = cso_fail_errno(err, "stat", path);
    } else if (S_ISFIFO(info.st_mode)) {
        status = cso_fail(err, CSO_ERR_INPUT, "%s: is a pipe (expected a file; only data may come through one, as standard input)",
                          path);
    } else if (!S_ISREG(info.st_mode)) {
        status = cso_fail(err, CSO_ERR_INPUT, "%s: is %s (expected a file)", path, kind_name(info.st_mode));
    } else {
        *size = (size_t)info.st_size;
        return CSO_OK;
    }
    close(*file);
    return status;
}

cso_status cso_map_open(cso_map *map, const char *path, cso_error *err) {
    *map = (cso_map){0};
    cso_status status = CSO_OK;
    int file;
    size_t size = 0;
    CSO_TRY(cso_open_input(path, &file, &size, err));
    map->path = cso_strdup(path);
    if (!map->path) {
        status = cso_fail_memory(err, path);
        goto done;
    }
    map->size = size;
    map->data = EMPTY_FILE;
    if (map->size) {
        void *data = mmap(NULL, map->size, PROT_READ, MAP_SHARED, file, 0);
        if (data == MAP_FAILED) {
            status = cso_fail_errno(err, "map", path);
            free(map->path);
            *map = (cso_map){0};
            goto done;
        }
        map->data = data;
    }
done:
    close(file);
    return status;
}

void cso_map_close(cso_map *map) {
    if (map->data && map->size)
        munmap((void *)(uintptr_t)map->data, map->size);
    free(map->path);
    *map = (cso_map){0};
}

cso_status cso_read_file(const char *path, size_t max, char **text, size_t *size, cso_error *err) {
    bool standard = cso_is_standard_input(path);
    const char *name = cso_input_name(path);
    int file = STDIN_FILENO;
    size_t first = 64 * 1024;
    if (!standard) {
        CSO_TRY(cso_open_input(path, &file, &first, err));
        first++; /* a file fits one buffer of its size; one byte more detects its end */
    }
    cso_status status = CSO_OK;
    char *data = NULL;
    size_t used = 0, capacity = 0;
    for (;;) {
        size_t want = used ? used + 1 : first;
        if (want > max && want - max > 1)
            want = max + 1; /* one byte more than max detects a file that is too large */
        if (!cso_grow(&data, &capacity, want + 1, 1)) {
            status = cso_fail_memory(err, name);
            break;
        }
        ssize_t got = read(file, data + used, capacity - used - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            status = errno == EISDIR ? fail_open(err, name) : cso_fail_errno(err, "read", name);
            break;
        }
        if (got == 0)
            break;
        used += (size_t)got;
        if (used > max) {
            status = cso_fail(err, CSO_ERR_INPUT, "%s: is too large (expected at most %zu bytes)", name, max);
            break;
        }
    }
    if (!standard)
        close(file);
    if (status != CSO_OK) {
        free(data);
        return status;
    }
    data[used] = '\0';
    *text = data;
    if (size)
        *size = used;
    return CSO_OK;
}

bool cso_path_exists(const char *path) {
    struct stat info;
    return !stat(path, &info);
}

bool cso_path_is_folder(const char *path) {
    struct stat info;
    return !stat(path, &info) && S_ISDIR(info.st_mode);
}

char *cso_path_join(const char *folder, const char *name) {
    size_t length = strlen(folder);
    if (!length || name[0] == '/')
        return cso_strdup(name);
    return cso_format("%s%s%s", folder, folder[length - 1] == '/' ? "" : "/", name);
}

/* Whether "folder/.." may be shortened to folder's parent: not if folder is a link, "." or "..". */
static bool is_plain_folder(const char *folder) {
    struct stat info;
    const char *name = cso_path_name(folder);
    return name[0] && strcmp(name, ".") && strcmp(name, "..") && !lstat(folder, &info) && S_ISDIR(info.st_mode);
}

char *cso_path_resolve(const char *folder, const char *name) {
    char *base = cso_strdup(folder);
    while (base && !strncmp(name, "../", 3) && is_plain_folder(base)) {
        char *above = cso_path_folder(base);
        free(base);
        base = above;
        for (name += 3; name[0] == '/'; name++) {
        }
    }
    char *path = !base ? NULL : strcmp(base, ".") ? cso_path_join(base, name) : cso_strdup(name[0] ? name : ".");
    free(base);
    return path;
}

char *cso_path_folder(const char *path) {
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    while (end > 0 && path[end - 1] != '/')
        end--;
    if (!end)
        return cso_strdup(".");
    while (end > 1 && path[end - 1] == '/')
        end--;
    return cso_strndup(path, end);
}

const char *cso_path_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

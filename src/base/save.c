/* save.c - writing files and folders that appear whole or not at all; the rest about folders is in folder.c.
 *
 * A file is written under a temporary name in the same folder, flushed to the disk (fsync) and renamed over its final name; then
 * the folder is flushed, because it holds the new name. Every result is checked, including close's; after the first failure
 * nothing more is written and the old file stays.
 */
#include "file.h"

#include "io_calls.h"
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER_BYTES = 256 * 1024, MAX_NESTING = 64 };

struct cso_save {
    int file;
    bool failed;
    char *path, *temporary;
    size_t buffered;
    unsigned char *buffer;
};

/* "PATH.PID-N.tmp" without slashes at the end of PATH. */
static char *temporary_name(const char *path, int number) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    return cso_format("%.*s.%ld-%d.tmp", (int)length, path, (long)getpid(), number);
}

static void save_free(cso_save *save) {
    if (save->file >= 0)
        cso_io_close(save->file);
    if (save->temporary)
        cso_io_unlink(save->temporary);
    free(save->temporary);
    free(save->path);
    free(save->buffer);
    free(save);
}

cso_status cso_save_begin(cso_save **result, const char *path, cso_error *err) {
    *result = NULL;
    struct stat info;
    if (!stat(path, &info) && !S_ISREG(info.st_mode)) /* a rename over /dev/null would replace the device */
        return cso_fail(err, CSO_ERR_USAGE, "%s: %s (expected a file's name)", path,
                        S_ISDIR(info.st_mode) ? "is a folder" : "is not a regular file");
    cso_save *save = cso_calloc(1, sizeof *save);
    if (!save)
        return cso_fail_memory(err, path);
    save->file = -1;
    save->path = cso_strdup(path);
    save->buffer = cso_calloc(BUFFER_BYTES, 1);
    if (!save->path || !save->buffer) {
        save_free(save);
        return cso_fail_memory(err, path);
    }
    for (int number = 0; save->file < 0; number++) { /* a name may be left over from a killed process with this id */
        char *name = temporary_name(path, number);
        if (!name) {
            save_free(save);
            return cso_fail_memory(err, path);
        }
        save->file = cso_io_open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (save->file >= 0) {
            save->temporary = name;
        } else if (errno != EEXIST || number >= 1000) {
            cso_status status = cso_fail_errno(err, "create", name);
            free(name);
            save_free(save);
            return status;
        } else {
            free(name);
        }
    }
    *result = save;
    return CSO_OK;
}

static cso_status write_all(cso_save *save, const unsigned char *data, size_t size, cso_error *err) {
    while (size) {
        ssize_t written = cso_io_write(save->file, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            if (written == 0)
                errno = EIO;
            save->failed = true;
            return cso_fail_errno(err, "write", save->temporary);
        }
        data += written;
        size -= (size_t)written;
    }
    return CSO_OK;
}

static cso_status flush(cso_save *save, cso_error *err) {
    size_t size = save->buffered;
    save->buffered = 0;
    return write_all(save, save->buffer, size, err);
}

cso_status cso_save_write(cso_save *save, const void *data, size_t size, cso_error *err) {
    if (save->failed)
        return cso_fail(err, CSO_ERR_SYSTEM, "%s: an earlier write failed", save->temporary);
    if (size > BUFFER_BYTES - save->buffered)
        CSO_TRY(flush(save, err));
    if (size > BUFFER_BYTES)
        return write_all(save, data, size, err);
    if (size)
        memcpy(save->buffer + save->buffered, data, size);
    save->buffered += size;
    return CSO_OK;
}

cso_status cso_save_commit(cso_save *save, cso_error *err) {
    cso_status status = CSO_OK;
    if (save->failed) {
        status = cso_fail(err, CSO_ERR_SYSTEM, "%s: an earlier write failed", save->temporary);
        goto done;
    }
    CSO_TRY_DONE(flush(save, err));
    if (cso_io_fsync(save->file)) {
        status = cso_fail_errno(err, "flush", save->temporary);
        goto done;
    }
    int closed = cso_io_close(save->file);
    save->file = -1;
    if (closed) {
        status = cso_fail_errno(err, "close", save->temporary);
        goto done;
    }
    if (cso_io_rename(save->temporary, save->path)) {
        status = cso_fail_errno(err, "rename a new file to", save->path);
        goto done;
    }
    free(save->temporary); /* renamed: nothing to remove */
    save->temporary = NULL;
    status = cso_folder_sync_above(save->path, err);
done:
    save_free(save);
    return status;
}

void cso_save_abort(cso_save *save) {
    if (save)
        save_free(save);
}

cso_status cso_save_text(const char *path, const char *text, size_t size, cso_error *err) {
    cso_save *save;
    CSO_TRY(cso_save_begin(&save, path, err));
    cso_status status = cso_save_write(save, text, size, err);
    if (status != CSO_OK) {
        cso_save_abort(save);
        return status;
    }
    return cso_save_commit(save, err);
}

static cso_status sync_any(const char *path, int nesting, cso_error *err);

/* The folder and all that is in it. */
static cso_status sync_folder(const char *path, int nesting, cso_error *err) {
    cso_names names;
    cso_status status = CSO_OK;
    if (nesting > MAX_NESTING)
        return cso_fail(err, CSO_ERR_SYSTEM, "%s: folders are nested too deeply", path);
    CSO_TRY(cso_folder_list(path, false, &names, err));
    for (size_t i = 0; status == CSO_OK && i < names.count; i++) {
        char *inner = cso_path_join(path, names.items[i]);
        status = inner ? sync_any(inner, nesting + 1, err) : cso_fail_memory(err, path);
        free(inner);
    }
    cso_names_free(&names);
    return status == CSO_OK ? cso_folder_sync(path, err) : status;
}

static cso_status sync_any(const char *path, int nesting, cso_error *err) {
    struct stat info;
    if (lstat(path, &info))
        return cso_fail_errno(err, "stat", path);
    if (S_ISDIR(info.st_mode))
        return sync_folder(path, nesting, err);
    if (!S_ISREG(info.st_mode))
        return CSO_OK;
    int file = cso_io_open(path, O_RDONLY | O_CLOEXEC, 0);
    if (file < 0)
        return cso_fail_errno(err, "open", path);
    cso_status status = cso_io_fsync(file) ? cso_fail_errno(err, "flush", path) : CSO_OK;
    cso_io_close(file);
    return status;
}

cso_status cso_folder_begin(const char *path, char **temporary, cso_error *err) {
    *temporary = NULL;
    for (int number = 0;; number++) {
        char *name = temporary_name(path, number);
        if (!name)
            return cso_fail_memory(err, path);
        if (!cso_io_mkdir(name, 0777)) {
            *temporary = name;
            return CSO_OK;
        }
        if (errno != EEXIST || number >= 1000) {
            cso_status status = cso_fail_errno(err, "make folder", name);
            free(name);
            return status;
        }
        free(name);
    }
}

/* Renames the folder `temporary` to `path`. An existing `path` is exchanged with it, in one step where the system can (Linux
 * 3.15), so that a complete folder exists at every moment; *replaced: `temporary` now names the old one. */
static cso_status swap_in(const char *temporary, const char *path, bool *replaced, cso_error *err) {
    *replaced = false;
    if (!cso_io_rename(temporary, path))
        return CSO_OK;
    if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR)
        return cso_fail_errno(err, "rename a new folder to", path);
    if (!cso_io_exchange(temporary, path)) {
        *replaced = true;
        return CSO_OK;
    }
    char *aside = temporary_name(path, 2000);
    if (!aside)
        return cso_fail_memory(err, path);
    cso_status status = CSO_OK;
    if (cso_io_rename(path, aside)) {
        status = cso_fail_errno(err, "move aside", path);
    } else if (cso_io_rename(temporary, path)) {
        status = cso_fail_errno(err, "rename a new folder to", path);
        if (cso_io_rename(aside, path))
            status = cso_error_prefix(err, status, "%s: the old folder is now called %s", path, aside);
    } else if (cso_io_rename(aside, temporary)) {
        status = cso_fail_errno(err, "remove", aside);
    } else {
        *replaced = true;
    }
    free(aside);
    return status;
}

cso_status cso_folder_commit(const char *path, char *temporary, cso_error *err) {
    bool replaced = false;
    cso_status status;
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    char *name = cso_strndup(path, length);
    if (!name) {
        status = cso_fail_memory(err, path);
        goto done;
    }
    CSO_TRY_DONE(sync_any(temporary, 0, err));
    CSO_TRY_DONE(swap_in(temporary, name, &replaced, err));
    CSO_TRY_DONE(cso_folder_sync_above(name, err));
    if (replaced)
        status = cso_remove_tree(temporary, err);
done:
    free(name);
    cso_folder_abort(temporary); /* after the rename nothing has this name */
    return status;
}

void cso_folder_abort(char *temporary) {
    if (!temporary)
        return;
    cso_remove_tree(temporary, NULL);
    free(temporary);
}

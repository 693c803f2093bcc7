/* folder_lock.c - see folder_lock.h. */
#include "folder_lock.h"

#include "file.h"
#include "io_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static cso_status fail_lock(const char *dir, const cso_folder_owner *owner, const char *path, cso_error *err) {
    if (errno == EWOULDBLOCK)
        return cso_fail(err, CSO_ERR_USAGE, "%s: another process is %s in this folder (expected another %s)", dir, owner->doing,
                        owner->key);
    return cso_fail_errno(err, "lock", path);
}

static cso_status fail_open(const char *path, cso_error *err) {
    int saved = errno;
    if (cso_path_is_link(path))
        return cso_fail(err, CSO_ERR_USAGE, "%s: is a link (expected a file)", path);
    errno = saved;
    return cso_fail_errno(err, "open", path);
}

cso_status cso_folder_check_lock(const char *dir, const cso_folder_owner *owner, cso_error *err) {
    char *path = cso_path_join(dir, ".lock");
    cso_status status = CSO_OK;
    if (!path)
        return cso_fail_memory(err, "a path");
    int file = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0 && errno != ENOENT && errno != ENOTDIR)
        status = fail_open(path, err);
    else if (file >= 0 && flock(file, LOCK_SH | LOCK_NB)) /* shared, and for a moment: two checks do not meet as rivals */
        status = fail_lock(dir, owner, path, err);
    if (file >= 0)
        close(file);
    free(path);
    return status;
}

cso_status cso_folder_lock(const char *dir, const cso_folder_owner *owner, int *descriptor, cso_error *err) {
    *descriptor = -1;
    char *path = cso_path_join(dir, ".lock");
    if (!path)
        return cso_fail_memory(err, "a path");
    cso_status status = CSO_OK;
    int file = cso_io_open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (file < 0) {
        status = fail_open(path, err);
    } else if (flock(file, LOCK_EX | LOCK_NB)) {
        status = fail_lock(dir, owner, path, err);
        close(file);
    } else {
        *descriptor = file;
    }
    free(path);
    return status;
}

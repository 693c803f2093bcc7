/* io_calls.c - see io_calls.h. */
#include "io_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static cso_io_hook hook;

void cso_io_set_hook(cso_io_hook asked) {
    hook = asked;
}

/* Whether the hook makes the call fail, with errno set. */
static bool fails(cso_io_kind kind, size_t *size) {
    int number = hook ? hook(kind, size) : 0;
    if (number)
        errno = number;
    return number != 0;
}

int cso_io_open(const char *path, int flags, mode_t mode) {
    return fails(CSO_IO_OPEN, NULL) ? -1 : open(path, flags, mode);
}

ssize_t cso_io_write(int file, const void *data, size_t size) {
    return fails(CSO_IO_WRITE, &size) ? -1 : write(file, data, size);
}

int cso_io_truncate(int file, off_t size) {
    return fails(CSO_IO_TRUNCATE, NULL) ? -1 : ftruncate(file, size);
}

int cso_io_fsync(int file) {
    return fails(CSO_IO_FSYNC, NULL) ? -1 : fsync(file);
}

int cso_io_close(int file) {
    int closed = close(file); /* first: a close that fails has closed */
    return fails(CSO_IO_CLOSE, NULL) ? -1 : closed;
}

int cso_io_rename(const char *from, const char *to) {
    return fails(CSO_IO_RENAME, NULL) ? -1 : rename(from, to);
}

int cso_io_exchange(const char *a, const char *b) {
    return fails(CSO_IO_RENAME, NULL) ? -1 : renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
}

int cso_io_mkdir(const char *path, mode_t mode) {
    return fails(CSO_IO_MKDIR, NULL) ? -1 : mkdir(path, mode);
}

int cso_io_unlink(const char *path) {
    return fails(CSO_IO_REMOVE, NULL) ? -1 : unlink(path);
}

int cso_io_unlinkat(int folder, const char *name, int flags) {
    return fails(CSO_IO_REMOVE, NULL) ? -1 : unlinkat(folder, name, flags);
}

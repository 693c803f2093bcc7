/* io_calls.h - the system calls that change what is on the disk.
 *
 * Everything that cso writes goes through these: each behaves as the system call of its name. In tests a hook can make any of them
 * fail.
 */
#ifndef CSO_IO_CALLS_H
#define CSO_IO_CALLS_H

#include <stddef.h>
#include <sys/types.h>

int cso_io_open(const char *path, int flags, mode_t mode);
ssize_t cso_io_write(int file, const void *data, size_t size);
int cso_io_truncate(int file, off_t size);
int cso_io_fsync(int file);
int cso_io_close(int file);
int cso_io_rename(const char *from, const char *to);
int cso_io_exchange(const char *a, const char *b); /* exchanges the two in one step; ENOSYS or EINVAL where that is not supported */
int cso_io_mkdir(const char *path, mode_t mode);
int cso_io_unlink(const char *path);
int cso_io_unlinkat(int folder, const char *name, int flags); /* AT_REMOVEDIR: an empty folder */

typedef enum cso_io_kind {
    CSO_IO_OPEN,
    CSO_IO_WRITE,
    CSO_IO_TRUNCATE,
    CSO_IO_FSYNC,
    CSO_IO_CLOSE,
    CSO_IO_RENAME, /* and exchange */
    CSO_IO_MKDIR,
    CSO_IO_REMOVE, /* unlink and unlinkat */
    CSO_IO_KINDS
} cso_io_kind;

/* For tests: called before each call. 0: the call is made (a write of *size bytes; the hook may reduce them); else it fails
 * with that errno without being made, but a close still closes. NULL (the default): no hook. */
typedef int (*cso_io_hook)(cso_io_kind kind, size_t *size);
void cso_io_set_hook(cso_io_hook hook);

#endif

/* file.h - files: read-only mappings, whole reads, and writes that appear whole or not at all. */
#ifndef CSO_FILE_H
#define CSO_FILE_H

#include "status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A file mapped read-only and shared. data stays valid until cso_map_close; an empty file has data != NULL, size 0. */
typedef struct cso_map {
    const uint8_t *data;
    size_t size;
    char *path; /* owned copy, for messages */
} cso_map;

/* Whether the path means standard input: "-" or "/dev/stdin". */
bool cso_is_standard_input(const char *path);
/* The path for messages: "standard input" for those two. */
const char *cso_input_name(const char *path);
/* Opens a file to read, and gives its bytes. What is no regular file (a pipe, a device, a folder) is CSO_ERR_INPUT, and opening it
 * never waits. The caller closes. */
cso_status cso_open_input(const char *path, int *file, size_t *size, cso_error *err);

cso_status cso_map_open(cso_map *map, const char *path, cso_error *err);
void cso_map_close(cso_map *map); /* a zeroed or closed map is fine */

/* The whole of a file ("-" or "/dev/stdin": standard input, whatever that is) of at most max bytes, with a terminating zero. *text
 * is the caller's to free. A missing file is CSO_ERR_INPUT, a failed read CSO_ERR_SYSTEM. */
cso_status cso_read_file(const char *path, size_t max, char **text, size_t *size, cso_error *err);

/* An output file that replaces `path` once it is complete: temporary name beside it, checked writes, fsync, rename,
 * fsync of the folder. abort (or a failed commit) removes the temporary file and leaves `path` untouched. A folder or a device in
 * the way is CSO_ERR_USAGE. */
typedef struct cso_save cso_save;
cso_status cso_save_begin(cso_save **save, const char *path, cso_error *err);
cso_status cso_save_write(cso_save *save, const void *data, size_t size, cso_error *err);
cso_status cso_save_commit(cso_save *save, cso_error *err);                                /* frees save, also on failure */
void cso_save_abort(cso_save *save);                                                       /* NULL is fine */
cso_status cso_save_text(const char *path, const char *text, size_t size, cso_error *err); /* all of the above at once */

/* A folder that appears whole: fill the folder that `temporary` returns; commit renames it to `path`. An existing `path`
 * is replaced (moved aside, removed after). */
cso_status cso_folder_begin(const char *path, char **temporary, cso_error *err);
cso_status cso_folder_commit(const char *path, char *temporary, cso_error *err); /* frees temporary, also on failure */
void cso_folder_abort(char *temporary);                                          /* removes it and frees the name */

bool cso_path_exists(const char *path);
bool cso_path_is_folder(const char *path);
/* "folder/name" (name alone if it is absolute or folder is empty); the caller frees; NULL if out of memory. */
char *cso_path_join(const char *folder, const char *name);
/* The same, but "a/b" and "../c" give "a/c" where that names the same file. */
char *cso_path_resolve(const char *folder, const char *name);
/* The folder part of a path, "." if it has none; the caller frees. */
char *cso_path_folder(const char *path);
const char *cso_path_name(const char *path); /* after the last slash */
bool cso_path_is_link(const char *path);     /* a symbolic link */
/* Like mkdir -p; a file in the way is CSO_ERR_USAGE. */
cso_status cso_make_folders(const char *path, cso_error *err);
/* One folder in an existing one; one that exists is fine. A file in the way, or a link, is CSO_ERR_SYSTEM. */
cso_status cso_make_folder(const char *path, cso_error *err);
/* A file, or a folder with its contents; a missing path is fine. A link is removed and never followed. */
cso_status cso_remove_tree(const char *path, cso_error *err);
cso_status cso_folder_sync(const char *folder, cso_error *err);     /* fsync of a folder, where the file system can do that */
cso_status cso_folder_sync_above(const char *path, cso_error *err); /* of the folder that path is in */

/* Names in a folder, sorted by their bytes. follow: the folder's own name may be a link; else that is a failure (ELOOP or
 * ENOTDIR). */
typedef struct cso_names {
    char **items;
    size_t count;
} cso_names;
cso_status cso_folder_list(const char *path, bool follow, cso_names *names, cso_error *err);
void cso_names_free(cso_names *names); /* takes a zeroed one too */

/* Whether a file that cso_save_... had not finished has this name, "NAME.<process>-<number>.tmp", and it begins with one of ours
 * (NULL-terminated; "" is any). */
bool cso_save_is_leftover(const char *name, const char *const *ours);
/* Removes such files, which a process that was killed left behind; the caller has the folder's lock. Goes on past what it cannot remove;
 * the error is the first. *removed is counted up. follow: as in cso_folder_list. */
cso_status cso_folder_remove_leftovers(const char *path, bool follow, const char *const *ours, size_t *removed, cso_error *err);

#ifdef __cplusplus
}
#endif
#endif

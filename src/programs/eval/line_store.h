/* line_store.h - where the lines of predictions are kept: in a file that a later run goes on with, or in memory. */
#ifndef CSO_LINE_STORE_H
#define CSO_LINE_STORE_H

#include "programs/common/reply_file.h"

#include <stdio.h>

typedef struct line_store line_store;

/* As reply_file_open; path NULL: in memory. */
cso_status line_store_open(line_store **store, const char *path, size_t lines, reply_expected expected, void *context,
                           cso_error *err);
bool line_store_has(const line_store *store, size_t position);
size_t line_store_count(const line_store *store);
/* Takes a line over, with its line break. */
cso_status line_store_add(line_store *store, size_t position, char *line, size_t size, cso_error *err);
/* Writes what waits, after a failure too. */
cso_status line_store_end(line_store *store, cso_error *err);
/* All lines, in order, to be closed by the caller before the store is; only of a store that has them all. */
cso_status line_store_read(line_store *store, FILE **file, cso_error *err);
void line_store_close(line_store *store); /* NULL is fine */

#endif

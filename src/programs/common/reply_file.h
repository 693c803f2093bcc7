/* reply_file.h - the lines of finished replies, in order, to a file that a later run goes on with, or to standard output.
 *
 * A line says what its reply was made of, so that a run that finds lines in the file can tell whether they are its own. Lines of
 * replies that wait for an earlier one are in memory. A run that is stopped writes them behind the others; the run that makes the
 * rest then puts the file in order, whole or not at all. So nothing that was written is ever lost.
 */
#ifndef CSO_REPLY_FILE_H
#define CSO_REPLY_FILE_H

#include "reply_origin.h"

#include <stdbool.h>
#include <stddef.h>

/* Which reply a line has. */
typedef struct reply_key {
    size_t index; /* of the record in the input */
    size_t turn;  /* of an ESC-Pro tree: index of the message that the reply stands for */
    size_t reply; /* which of n */
} reply_key;

/* What a run will write, in order: fills both for a position below the number of replies; origin may be NULL. */
typedef cso_status (*reply_expected)(void *context, size_t position, reply_key *key, reply_origin *origin, cso_error *err);

typedef struct reply_file reply_file;

/* path NULL: standard output. Replies that the file has are taken as done. Errors: CSO_ERR_USAGE (a line of another model, adapter,
 * prompt or options, with its place; another process writes the file), CSO_ERR_INPUT (not lines of replies). */
cso_status reply_file_open(reply_file **file, const char *path, size_t replies, reply_expected expected, void *context,
                           cso_error *err);
/* Whether the reply at a position is there, and how many are. */
bool reply_file_has(const reply_file *file, size_t position);
size_t reply_file_count(const reply_file *file);
/* Takes a line, with its line break; the text becomes the file's. Writes it and those that waited for it. */
cso_status reply_file_add(reply_file *file, size_t position, char *line, size_t size, cso_error *err);
/* Writes the lines that wait for others, puts a complete file in order where it is not, and syncs it. */
cso_status reply_file_end(reply_file *file, cso_error *err);
void reply_file_close(reply_file *file); /* NULL is fine */

#endif

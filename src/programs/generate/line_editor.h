/* line_editor.h - lines that a person types: edited and with a history where the terminal and the build (libedit) have that, else
 * read as they come. The history is in memory alone. */
#ifndef CSO_LINE_EDITOR_H
#define CSO_LINE_EDITOR_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct line_editor line_editor;

/* Words that Tab completes at the beginning of a line: NULL-terminated, static. */
cso_status line_editor_create(line_editor **editor, const char *program, const char *const *commands, cso_error *err);
void line_editor_free(line_editor *editor); /* NULL is fine */

/* Reads a line from standard input behind a prompt and a blank. *line, without its line break, is the editor's until the next call; NULL: the
 * input ended. A signal that asks to stop, Ctrl-C among them, is CSO_STOPPED; the terminal is then as it was before. */
cso_status line_editor_read(line_editor *editor, const char *prompt, const char **line, size_t *size, cso_error *err);

/* While true, what a person types is kept for the next line and not shown: it would get into what is written meanwhile. */
void line_editor_mute(line_editor *editor, bool mute);

#endif

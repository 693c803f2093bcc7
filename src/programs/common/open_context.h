/* open_context.h - a program's context for computing. */
#ifndef CSO_OPEN_CONTEXT_H
#define CSO_OPEN_CONTEXT_H

#include "kernels/context.h"

#include <stdbool.h>
#include <stddef.h>

/* Says where more threads are asked for than there are cores; false: there is nothing to say. */
bool too_many_threads(int threads, char *text, size_t size);

/* cso_context_create, and a warning on standard error where so many threads or the environment make products slower than need
 * be. */
cso_status open_context(cso_context **ctx, int threads, cso_error *err);

#endif

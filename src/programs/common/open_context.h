/* open_context.h - a program's context for computing. */
#ifndef CSO_OPEN_CONTEXT_H
#define CSO_OPEN_CONTEXT_H

#include "kernels/context.h"

/* cso_context_create, and a warning on standard error where the environment makes products slower than need be. */
cso_status open_context(cso_context **ctx, int threads, cso_error *err);

#endif

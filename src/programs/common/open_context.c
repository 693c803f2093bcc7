/* open_context.c - see open_context.h. */
#include "open_context.h"

#include "kernels/gemm/gemm.h"

#include <stdio.h>

bool too_many_threads(int threads, char *text, size_t size) {
    int cores = cso_physical_cores();
    if (threads <= cores)
        return false;
    snprintf(text, size, "%d threads share %d core%s: results are the same, but more threads than cores do not make it faster",
             threads, cores, cores == 1 ? "" : "s");
    return true;
}

cso_status open_context(cso_context **ctx, int threads, cso_error *err) {
    char slowdown[512];
    if (too_many_threads(threads, slowdown, sizeof slowdown))
        fprintf(stderr, "warning: %s\n", slowdown);
    CSO_TRY(cso_context_create(ctx, threads, err));
    if (cso_gemm_slowdown(*ctx, slowdown, sizeof slowdown))
        fprintf(stderr, "warning: %s\n", slowdown);
    return CSO_OK;
}

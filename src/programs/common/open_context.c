/* open_context.c - see open_context.h. */
#include "open_context.h"

#include "kernels/gemm/gemm.h"

#include <stdio.h>

cso_status open_context(cso_context **ctx, int threads, cso_error *err) {
    char slowdown[512];
    CSO_TRY(cso_context_create(ctx, threads, err));
    if (cso_gemm_slowdown(*ctx, slowdown, sizeof slowdown))
        fprintf(stderr, "warning: %s\n", slowdown);
    return CSO_OK;
}

/* context.c - see context.h. */
#include "context.h"

#include "base/memory.h"
#include "gemm/gemm_internal.h"

#include <stdlib.h>

cso_status cso_context_create(cso_context **ctx, int threads, cso_error *err) {
    cso_context *c = cso_calloc(1, sizeof *c);
    *ctx = NULL;
    if (!c)
        return cso_fail_memory(err, "a context");
    c->kernels = cso_kernels_choose(getenv("CSO_KERNELS"));
    cso_status status = cso_gemm_choose(c, err);
    if (status == CSO_OK)
        status = cso_pool_create(&c->pool, threads, err);
    if (status == CSO_OK)
        *ctx = c;
    else
        cso_context_free(c);
    return status;
}

void cso_context_free(cso_context *ctx) {
    if (!ctx)
        return;
    cso_pool_free(ctx->pool);
    free(ctx);
}

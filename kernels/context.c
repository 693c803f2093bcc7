/* context.c - see context.h. */
#include "context.h"

#include "base/memory.h"
#include "gemm/gemm.h"

#include <stdlib.h>

cso_status cso_context_create(cso_context **ctx, int threads, cso_error *err) {
    *ctx = NULL;
    CSO_TRY(cso_gemm_check(err));
    cso_context *c = cso_calloc(1, sizeof *c);
    if (!c)
        return cso_fail_memory(err, "a context");
    cso_status status = cso_pool_create(&c->pool, threads, err);
    if (status != CSO_OK) {
        cso_context_free(c);
        return status;
    }
    const char *library = getenv("CSO_GEMM");
    c->kernels = cso_kernels_choose(getenv("CSO_KERNELS"));
    if (!library || !*library || !cso_gemm_use(c, library))
        cso_gemm_use(c, NULL);
    *ctx = c;
    return CSO_OK;
}

void cso_context_free(cso_context *ctx) {
    if (!ctx)
        return;
    cso_pool_free(ctx->pool);
    free(ctx);
}

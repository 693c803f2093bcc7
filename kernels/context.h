/* context.h - what computing needs and calls keep between each other: threads, their scratch, and whose arithmetic is used.
 *
 * Nothing of this is the process's. Two contexts are independent: each thread of a program may compute with one of its own
 * while the others do, and the results are those of computing one after the other. A context serves one thread at a time;
 * several engines may share it only if one thread at a time uses any of them. What is only read (a model, an adapter that
 * nobody trains) may be shared between contexts.
 *
 * Three things are the process's all the same, because the libraries below have no other place for them. Where OpenBLAS was
 * built with threads of its own, the first context that uses it sets it to one thread, and where OpenBLAS does not know the
 * processor, that context makes it choose again (gemm/openblas.c). The threads that OpenMP starts take no signals (parallel.c).
 */
#ifndef CSO_CONTEXT_H
#define CSO_CONTEXT_H

#include "base/parallel.h"
#include "base/status.h"
#include "kernels/kernels.h"

typedef struct cso_context {
    cso_pool *pool;                         /* owned */
    const cso_kernels *kernels;             /* of this processor, no faster than CSO_KERNELS */
    const struct cso_gemm_library *library; /* who multiplies f32 matrices: gemm.h */
} cso_context;

/* threads as in cso_pool_create. Reads the environment variables CSO_KERNELS (kernels.h), of which an unknown value counts as none,
 * and CSO_GEMM (gemm.h). Errors: CSO_ERR_SYSTEM (memory), CSO_ERR_USAGE (cso_gemm_check). */
cso_status cso_context_create(cso_context **ctx, int threads, cso_error *err);
void cso_context_free(cso_context *ctx); /* after everything that computes with it; NULL: nothing happens */

#endif

/* context.h - what computing needs and calls keep between each other: threads, their scratch, and whose arithmetic is used.
 *
 * Nothing of this is the process's. Two contexts are independent: each thread of a program may compute with one of its own
 * while the others do, and the results are those of computing one after the other. A context serves one thread at a time;
 * several engines may share it only if one thread at a time uses any of them. What is only read (a model, an adapter that
 * nobody trains) may be shared between contexts.
 *
 * Three things are the process's all the same, because the libraries below have no other place for them. The first context that
 * uses OpenBLAS sets it to one thread where OpenBLAS was built with threads of its own, and lets it choose its kernels again where
 * its choice may be too old for the processor (gemm/openblas.c). The threads that OpenMP starts take no signals (parallel.c).
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

/* threads as in cso_pool_create. Reads the environment variables CSO_KERNELS (kernels.h; another value counts as none) and CSO_GEMM
 * (gemm.h). Errors: CSO_ERR_USAGE where CSO_GEMM names no library, or one that this build or processor lacks; CSO_ERR_SYSTEM
 * (memory). */
cso_status cso_context_create(cso_context **ctx, int threads, cso_error *err);
void cso_context_free(cso_context *ctx); /* after everything that computes with it; NULL: nothing happens */

#endif

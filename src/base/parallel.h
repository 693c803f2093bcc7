/* parallel.h - the only place that starts threads.
 *
 * Work is cut into tasks whose number and size never depend on the number of threads, each task writes what no other
 * writes, and what is summed over tasks is summed in their order afterwards: the bits of a result do not depend on how
 * many threads computed it. Inside a task OpenBLAS runs serially.
 */
#ifndef CSO_PARALLEL_H
#define CSO_PARALLEL_H

#include "status.h"

#include <stddef.h>

/* 0 chooses the number of physical cores this process may run on. */
void cso_threads_set(int threads);
int cso_threads(void);
int cso_physical_cores(void);

/* task(context, index, thread) for every index < count, on up to cso_threads() threads, taken in order as threads fall free;
 * thread is in [0, cso_threads()). Nested calls run serially in the calling thread (with its thread number). */
typedef void (*cso_task)(void *context, size_t index, int thread);
void cso_parallel_for(size_t count, cso_task task, void *context);

/* A buffer of its own for each thread, 64-byte aligned, kept and grown between uses: reserve outside tasks (bytes for
 * each thread), get inside one. Contents do not survive a reserve. */
cso_status cso_scratch_reserve(size_t bytes, cso_error *err);
void *cso_scratch(int thread);
void cso_scratch_free(void); /* at program end, so that leak checkers see nothing */

#endif

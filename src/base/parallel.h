/* parallel.h - the only place that starts threads that compute. Threads that wait for answers, of endpoints and searches, are plain
 * ones.
 *
 * A pool is a number of threads and a scratch buffer for each of them. Pools are independent: each thread of a program may
 * use one of its own at the same time as the others use theirs. One pool serves one thread at a time. While its tasks run,
 * nobody else may use it, but the tasks themselves may.
 *
 * Work is cut into tasks. How many there are and how large they are never depends on the number of threads, each task writes
 * what no other task writes, and sums over tasks are made afterwards, in the order of the tasks. So the bits of a result do
 * not depend on how many threads computed it. Inside a task OpenBLAS runs serially.
 */
#ifndef CSO_PARALLEL_H
#define CSO_PARALLEL_H

#include "status.h"

#include <stddef.h>

typedef struct cso_pool cso_pool;

/* threads <= 0: as many as there are physical cores that this process may run on. Errors: CSO_ERR_SYSTEM (memory). */
cso_status cso_pool_create(cso_pool **pool, int threads, cso_error *err);
void cso_pool_free(cso_pool *pool); /* NULL: nothing happens */
int cso_pool_threads(const cso_pool *pool);
/* Another number for what follows, as in cso_pool_create. With more threads reserve scratch again after it; with fewer, the
 * buffers of the others are freed. */
void cso_pool_set_threads(cso_pool *pool, int threads);

int cso_physical_cores(void);

/* Calls task(context, index, thread) for every index < count, on up to cso_pool_threads() threads: each idle thread takes the next
 * index. thread is in [0, cso_pool_threads()). A call from within a task runs serially in that task's thread and keeps its
 * number. */
typedef void (*cso_task)(void *context, size_t index, int thread);
void cso_parallel_for(cso_pool *pool, size_t count, cso_task task, void *context);

/* Calls tick(context) after each task of the thread that called cso_parallel_for, and at least once in each call with several
 * threads, that is every few milliseconds while the pool works: a place to show signs of life. tick must be quick and must not use
 * the pool. NULL: no call. */
void cso_pool_set_tick(cso_pool *pool, void (*tick)(void *context), void *context);

/* A buffer for each thread, aligned to 64 bytes, which is kept and grown between uses. Call reserve outside tasks (bytes for
 * each thread) and cso_scratch inside one; it gives NULL where nothing is reserved for that thread. A reserve that has to
 * grow the buffers loses their contents. Errors: CSO_ERR_SYSTEM (memory). */
cso_status cso_scratch_reserve(cso_pool *pool, size_t bytes, cso_error *err);
void *cso_scratch(const cso_pool *pool, int thread);

#endif

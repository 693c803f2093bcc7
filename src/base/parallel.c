/* parallel.c - threads that compute, through OpenMP, here and nowhere else.
 *
 * While a task runs, its thread's OpenMP limit is 1. OpenBLAS built with OpenMP asks for that limit at each call, so its
 * products run serially in tasks. This must hold even with one task or one thread, where OpenMP does not call the region
 * "parallel": the bits of a product must not depend on any of this. OpenMP keeps the limit for each thread, so what one pool
 * sets is not seen by a pool that another thread uses.
 */
#include "parallel.h"

#include "memory.h"

#include <omp.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct cso_pool {
    int threads;
    enum { IDLE, ALONE, TEAM } running; /* tasks: none; in the calling thread; in a team of threads */
    void **buffers;                     /* (buffer_count) */
    size_t buffer_bytes;                /* of each */
    int buffer_count;
    void (*tick)(void *context); /* NULL: none */
    void *tick_context;
};

static bool read_topology(int cpu, const char *name, int *value) {
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/%s", cpu, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool read = fscanf(file, "%d", value) == 1;
    fclose(file);
    return read;
}

/* Threads of one core share its arithmetic units, so GEMM gains nothing from the second: distinct (package, core) pairs are
 * counted. Where the topology is not told, every processor counts. */
int cso_physical_cores(void) {
    enum { MAX_CPUS = 8192 };
    cpu_set_t *allowed = CPU_ALLOC(MAX_CPUS);
    size_t set_bytes = CPU_ALLOC_SIZE(MAX_CPUS);
    struct core {
        int package, id;
    } *cores = NULL;
    size_t count = 0, capacity = 0;
    int processors = 1;
    bool known = true;
    if (!allowed || sched_getaffinity(0, set_bytes, allowed)) {
        known = false;
        processors = omp_get_num_procs();
    } else {
        processors = CPU_COUNT_S(set_bytes, allowed);
        for (int cpu = 0; known && cpu < MAX_CPUS; cpu++) {
            if (!CPU_ISSET_S(cpu, set_bytes, allowed))
                continue;
            struct core core;
            known = read_topology(cpu, "physical_package_id", &core.package) && read_topology(cpu, "core_id", &core.id) &&
                    cso_grow(&cores, &capacity, count + 1, sizeof *cores);
            if (!known)
                break;
            size_t i = 0;
            while (i < count && (cores[i].package != core.package || cores[i].id != core.id))
                i++;
            if (i == count)
                cores[count++] = core;
        }
    }
    free(cores);
    if (allowed)
        CPU_FREE(allowed);
    int result = known && count ? (int)count : processors;
    return result > 0 ? result : 1;
}

cso_status cso_pool_create(cso_pool **pool, int threads, cso_error *err) {
    *pool = cso_calloc(1, sizeof **pool);
    if (!*pool)
        return cso_fail_memory(err, "threads");
    cso_pool_set_threads(*pool, threads);
    return CSO_OK;
}

static void free_buffers(cso_pool *pool) {
    for (int i = 0; i < pool->buffer_count; i++)
        free(pool->buffers[i]);
    free(pool->buffers);
    pool->buffers = NULL;
    pool->buffer_bytes = 0;
    pool->buffer_count = 0;
}

void cso_pool_free(cso_pool *pool) {
    if (!pool)
        return;
    free_buffers(pool);
    free(pool);
}

void cso_pool_set_threads(cso_pool *pool, int threads) {
    pool->threads = threads > 0 ? threads : cso_physical_cores();
    while (pool->buffer_count > pool->threads)
        free(pool->buffers[--pool->buffer_count]);
}

int cso_pool_threads(const cso_pool *pool) {
    return pool->threads;
}

/* The main thread takes the program's signals: its handlers have a stack of their own (signals.c). A thread keeps only those
 * that its own faults raise. */
static void leave_signals_to_main_thread(void) {
    static _Thread_local bool done; /* for each of OpenMP's threads, once */
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    if (done || omp_get_thread_num() == 0)
        return;
    sigset_t others;
    sigfillset(&others);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sigdelset(&others, own[i]);
    pthread_sigmask(SIG_BLOCK, &others, NULL);
    done = true;
}

void cso_pool_set_tick(cso_pool *pool, void (*tick)(void *context), void *context) {
    pool->tick = tick;
    pool->tick_context = context;
}

static void run_alone(cso_pool *pool, size_t count, cso_task task, void *context) {
    pool->running = ALONE;
    omp_set_num_threads(1);
    for (size_t i = 0; i < count; i++) {
        task(context, i, 0);
        if (pool->tick)
            pool->tick(pool->tick_context);
    }
    pool->running = IDLE;
}

static void run_team(cso_pool *pool, size_t count, cso_task task, void *context) {
    int dynamic = omp_get_dynamic();
    atomic_size_t next = 0;
    pool->running = TEAM;
    omp_set_dynamic(0);
    /* All threads take part even if there are fewer tasks: a smaller team would make the runtime end the others. */
#pragma omp parallel num_threads(pool->threads)
    {
        int thread = omp_get_thread_num();
        size_t i;
        leave_signals_to_main_thread();
        omp_set_num_threads(1); /* of this region's thread only: the limit belongs to the task */
        while ((i = atomic_fetch_add(&next, 1)) < count) {
            task(context, i, thread);
            if (thread == 0 && pool->tick)
                pool->tick(pool->tick_context);
        }
    }
    omp_set_dynamic(dynamic);
    if (pool->tick) /* the others may have taken all tasks */
        pool->tick(pool->tick_context);
    pool->running = IDLE;
}

void cso_parallel_for(cso_pool *pool, size_t count, cso_task task, void *context) {
    if (pool->running) {
        int thread = pool->running == TEAM ? omp_get_thread_num() : 0;
        for (size_t i = 0; i < count; i++)
            task(context, i, thread);
        return;
    }
    if (!count)
        return;
    int limit = omp_get_max_threads();
    (count > 1 && pool->threads > 1 ? run_team : run_alone)(pool, count, task, context);
    omp_set_num_threads(limit);
}

cso_status cso_scratch_reserve(cso_pool *pool, size_t bytes, cso_error *err) {
    int threads = pool->threads;
    if (bytes <= pool->buffer_bytes && threads <= pool->buffer_count)
        return CSO_OK;
    if (bytes < pool->buffer_bytes)
        bytes = pool->buffer_bytes;
    free_buffers(pool);
    pool->buffers = cso_calloc((size_t)threads, sizeof *pool->buffers);
    if (!pool->buffers)
        return cso_fail_memory(err, "scratch buffers");
    pool->buffer_count = threads;
    for (int i = 0; i < threads; i++) {
        pool->buffers[i] = cso_aligned_alloc(bytes, 1);
        if (!pool->buffers[i]) {
            free_buffers(pool);
            return cso_fail_memory(err, "scratch buffers");
        }
    }
    pool->buffer_bytes = bytes;
    return CSO_OK;
}

void *cso_scratch(const cso_pool *pool, int thread) {
    return thread >= 0 && thread < pool->buffer_count ? pool->buffers[thread] : NULL;
}

/* parallel.c - threads, through OpenMP, here and nowhere else.
 *
 * While a task runs, its thread's OpenMP limit is 1. OpenBLAS built with OpenMP asks for that limit at each call, so its
 * products run serially in tasks, also when there is one task or one thread and the region is therefore not "parallel" by
 * OpenMP's definition: the bits of a product must not depend on any of this.
 *
 * The state is the process's: the number of threads and the scratch buffers. Both are set while no tasks run.
 */
#include "parallel.h"

#include "memory.h"

#include <omp.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static atomic_int thread_count;               /* 0: not chosen yet */
static _Thread_local int current_thread = -1; /* the number of the task runner, -1 outside tasks */
static struct {
    void **buffers;
    size_t bytes; /* of each */
    int count;
} scratch;

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

void cso_threads_set(int threads) {
    if (threads <= 0)
        threads = cso_physical_cores();
    atomic_store(&thread_count, threads);
    omp_set_dynamic(0);
    omp_set_num_threads(threads);
}

int cso_threads(void) {
    if (!atomic_load(&thread_count))
        cso_threads_set(0);
    return atomic_load(&thread_count);
}

/* Signals are the main thread's, whose handlers have a stack of their own (signals.c); what happens to a thread itself stays its. */
static void leave_signals_to_main_thread(void) {
    static _Thread_local bool done;
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

void cso_parallel_for(size_t count, cso_task task, void *context) {
    if (current_thread >= 0) {
        for (size_t i = 0; i < count; i++)
            task(context, i, current_thread);
        return;
    }
    if (!count)
        return;
    /* All threads take part even if there are fewer tasks: a smaller team would make the runtime end the others. */
    int threads = count > 1 ? cso_threads() : 1;
    int limit = omp_get_max_threads();
    atomic_size_t next = 0;
    if (threads == 1) {
        current_thread = 0;
        omp_set_num_threads(1);
        for (size_t i = 0; i < count; i++)
            task(context, i, 0);
        omp_set_num_threads(limit);
        current_thread = -1;
        return;
    }
#pragma omp parallel num_threads(threads)
    {
        leave_signals_to_main_thread();
        current_thread = omp_get_thread_num();
        omp_set_num_threads(1); /* of this region's thread only: the limit belongs to the task */
        size_t i;
        while ((i = atomic_fetch_add(&next, 1)) < count)
            task(context, i, current_thread);
        current_thread = -1;
    }
    omp_set_num_threads(limit);
}

cso_status cso_scratch_reserve(size_t bytes, cso_error *err) {
    int threads = cso_threads();
    if (bytes <= scratch.bytes && threads <= scratch.count)
        return CSO_OK;
    if (bytes < scratch.bytes)
        bytes = scratch.bytes;
    cso_scratch_free();
    scratch.buffers = cso_calloc((size_t)threads, sizeof *scratch.buffers);
    if (!scratch.buffers)
        return cso_fail_memory(err, "scratch buffers");
    scratch.count = threads;
    for (int i = 0; i < threads; i++) {
        scratch.buffers[i] = cso_aligned_alloc(bytes, 1);
        if (!scratch.buffers[i]) {
            cso_scratch_free();
            return cso_fail_memory(err, "scratch buffers");
        }
    }
    scratch.bytes = bytes;
    return CSO_OK;
}

void *cso_scratch(int thread) {
    return thread >= 0 && thread < scratch.count ? scratch.buffers[thread] : NULL;
}

void cso_scratch_free(void) {
    for (int i = 0; i < scratch.count; i++)
        free(scratch.buffers[i]);
    free(scratch.buffers);
    scratch.buffers = NULL;
    scratch.bytes = 0;
    scratch.count = 0;
}

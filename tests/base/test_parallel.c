/* test_parallel.c - every task runs once, nested work is serial, libraries inside tasks see one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/parallel.h"

#include <omp.h>
#include <stdatomic.h>
#include <string.h>

enum { TASKS = 1000 };

typedef struct work {
    atomic_int runs[TASKS];
    atomic_int bad_thread, bad_limit, bad_nested, used[64];
    int threads;
} work;

static void inner(void *context, size_t index, int thread) {
    (void)index;
    if (thread != *(int *)context)
        *(int *)context = -1;
}

static void task(void *context, size_t index, int thread) {
    work *w = context;
    atomic_fetch_add(&w->runs[index], 1);
    if (thread < 0 || thread >= w->threads)
        atomic_store(&w->bad_thread, 1);
    else
        atomic_store(&w->used[thread], 1);
    if (omp_get_max_threads() != 1) /* what OpenBLAS asks */
        atomic_store(&w->bad_limit, 1);
    int number = thread;
    cso_parallel_for(5, inner, &number);
    if (number != thread)
        atomic_store(&w->bad_nested, 1);
}

static void runs_each_task_once(void **state) {
    (void)state;
    static const int threads[] = {1, 2, 3, 8};
    static const size_t counts[] = {0, 1, 2, 7, TASKS};
    for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
        cso_threads_set(threads[t]);
        assert_int_equal(cso_threads(), threads[t]);
        for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
            static work w;
            memset(&w, 0, sizeof w);
            w.threads = threads[t];
            cso_parallel_for(counts[c], task, &w);
            for (size_t i = 0; i < TASKS; i++)
                assert_int_equal(w.runs[i], i < counts[c]);
            assert_int_equal(w.bad_thread, 0);
            assert_int_equal(w.bad_limit, 0);
            assert_int_equal(w.bad_nested, 0);
            assert_int_equal(omp_get_max_threads(), threads[t]);
        }
    }
}

static void counts_cores(void **state) {
    (void)state;
    int cores = cso_physical_cores();
    assert_true(cores >= 1 && cores <= omp_get_num_procs());
    cso_threads_set(0);
    assert_int_equal(cso_threads(), cores);
}

static void write_scratch(void *context, size_t index, int thread) {
    (void)index;
    memset(cso_scratch(thread), thread, *(size_t *)context);
}

static void scratch_of_each_thread(void **state) {
    (void)state;
    cso_threads_set(3);
    for (size_t bytes = 1; bytes < 100000; bytes *= 10) {
        assert_int_equal(cso_scratch_reserve(bytes, NULL), CSO_OK);
        for (int i = 0; i < 3; i++) {
            assert_int_equal((uintptr_t)cso_scratch(i) % 64, 0);
            assert_non_null(cso_scratch(i));
        }
        assert_true(cso_scratch(0) != cso_scratch(1) && cso_scratch(1) != cso_scratch(2));
        cso_parallel_for(50, write_scratch, &bytes);
    }
    assert_null(cso_scratch(3));
    cso_threads_set(5); /* more threads need more buffers, of at least the size that was asked for before */
    assert_int_equal(cso_scratch_reserve(10, NULL), CSO_OK);
    size_t bytes = 10000;
    assert_non_null(cso_scratch(4));
    cso_parallel_for(50, write_scratch, &bytes);
    cso_error err;
    assert_int_equal(cso_scratch_reserve(SIZE_MAX - 100, &err), CSO_ERR_SYSTEM);
    cso_scratch_free();
    assert_null(cso_scratch(0));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(runs_each_task_once), cmocka_unit_test(counts_cores),
                                       cmocka_unit_test(scratch_of_each_thread)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

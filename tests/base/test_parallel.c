/* test_parallel.c - every task runs once, nested work is serial, libraries inside tasks see one thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/parallel.h"

#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

enum { TASKS = 1000 };

typedef struct work {
    cso_pool *pool;
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
    cso_parallel_for(w->pool, 5, inner, &number);
    if (number != thread)
        atomic_store(&w->bad_nested, 1);
}

static void runs_each_task_once(void **state) {
    (void)state;
    static const int threads[] = {1, 2, 3, 8};
    static const size_t counts[] = {0, 1, 2, 7, TASKS};
    for (size_t t = 0; t < sizeof threads / sizeof threads[0]; t++) {
        cso_pool *pool;
        assert_int_equal(cso_pool_create(&pool, threads[t], NULL), CSO_OK);
        assert_int_equal(cso_pool_threads(pool), threads[t]);
        for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
            static work w;
            int limit = omp_get_max_threads();
            memset(&w, 0, sizeof w);
            w.pool = pool;
            w.threads = threads[t];
            cso_parallel_for(pool, counts[c], task, &w);
            for (size_t i = 0; i < TASKS; i++)
                assert_int_equal(w.runs[i], i < counts[c]);
            assert_int_equal(w.bad_thread, 0);
            assert_int_equal(w.bad_limit, 0);
            assert_int_equal(w.bad_nested, 0);
            assert_int_equal(omp_get_max_threads(), limit); /* the caller's */
        }
        cso_pool_free(pool);
    }
}

static void counts_cores(void **state) {
    (void)state;
    cso_pool *pool;
    int cores = cso_physical_cores();
    assert_true(cores >= 1 && cores <= omp_get_num_procs());
    assert_int_equal(cso_pool_create(&pool, 0, NULL), CSO_OK);
    assert_int_equal(cso_pool_threads(pool), cores);
    cso_pool_set_threads(pool, cores + 1);
    assert_int_equal(cso_pool_threads(pool), cores + 1);
    cso_pool_set_threads(pool, 0);
    assert_int_equal(cso_pool_threads(pool), cores);
    cso_pool_free(pool);
    cso_pool_free(NULL);
}

static void count_tick(void *context) {
    ++*(size_t *)context;
}

static void do_nothing(void *context, size_t index, int thread) {
    (void)context;
    (void)index;
    (void)thread;
}

/* Between the tasks of the calling thread, which alone has all of them or takes part in a team. */
static void ticks(void **state) {
    (void)state;
    for (int threads = 1; threads <= 3; threads++) {
        cso_pool *pool;
        size_t n = 0;
        assert_int_equal(cso_pool_create(&pool, threads, NULL), CSO_OK);
        cso_pool_set_tick(pool, count_tick, &n);
        for (int i = 0; i < 50; i++)
            cso_parallel_for(pool, 100, do_nothing, NULL);
        assert_true(threads == 1 ? n == 5000 : n >= 50 && n <= 5050);
        size_t before = n;
        cso_pool_set_tick(pool, NULL, NULL);
        cso_parallel_for(pool, 100, do_nothing, NULL);
        assert_int_equal(n, before);
        cso_pool_free(pool);
    }
}

/* With fewer threads the buffers of the others are given back. */
static void fewer_threads(void **state) {
    (void)state;
    cso_pool *pool;
    assert_int_equal(cso_pool_create(&pool, 3, NULL), CSO_OK);
    assert_int_equal(cso_scratch_reserve(pool, 100, NULL), CSO_OK);
    cso_pool_set_threads(pool, 1);
    assert_non_null(cso_scratch(pool, 0));
    assert_null(cso_scratch(pool, 1));
    assert_int_equal(cso_scratch_reserve(pool, 100, NULL), CSO_OK);
    cso_pool_free(pool);
}

typedef struct fill {
    cso_pool *pool;
    size_t bytes;
} fill;

static void write_scratch(void *context, size_t index, int thread) {
    (void)index;
    const fill *f = context;
    memset(cso_scratch(f->pool, thread), thread, f->bytes);
}

static void scratch_of_each_thread(void **state) {
    (void)state;
    fill f;
    assert_int_equal(cso_pool_create(&f.pool, 3, NULL), CSO_OK);
    assert_null(cso_scratch(f.pool, 0));
    for (f.bytes = 1; f.bytes < 100000; f.bytes *= 10) {
        assert_int_equal(cso_scratch_reserve(f.pool, f.bytes, NULL), CSO_OK);
        for (int i = 0; i < 3; i++) {
            assert_int_equal((uintptr_t)cso_scratch(f.pool, i) % 64, 0);
            assert_non_null(cso_scratch(f.pool, i));
        }
        assert_true(cso_scratch(f.pool, 0) != cso_scratch(f.pool, 1) && cso_scratch(f.pool, 1) != cso_scratch(f.pool, 2));
        cso_parallel_for(f.pool, 50, write_scratch, &f);
    }
    assert_null(cso_scratch(f.pool, 3));
    cso_pool_set_threads(f.pool, 5); /* more threads need more buffers, of at least the size that was asked for before */
    assert_int_equal(cso_scratch_reserve(f.pool, 10, NULL), CSO_OK);
    f.bytes = 10000;
    assert_non_null(cso_scratch(f.pool, 4));
    cso_parallel_for(f.pool, 50, write_scratch, &f);
    cso_error err;
    assert_int_equal(cso_scratch_reserve(f.pool, SIZE_MAX - 100, &err), CSO_ERR_SYSTEM);
    assert_null(cso_scratch(f.pool, 0));
    cso_pool_free(f.pool);
}

/* --- two pools --- */

enum { ROUNDS = 200 };

typedef struct user {
    cso_pool *pool;
    int threads, bad;
    unsigned char mark;
} user;

typedef struct round_of {
    user *user;
    atomic_int ran;
} round_of;

/* Writes to its thread's scratch and reads it back: another pool's tasks must not have written there. */
static void mark_scratch(void *context, size_t index, int thread) {
    round_of *r = context;
    unsigned char *scratch = cso_scratch(r->user->pool, thread);
    (void)index;
    memset(scratch, r->user->mark, 512);
    for (int i = 0; i < 512; i++)
        if (scratch[i] != r->user->mark)
            atomic_store(&r->ran, -1000);
    atomic_fetch_add(&r->ran, 1);
}

static void *use_pool(void *context) {
    user *u = context;
    if (cso_pool_create(&u->pool, u->threads, NULL) != CSO_OK || cso_scratch_reserve(u->pool, 512, NULL) != CSO_OK)
        u->bad = 1;
    for (int i = 0; i < ROUNDS && !u->bad; i++) {
        round_of r = {.user = u};
        cso_parallel_for(u->pool, 7, mark_scratch, &r);
        u->bad = atomic_load(&r.ran) != 7;
    }
    cso_pool_free(u->pool);
    return NULL;
}

static void pools_are_independent(void **state) {
    (void)state;
    user users[] = {{.threads = 1, .mark = 1}, {.threads = 2, .mark = 2}, {.threads = 3, .mark = 3}};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_pool, &users[i]), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(users[i].bad, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(runs_each_task_once),    cmocka_unit_test(counts_cores),
                                       cmocka_unit_test(scratch_of_each_thread), cmocka_unit_test(ticks),
                                       cmocka_unit_test(fewer_threads),          cmocka_unit_test(pools_are_independent)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

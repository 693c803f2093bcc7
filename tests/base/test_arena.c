/* test_arena.c - allocations are aligned, zeroed and disjoint; freed memory is reused; growth ends in one chunk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"

static void *take(cso_arena *arena, size_t bytes) {
    unsigned char *at = cso_arena_alloc(arena, bytes, 1);
    assert_non_null(at);
    assert_int_equal((uintptr_t)at % 64, 0);
    for (size_t i = 0; i < bytes; i++)
        assert_int_equal(at[i], 0);
    memset(at, 0xa5, bytes);
    return at;
}

/* Twice the same sizes, small and larger than any chunk: nothing overlaps, and everything is zero again. */
static void zeroed_and_apart(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 63, 64, 65, 0, 1000, 70000, 3, 200000, 64, 5};
    enum { COUNT = sizeof sizes / sizeof *sizes };
    cso_arena arena = {0};
    for (int round = 0; round < 3; round++) {
        unsigned char *at[COUNT];
        for (size_t i = 0; i < COUNT; i++) {
            at[i] = take(&arena, sizes[i]);
            memset(at[i], (int)i + 1, sizes[i]);
        }
        for (size_t i = 0; i < COUNT; i++)
            for (size_t j = 0; j < sizes[i]; j++)
                assert_int_equal(at[i][j], i + 1);
        cso_arena_reset(&arena);
        assert_int_equal(arena.total, 0);
    }
    cso_arena_free(&arena);
}

static void grown_chunks_become_one(void **state) {
    (void)state;
    cso_arena arena = {0};
    char *first[2] = {take(&arena, 50000), take(&arena, 300000)};
    size_t high = arena.high;
    assert_true(first[1] < first[0] || first[1] > first[0] + 50000);
    assert_true(high >= 350000 && high < 351000);
    assert_true(arena.first != arena.current);
    cso_arena_reset(&arena);
    for (int round = 0; round < 3; round++) {
        const cso_arena_chunk *only = arena.first;
        char *a = take(&arena, 50000), *b = take(&arena, 300000);
        assert_true(b - a >= 50000 && b - a < 50200); /* side by side */
        assert_ptr_equal(arena.current, only);
        assert_int_equal(arena.high, high);
        cso_arena_reset(&arena);
        assert_ptr_equal(arena.first, only);
    }
    cso_arena_free(&arena);
}

static void marks(void **state) {
    (void)state;
    cso_arena arena = {0};
    cso_arena_mark empty = cso_arena_get_mark(&arena);
    char *kept = take(&arena, 100);
    cso_arena_mark mark = cso_arena_get_mark(&arena);
    char *a = take(&arena, 100), *b = take(&arena, 1 << 20);
    cso_arena_mark inner = cso_arena_get_mark(&arena);
    take(&arena, 1 << 21);
    cso_arena_release(&arena, inner);
    size_t high = arena.high;
    cso_arena_release(&arena, mark);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal((unsigned char)kept[i], 0xa5);
    assert_ptr_equal(take(&arena, 100), a); /* the same memory, zeroed again, in the large chunk as well */
    assert_ptr_equal(take(&arena, 1 << 20), b);
    assert_int_equal(arena.high, high);
    cso_arena_release(&arena, empty);
    assert_int_equal(arena.total, 0);
    assert_ptr_equal(take(&arena, 100), kept);
    cso_arena_free(&arena);
    assert_null(arena.first);
}

static void reserve(void **state) {
    (void)state;
    cso_arena grown = {0}, arena = {0};
    for (int i = 0; i < 100; i++)
        take(&grown, 10000);
    assert_true(cso_arena_reserve(&arena, grown.high));
    const cso_arena_chunk *only = arena.first;
    for (int i = 0; i < 100; i++)
        take(&arena, 10000);
    assert_ptr_equal(arena.current, only);
    cso_arena_reset(&arena);
    assert_true(cso_arena_reserve(&arena, 10)); /* there is more already */
    assert_ptr_equal(arena.first, only);
    cso_arena_free(&arena);
    cso_arena_free(&grown);
}

static void failure(void **state) {
    (void)state;
    cso_arena arena = {0};
    assert_null(cso_arena_alloc(&arena, SIZE_MAX / 2, 4));
    assert_null(cso_arena_alloc(&arena, SIZE_MAX, 1));
    assert_null(cso_arena_alloc(&arena, SIZE_MAX - 128, 1));
    assert_null(cso_arena_alloc(&arena, PTRDIFF_MAX, 1));
    char *a = take(&arena, 100);
    size_t total = arena.total, high = arena.high;
    assert_null(cso_arena_alloc(&arena, PTRDIFF_MAX, 1));
    assert_int_equal(arena.total, total);
    assert_int_equal(arena.high, high);
    assert_int_equal((unsigned char)a[99], 0xa5);
    cso_arena_reset(&arena);
    assert_false(cso_arena_reserve(&arena, SIZE_MAX - 10));
    assert_ptr_not_equal(take(&arena, 100), NULL); /* usable nevertheless */
    cso_arena_free(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_and_apart),
        cmocka_unit_test(grown_chunks_become_one),
        cmocka_unit_test(marks),
        cmocka_unit_test(reserve),
        cmocka_unit_test(failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

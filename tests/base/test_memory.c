/* test_memory.c - sizes that overflow are refused and change nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static void checked_sizes(void **state) {
    (void)state;
    size_t r = 42;
    assert_false(cso_size_mul(SIZE_MAX / 2 + 1, 2, &r));
    assert_false(cso_size_add(SIZE_MAX, 1, &r));
    assert_int_equal(r, 42);
    assert_true(cso_size_mul(SIZE_MAX / 2, 2, &r));
    assert_int_equal(r, SIZE_MAX - 1);
    assert_true(cso_size_add(SIZE_MAX - 1, 1, &r));
    assert_int_equal(r, SIZE_MAX);
}

static void allocations(void **state) {
    (void)state;
    assert_null(cso_calloc(SIZE_MAX / 2, 4));
    assert_null(cso_aligned_alloc(SIZE_MAX / 2, 4));
    assert_null(cso_aligned_alloc(SIZE_MAX - 10, 1));
    void *none = cso_calloc(0, 8), *aligned_none = cso_aligned_alloc(0, 4);
    assert_non_null(none);
    assert_non_null(aligned_none);
    free(none);
    free(aligned_none);
    for (size_t count = 1; count < 200; count += 13) {
        float *a = cso_aligned_alloc(count, sizeof *a);
        assert_non_null(a);
        assert_int_equal((uintptr_t)a % 64, 0);
        memset(a, 1, count * sizeof *a);
        free(a);
    }
    static const size_t sizes[] = {0, 1, 100, (2 << 20) - 1, 2 << 20, (5 << 20) + 3};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *large = cso_huge_alloc(sizes[i]);
        assert_non_null(large);
        assert_int_equal((uintptr_t)large % 64, 0);
        memset(large, 1, sizes[i]);
        free(large);
    }
    assert_null(cso_huge_alloc(SIZE_MAX));
    assert_null(cso_huge_alloc(SIZE_MAX / 2));
    char *copy = cso_strndup("abcdef", 3);
    assert_string_equal(copy, "abc");
    free(copy);
    assert_null(cso_strndup("x", SIZE_MAX));
}

static void grows(void **state) {
    (void)state;
    int *items = NULL;
    size_t capacity = 0, moves = 0;
    for (size_t i = 0; i < 10000; i++) {
        size_t before = capacity;
        assert_true(cso_grow(&items, &capacity, i + 1, sizeof *items));
        assert_true(capacity > i);
        moves += capacity != before;
        items[i] = (int)i;
    }
    assert_true(moves < 20);
    for (size_t i = 0; i < 10000; i++)
        assert_int_equal(items[i], i);
    int *before = items;
    size_t old = capacity;
    assert_false(cso_grow(&items, &capacity, SIZE_MAX / 2, sizeof *items));
    assert_ptr_equal(items, before);
    assert_int_equal(capacity, old);
    free(items);
}

static void machine(void **state) {
    (void)state;
    size_t available = cso_memory_available();
    assert_true(available > 1 << 20);
    assert_true(available < (size_t)1 << 50);
    size_t before = cso_memory_peak(), size = 64 << 20;
    char *block = malloc(size);
    assert_non_null(block);
    memset(block, 1, size);
    __asm__ volatile("" : : "r"(block) : "memory");
    assert_true(cso_memory_peak() >= size && cso_memory_peak() >= before);
    free(block);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(checked_sizes), cmocka_unit_test(allocations), cmocka_unit_test(grows),
                                       cmocka_unit_test(machine)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

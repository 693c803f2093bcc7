/* test_sort.c - sorted, stable, and nothing lost, for every count up to some hundred. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/sort.h"

typedef struct item {
    unsigned key, number;
    char more[12]; /* a size that is not a power of two */
} item;

static int by_key(const void *left, const void *right) {
    const item *a = left, *b = right;
    return a->key < b->key ? -1 : a->key > b->key;
}

static void every_count(void **state) {
    (void)state;
    enum { MOST = 130 };
    item items[MOST], room[MOST];
    unsigned random = 1;
    for (unsigned count = 0; count <= MOST; count++)
        for (unsigned keys = 1; keys <= 1000; keys *= 10) {
            for (unsigned i = 0; i < count; i++) {
                random = random * 1664525 + 1013904223;
                items[i] = (item){.key = (random >> 16) % keys, .number = i, .more = {(char)i}};
            }
            uint64_t sum = 0;
            cso_sort(items, room, count, sizeof *items, by_key);
            for (unsigned i = 0; i < count; i++) {
                sum += items[i].number;
                assert_int_equal(items[i].more[0], (char)items[i].number);
                if (i)
                    assert_true(items[i - 1].key < items[i].key ||
                                (items[i - 1].key == items[i].key && items[i - 1].number < items[i].number));
            }
            assert_int_equal(sum, (uint64_t)count * (count ? count - 1 : 0) / 2);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_count)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

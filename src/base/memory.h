/* memory.h - checked sizes and allocations.
 *
 * Sizes that come from files are multiplied with cso_size_mul, never with `*`. All memory is released with free().
 */
#ifndef CSO_MEMORY_H
#define CSO_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* *product = a * b; false (and nothing stored) on overflow. */
bool cso_size_mul(size_t a, size_t b, size_t *product);
/* *sum = a + b; false (and nothing stored) if that overflows. */
bool cso_size_add(size_t a, size_t b, size_t *sum);

/* count * size zeroed bytes, NULL on overflow or lack of memory; never NULL for 0 bytes. */
void *cso_calloc(size_t count, size_t size);
/* The same, aligned to 64 bytes (a cache line, an AVX-512 register) and NOT zeroed: large float buffers. */
void *cso_aligned_alloc(size_t count, size_t size);
/* The same for arrays of many megabytes that are read again and again: the system is asked for huge pages, which makes reading them
 * up to twice as fast. */
void *cso_huge_alloc(size_t bytes);
/* Grows *array (capacity counted in items of `size` bytes) to hold at least `need` items, at least doubling. New items
 * are not zeroed. False, and nothing changed, on overflow or if out of memory. */
bool cso_grow(void *array_pointer, size_t *capacity, size_t need, size_t size);
/* `size` bytes that are NOT zeroed; never NULL for 0 bytes. */
void *cso_malloc(size_t size);
/* A copy of length bytes with a terminating zero; NULL if out of memory. */
char *cso_strndup(const char *text, size_t length);
char *cso_strdup(const char *text);
/* A new text formatted as by printf; NULL if out of memory. */
char *cso_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* For tests: called before each of the allocations above, by any thread; false makes it fail. NULL (the default): no hook. */
typedef bool (*cso_memory_hook)(size_t bytes);
void cso_memory_set_hook(cso_memory_hook hook);

/* Bytes of physical memory available to new work: MemAvailable, or less under a cgroup's limit. */
size_t cso_memory_available(void);
/* Resident size of this process now, and the highest so far, in bytes, including the pages of mapped files that were read. */
size_t cso_memory_resident(void);
size_t cso_memory_peak(void);

#ifdef __cplusplus
}
#endif
#endif

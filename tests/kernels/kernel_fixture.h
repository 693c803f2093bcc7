/* kernel_fixture.h - random weights and guarded buffers for the tests of kernels. */
#ifndef CSO_TESTS_KERNEL_FIXTURE_H
#define CSO_TESTS_KERNEL_FIXTURE_H

#include "kernels/kernels.h"
#include "kernels/tensor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A fixed sequence for each seed. */
uint32_t random_bits(uint32_t *seed);
float random_float(uint32_t *seed, float low, float high);
void fill_random(float *x, size_t n, float low, float high, uint32_t *seed);

/* Random bytes as blocks of `dtype`, whose scales are ordinary numbers up to about 1; freed with free_weight. Sizes are exact,
 * so that the address sanitizer sees a read past the end. */
cso_tensor random_weight(cso_dtype dtype, size_t rows, size_t columns, uint32_t *seed);
void free_weight(cso_tensor *w);

/* n floats between walls: filled with NaN; walls_hold tells whether nothing was written outside. Freed with free_walled. */
float *walled(size_t n);
bool walls_hold(const float *x, size_t n);
void free_walled(float *x);

/* Fails the test unless |got - expected| <= absolute + relative |expected| (so a NaN fails), or both are NaN. */
void check_close(const char *what, size_t n, size_t i, double got, double expected, double relative, double absolute);

#endif

/* bench_peak.h - what the processor can do at best, beside which kernels are measured: integer dot products from registers, and
 * reading memory. */
#ifndef CSO_BENCH_PEAK_H
#define CSO_BENCH_PEAK_H

#include <stddef.h>

/* Seconds in which all threads of the context make `*operations` operations on 8-bit integers (two for a product that is added),
 * with the widest instruction that the context's kernels use; 0: they use none. */
double bench_peak_integers(double *operations);
/* Seconds in which all threads read `bytes` bytes at `data`, aligned to 64, once. */
double bench_peak_read(const void *data, size_t bytes);

#endif

/* variants.h - the variants of the kernels: sets of functions for a kind of processor.
 *
 * A variant is a file and a row. kernels/NAME/NAME.c defines cso_variant_NAME below, and a row in kernels/CMakeLists.txt has
 * the name and the compiler's options for that file. The rows stand from the plainest to the fastest. kernels.c makes a table
 * for each variant that the processor can run: it begins as a copy of the table before it, and `fill` overrides the entries
 * that the variant does better. `ref` is the first and sets all of them.
 */
#ifndef CSO_KERNELS_VARIANTS_H
#define CSO_KERNELS_VARIANTS_H

#include "kernels.h"

#include <stdint.h>

/* Features of x86 processors beyond the oldest x86-64. For another one add a bit here, a line to CSO_VARIANT_NEEDS and a line
 * to processor_features in kernels.c. */
enum {
    CSO_CPU_AVX2 = 1 << 0,
    CSO_CPU_FMA = 1 << 1,
    CSO_CPU_F16C = 1 << 2,
    CSO_CPU_BMI2 = 1 << 3,
    CSO_CPU_AVX512F = 1 << 4,
    CSO_CPU_AVX512BW = 1 << 5,
    CSO_CPU_AVX512DQ = 1 << 6,
    CSO_CPU_AVX512VL = 1 << 7,
    CSO_CPU_AVX512VNNI = 1 << 8,
    CSO_CPU_AVX512BF16 = 1 << 9,
    CSO_CPU_AVXVNNI = 1 << 10
};

/* What this file is compiled for, so what a processor must have to run it. */
enum {
    CSO_VARIANT_NEEDS = 0
#ifdef __AVX2__
                        | CSO_CPU_AVX2
#endif
#ifdef __FMA__
                        | CSO_CPU_FMA
#endif
#ifdef __F16C__
                        | CSO_CPU_F16C
#endif
#ifdef __BMI2__
                        | CSO_CPU_BMI2
#endif
#ifdef __AVX512F__
                        | CSO_CPU_AVX512F
#endif
#ifdef __AVX512BW__
                        | CSO_CPU_AVX512BW
#endif
#ifdef __AVX512DQ__
                        | CSO_CPU_AVX512DQ
#endif
#ifdef __AVX512VL__
                        | CSO_CPU_AVX512VL
#endif
#ifdef __AVX512VNNI__
                        | CSO_CPU_AVX512VNNI
#endif
#ifdef __AVX512BF16__
                        | CSO_CPU_AVX512BF16
#endif
#ifdef __AVXVNNI__
                        | CSO_CPU_AVXVNNI
#endif
};

/* Constants only: nothing in a variant's file runs before the processor was found to have what it needs. */
typedef struct cso_variant {
    const char *name;
    uint32_t needs; /* CSO_VARIANT_NEEDS */
    void (*fill)(cso_kernels *table);
} cso_variant;

/* CSO_VARIANT(NAME) for each row of CMakeLists.txt, which writes this header. */
#define CSO_VARIANT(name) extern const cso_variant cso_variant_##name;
#include <cso_variant_rows.h>
#undef CSO_VARIANT

#endif

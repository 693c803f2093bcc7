/* kernels.c - the tables of all variants this CPU can run, and which of them is the fastest. */
#include "kernels.h"
#include "variants.h"

#include <pthread.h>
#include <string.h>

#ifdef CSO_HAVE_X86
#include <cpuid.h>
#endif

/* From the plainest to the fastest; a table is complete or its name is NULL. Written once, by fill_tables. */
enum { REF, AVX2, AVX512, VARIANTS };
static const char *const variant_names[VARIANTS] = {"ref", "avx2", "avx512"};
static cso_kernels tables[VARIANTS];
static int fastest;
static pthread_once_t filled = PTHREAD_ONCE_INIT;

#ifdef CSO_HAVE_X86
/* CPUID leaf 1, ECX bit 29; clang 14 has no name for it. */
static int cpu_has_f16c(void) {
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C);
}

/* __builtin_cpu_supports also asks the operating system whether it saves the registers. */
static int cpu_has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && cpu_has_f16c();
}

static int cpu_has_avx512(void) {
    return cpu_has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

static void fill_tables(void) {
    int best = REF;
    cso_ref_fill(&tables[REF]);
    tables[REF].name = variant_names[REF];
#ifdef CSO_HAVE_X86
    __builtin_cpu_init();
    if (cpu_has_avx2()) {
        best = AVX2;
        tables[AVX2] = tables[REF];
        tables[AVX2].name = variant_names[AVX2];
        cso_avx2_fill_ops(&tables[AVX2]);
        cso_avx2_fill_quant(&tables[AVX2]);
    }
    if (cpu_has_avx512()) {
        best = AVX512;
        tables[AVX512] = tables[AVX2];
        tables[AVX512].name = variant_names[AVX512];
        cso_avx512_fill_ops(&tables[AVX512]);
        cso_avx512_fill_quant(&tables[AVX512]);
    }
#endif
    fastest = best;
}

const cso_kernels *cso_kernels_choose(const char *most) {
    pthread_once(&filled, fill_tables);
    for (int i = 0; most && i < fastest; i++)
        if (!strcmp(most, variant_names[i]))
            return &tables[i];
    return &tables[fastest];
}

const cso_kernels *cso_kernels_named(const char *name) {
    pthread_once(&filled, fill_tables);
    for (int i = 0; i < VARIANTS; i++) {
        if (tables[i].name && !strcmp(tables[i].name, name))
            return &tables[i];
    }
    return NULL;
}

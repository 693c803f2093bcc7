/* kernels.c - the tables of all variants that this CPU can run. */
#include "kernels.h"
#include "variants.h"

#include <pthread.h>
#include <string.h>

#ifdef CSO_HAVE_X86
#include <cpuid.h>
#endif

static const cso_variant *const variants[] = {
#define CSO_VARIANT(name) &cso_variant_##name,
#include <cso_variant_rows.h>
#undef CSO_VARIANT
};

/* Written once, by fill_tables; constant after that. */
static cso_kernels tables[sizeof variants / sizeof *variants];
static size_t count;
static pthread_once_t filled = PTHREAD_ONCE_INIT;

#ifdef CSO_HAVE_X86
/* CPUID leaf 1, ECX bit 29; clang 14 has no name for it. */
static int has_f16c(void) {
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C);
}

/* CPUID leaf 7, subleaf 1, EAX bit 4; older compilers have no name for it. */
static int has_avxvnni(void) {
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && eax >= 1 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) &&
           (eax >> 4 & 1);
}
#endif

/* The features that this processor has; __builtin_cpu_supports also asks whether the operating system saves the registers. */
static uint32_t processor_features(void) {
    uint32_t has = 0;
#ifdef CSO_HAVE_X86
    __builtin_cpu_init();
    has |= __builtin_cpu_supports("avx2") ? CSO_CPU_AVX2 : 0;
    has |= __builtin_cpu_supports("fma") ? CSO_CPU_FMA : 0;
    has |= has_f16c() ? CSO_CPU_F16C : 0;
    has |= __builtin_cpu_supports("bmi2") ? CSO_CPU_BMI2 : 0;
    has |= __builtin_cpu_supports("avx512f") ? CSO_CPU_AVX512F : 0;
    has |= __builtin_cpu_supports("avx512bw") ? CSO_CPU_AVX512BW : 0;
    has |= __builtin_cpu_supports("avx512dq") ? CSO_CPU_AVX512DQ : 0;
    has |= __builtin_cpu_supports("avx512vl") ? CSO_CPU_AVX512VL : 0;
    has |= __builtin_cpu_supports("avx512vnni") ? CSO_CPU_AVX512VNNI : 0;
    has |= __builtin_cpu_supports("avx512bf16") ? CSO_CPU_AVX512BF16 : 0;
    has |= __builtin_cpu_supports("avx2") && has_avxvnni() ? CSO_CPU_AVXVNNI : 0;
#endif
    return has;
}

static void fill_tables(void) {
    uint32_t has = processor_features();
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++) {
        if (variants[i]->needs & ~has)
            continue;
        if (count)
            tables[count] = tables[count - 1];
        tables[count].name = variants[i]->name;
        variants[i]->fill(&tables[count]);
        count++;
    }
}

const cso_kernels *cso_kernels_at(size_t index) {
    pthread_once(&filled, fill_tables);
    return index < count ? &tables[index] : NULL;
}

const cso_kernels *cso_kernels_choose(const char *most) {
    pthread_once(&filled, fill_tables);
    for (size_t i = 0; most && i < count; i++)
        if (!strcmp(most, tables[i].name))
            return &tables[i];
    return &tables[count - 1];
}

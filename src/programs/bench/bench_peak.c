/* bench_peak.c - see bench_peak.h. */
#include "bench_peak.h"

#include "base/parallel.h"
#include "bench.h"

#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { STEPS = 100000, CHAINS = 12, CHUNK = 1 << 20 };

#ifdef __x86_64__
#pragma GCC diagnostic ignored "-Wpsabi"

/* The register goes through an empty statement each time, so that the compiler cannot make one of several equal operations. */
#define KEEP(x) __asm__ volatile("" : "+v"(x))

__attribute__((target("avx512f,avx512vnni"))) static void dots_avx512(void) {
    __m512i sums[CHAINS], ones = _mm512_set1_epi8(1);
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++)
        sums[i] = _mm512_setzero_si512();
    for (int step = 0; step < STEPS; step++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) {
            sums[i] = _mm512_dpbusd_epi32(sums[i], ones, ones);
            KEEP(sums[i]);
        }
    }
}

__attribute__((target("avx2"))) static void dots_avx2(void) {
    __m256i sums[CHAINS], ones = _mm256_set1_epi8(1);
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++)
        sums[i] = _mm256_setzero_si256();
    for (int step = 0; step < STEPS; step++) {
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) {
            __m256i product = _mm256_maddubs_epi16(ones, ones);
            KEEP(product);
            sums[i] = _mm256_add_epi16(sums[i], product);
            KEEP(sums[i]);
        }
    }
}

typedef struct instruction {
    const char *kernels;
    void (*run)(void);
    double operations; /* of one */
} instruction;

static const instruction instructions[] = {{"avx512vnni", dots_avx512, 128}, {"avx512", dots_avx2, 64}, {"avx2", dots_avx2, 64}};

static void run_task(void *context, size_t index, int thread) {
    (void)index;
    (void)thread;
    ((const instruction *)context)->run();
}

double bench_peak_integers(double *operations) {
    cso_pool *pool = bench_context()->pool;
    for (size_t i = 0; i < sizeof instructions / sizeof *instructions; i++) {
        if (strcmp(bench_context()->kernels->name, instructions[i].kernels) != 0)
            continue;
        size_t threads = (size_t)cso_pool_threads(pool);
        double began = bench_clock();
        cso_parallel_for(pool, threads, run_task, (void *)(uintptr_t)&instructions[i]);
        *operations = instructions[i].operations * STEPS * CHAINS * (double)threads;
        return bench_clock() - began;
    }
    *operations = 0;
    return 0;
}
#else
double bench_peak_integers(double *operations) {
    *operations = 0;
    return 0;
}
#endif

typedef struct reading {
    const uint64_t *data;
    size_t bytes;
} reading;

static void read_task(void *context, size_t index, int thread) {
    const reading *r = context;
    size_t from = index * CHUNK / 8, to = ((index + 1) * CHUNK < r->bytes ? (index + 1) * CHUNK : r->bytes) / 8;
    uint64_t sums[16] = {0};
    volatile uint64_t kept;
    (void)thread;
    for (size_t i = from; i + 16 <= to; i += 16)
        for (int j = 0; j < 16; j++)
            sums[j] += r->data[i + (size_t)j];
    for (int j = 1; j < 16; j++)
        sums[0] ^= sums[j];
    kept = sums[0];
    (void)kept;
}

double bench_peak_read(const void *data, size_t bytes) {
    reading r = {data, bytes};
    double began = bench_clock();
    cso_parallel_for(bench_context()->pool, (bytes + CHUNK - 1) / CHUNK, read_task, &r);
    return bench_clock() - began;
}

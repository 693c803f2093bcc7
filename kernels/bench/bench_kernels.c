/* bench_kernels.c - rates of the kernels beside what they are measured against, in one run.
 *
 *   bench_kernels [gemm|bf16|thin|gemv|dequantize|ops ...]     (all if none is named; CSO_THREADS=N)
 *
 * Matrix products: GFLOP/s of cso_gemm_nt and _nn for weights of several types, of OpenBLAS's own threaded sgemm on f32
 * matrices of the same shape, and the ratio. The two take turns, and the best of several rounds counts, because other work
 * on the machine disturbs both. With one thread processor time is counted, which it disturbs less.
 */
#include "cso/gemm.h"
#include "cso/kernels.h"
#include "cso/memory.h"
#include "cso/parallel.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(cso_threads() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *must(void *memory) {
    if (!memory) {
        fputs("bench_kernels: out of memory\n", stderr);
        exit(CSO_ERR_SYSTEM);
    }
    return memory;
}

static void check(cso_status status, const cso_error *err) {
    if (status != CSO_OK) {
        fprintf(stderr, "bench_kernels: %s\n", err->message);
        exit(status);
    }
}

static float *random_floats(size_t n) {
    float *x = must(cso_aligned_alloc(n, sizeof *x));
    uint32_t state = 1;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) * 0x1p-24f - 0.5f;
    }
    return x;
}

/* A weight matrix of random bytes; halves in them are kept ordinary, so that no product becomes NaN. */
static cso_tensor random_weight(cso_dtype dtype, size_t rows, size_t columns) {
    cso_tensor t = {.name = "w", .dtype = dtype, .n_dims = 2, .shape = {rows, columns}};
    if (!cso_dtype_row_bytes(dtype, columns, &t.row_bytes))
        return t;
    t.size = rows * t.row_bytes;
    if (dtype == CSO_F32 || dtype == CSO_BF16) {
        float *values = random_floats(rows * columns);
        uint16_t *halves = (uint16_t *)(void *)values;
        for (size_t i = 0; dtype == CSO_BF16 && i < rows * columns; i++)
            halves[i] = cso_f32_to_bf16(values[i]);
        t.data = values;
        return t;
    }
    uint8_t *bytes = must(cso_aligned_alloc(t.size, 1));
    uint32_t state = 7;
    for (size_t i = 0; i < t.size; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)((state >> 24) & 0x3b); /* as a half's high byte: below 1 */
    }
    t.data = bytes;
    return t;
}

typedef struct {
    size_t m, n, k;
    const char *what;
} shape;

static const shape shapes[] = {
    {1400, 576, 576, "SmolLM2 q, o"},  {1400, 192, 576, "SmolLM2 k, v"},   {1400, 1536, 576, "SmolLM2 gate, up"},
    {1400, 576, 1536, "SmolLM2 down"}, {512, 49152, 576, "SmolLM2 head"},  {1024, 4096, 4096, "8B q, o"},
    {1024, 1024, 4096, "8B k, v"},     {1024, 14336, 4096, "8B gate, up"}, {1024, 4096, 14336, "8B down"},
};

static double openblas(const shape *s, bool backward, const float *x, const float *w, float *y) {
    double start = now();
    if (backward)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)s->m, (blasint)s->k, (blasint)s->n, 1, x, (blasint)s->n, w,
                    (blasint)s->k, 0, y, (blasint)s->k);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)s->m, (blasint)s->n, (blasint)s->k, 1, x, (blasint)s->k, w,
                    (blasint)s->k, 0, y, (blasint)s->n);
    return now() - start;
}

static double ours(cso_gemm *gemm, const shape *s, bool backward, const float *x, const cso_tensor *w, float *y) {
    cso_error err;
    double start = now();
    if (backward)
        check(cso_gemm_nn(gemm, y, s->k, x, s->n, s->m, w, 0, s->n, false, &err), &err);
    else
        check(cso_gemm_nt(gemm, y, s->n, x, s->k, s->m, w, 0, s->n, false, &err), &err);
    return now() - start;
}

static void bench_gemm(cso_compute compute) {
    static const cso_dtype dtypes[] = {CSO_F32, CSO_BF16, CSO_Q8_0, CSO_Q4_1, CSO_Q4_K};
    enum { DTYPES = sizeof dtypes / sizeof *dtypes };
    cso_error err;
    cso_gemm *gemm;
    if (cso_gemm_create(&gemm, compute, &err) != CSO_OK) {
        printf("%s\n", err.message);
        return;
    }
    printf("\n%s products, GFLOP/s (and the ratio to OpenBLAS's own threaded sgemm)\n%-18s %2s %5s %6s %6s %9s",
           compute ? "bf16" : "f32", "shape", "", "m", "n", "k", "OpenBLAS");
    for (int d = 0; d < DTYPES; d++)
        printf(" %13s", cso_dtype_get(dtypes[d])->name);
    printf("\n");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const shape *s = &shapes[i];
        double flops = 2.0 * (double)s->m * (double)s->n * (double)s->k;
        int rounds = flops > 2e10 ? 4 : 12;
        size_t widest = s->n > s->k ? s->n : s->k;
        float *x = random_floats(s->m * widest), *y = must(cso_aligned_alloc(s->m * widest, sizeof *y));
        cso_tensor w[DTYPES];
        for (int d = 0; d < DTYPES; d++)
            w[d] = random_weight(dtypes[d], s->n, s->k);
        for (int backward = 0; backward < 2; backward++) {
            double best[DTYPES + 1];
            for (int d = 0; d <= DTYPES; d++)
                best[d] = 1e30;
            for (int round = 0; round < rounds; round++) {
                for (int d = 0; d <= DTYPES; d++) {
                    if (d < DTYPES && !w[d].data)
                        continue;
                    double t = d < DTYPES ? ours(gemm, s, backward, x, &w[d], y) : openblas(s, backward, x, w[0].data, y);
                    best[d] = t < best[d] ? t : best[d];
                }
            }
            printf("%-18s %2s %5zu %6zu %6zu %9.1f", s->what, backward ? "nn" : "nt", s->m, s->n, s->k, flops / best[DTYPES] / 1e9);
            for (int d = 0; d < DTYPES; d++) {
                if (w[d].data)
                    printf("  %6.1f %4.2f", flops / best[d] / 1e9, best[DTYPES] / best[d]);
                else
                    printf(" %13s", "-");
            }
            printf("\n");
            fflush(stdout);
        }
        for (int d = 0; d < DTYPES; d++)
            free((void *)(uintptr_t)w[d].data);
        free(x);
        free(y);
    }
    cso_gemm_free(gemm);
}

/* Products of LoRA: thin factors, and the gradient of a factor, whose long side is summed over. */
static void bench_thin(void) {
    static const struct {
        bool trans_a, trans_b;
        size_t m, n, k;
        const char *what;
    } cases[] = {
        {false, true, 1400, 16, 576, "x A^T"},   {false, true, 1400, 1536, 16, "h B^T"},
        {true, false, 16, 576, 1400, "dh^T x"},  {true, false, 16, 1536, 1400, "dh^T x"},
        {true, false, 1536, 16, 1400, "dy^T h"}, {false, false, 1400, 16, 1536, "dy B"},
        {false, true, 1024, 16, 4096, "x A^T"},  {false, true, 1024, 14336, 16, "h B^T"},
        {true, false, 16, 4096, 1024, "dh^T x"}, {true, false, 14336, 16, 1024, "dy^T h"},
        {false, false, 1024, 16, 14336, "dy B"}, {true, false, 576, 576, 1400, "dy^T x, full weights"},
    };
    printf("\nthin products, GFLOP/s\n%-22s %6s %6s %6s %9s %9s\n", "", "m", "n", "k", "OpenBLAS", "ours");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t m = cases[i].m, n = cases[i].n, k = cases[i].k, lda = cases[i].trans_a ? m : k, ldb = cases[i].trans_b ? k : n;
        float *a = random_floats(m * k), *b = random_floats(n * k), *c = must(cso_aligned_alloc(m * n, sizeof *c));
        double best = 1e30, theirs = 1e30, flops = 2.0 * (double)m * (double)n * (double)k;
        for (int round = 0; round < 30; round++) {
            double start = now();
            cso_sgemm(cases[i].trans_a, cases[i].trans_b, m, n, k, 1, a, lda, b, ldb, 0, c, n);
            double t = now() - start;
            best = t < best ? t : best;
            start = now();
            cblas_sgemm(CblasRowMajor, cases[i].trans_a ? CblasTrans : CblasNoTrans, cases[i].trans_b ? CblasTrans : CblasNoTrans,
                        (blasint)m, (blasint)n, (blasint)k, 1, a, (blasint)lda, b, (blasint)ldb, 0, c, (blasint)n);
            t = now() - start;
            theirs = t < theirs ? t : theirs;
        }
        printf("%-22s %6zu %6zu %6zu %9.1f %9.1f\n", cases[i].what, m, n, k, flops / theirs / 1e9, flops / best / 1e9);
        free(a);
        free(b);
        free(c);
    }
}

/* One row of x: bound by reading the weights. */
static void bench_gemv(void) {
    cso_error err;
    cso_gemm *gemm;
    check(cso_gemm_create(&gemm, CSO_COMPUTE_F32, &err), &err);
    const shape s = {1, 14336, 4096, ""};
    float *x = random_floats(s.k), *y = must(cso_aligned_alloc(s.n, sizeof *y));
    printf("\none row of x times 14336 x 4096, GB/s of stored weights and Gweights/s\n");
    for (int d = 0; d < CSO_DTYPE_COUNT; d++) {
        cso_tensor w = random_weight((cso_dtype)d, s.n, s.k);
        double best = 1e30;
        for (int round = 0; round < 5; round++) {
            double t = ours(gemm, &s, false, x, &w, y);
            best = t < best ? t : best;
        }
        printf("%-8s %8.2f %8.2f\n", cso_dtype_get((cso_dtype)d)->name, (double)w.size / best / 1e9,
               (double)(s.n * s.k) / best / 1e9);
        free((void *)(uintptr_t)w.data);
    }
    free(x);
    free(y);
    cso_gemm_free(gemm);
}

static const char *const variants[] = {"ref", "avx2", "avx512"};

static void bench_dequantize(void) {
    enum { COLUMNS = 4096, ROWS = 64 };
    float *out = must(cso_aligned_alloc(COLUMNS, sizeof *out));
    printf("\ndequantizing in one thread, Gweights/s\n%-8s", "");
    for (int v = 0; v < 3; v++)
        printf(" %8s", variants[v]);
    printf("\n");
    for (int d = 0; d < CSO_DTYPE_COUNT; d++) {
        cso_tensor w = random_weight((cso_dtype)d, ROWS, COLUMNS);
        printf("%-8s", cso_dtype_get((cso_dtype)d)->name);
        for (int v = 0; v < 3; v++) {
            const cso_kernels *table = cso_kernels_named(variants[v]);
            double best = 1e30;
            for (int round = 0; table && round < 10; round++) {
                double start = now();
                for (size_t r = 0; r < ROWS; r++)
                    table->dequantize_row[d](cso_tensor_row(&w, r), out, COLUMNS);
                double t = now() - start;
                best = t < best ? t : best;
            }
            printf(" %8.2f", table ? ROWS * COLUMNS / best / 1e9 : 0);
        }
        printf("\n");
        free((void *)(uintptr_t)w.data);
    }
    free(out);
}

enum { OP_N = 4096, OP_KINDS = 17 };

static const char *run_op(const cso_kernels *k, int op, float *a, float *b, float *c, float *d, float *e) {
    switch (op) {
    case 0:
        k->rmsnorm_forward(a, b, c, OP_N, 1e-5f);
        return "rmsnorm_forward";
    case 1:
        k->rmsnorm_backward(a, b, c, d, 1, OP_N);
        return "rmsnorm_backward";
    case 2:
        k->rope(a, b, c, OP_N / 128, 128, 0);
        return "rope";
    case 3:
        k->swiglu_forward(a, b, c, OP_N);
        return "swiglu_forward";
    case 4:
        k->swiglu_backward(a, b, c, d, e, OP_N);
        return "swiglu_backward";
    case 5:
        k->geglu_forward(a, b, c, OP_N);
        return "geglu_forward";
    case 6:
        k->geglu_backward(a, b, c, d, e, OP_N);
        return "geglu_backward";
    case 7:
        k->softcap(a, OP_N, 30);
        return "softcap";
    case 8:
        k->softcap_backward(a, b, OP_N, 30);
        return "softcap_backward";
    case 9:
        k->max(a, OP_N);
        return "max";
    case 10:
        k->exp_sum(a, OP_N, 0);
        return "exp_sum";
    case 11:
        k->exp_sum_only(a, OP_N, 0);
        return "exp_sum_only";
    case 12:
        k->dot(a, b, OP_N);
        return "dot";
    case 13:
        k->add(a, b, OP_N);
        return "add";
    case 14:
        k->axpy(a, b, 0.1f, OP_N);
        return "axpy";
    case 15:
        k->scale(a, 0.99f, OP_N);
        return "scale";
    default:
        k->adamw(a, b, c, d, OP_N, 1, 1e-4, 0.9, 0.999, 1e-8, 0, 0.1, 0.001);
        return "adamw";
    }
}

static void bench_ops(void) {
    printf("\noperations on %d numbers in one thread, Gnumbers/s\n%-18s", OP_N, "");
    for (int v = 0; v < 3; v++)
        printf(" %8s", variants[v]);
    printf("\n");
    for (int op = 0; op < OP_KINDS; op++) {
        const char *name = "";
        double rate[3] = {0};
        for (int v = 0; v < 3; v++) {
            const cso_kernels *table = cso_kernels_named(variants[v]);
            float *x[5];
            for (int i = 0; i < 5; i++)
                x[i] = random_floats(OP_N);
            for (int i = 0; i < OP_N; i++)
                x[2][i] += 1; /* a second moment, a weight */
            double best = 1e30;
            for (int round = 0; table && round < 20; round++) {
                double start = now();
                for (int r = 0; r < 16; r++)
                    name = run_op(table, op, x[0], x[1], x[2], x[3], x[4]);
                double t = (now() - start) / 16;
                best = t < best ? t : best;
            }
            rate[v] = table ? OP_N / best / 1e9 : 0;
            for (int i = 0; i < 5; i++)
                free(x[i]);
        }
        printf("%-18s", name);
        for (int v = 0; v < 3; v++)
            printf(" %8.2f", rate[v]);
        printf("\n");
    }
}

static bool wanted(int argc, char **argv, const char *name) {
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], name))
            return true;
    }
    return argc < 2;
}

int main(int argc, char **argv) {
    const char *threads = getenv("CSO_THREADS");
    cso_threads_set(threads ? atoi(threads) : 0);
    float one = 1, product;
    cso_sgemm_serial(false, false, 1, 1, 1, 1, &one, 1, &one, 1, 0, &product, 1); /* OpenBLAS has chosen its kernels after this */
    printf("%d threads, kernels %s, OpenBLAS %s\n", cso_threads(), cso_kernels_get()->name, openblas_get_corename());
    if (wanted(argc, argv, "gemm"))
        bench_gemm(CSO_COMPUTE_F32);
    if (wanted(argc, argv, "bf16"))
        bench_gemm(CSO_COMPUTE_BF16);
    if (wanted(argc, argv, "thin"))
        bench_thin();
    if (wanted(argc, argv, "gemv"))
        bench_gemv();
    if (wanted(argc, argv, "dequantize"))
        bench_dequantize();
    if (wanted(argc, argv, "ops"))
        bench_ops();
    return 0;
}

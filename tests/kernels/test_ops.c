/* test_ops.c - every operation of kernels.h: each variant against the plain one, which computes in double, over odd lengths
 * and within its arrays; gradients against central differences; exp over its whole range. */
#include "kernel_fixture.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const size_t sizes[] = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 65, 100, 255, 1000, 1031, 2049};
enum { SIZES = sizeof sizes / sizeof *sizes, INPUTS = 5 };

/* One run of an operation: in[] are read (in[0], in[1] may be written too where the operation adds to them), out[] are set. */
typedef struct {
    float *in[INPUTS], *out[2];
    size_t n;
    double result;
} operands;

typedef void (*operation)(const cso_kernels *k, operands *o);

static void op_rmsnorm_forward(const cso_kernels *k, operands *o) {
    o->result = k->rmsnorm_forward(o->out[0], o->in[1], o->in[2], o->n, 1e-5f);
}
static void op_rmsnorm_backward(const cso_kernels *k, operands *o) {
    k->rmsnorm_backward(o->in[0], o->in[1], o->in[2], o->in[3], 1.7f, o->n);
}
static void op_swiglu_forward(const cso_kernels *k, operands *o) {
    k->swiglu_forward(o->out[0], o->in[1], o->in[2], o->n);
}
static void op_swiglu_backward(const cso_kernels *k, operands *o) {
    k->swiglu_backward(o->out[0], o->out[1], o->in[1], o->in[2], o->in[3], o->n);
}
static void op_geglu_forward(const cso_kernels *k, operands *o) {
    k->geglu_forward(o->out[0], o->in[1], o->in[2], o->n);
}
static void op_geglu_backward(const cso_kernels *k, operands *o) {
    k->geglu_backward(o->out[0], o->out[1], o->in[1], o->in[2], o->in[3], o->n);
}
static void op_softcap(const cso_kernels *k, operands *o) {
    k->softcap(o->in[0], o->n, 3.0f);
}
static void op_softcap_small(const cso_kernels *k, operands *o) {
    k->softcap(o->in[0], o->n, 50.0f);
}
static void op_softcap_backward(const cso_kernels *k, operands *o) {
    k->softcap_backward(o->in[0], o->in[1], o->n, 8.5f);
}
static void op_max(const cso_kernels *k, operands *o) {
    o->result = o->n ? k->max(o->in[0], o->n) : 0;
}
static void op_exp_sum(const cso_kernels *k, operands *o) {
    o->result = k->exp_sum(o->in[0], o->n, 5.5f);
}
static void op_exp_sum_only(const cso_kernels *k, operands *o) {
    o->result = k->exp_sum_only(o->in[0], o->n, 5.5f);
}
static void op_dot(const cso_kernels *k, operands *o) {
    o->result = k->dot(o->in[0], o->in[1], o->n) + 100 * sqrt((double)o->n);
}
static void op_add(const cso_kernels *k, operands *o) {
    k->add(o->in[0], o->in[1], o->n);
}
static void op_axpy(const cso_kernels *k, operands *o) {
    k->axpy(o->in[0], o->in[1], -0.37f, o->n);
}
static void op_scale(const cso_kernels *k, operands *o) {
    k->scale(o->in[0], 1.0f / 3, o->n);
}
static void op_adamw(const cso_kernels *k, operands *o) {
    for (size_t i = 0; i < o->n; i++)
        o->in[2][i] = fabsf(o->in[2][i]);
    k->adamw(o->in[0], o->in[1], o->in[2], o->in[3], o->n, 0.7, 1e-3, 0.9, 0.999, 1e-8, 0.1, 0.3, 0.02);
}

/* Tolerances are for numbers up to about 8 in size: one rounding is 6e-8 of the largest term in a sum. */
static const struct {
    const char *name;
    operation run;
    double relative, absolute;
} operations[] = {
    {"rmsnorm_forward", op_rmsnorm_forward, 3e-7, 0},
    {"rmsnorm_backward", op_rmsnorm_backward, 5e-7, 4e-5},
    {"swiglu_forward", op_swiglu_forward, 6e-7, 0},
    {"swiglu_backward", op_swiglu_backward, 6e-7, 1e-5},
    {"geglu_forward", op_geglu_forward, 2e-5, 1e-30},
    {"geglu_backward", op_geglu_backward, 2e-5, 1e-5},
    {"softcap", op_softcap, 4e-7, 0},
    {"softcap, small arguments", op_softcap_small, 4e-7, 0},
    {"softcap_backward", op_softcap_backward, 1e-6, 1e-9},
    {"max", op_max, 0, 0},
    {"exp_sum", op_exp_sum, 3e-7, 0},
    {"exp_sum_only", op_exp_sum_only, 3e-7, 0},
    {"dot", op_dot, 1e-6, 0},
    {"add", op_add, 0, 0},
    {"axpy", op_axpy, 1e-7, 0},
    {"scale", op_scale, 0, 0},
    {"adamw", op_adamw, 4e-7, 1e-6},
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

static void prepare(operands *o, size_t n, uint32_t seed) {
    *o = (operands){.n = n};
    for (int i = 0; i < INPUTS; i++) {
        o->in[i] = walled(n);
        fill_random(o->in[i], n, -8, 8, &seed);
    }
    for (int i = 0; i < 2; i++)
        o->out[i] = walled(n);
}

static void release(operands *o) {
    for (int i = 0; i < INPUTS; i++) {
        assert_true(walls_hold(o->in[i], o->n));
        free_walled(o->in[i]);
    }
    for (int i = 0; i < 2; i++) {
        assert_true(walls_hold(o->out[i], o->n));
        free_walled(o->out[i]);
    }
}

static void variants_agree(void **state) {
    (void)state;
    for (size_t v = 1; cso_kernels_at(v); v++) {
        const cso_kernels *table = cso_kernels_at(v);
        for (int op = 0; op < OPERATIONS; op++) {
            for (int s = 0; s < SIZES; s++) {
                operands expected, got;
                prepare(&expected, sizes[s], (uint32_t)s + 1);
                prepare(&got, sizes[s], (uint32_t)s + 1);
                operations[op].run(cso_kernels_at(0), &expected);
                operations[op].run(table, &got);
                double relative = operations[op].relative, absolute = operations[op].absolute;
                check_close(operations[op].name, sizes[s], 0, got.result, expected.result, relative, 0);
                for (size_t i = 0; i < sizes[s]; i++) {
                    for (int j = 0; j < INPUTS; j++)
                        check_close(operations[op].name, sizes[s], i, got.in[j][i], expected.in[j][i], relative, absolute);
                    for (int j = 0; j < 2; j++)
                        check_close(operations[op].name, sizes[s], i, got.out[j][i], expected.out[j][i], relative, absolute);
                }
                release(&expected);
                release(&got);
            }
        }
    }
}

static void rope_variants_agree(void **state) {
    (void)state;
    static const size_t shapes[][2] = {{0, 64}, {1, 2}, {3, 6}, {2, 32}, {5, 34}, {9, 64}, {4, 128}, {2, 256}, {3, 96}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        size_t n = shapes[s][0] * shapes[s][1], half = shapes[s][1] / 2;
        for (size_t v = 0; cso_kernels_at(v); v++) {
            const cso_kernels *table = cso_kernels_at(v);
            uint32_t seed = 3;
            float *x = walled(n), *expected = walled(n), *cosine = walled(half), *sine = walled(half);
            fill_random(x, n, -2, 2, &seed);
            for (size_t i = 0; i < half; i++) {
                double angle = random_float(&seed, -4, 4);
                cosine[i] = (float)cos(angle);
                sine[i] = (float)sin(angle);
            }
            /* Hugging Face: x cos + rotate_half(x) sin, rotate_half(x) = [-x2, x1]. */
            for (size_t i = 0; i < n; i++) {
                size_t e = i % shapes[s][1];
                double other = e < half ? -(double)x[i + half] : (double)x[i - half];
                expected[i] = (float)((double)x[i] * cosine[e % half] + other * sine[e % half]);
            }
            table->rope(x, cosine, sine, shapes[s][0], shapes[s][1], 0);
            for (size_t i = 0; i < n; i++)
                check_close("rope", n, i, x[i], expected[i], 0, 4e-7);
            table->rope(x, cosine, sine, shapes[s][0], shapes[s][1], 1);
            seed = 3;
            for (size_t i = 0; i < n; i++)
                check_close("rope back", n, i, x[i], random_float(&seed, -2, 2), 0, 1e-6);
            assert_true(walls_hold(x, n) && walls_hold(cosine, half) && walls_hold(sine, half));
            free_walled(x);
            free_walled(expected);
            free_walled(cosine);
            free_walled(sine);
        }
    }
}

/* The gradients' outputs may be their inputs, as the header promises. */
static void arguments_may_coincide(void **state) {
    (void)state;
    enum { N = 77 };
    for (size_t v = 0; cso_kernels_at(v); v++) {
        const cso_kernels *k = cso_kernels_at(v);
        uint32_t seed = 9;
        float gate[N], up[N], dact[N], dgate[N], dup[N], a[N], b[N], c[N];
        fill_random(gate, N, -4, 4, &seed);
        fill_random(up, N, -4, 4, &seed);
        fill_random(dact, N, -4, 4, &seed);
        for (int form = 0; form < 4; form++) {
            void (*backward)(float *, float *, const float *, const float *, const float *, size_t) =
                form & 1 ? k->geglu_backward : k->swiglu_backward;
            backward(dgate, dup, dact, gate, up, N);
            memcpy(a, form & 2 ? dact : gate, sizeof a);
            memcpy(b, up, sizeof b);
            backward(a, b, form & 2 ? a : dact, form & 2 ? gate : a, b, N);
            assert_memory_equal(a, dgate, sizeof a);
            assert_memory_equal(b, dup, sizeof b);
        }
        k->rmsnorm_forward(a, gate, up, N, 1e-6f);
        memcpy(c, gate, sizeof c);
        k->rmsnorm_forward(c, c, up, N, 1e-6f);
        assert_memory_equal(a, c, sizeof a);
    }
}

/* --- gradients: sum_i weight_i f_i(x), differentiated by x_j --- */

typedef void (*function)(const cso_kernels *k, const float *x, const float *other, float *y, size_t n);
static void f_rmsnorm(const cso_kernels *k, const float *x, const float *other, float *y, size_t n) {
    k->rmsnorm_forward(y, x, other, n, 1e-5f);
}
static void f_swiglu(const cso_kernels *k, const float *x, const float *other, float *y, size_t n) {
    k->swiglu_forward(y, x, other, n);
}
static void f_swiglu_up(const cso_kernels *k, const float *x, const float *other, float *y, size_t n) {
    k->swiglu_forward(y, other, x, n);
}
static void f_geglu(const cso_kernels *k, const float *x, const float *other, float *y, size_t n) {
    k->geglu_forward(y, x, other, n);
}
static void f_geglu_up(const cso_kernels *k, const float *x, const float *other, float *y, size_t n) {
    k->geglu_forward(y, other, x, n);
}
static void f_softcap(const cso_kernels *k, const float *x, const float *other, float *y, size_t n) {
    (void)other;
    memcpy(y, x, n * sizeof *y);
    k->softcap(y, n, 2.5f);
}

enum { GRADIENT_N = 37 };

static void check_gradient(const char *what, const cso_kernels *k, function f, const float *x, const float *other,
                           const float *weight, const float *gradient) {
    const size_t n = GRADIENT_N;
    float *moved = walled(n), *y = walled(n);
    for (size_t j = 0; j < n; j++) {
        double difference[2];
        for (int step = 0; step < 2; step++) { /* two steps, of which the error of second order is removed */
            double sum[2], h[2];
            for (int side = 0; side < 2; side++) {
                memcpy(moved, x, n * sizeof *moved);
                moved[j] += (side ? -0.04f : 0.04f) / (float)(step + 1);
                h[side] = (double)moved[j] - x[j];
                f(k, moved, other, y, n);
                sum[side] = 0;
                for (size_t i = 0; i < n; i++)
                    sum[side] += (double)weight[i] * y[i];
            }
            difference[step] = (sum[0] - sum[1]) / (h[0] - h[1]);
        }
        check_close(what, n, j, gradient[j], (4 * difference[1] - difference[0]) / 3, 2e-4, 2e-4);
    }
    free_walled(moved);
    free_walled(y);
}

static void gradients_match_differences(void **state) {
    (void)state;
    enum { N = GRADIENT_N };
    for (size_t v = 0; cso_kernels_at(v); v++) {
        const cso_kernels *k = cso_kernels_at(v);
        uint32_t seed = 21;
        float x[N], other[N], weight[N], y[N], dx[N], dother[N];
        fill_random(x, N, -3, 3, &seed);
        fill_random(other, N, -1, 1, &seed);
        fill_random(weight, N, -1, 1, &seed);

        float rstd = k->rmsnorm_forward(y, x, other, N, 1e-5f);
        memset(dx, 0, sizeof dx);
        k->rmsnorm_backward(dx, weight, x, other, rstd, N);
        check_gradient("rmsnorm", k, f_rmsnorm, x, other, weight, dx);
        float once[N];
        memcpy(once, dx, sizeof once);
        k->rmsnorm_backward(dx, weight, x, other, rstd, N); /* it adds */
        for (int i = 0; i < N; i++)
            check_close("rmsnorm twice", N, (size_t)i, dx[i], 2 * (double)once[i], 1e-6, 1e-7);

        k->swiglu_backward(dx, dother, weight, x, other, N);
        check_gradient("swiglu gate", k, f_swiglu, x, other, weight, dx);
        check_gradient("swiglu up", k, f_swiglu_up, other, x, weight, dother);
        k->geglu_backward(dx, dother, weight, x, other, N);
        check_gradient("geglu gate", k, f_geglu, x, other, weight, dx);
        check_gradient("geglu up", k, f_geglu_up, other, x, weight, dother);

        f_softcap(k, x, NULL, y, N);
        memcpy(dx, weight, sizeof dx);
        k->softcap_backward(dx, y, N, 2.5f);
        check_gradient("softcap", k, f_softcap, x, NULL, weight, dx);
    }
}

/* --- values at the ends --- */

static void exp_is_accurate_everywhere(void **state) {
    (void)state;
    enum { CHUNK = 1024 };
    for (size_t v = 0; cso_kernels_at(v); v++) {
        const cso_kernels *k = cso_kernels_at(v);
        double worst = 0;
        for (float start = -87.0f; start < 88.7f;) {
            float x[CHUNK], y[CHUNK];
            for (int i = 0; i < CHUNK; i++) {
                x[i] = start = start + 1e-3f;
                y[i] = x[i] = start < 88.72f ? start : 88.72f;
            }
            k->exp_sum(y, CHUNK, 0);
            for (int i = 0; i < CHUNK; i++) {
                double error = fabs(y[i] / exp((double)x[i]) - 1);
                worst = !(error <= worst) ? error : worst;
            }
        }
        if (!(worst < 3e-7))
            fail_msg("%s: relative error of exp %g", cso_kernels_at(v)->name, worst);
        float ends[] = {-87.0f, -87.5f, -1e30f, -INFINITY, 0.0f, -0.0f, 89.0f, 1e30f, INFINITY, NAN, -86.999f, 1e-30f};
        k->exp_sum(ends, sizeof ends / sizeof *ends, 0);
        for (int i = 0; i < 4; i++)
            assert_true(ends[i] == 0);
        assert_true(ends[4] == 1 && ends[5] == 1 && ends[6] == INFINITY && ends[7] == INFINITY && ends[8] == INFINITY);
        assert_true(isnan(ends[9]) && ends[10] > 0 && ends[11] == 1);
    }
}

static void nothing_hides_a_nan(void **state) {
    (void)state;
    for (size_t v = 0; cso_kernels_at(v); v++) {
        const cso_kernels *k = cso_kernels_at(v);
        for (size_t n = 1; n < 40; n++) {
            for (size_t at = 0; at < n; at++) {
                float x[40], y[40], w[40];
                for (size_t i = 0; i < n; i++)
                    x[i] = w[i] = (float)i + 1;
                assert_true(k->max(x, n) == (float)n);
                x[at] = NAN;
                assert_true(isnan(k->max(x, n)) && isnan(k->exp_sum_only(x, n, 0)) && isnan(k->dot(x, w, n)));
                assert_true(isnan(k->rmsnorm_forward(y, x, w, n, 1e-6f)) && isnan(y[n - 1]));
                k->swiglu_forward(y, x, w, n);
                assert_true(isnan(y[at]));
                k->geglu_forward(y, w, x, n);
                assert_true(isnan(y[at]));
                memcpy(y, x, sizeof y);
                k->softcap(y, n, 30);
                assert_true(isnan(y[at]) && isnan(k->exp_sum(x, n, 0)) && isnan(x[at]));
            }
        }
    }
}

static void activations_hold_at_the_ends(void **state) {
    (void)state;
    for (size_t v = 0; cso_kernels_at(v); v++) {
        const cso_kernels *k = cso_kernels_at(v);
        float x[] = {-200, -100, -90, 90, 100, 200, 0, -1e-20f}, one[8], y[8], z[8];
        for (int i = 0; i < 8; i++)
            one[i] = 1;
        k->swiglu_forward(y, x, one, 8);
        k->geglu_forward(z, x, one, 8);
        for (int i = 0; i < 3; i++)
            assert_true(y[i] <= 0 && y[i] > -1e-35f && z[i] <= 0 && z[i] > -1e-35f);
        for (int i = 3; i < 6; i++)
            assert_true(y[i] == x[i] && z[i] == x[i]);
        assert_true(y[6] == 0 && z[6] == 0);
        k->swiglu_backward(y, z, one, x, one, 8);
        for (int i = 0; i < 8; i++)
            check_close("silu'", 8, (size_t)i, y[i], i < 3 ? 0 : i < 6 ? 1 : 0.5, 1e-6, 1e-35);
        memcpy(y, x, sizeof y);
        k->softcap(y, 8, 30);
        for (int i = 0; i < 8; i++)
            check_close("softcap", 8, (size_t)i, y[i], 30 * tanh((double)x[i] / 30), 4e-7, 0);
        assert_true(fabsf(y[0]) <= 30);
    }
}

static void bf16_is_rounded_alike(void **state) {
    (void)state;
    enum { N = 67 };
    float x[N] = {NAN, -NAN, INFINITY, -INFINITY, 0, -0.0F, 1e-40F, -1e-45F, 3.4028235e38F, 1.00390625F, 1.01171875F};
    uint32_t seed = 11, quiet_bit = 0x7f800001; /* a NaN whose payload is in the bits that go */
    memcpy(&x[11], &quiet_bit, sizeof x[11]);
    fill_random(x + 12, N - 12, -1e3F, 1e3F, &seed);
    for (size_t v = 0; cso_kernels_at(v); v++)
        for (size_t n = 0; n <= N; n++) {
            uint16_t out[N + 1];
            memset(out, 0x5a, sizeof out);
            cso_kernels_at(v)->round_bf16(out, x, n);
            for (size_t i = 0; i < n; i++)
                if (out[i] != cso_f32_to_bf16(x[i]))
                    fail_msg("%s: %a becomes %#x instead of %#x", cso_kernels_at(v)->name, (double)x[i], (unsigned)out[i],
                             (unsigned)cso_f32_to_bf16(x[i]));
            assert_int_equal(out[n], 0x5a5a);
        }
}

static void a_name_caps_the_choice(void **state) {
    (void)state;
    size_t last = 0;
    while (cso_kernels_at(last + 1))
        last++;
    assert_string_equal(cso_kernels_at(0)->name, "ref");
    assert_ptr_equal(cso_kernels_choose(NULL), cso_kernels_at(last));
    assert_ptr_equal(cso_kernels_choose("no such variant"), cso_kernels_at(last));
    for (size_t v = 0; v <= last; v++)
        assert_ptr_equal(cso_kernels_choose(cso_kernels_at(v)->name), cso_kernels_at(v));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variants_agree),
        cmocka_unit_test(rope_variants_agree),
        cmocka_unit_test(arguments_may_coincide),
        cmocka_unit_test(gradients_match_differences),
        cmocka_unit_test(exp_is_accurate_everywhere),
        cmocka_unit_test(nothing_hides_a_nan),
        cmocka_unit_test(activations_hold_at_the_ends),
        cmocka_unit_test(bf16_is_rounded_alike),
        cmocka_unit_test(a_name_caps_the_choice),
    };
    return cmocka_run_group_tests_name("ops", tests, NULL, NULL);
}

/* ops_body.h - the operations of kernels.h on vectors. A variant's file includes it after a vec_<isa>.h and calls fill_ops.
 * kernels/ref says what each computes, and why so. */
#include "../variants.h"
#include "math_body.h"

#include <math.h>

static inline vf load_some(const float *p, size_t left) {
    return left >= LANES ? v_load(p) : v_load_first(p, left);
}

static inline void store_some(float *p, vf x, size_t left) {
    if (left >= LANES)
        v_store(p, x);
    else
        v_store_first(p, x, left);
}

/* --- norms --- */

static float rmsnorm_forward(float *y, const float *x, const float *weight, size_t n, float eps) {
    vd low = vd_zero(), high = vd_zero();
    for (size_t i = 0; i < n; i += LANES) {
        vf a = load_some(x + i, n - i);
        low = vd_fma(vd_low(a), vd_low(a), low);
        high = vd_fma(vd_high(a), vd_high(a), high);
    }
    float rstd = (float)(1 / sqrt(vd_sum(vd_add(low, high)) / (n ? (double)n : 1) + eps));
    vf factor = v_set(rstd);
    for (size_t i = 0; i < n; i += LANES)
        store_some(y + i, v_mul(v_mul(load_some(x + i, n - i), factor), load_some(weight + i, n - i)), n - i);
    return rstd;
}

static void rmsnorm_backward(float *dx, const float *dy, const float *x, const float *weight, float rstd, size_t n) {
    vd low = vd_zero(), high = vd_zero();
    for (size_t i = 0; i < n; i += LANES) {
        vf u = v_mul(load_some(dy + i, n - i), load_some(weight + i, n - i)), a = load_some(x + i, n - i);
        low = vd_fma(vd_low(u), vd_low(a), low);
        high = vd_fma(vd_high(u), vd_high(a), high);
    }
    double projection = vd_sum(vd_add(low, high));
    vf back = v_set(n ? (float)(projection * rstd * rstd / (double)n) : 0), factor = v_set(rstd);
    for (size_t i = 0; i < n; i += LANES) {
        vf u = v_mul(load_some(dy + i, n - i), load_some(weight + i, n - i));
        vf inner = v_fnma(back, load_some(x + i, n - i), u);
        store_some(dx + i, v_fma(factor, inner, load_some(dx + i, n - i)), n - i);
    }
}

/* --- rotary positions --- */

static void rope(float *x, const float *cosine, const float *sine, size_t heads, size_t head_dim, int inverse) {
    size_t half = head_dim / 2;
    for (size_t h = 0; h < heads; h++, x += head_dim) {
        for (size_t i = 0; i < half; i += LANES) {
            size_t left = half - i;
            vf a = load_some(x + i, left), b = load_some(x + half + i, left), c = load_some(cosine + i, left);
            vf s = load_some(sine + i, left);
            if (inverse)
                s = v_sub(v_set(0.0f), s);
            store_some(x + i, v_fnma(b, s, v_mul(a, c)), left);
            store_some(x + half + i, v_fma(a, s, v_mul(b, c)), left);
        }
    }
}

/* --- gated activations --- */

static void swiglu_forward(float *act, const float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i += LANES) {
        vf x = load_some(gate + i, n - i), s, t;
        v_logistic(x, &s, &t);
        store_some(act + i, v_mul(v_mul(x, s), load_some(up + i, n - i)), n - i);
    }
}

static void swiglu_backward(float *dgate, float *dup, const float *dact, const float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i += LANES) {
        vf x = load_some(gate + i, n - i), u = load_some(up + i, n - i), d = load_some(dact + i, n - i), s, t;
        v_logistic(x, &s, &t);
        vf ds = v_mul(d, s);
        store_some(dgate + i, v_mul(v_mul(ds, u), v_fma(x, t, v_set(1.0f))), n - i);
        store_some(dup + i, v_mul(ds, x), n - i);
    }
}

/* z = 2 sqrt(2/pi) (x + 0.044715 x^3) and its derivative. */
static inline vf gelu_argument(vf x) {
    vf inner = v_fma(v_mul(x, x), v_set(0.044715f), v_set(1.0f));
    return v_mul(v_mul(x, v_set(1.59576912f)), inner);
}
static inline vf gelu_argument_slope(vf x) {
    return v_fma(v_mul(x, x), v_set(0.214064424f), v_set(1.59576912f));
}

static void geglu_forward(float *act, const float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i += LANES) {
        vf x = load_some(gate + i, n - i), s, t;
        v_logistic(gelu_argument(x), &s, &t);
        store_some(act + i, v_mul(v_mul(x, s), load_some(up + i, n - i)), n - i);
    }
}

static void geglu_backward(float *dgate, float *dup, const float *dact, const float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i += LANES) {
        vf x = load_some(gate + i, n - i), u = load_some(up + i, n - i), d = load_some(dact + i, n - i), s, t;
        v_logistic(gelu_argument(x), &s, &t);
        vf ds = v_mul(d, s), slope = v_fma(v_mul(x, gelu_argument_slope(x)), t, v_set(1.0f));
        store_some(dgate + i, v_mul(v_mul(ds, u), slope), n - i);
        store_some(dup + i, v_mul(ds, x), n - i);
    }
}

/* --- soft caps and softmax --- */

static void softcap(float *x, size_t n, float cap) {
    vf c = v_set(cap);
    for (size_t i = 0; i < n; i += LANES)
        store_some(x + i, v_mul(c, v_tanh(v_div(load_some(x + i, n - i), c))), n - i);
}

static void softcap_backward(float *dx, const float *capped, size_t n, float cap) {
    vf c = v_set(cap), one = v_set(1.0f);
    for (size_t i = 0; i < n; i += LANES) {
        vf t = v_div(load_some(capped + i, n - i), c);
        /* (1 - t)(1 + t) keeps its digits where t is near 1. */
        vf slope = v_mul(v_sub(one, t), v_add(one, t));
        store_some(dx + i, v_mul(load_some(dx + i, n - i), slope), n - i);
    }
}

static float max_of(const float *x, size_t n) {
    vf best = v_set(-INFINITY);
    vmask nan = v_no_lanes();
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vf a = v_load(x + i);
        nan = v_or(nan, v_is_nan(a));
        best = v_max(best, a);
    }
    if (v_any(nan))
        return NAN;
    float lanes[LANES], result = -INFINITY;
    v_store(lanes, best);
    for (int j = 0; j < LANES; j++)
        result = lanes[j] > result ? lanes[j] : result;
    for (; i < n; i++)
        result = x[i] <= result ? result : result != result ? result : x[i];
    return result;
}

static double exp_sum(float *x, size_t n, float shift) {
    vd low = vd_zero(), high = vd_zero();
    vf s = v_set(shift);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vf e = v_exp(v_sub(v_load(x + i), s));
        v_store(x + i, e);
        low = vd_add(vd_low(e), low);
        high = vd_add(vd_high(e), high);
    }
    if (i < n) {
        vf e = v_keep_first(v_exp(v_sub(v_load_first(x + i, n - i), s)), n - i);
        v_store_first(x + i, e, n - i);
        low = vd_add(vd_low(e), low);
        high = vd_add(vd_high(e), high);
    }
    return vd_sum(vd_add(low, high));
}

static double exp_sum_only(const float *x, size_t n, float shift) {
    vd low = vd_zero(), high = vd_zero();
    vf s = v_set(shift);
    for (size_t i = 0; i < n; i += LANES) {
        vf e = v_exp(v_sub(load_some(x + i, n - i), s));
        if (n - i < LANES)
            e = v_keep_first(e, n - i);
        low = vd_add(vd_low(e), low);
        high = vd_add(vd_high(e), high);
    }
    return vd_sum(vd_add(low, high));
}

/* --- vectors --- */

/* f32 lanes over at most 1024 products (64 to 128 terms a lane, four chains), folded into f64. */
static double dot(const float *a, const float *b, size_t n) {
    vd low = vd_zero(), high = vd_zero();
    for (size_t start = 0; start < n; start += 1024) {
        size_t end = n - start < 1024 ? n : start + 1024, i = start;
        vf s0 = v_set(0), s1 = v_set(0), s2 = v_set(0), s3 = v_set(0);
        for (; i + 4 * LANES <= end; i += 4 * LANES) {
            s0 = v_fma(v_load(a + i), v_load(b + i), s0);
            s1 = v_fma(v_load(a + i + LANES), v_load(b + i + LANES), s1);
            s2 = v_fma(v_load(a + i + 2 * LANES), v_load(b + i + 2 * LANES), s2);
            s3 = v_fma(v_load(a + i + 3 * LANES), v_load(b + i + 3 * LANES), s3);
        }
        for (; i < end; i += LANES)
            s0 = v_fma(load_some(a + i, end - i), load_some(b + i, end - i), s0);
        vf sum = v_add(v_add(s0, s1), v_add(s2, s3));
        low = vd_add(vd_low(sum), low);
        high = vd_add(vd_high(sum), high);
    }
    return vd_sum(vd_add(low, high));
}

static void add(float *y, const float *x, size_t n) {
    for (size_t i = 0; i < n; i += LANES)
        store_some(y + i, v_add(load_some(y + i, n - i), load_some(x + i, n - i)), n - i);
}

static void axpy(float *y, const float *x, float a, size_t n) {
    vf factor = v_set(a);
    for (size_t i = 0; i < n; i += LANES)
        store_some(y + i, v_fma(factor, load_some(x + i, n - i), load_some(y + i, n - i)), n - i);
}

static void scale(float *y, float a, size_t n) {
    vf factor = v_set(a);
    for (size_t i = 0; i < n; i += LANES)
        store_some(y + i, v_mul(factor, load_some(y + i, n - i)), n - i);
}

/* --- the optimizer --- */

/* The change of p is formed first and subtracted at once: 1 - lr wd in float would lose most digits of a small lr wd. */
static void adamw(float *p, float *m, float *v, const float *g, size_t n, double g_scale, double lr, double beta1, double beta2,
                  double eps, double wd, double c1, double c2) {
    vf factor = v_set((float)g_scale), keep1 = v_set((float)beta1), take1 = v_set((float)(1 - beta1));
    vf keep2 = v_set((float)beta2), take2 = v_set((float)(1 - beta2)), epsilon = v_set((float)eps);
    vf rate = v_set((float)(lr / c1)), unbias2 = v_set((float)(1 / c2)), decay = v_set((float)(lr * wd));
    for (size_t i = 0; i < n; i += LANES) {
        size_t left = n - i;
        vf gradient = v_mul(load_some(g + i, left), factor), weight = load_some(p + i, left);
        vf first = v_fma(keep1, load_some(m + i, left), v_mul(take1, gradient));
        vf second = v_fma(keep2, load_some(v + i, left), v_mul(v_mul(take2, gradient), gradient));
        vf step = v_div(v_mul(rate, first), v_add(v_sqrt(v_mul(second, unbias2)), epsilon));
        store_some(m + i, first, left);
        store_some(v + i, second, left);
        store_some(p + i, v_sub(weight, v_fma(decay, weight, step)), left);
    }
}

static void fill_ops(cso_kernels *table) {
    table->rmsnorm_forward = rmsnorm_forward;
    table->rmsnorm_backward = rmsnorm_backward;
    table->rope = rope;
    table->swiglu_forward = swiglu_forward;
    table->swiglu_backward = swiglu_backward;
    table->geglu_forward = geglu_forward;
    table->geglu_backward = geglu_backward;
    table->softcap = softcap;
    table->softcap_backward = softcap_backward;
    table->max = max_of;
    table->exp_sum = exp_sum;
    table->exp_sum_only = exp_sum_only;
    table->dot = dot;
    table->add = add;
    table->axpy = axpy;
    table->scale = scale;
    table->adamw = adamw;
}

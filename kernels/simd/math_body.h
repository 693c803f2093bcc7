/* math_body.h - exp, the logistic function and tanh on vectors. Included after a vec_<isa>.h. */
#ifndef CSO_KERNELS_MATH_BODY_H
#define CSO_KERNELS_MATH_BODY_H

/* e^x: 0 at and below -87, infinity above 88.73, NaN for NaN; relative error below 2e-7 (tests/kernels).
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2 and ln 2 in two parts, the first short enough for n times it to be exact; then
 * e^x = 2^n (1 + r + r^2 q(r)), q interpolating (e^r - 1 - r) / r^2 in Chebyshev points, to 1e-8 of e^r. */
static inline vf v_exp(vf x) {
    vf bounded = v_max(v_set(-87.5f), v_min(v_set(89.0f), x)); /* in this order of arguments a NaN stays */
    vf n = v_round(v_mul(bounded, v_set(1.44269502f)));
    vf r = v_fnma(n, v_set(1.42860677e-6f), v_fnma(n, v_set(0.693145751953125f), bounded));
    vf q = v_fma(v_set(0.00139262504f), r, v_set(0.00836323295f));
    q = v_fma(q, r, v_set(0.0416665524f));
    q = v_fma(q, r, v_set(0.166665763f));
    q = v_fma(q, r, v_set(0.5f));
    vf power = v_scale_by_power(v_add(v_fma(v_mul(r, r), q, r), v_set(1.0f)), n);
    return v_choose(v_le(x, v_set(-87.0f)), v_set(0.0f), power);
}

/* s = 1 / (1 + e^-x), and 1 - s without cancellation. */
static inline void v_logistic(vf x, vf *s, vf *complement) {
    vf e = v_exp(v_sub(v_set(0.0f), v_abs(x))), large = v_div(v_set(1.0f), v_add(v_set(1.0f), e)), small = v_mul(e, large);
    vmask negative = v_le(x, v_set(0.0f));
    *s = v_choose(negative, small, large);
    *complement = v_choose(negative, large, small);
}

/* An odd polynomial (interpolated in Chebyshev points to 2e-8) up to 0.63, where 1 - 2 / (e^2|x| + 1) would cancel. */
static inline vf v_tanh(vf x) {
    vf size = v_abs(x), z = v_mul(x, x);
    vf p = v_fma(v_set(-0.00604516501f), z, v_set(0.0209613293f));
    p = v_fma(p, z, v_set(-0.0538432635f));
    p = v_fma(p, z, v_set(0.133327186f));
    p = v_fma(p, z, v_set(-0.333333284f));
    vf small = v_fma(v_mul(x, z), p, x);
    vf large = v_sub(v_set(1.0f), v_div(v_set(2.0f), v_add(v_exp(v_add(size, size)), v_set(1.0f))));
    return v_choose(v_le(size, v_set(0.63f)), small, v_sign_of(large, x));
}

#endif

/* glu.c - gated activations: act = f(gate) * up, with f = SiLU (SwiGLU) or the tanh form of GELU (GeGLU). */
#include "ref.h"

#include <math.h>

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

/* silu(x) = x s(x), with s = sigmoid. */
void cso_ref_swiglu_forward(float *act, const float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++)
        act[i] = (float)(gate[i] * sigmoid(gate[i]) * up[i]);
}

/* silu'(x) = s + x s (1 - s), and 1 - s(x) = s(-x) without cancellation. */
void cso_ref_swiglu_backward(float *dgate, float *dup, const float *dact, const float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double x = gate[i], u = up[i], d = dact[i], s = sigmoid(x);
        dgate[i] = (float)(d * u * s * (1 + x * sigmoid(-x)));
        dup[i] = (float)(d * x * s);
    }
}

/* gelu_tanh(x) = x/2 (1 + tanh(u)), u = sqrt(2/pi) (x + 0.044715 x^3); since (1 + tanh(u))/2 = s(2u), it is x s(z) with z =
 * 2u. */
static const double gelu_linear = 1.5957691216057307118; /* 2 sqrt(2/pi) */
static const double gelu_cubic = 0.044715;

void cso_ref_geglu_forward(float *act, const float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double x = gate[i], z = gelu_linear * (x + gelu_cubic * x * x * x);
        act[i] = (float)(x * sigmoid(z) * up[i]);
    }
}

/* gelu'(x) = s + x s (1 - s) z'(x). */
void cso_ref_geglu_backward(float *dgate, float *dup, const float *dact, const float *gate, const float *up, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double x = gate[i], u = up[i], d = dact[i], z = gelu_linear * (x + gelu_cubic * x * x * x);
        double s = sigmoid(z), dz = gelu_linear * (1 + 3 * gelu_cubic * x * x);
        dgate[i] = (float)(d * u * s * (1 + x * dz * sigmoid(-z)));
        dup[i] = (float)(d * x * s);
    }
}

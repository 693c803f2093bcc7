/* rope.c - rotary positions (Su et al. 2021) in the rotate_half form: element i of a head is paired with element i + E/2. */
#include "ref.h"

void cso_ref_rope(float *x, const float *cosine, const float *sine, size_t heads, size_t head_dim, int inverse) {
    size_t half = head_dim / 2;
    for (size_t h = 0; h < heads; h++, x += head_dim) {
        for (size_t i = 0; i < half; i++) {
            double a = x[i], b = x[i + half], c = cosine[i], s = inverse ? -(double)sine[i] : (double)sine[i];
            x[i] = (float)(a * c - b * s);
            x[i + half] = (float)(b * c + a * s);
        }
    }
}

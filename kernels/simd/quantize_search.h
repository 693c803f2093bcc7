/* quantize_search.h - scales that make the error of a group small: a search over candidates, each improved by least squares.
 *
 * A candidate assigns levels q to the weights x of a group; for these levels the best scale (and minimum) follow from
 * least squares with weights w, and the candidate with the least error is kept. That is the search of GGML's K formats (Kawrakow
 * 2023, pull request 1684 of llama.cpp), over the same candidates.
 */
#ifndef CSO_QUANTIZE_SEARCH_H
#define CSO_QUANTIZE_SEARCH_H

#include "quantize_lanes.h"

#include <stdbool.h>

/* Groups of n weights, one in each lane of a vector. */
typedef struct lane_vectors {
    int n;
    lane_f x[QUANT_GROUP], w[QUANT_GROUP];
} lane_vectors;

LANE_INLINE void lane_vectors_load(lane_vectors *v, const lane_groups *x, const lane_groups *w, int n, int lane) {
    v->n = n;
    for (int i = 0; i < n; i++) {
        v->x[i] = l_load(&x->at[i][lane]);
        v->w[i] = l_load(&w->at[i][lane]);
    }
}

/* x ~ scale q + low, low <= 0, q from 0 to `levels`. Candidates cut the range into levels + first + i step
 * steps, i = 0 to steps. */
typedef struct affine_search {
    float levels, first, step;
    int steps;
    bool absolute; /* the error of a candidate is the weighted sum of |x - ...|, not of the squares */
} affine_search;

typedef struct affine_sums {
    lane_f q, qq, qx; /* of w q, w q^2, w q x */
} affine_sums;

/* A fit and its error. */
typedef struct affine_best {
    lane_f scale, low, error;
} affine_best;

LANE_INLINE affine_sums affine_levels(const lane_vectors *v, lane_f inverse, lane_f low, float levels, lane_f *q) {
    affine_sums sums = {l_set(0), l_set(0), l_set(0)};
    for (int i = 0; i < v->n; i++) {
        q[i] = l_clamp(l_round(inverse * (v->x[i] - low)), 0, levels);
        lane_f weighted = v->w[i] * q[i];
        sums.q += weighted;
        sums.qq += weighted * q[i];
        sums.qx += weighted * v->x[i];
    }
    return sums;
}

LANE_INLINE lane_f affine_error(const lane_vectors *v, const lane_f *q, lane_f scale, lane_f low, bool absolute) {
    lane_f error = l_set(0);
    for (int i = 0; i < v->n; i++) {
        lane_f size = l_abs(scale * q[i] + low - v->x[i]), cost = size;
        if (!absolute)
            cost *= size;
        error += v->w[i] * cost;
    }
    return error;
}

/* Improves the best by a candidate that cuts what lies between the best minimum so far and the highest weight into `steps` steps. */
LANE_INLINE void affine_try(const lane_vectors *v, const affine_search *search, float steps, lane_f high,
                            const lane_f sums_of_all[2], affine_best *best) {
    lane_f q[QUANT_GROUP], sum_w = sums_of_all[0], sum_x = sums_of_all[1], low = best->low;
    affine_sums sums = affine_levels(v, l_divide(l_set(steps), high - low), low, search->levels, q);
    lane_f determinant = sum_w * sums.qq - sums.q * sums.q;
    lane_f new_scale = l_divide(sum_w * sums.qx - sum_x * sums.q, determinant);
    lane_f new_low = l_divide(sums.qq * sum_x - sums.q * sums.qx, determinant);
    lane_i positive = new_low > l_set(0);
    new_scale = l_choose(positive, l_divide(sums.qx, sums.qq), new_scale);
    new_low = l_choose(positive, l_set(0), new_low);
    lane_f error = affine_error(v, q, new_scale, new_low, search->absolute);
    lane_i better = (determinant > l_set(0)) & (error < best->error);
    best->error = l_choose(better, error, best->error);
    best->scale = l_choose(better, new_scale, best->scale);
    best->low = l_choose(better, new_low, best->low);
}

static void affine_fit(const lane_vectors *v, const affine_search *search, lane_f *scale, lane_f *min) {
    lane_f low = l_set(0), high = v->x[0], sums[2] = {l_set(0), l_set(0)}, q[QUANT_GROUP];
    for (int i = 0; i < v->n; i++) {
        low = l_min(v->x[i], low);
        high = l_max(v->x[i], high);
        sums[0] += v->w[i];
        sums[1] += v->w[i] * v->x[i];
    }
    lane_f range = high - low;
    affine_best best = {range / search->levels, low, l_set(0)};
    affine_levels(v, l_divide(l_set(search->levels), range), low, search->levels, q);
    best.error = affine_error(v, q, best.scale, best.low, search->absolute);
    for (int i = 0; i <= search->steps; i++)
        affine_try(v, search, search->levels + search->first + search->step * (float)i, high, sums, &best);
    *scale = best.scale;
    *min = -best.low;
}

/* x ~ scale q, q from -half to half - 1. Candidates are scales -largest / (half + i / 10), |i| up to 9, `largest` with its sign. */
static void symmetric_fit(const lane_vectors *v, float half, lane_f *scale) {
    lane_f largest = l_set(0);
    for (int i = 0; i < v->n; i++)
        largest = l_choose(l_abs(v->x[i]) > l_abs(largest), v->x[i], largest);
    lane_f best_scale = largest / -half, best = l_set(0);
    for (int step = -9; step <= 9; step++) {
        lane_f inverse = l_divide(l_set(-(half + 0.1f * (float)step)), largest), qq = l_set(0), qx = l_set(0);
        for (int i = 0; i < v->n; i++) {
            lane_f q = l_clamp(l_round(inverse * v->x[i]), -half, half - 1), weighted = v->w[i] * q;
            qq += weighted * q;
            qx += weighted * v->x[i];
        }
        lane_f gain = l_divide(qx * qx, qq); /* by how much the error is below that of all zeros */
        lane_i better = gain > best;
        best = l_choose(better, gain, best);
        best_scale = l_choose(better, l_divide(qx, qq), best_scale);
    }
    *scale = best_scale;
}

/* Levels q[QUANT_LANES] of n scales s >= 0 in the unit d: s ~ d q, q from 0 to `levels`. weights NULL: the largest gets the highest
 * level. */
static float levels_of_scales(const float *s, const float *weights, int n, int levels, uint8_t *q) {
    float largest = 0, best_unit, best = -1;
    for (int i = 0; i < n; i++)
        largest = fmaxf(largest, s[i]);
    memset(q, 0, QUANT_LANES);
    if (!(largest > 0))
        return 0;
    best_unit = largest / (float)levels;
    for (int step = -4; weights && step <= 4; step++) {
        float inverse = ((float)levels + 0.1f * (float)step) / largest, qq = 0, qs = 0;
        for (int i = 0; i < n; i++) {
            float level = fminf(nearbyintf(inverse * s[i]), (float)levels);
            qq += weights[i] * level * level;
            qs += weights[i] * level * s[i];
        }
        if (qq > 0 && qs * qs / qq > best) {
            best = qs * qs / qq;
            best_unit = qs / qq;
        }
    }
    for (int i = 0; i < n; i++)
        q[i] = (uint8_t)fminf(nearbyintf(s[i] / best_unit), (float)levels);
    return best_unit;
}

#endif

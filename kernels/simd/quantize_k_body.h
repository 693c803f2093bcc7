/* quantize_k_body.h - rows to Q2_K, Q3_K, Q4_K, Q5_K and Q6_K. kernels/ref/quant_<type>.c draw the bits.
 *
 * Sixteen groups at a time: their own scales by search (quantize_search.h), then the block's scale and the groups' levels of it, then
 * the weights' levels with the scales as they are stored. Without importances a weight counts by its own size, as GGML has it (but
 * for Q3_K, where x^2 made a larger error); with them by importance x sqrt(mean square of the block + x^2).
 */
#ifndef CSO_QUANTIZE_K_BODY_H
#define CSO_QUANTIZE_K_BODY_H

#include "quantize_search.h"

/* How a weight counts without importances. */
typedef enum count_kind {
    COUNT_SIZE /* |x| */,
    COUNT_SIZE_AND_MEAN /* |x| + its group's root mean square */,
    COUNT_SQUARE
} count_kind;

/* A format with groups of n weights, `lanes` groups in a block. */
typedef struct k_format {
    int n, lanes;
    count_kind count;
    float spread; /* of the mean square beside x^2, with importances; below 0: these count alone */
    size_t bytes; /* of a block */
} k_format;

/* Sixteen groups on their way. */
typedef struct k_groups {
    lane_groups x, w;
    lane_levels levels;
    _Alignas(64) float scale[QUANT_LANES], min[QUANT_LANES];
    float weight[QUANT_LANES]; /* sums of w */
} k_groups;

/* The mean square of each lane's block. */
static void k_mean_squares(const k_format *format, const k_groups *g, float mean[QUANT_LANES]) {
    float square[QUANT_LANES] = {0};
    for (int i = 0; i < format->n; i++)
        for (int lane = 0; lane < QUANT_LANES; lane++)
            square[lane] += g->x.at[i][lane] * g->x.at[i][lane];
    for (int first = 0; first < QUANT_LANES; first += format->lanes) {
        float all = 0;
        for (int lane = 0; lane < format->lanes; lane++)
            all += square[first + lane];
        for (int lane = 0; lane < format->lanes; lane++)
            mean[first + lane] = all / CSO_SUPERBLOCK;
    }
}

/* Weights by importances, `count` groups of which are there. */
static void k_count_by(const k_format *format, k_groups *g, const float *importance, int count) {
    float mean[QUANT_LANES];
    k_mean_squares(format, g, mean);
    lanes_load(&g->w, importance, format->n, count);
    if (format->spread < 0)
        return;
    for (int i = 0; i < format->n; i++)
        for (int lane = 0; lane < QUANT_LANES; lane++) {
            float x = g->x.at[i][lane];
            g->w.at[i][lane] *= sqrtf(format->spread * mean[lane] + x * x);
        }
}

static void k_count(const k_format *format, k_groups *g) {
    float mean[QUANT_LANES] = {0};
    for (int lane = 0; format->count == COUNT_SIZE_AND_MEAN && lane < QUANT_LANES; lane++) {
        for (int i = 0; i < format->n; i++)
            mean[lane] += g->x.at[i][lane] * g->x.at[i][lane];
        mean[lane] = sqrtf(mean[lane] / (float)format->n);
    }
    for (int i = 0; i < format->n; i++)
        for (int lane = 0; lane < QUANT_LANES; lane++) {
            float x = g->x.at[i][lane];
            g->w.at[i][lane] = format->count == COUNT_SQUARE ? x * x : fabsf(x) + mean[lane];
        }
}

/* The next sixteen groups, or the last eight, and how much each weight counts. */
static int k_load(const k_format *format, k_groups *g, const float *x, const float *importance, size_t columns) {
    int count = QUANT_LANES;
    if (columns < (size_t)(format->n * QUANT_LANES))
        count = (int)columns / format->n;
    lanes_load(&g->x, x, format->n, count);
    if (importance)
        k_count_by(format, g, importance, count);
    else
        k_count(format, g);
    memset(g->weight, 0, sizeof g->weight);
    for (int i = 0; i < format->n; i++)
        for (int lane = 0; lane < QUANT_LANES; lane++)
            g->weight[lane] += g->w.at[i][lane];
    return count;
}

/* What an affine block stores beside the levels. */
typedef struct affine_block {
    float d, dmin;
    uint8_t scale[QUANT_LANES], min[QUANT_LANES];
} affine_block;

/* The block whose groups begin at lane `first`; scales and minima become those that are stored. */
static void affine_block_fit(const k_format *format, k_groups *g, int first, int levels, bool weighted, affine_block *block) {
    const float *weights = weighted ? g->weight + first : NULL;
    block->d = levels_of_scales(g->scale + first, weights, format->lanes, levels, block->scale);
    block->dmin = levels_of_scales(g->min + first, weights, format->lanes, levels, block->min);
    uint8_t half[2];
    block_store_half(half, block->d);
    float d = cso_block_half(half);
    block_store_half(half, block->dmin);
    float dmin = cso_block_half(half);
    for (int lane = 0; lane < format->lanes; lane++) {
        g->scale[first + lane] = d * (float)block->scale[lane];
        g->min[first + lane] = dmin * (float)block->min[lane];
    }
}

static void affine_store_levels(k_groups *g, int n, float levels) {
    for (int lane = 0; lane < QUANT_LANES; lane += LANE_WIDTH) {
        lane_f scale = l_load(g->scale + lane), min = l_load(g->min + lane);
        for (int i = 0; i < n; i++) {
            lane_f level = l_round(l_divide(l_load(&g->x.at[i][lane]) + min, scale));
            levels_store(&g->levels.q[i][lane], l_clamp(level, 0, levels));
        }
    }
}

static void pack_q2_k(void *data, const affine_block *fit, const lane_levels *levels, int first) {
    cso_block_q2_k *block = data;
    (void)first; /* the block has all lanes */
    memset(block, 0, sizeof *block);
    block_store_half(block->d, fit->d);
    block_store_half(block->dmin, fit->dmin);
    for (int group = 0; group < 16; group++) {
        uint8_t *q = block->qs + 32 * (group / 8) + 16 * (group % 2);
        block->scales[group] = (uint8_t)(fit->scale[group] | fit->min[group] << 4);
        for (int l = 0; l < 16; l++)
            q[l] = (uint8_t)(q[l] | levels->q[l][group] << 2 * (group % 8 / 2));
    }
}

/* See blocks.h. */
static void pack_scales_mins(uint8_t packed[12], const affine_block *fit) {
    for (int j = 0; j < 4; j++) {
        packed[j] = (uint8_t)(fit->scale[j] | fit->scale[j + 4] >> 4 << 6);
        packed[4 + j] = (uint8_t)(fit->min[j] | fit->min[j + 4] >> 4 << 6);
        packed[8 + j] = (uint8_t)((fit->scale[j + 4] & 15) | (fit->min[j + 4] & 15) << 4);
    }
}

static void pack_nibbles(uint8_t qs[128], const lane_levels *levels, int first) {
    for (int pair = 0; pair < 4; pair++)
        for (int l = 0; l < 32; l++)
            qs[32 * pair + l] = (uint8_t)((levels->q[l][first + 2 * pair] & 15) | (levels->q[l][first + 2 * pair + 1] & 15) << 4);
}

static void pack_q4_k(void *data, const affine_block *fit, const lane_levels *levels, int first) {
    cso_block_q4_k *block = data;
    block_store_half(block->d, fit->d);
    block_store_half(block->dmin, fit->dmin);
    pack_scales_mins(block->scales, fit);
    pack_nibbles(block->qs, levels, first);
}

static void pack_q5_k(void *data, const affine_block *fit, const lane_levels *levels, int first) {
    cso_block_q5_k *block = data;
    block_store_half(block->d, fit->d);
    block_store_half(block->dmin, fit->dmin);
    pack_scales_mins(block->scales, fit);
    pack_nibbles(block->qs, levels, first);
    for (int l = 0; l < 32; l++) {
        int high = 0;
        for (int group = 0; group < 8; group++)
            high |= levels->q[l][first + group] >> 4 << group;
        block->qh[l] = (uint8_t)high;
    }
}

/* A format of scales and minima. */
typedef struct affine_format {
    k_format k;
    int scale_levels;
    affine_search plain, weighted; /* without and with importances */
    void (*pack)(void *block, const affine_block *fit, const lane_levels *levels, int first);
} affine_format;

static void quantize_affine(const affine_format *format, const float *x, const float *importance, void *out, size_t columns) {
    const k_format *k = &format->k;
    const affine_search *search = importance ? &format->weighted : &format->plain;
    k_groups g;
    uint8_t *block = out;
    for (size_t column = 0; column < columns; column += (size_t)(k->n * QUANT_LANES)) {
        affine_block fits[2];
        int count = k_load(k, &g, x + column, importance ? importance + column : NULL, columns - column);
        for (int lane = 0; lane < QUANT_LANES; lane += LANE_WIDTH) {
            lane_vectors v;
            lane_vectors_load(&v, &g.x, &g.w, k->n, lane);
            affine_fit(&v, search, (lane_f *)(g.scale + lane), (lane_f *)(g.min + lane));
        }
        for (int first = 0; first < count; first += k->lanes)
            affine_block_fit(k, &g, first, format->scale_levels, importance != NULL, &fits[first / k->lanes]);
        affine_store_levels(&g, k->n, search->levels);
        for (int first = 0; first < count; first += k->lanes, block += k->bytes)
            format->pack(block, &fits[first / k->lanes], &g.levels, first);
    }
}

static void quantize_q2_k(const float *x, const float *importance, void *out, size_t columns) {
    static const affine_format format = {
        {16, 16, COUNT_SIZE, 1, sizeof(cso_block_q2_k)}, 15, {3, -0.5f, 0.1f, 15, true}, {3, -0.9f, 0.05f, 36, false}, pack_q2_k};
    quantize_affine(&format, x, importance, out, columns);
}

static void quantize_q4_k(const float *x, const float *importance, void *out, size_t columns) {
    static const affine_format format = {{32, 8, COUNT_SIZE_AND_MEAN, 2, sizeof(cso_block_q4_k)},
                                         63,
                                         {15, -1, 0.1f, 20, false},
                                         {15, -0.9f, 0.05f, 36, false},
                                         pack_q4_k};
    quantize_affine(&format, x, importance, out, columns);
}

static void quantize_q5_k(const float *x, const float *importance, void *out, size_t columns) {
    static const affine_format format = {{32, 8, COUNT_SIZE_AND_MEAN, 2, sizeof(cso_block_q5_k)},
                                         63,
                                         {31, -0.5f, 0.1f, 15, false},
                                         {31, -0.9f, 0.05f, 36, false},
                                         pack_q5_k};
    quantize_affine(&format, x, importance, out, columns);
}

/* The levels of sixteen signed scales in the unit d, from -half to half - 1. */
static float levels_of_signed_scales(const float *s, float half, int8_t *q) {
    float largest = 0;
    for (int i = 0; i < QUANT_LANES; i++)
        if (fabsf(s[i]) > fabsf(largest))
            largest = s[i];
    memset(q, 0, QUANT_LANES);
    if (largest == 0)
        return 0;
    float inverse = -half / largest;
    for (int i = 0; i < QUANT_LANES; i++)
        q[i] = (int8_t)fmaxf(fminf(nearbyintf(inverse * s[i]), half - 1), -half);
    return 1 / inverse;
}

/* A format of signed scales: 16 groups of 16 weights. */
typedef struct symmetric_format {
    k_format k;
    float half, scale_half;
    void (*pack)(void *block, float d, const int8_t scale[QUANT_LANES], const lane_levels *levels);
} symmetric_format;

static void pack_q3_k(void *data, float d, const int8_t scale[QUANT_LANES], const lane_levels *levels) {
    cso_block_q3_k *block = data;
    memset(block, 0, sizeof *block);
    block_store_half(block->d, d);
    for (int group = 0; group < 16; group++) {
        uint8_t *low = block->qs + 32 * (group / 8) + 16 * (group % 2), *high = block->hmask + 16 * (group % 2);
        int s = scale[group] + 32, shift = 2 * (group % 8 / 2);
        block->scales[group % 8] = (uint8_t)(block->scales[group % 8] | (s & 15) << (group < 8 ? 0 : 4));
        block->scales[8 + group % 4] = (uint8_t)(block->scales[8 + group % 4] | s >> 4 << 2 * (group / 4));
        for (int l = 0; l < 16; l++) {
            low[l] = (uint8_t)(low[l] | (levels->q[l][group] & 3) << shift);
            high[l] = (uint8_t)(high[l] | levels->q[l][group] >> 2 << group / 2);
        }
    }
}

static void pack_q6_k(void *data, float d, const int8_t scale[QUANT_LANES], const lane_levels *levels) {
    cso_block_q6_k *block = data;
    memset(block, 0, sizeof *block);
    block_store_half(block->d, d);
    for (int group = 0; group < 16; group++) {
        int h = group / 8, k = group % 8 / 2, offset = 16 * (group % 2);
        uint8_t *low = block->ql + 64 * h + 32 * (k % 2) + offset, *high = block->qh + 32 * h + offset;
        block->scales[group] = scale[group];
        for (int l = 0; l < 16; l++) {
            low[l] = (uint8_t)(low[l] | (levels->q[l][group] & 15) << 4 * (k / 2));
            high[l] = (uint8_t)(high[l] | levels->q[l][group] >> 4 << 2 * k);
        }
    }
}

static void symmetric_store_levels(k_groups *g, int n, float half) {
    for (int lane = 0; lane < QUANT_LANES; lane += LANE_WIDTH) {
        lane_f scale = l_load(g->scale + lane);
        for (int i = 0; i < n; i++) {
            lane_f level = l_round(l_divide(l_load(&g->x.at[i][lane]), scale));
            levels_store(&g->levels.q[i][lane], l_clamp(level, -half, half - 1) + half);
        }
    }
}

static void quantize_symmetric(const symmetric_format *format, const float *x, const float *importance, void *out, size_t columns) {
    const k_format *k = &format->k;
    k_groups g;
    uint8_t *block = out;
    for (size_t column = 0; column < columns; column += CSO_SUPERBLOCK, block += k->bytes) {
        int8_t stored[QUANT_LANES];
        uint8_t half[2];
        k_load(k, &g, x + column, importance ? importance + column : NULL, columns - column);
        for (int lane = 0; lane < QUANT_LANES; lane += LANE_WIDTH) {
            lane_vectors v;
            lane_vectors_load(&v, &g.x, &g.w, k->n, lane);
            symmetric_fit(&v, format->half, (lane_f *)(g.scale + lane));
        }
        float d = levels_of_signed_scales(g.scale, format->scale_half, stored);
        block_store_half(half, d);
        for (int lane = 0; lane < QUANT_LANES; lane++)
            g.scale[lane] = cso_block_half(half) * (float)stored[lane];
        symmetric_store_levels(&g, k->n, format->half);
        format->pack(block, d, stored, &g.levels);
    }
}

static void quantize_q3_k(const float *x, const float *importance, void *out, size_t columns) {
    static const symmetric_format format = {{16, 16, COUNT_SIZE_AND_MEAN, 2, sizeof(cso_block_q3_k)}, 4, 32, pack_q3_k};
    quantize_symmetric(&format, x, importance, out, columns);
}

static void quantize_q6_k(const float *x, const float *importance, void *out, size_t columns) {
    static const symmetric_format format = {{16, 16, COUNT_SQUARE, -1, sizeof(cso_block_q6_k)}, 32, 128, pack_q6_k};
    quantize_symmetric(&format, x, importance, out, columns);
}

#endif

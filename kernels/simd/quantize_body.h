/* quantize_body.h - rows to stored types. A variant's file includes it and calls fill_quantize; all variants give the same bits.
 * kernels/ref/quant_<type>.c draw the bits. */
#ifndef CSO_QUANTIZE_BODY_H
#define CSO_QUANTIZE_BODY_H

#include "../variants.h"
#include "quantize_k_body.h"

static void quantize_f32(const float *x, const float *importance, void *out, size_t columns) {
    (void)importance;
    memcpy(out, x, columns * sizeof *x);
}

static void quantize_f16(const float *x, const float *importance, void *out, size_t columns) {
    uint8_t *bytes = out;
    (void)importance;
    for (size_t i = 0; i < columns; i++) {
        uint16_t half = cso_f32_to_f16(x[i]);
        memcpy(bytes + 2 * i, &half, sizeof half);
    }
}

static void quantize_bf16(const float *x, const float *importance, void *out, size_t columns) {
    uint8_t *bytes = out;
    (void)importance;
    for (size_t i = 0; i < columns; i++) {
        uint16_t half = cso_f32_to_bf16(x[i]);
        memcpy(bytes + 2 * i, &half, sizeof half);
    }
}

/* Sixteen blocks of 32 weights on their way. scale and min are those that are stored. */
typedef struct simple_groups {
    lane_groups x, w;
    lane_levels levels;
    _Alignas(64) float scale[QUANT_LANES], min[QUANT_LANES];
} simple_groups;

/* The next sixteen blocks, or what is left. */
static int simple_load(simple_groups *g, const float *x, const float *importance, size_t columns, float mean_square) {
    int count = columns < (size_t)(CSO_BLOCK * QUANT_LANES) ? (int)columns / CSO_BLOCK : QUANT_LANES;
    lanes_load(&g->x, x, CSO_BLOCK, count);
    if (!importance)
        return count;
    lanes_load(&g->w, importance, CSO_BLOCK, count);
    for (int i = 0; i < CSO_BLOCK; i++)
        for (int lane = 0; lane < QUANT_LANES; lane++)
            g->w.at[i][lane] *= sqrtf(mean_square + g->x.at[i][lane] * g->x.at[i][lane]);
    return count;
}

static float row_mean_square(const float *x, size_t columns) {
    double sum = 0;
    for (size_t i = 0; i < columns; i++)
        sum += (double)x[i] * (double)x[i];
    return columns ? (float)(sum / (double)columns) : 0;
}

/* The numbers of a vector as f16 stores them. */
static void round_halves(float *lanes) {
    uint8_t half[2];
    for (int lane = 0; lane < LANE_WIDTH; lane++) {
        block_store_half(half, lanes[lane]);
        lanes[lane] = cso_block_half(half);
    }
}

/* Levels below 16 of lane g: weight j and j + 16 of a block share a byte. */
static void simple_pack_nibbles(uint8_t qs[16], const lane_levels *levels, int lane) {
    for (int j = 0; j < 16; j++)
        qs[j] = (uint8_t)((levels->q[j][lane] & 15) | (levels->q[j + 16][lane] & 15) << 4);
}

static void simple_pack_high(uint8_t qh[4], const lane_levels *levels, int lane) {
    memset(qh, 0, 4);
    for (int i = 0; i < CSO_BLOCK; i++)
        qh[i / 8] = (uint8_t)(qh[i / 8] | levels->q[i][lane] >> 4 << i % 8);
}

/* Q4_0 and Q5_0: x ~ d (q - half). Without importances d takes the weight of the largest size to -half. */
static void simple_symmetric(simple_groups *g, float half, bool weighted) {
    for (int lane = 0; lane < QUANT_LANES; lane += LANE_WIDTH) {
        lane_vectors v;
        lane_f scale, largest = l_set(0);
        lane_vectors_load(&v, &g->x, &g->w, CSO_BLOCK, lane);
        for (int i = 0; i < CSO_BLOCK; i++)
            largest = l_choose(l_abs(v.x[i]) > l_abs(largest), v.x[i], largest);
        scale = largest / -half;
        if (weighted)
            symmetric_fit(&v, half, &scale);
        l_store(g->scale + lane, scale);
        if (weighted)
            round_halves(g->scale + lane);
        lane_f inverse = l_divide(l_set(1), l_load(g->scale + lane));
        for (int i = 0; i < CSO_BLOCK; i++) /* cut, as GGML does it: half up */
            levels_store(&g->levels.q[i][lane], l_clamp(v.x[i] * inverse + (half + 0.5f), 0, 2 * half - 1));
    }
}

/* Q4_1 and Q5_1: x ~ d q + m. Without importances from the smallest to the largest weight. */
static void simple_affine(simple_groups *g, float levels, bool weighted) {
    const affine_search search = {levels, -0.9f, 0.05f, 36, false};
    for (int lane = 0; lane < QUANT_LANES; lane += LANE_WIDTH) {
        lane_vectors v;
        lane_vectors_load(&v, &g->x, &g->w, CSO_BLOCK, lane);
        lane_f low = v.x[0], high = low;
        for (int i = 1; i < CSO_BLOCK; i++) {
            low = l_min(low, v.x[i]);
            high = l_max(high, v.x[i]);
        }
        lane_f scale = (high - low) / levels, min = -low;
        if (weighted)
            affine_fit(&v, &search, &scale, &min);
        l_store(g->scale + lane, scale);
        l_store(g->min + lane, -min);
        if (weighted) {
            round_halves(g->scale + lane);
            round_halves(g->min + lane);
        }
        lane_f inverse = l_divide(l_set(1), l_load(g->scale + lane));
        low = l_load(g->min + lane);
        for (int i = 0; i < CSO_BLOCK; i++)
            levels_store(&g->levels.q[i][lane], l_clamp((v.x[i] - low) * inverse + 0.5f, 0, levels));
    }
}

/* A type of 32 weights with `bits` each, 4 or 5. Its block has d, then m if it is affine, the fifth bits if there are some, and the
 * others. */
typedef struct simple_format {
    int bits;
    bool affine;
} simple_format;

static uint8_t *simple_pack(uint8_t *block, simple_format format, const simple_groups *g, int lane) {
    block_store_half(block, g->scale[lane]);
    block += 2;
    if (format.affine) {
        block_store_half(block, g->min[lane]);
        block += 2;
    }
    if (format.bits == 5) {
        simple_pack_high(block, &g->levels, lane);
        block += 4;
    }
    simple_pack_nibbles(block, &g->levels, lane);
    return block + 16;
}

static void quantize_simple(simple_format format, const float *x, const float *importance, void *out, size_t columns) {
    simple_groups g;
    uint8_t *block = out;
    float mean_square = importance ? row_mean_square(x, columns) : 0, levels = (float)(1 << format.bits);
    for (size_t i = 0; i < columns; i += CSO_BLOCK * QUANT_LANES) {
        int count = simple_load(&g, x + i, importance ? importance + i : NULL, columns - i, mean_square);
        if (format.affine)
            simple_affine(&g, levels - 1, importance != NULL);
        else
            simple_symmetric(&g, levels / 2, importance != NULL);
        for (int lane = 0; lane < count; lane++)
            block = simple_pack(block, format, &g, lane);
    }
}

static void quantize_q4_0(const float *x, const float *importance, void *out, size_t columns) {
    quantize_simple((simple_format){4, false}, x, importance, out, columns);
}
static void quantize_q4_1(const float *x, const float *importance, void *out, size_t columns) {
    quantize_simple((simple_format){4, true}, x, importance, out, columns);
}
static void quantize_q5_0(const float *x, const float *importance, void *out, size_t columns) {
    quantize_simple((simple_format){5, false}, x, importance, out, columns);
}
static void quantize_q5_1(const float *x, const float *importance, void *out, size_t columns) {
    quantize_simple((simple_format){5, true}, x, importance, out, columns);
}

/* Away from zero where two are as near: below 2^22, and never where |a| - 0.5 rounds up. */
LANE_INLINE lane_f l_round_away(lane_f a) {
    lane_f size = l_abs(a), whole = l_round(size);
    whole = l_choose(size - whole == l_set(0.5f), whole + 1, whole); /* a tie that went to the even one below */
    return (lane_f)((lane_i)whole | ((lane_i)a & (lane_i)l_set(-0.0f)));
}

static void q8_0_levels(simple_groups *g) {
    for (int lane = 0; lane < QUANT_LANES; lane += LANE_WIDTH) {
        lane_f largest = l_set(0);
        for (int j = 0; j < CSO_BLOCK; j++)
            largest = l_max(largest, l_abs(l_load(&g->x.at[j][lane])));
        lane_f scale = largest / 127.0f, inverse = l_divide(l_set(1), scale);
        l_store(g->scale + lane, scale);
        for (int j = 0; j < CSO_BLOCK; j++) /* 128 more, so that it is not negative */
            levels_store(&g->levels.q[j][lane], l_round_away(l_load(&g->x.at[j][lane]) * inverse) + 128.0f);
    }
}

static void quantize_q8_0(const float *x, const float *importance, void *out, size_t columns) {
    simple_groups g;
    cso_block_q8_0 *block = out;
    (void)importance;
    for (size_t i = 0; i < columns; i += CSO_BLOCK * QUANT_LANES) {
        int count = simple_load(&g, x + i, NULL, columns - i, 0);
        q8_0_levels(&g);
        for (int lane = 0; lane < count; lane++, block++) {
            block_store_half(block->d, g.scale[lane]);
            for (int j = 0; j < CSO_BLOCK; j++)
                block->qs[j] = (int8_t)(g.levels.q[j][lane] - 128);
        }
    }
}

static void fill_quantize(cso_kernels *table) {
    table->quantize[CSO_F32] = quantize_f32;
    table->quantize[CSO_F16] = quantize_f16;
    table->quantize[CSO_BF16] = quantize_bf16;
    table->quantize[CSO_Q4_0] = quantize_q4_0;
    table->quantize[CSO_Q4_1] = quantize_q4_1;
    table->quantize[CSO_Q5_0] = quantize_q5_0;
    table->quantize[CSO_Q5_1] = quantize_q5_1;
    table->quantize[CSO_Q8_0] = quantize_q8_0;
    table->quantize[CSO_Q2_K] = quantize_q2_k;
    table->quantize[CSO_Q3_K] = quantize_q3_k;
    table->quantize[CSO_Q4_K] = quantize_q4_k;
    table->quantize[CSO_Q5_K] = quantize_q5_k;
    table->quantize[CSO_Q6_K] = quantize_q6_k;
}

#endif

/* sampling.c - one token from a row of logits.
 *
 * Nothing is sorted but what has to be: a histogram of scores, with the mass of each bucket, shows in which bucket top-k and top-p end,
 * and only that bucket's scores are put in order.
 */
#include "sampling.h"

#include "base/memory.h"
#include "base/rng.h"
#include "base/sort.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1024, PER_UNIT = 32, DRAW_BLOCK = 256, DRAW_LANES = 8 };
#define LEAST 1e-6                /* what logits are divided by is not 0 in f32 */
#define SEEN  (UINT32_C(1) << 31) /* of a count: its repetition is penalized already */

typedef struct candidate {
    float score;
    int32_t id;
} candidate;

typedef struct histogram {
    uint32_t counts[BUCKETS];
    double masses[BUCKETS];
} histogram;

cso_status cso_sampler_init(cso_sampler *s, const cso_kernels *kernels, size_t vocab, cso_error *err) {
    *s = (cso_sampler){.kernels = kernels, .vocab = vocab};
    s->scores = cso_aligned_alloc(vocab, sizeof *s->scores);
    s->weights = cso_aligned_alloc(vocab, sizeof *s->weights);
    s->counts = cso_calloc(vocab, sizeof *s->counts);
    s->spare = cso_aligned_alloc(vocab, 2 * sizeof(candidate)); /* half of it for sorting */
    if (s->scores && s->weights && s->counts && s->spare)
        return CSO_OK;
    cso_sampler_free(s);
    return cso_fail_memory(err, "the choice of tokens");
}

void cso_sampler_free(cso_sampler *s) {
    free(s->scores);
    free(s->weights);
    free(s->counts);
    free(s->spare);
    *s = (cso_sampler){0};
}

static cso_status check_number(const char *name, double value, double least, double most, cso_error *err) {
    if (value >= least && value <= most)
        return CSO_OK;
    return most < 1e30 ? cso_fail(err, CSO_ERR_USAGE, "%s must be from %g to %g, got %g", name, least, most, value)
                       : cso_fail(err, CSO_ERR_USAGE, "%s must be a number >= %g, got %g", name, least, value);
}

cso_status cso_sampling_check(const cso_sampling *sampling, size_t vocab, cso_error *err) {
    CSO_TRY(check_number("temperature", sampling->temperature, 0, 1e30, err));
    if (sampling->temperature > 0 && sampling->temperature < LEAST)
        return cso_fail(err, CSO_ERR_USAGE, "temperature must be 0 or >= %g, got %g", LEAST, sampling->temperature);
    CSO_TRY(check_number("top_p", sampling->top_p, 0, 1, err));
    CSO_TRY(check_number("min_p", sampling->min_p, 0, 1, err));
    CSO_TRY(check_number("repetition_penalty", sampling->repetition_penalty, 0, 1e6, err));
    if (sampling->repetition_penalty > 0 && sampling->repetition_penalty < LEAST)
        return cso_fail(err, CSO_ERR_USAGE, "repetition_penalty must be 0 or >= %g, got %g", LEAST, sampling->repetition_penalty);
    CSO_TRY(check_number("presence_penalty", sampling->presence_penalty, -1e6, 1e6, err));
    CSO_TRY(check_number("frequency_penalty", sampling->frequency_penalty, -1e6, 1e6, err));
    for (size_t i = 0; i < sampling->n_bias; i++) {
        const cso_logit_bias *bias = &sampling->bias[i];
        if (bias->id < 0 || (size_t)bias->id >= vocab)
            return cso_fail(err, CSO_ERR_USAGE, "logit bias: token id %d is not in the vocabulary of %zu", bias->id, vocab);
        if (!(bias->bias <= 1e6f && (bias->bias >= -1e6f || bias->bias == -INFINITY)))
            return cso_fail(err, CSO_ERR_USAGE, "logit bias of token id %d: expected -1e6 to 1e6, or -infinity, got %g", bias->id,
                            (double)bias->bias);
    }
    return CSO_OK;
}

/* ---- scores: bias, penalties, mask ---- */

static void penalize_repetition(cso_sampler *s, float penalty, const int32_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++) {
        size_t id = (size_t)ids[i];
        if (id >= s->vocab || s->counts[id] & SEEN)
            continue;
        s->counts[id] |= SEEN;
        s->scores[id] = s->scores[id] < 0 ? s->scores[id] * penalty : s->scores[id] / penalty;
    }
}

static void penalize_reply(cso_sampler *s, const cso_sampling *sampling, const int32_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++)
        if ((size_t)ids[i] < s->vocab)
            s->counts[ids[i]]++;
    for (size_t i = 0; i < count; i++) {
        size_t id = (size_t)ids[i];
        uint32_t times = id < s->vocab ? s->counts[id] & ~SEEN : 0;
        if (!times)
            continue;
        s->counts[id] &= SEEN;
        s->scores[id] -= (float)sampling->frequency_penalty * (float)times;
        s->scores[id] -= (float)sampling->presence_penalty;
    }
}

static void forget_counts(cso_sampler *s, const int32_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++)
        if ((size_t)ids[i] < s->vocab)
            s->counts[ids[i]] = 0;
}

/* Words of 64 ids: most allow all or none. */
static void mask(float *scores, size_t vocab, const uint64_t *allowed) {
    for (size_t first = 0; first < vocab; first += 64) {
        uint64_t word = allowed[first / 64];
        size_t count = vocab - first < 64 ? vocab - first : 64;
        if (word == UINT64_MAX)
            continue;
        for (size_t i = 0; i < count; i++)
            scores[first + i] = word >> i & 1 ? scores[first + i] : -INFINITY;
    }
}

static bool is_penalized(const cso_sampling *p) {
    return (p->repetition_penalty != 0 && p->repetition_penalty != 1) || p->presence_penalty != 0 || p->frequency_penalty != 0;
}

/* Steps 1 to 4. *scores: the sampler's, or the logits themselves where nothing changes. */
static void score(cso_sampler *s, const cso_sampling *sampling, const cso_sampling_place *at, const float **scores) {
    *scores = at->logits;
    if (!sampling->n_bias && !is_penalized(sampling) && !at->allowed)
        return;
    *scores = s->scores;
    memcpy(s->scores, at->logits, s->vocab * sizeof *s->scores);
    for (size_t i = 0; i < sampling->n_bias; i++)
        s->scores[sampling->bias[i].id] += sampling->bias[i].bias;
    if (is_penalized(sampling)) {
        if (sampling->repetition_penalty != 0) {
            penalize_repetition(s, (float)sampling->repetition_penalty, at->prompt, at->n_prompt);
            penalize_repetition(s, (float)sampling->repetition_penalty, at->reply, at->n_reply);
        }
        penalize_reply(s, sampling, at->reply, at->n_reply);
        forget_counts(s, at->prompt, at->n_prompt);
        forget_counts(s, at->reply, at->n_reply);
    }
    if (at->allowed)
        mask(s->scores, s->vocab, at->allowed);
}

/* The scores after steps 1 to 4, and the highest of them. */
static cso_status score_all(cso_sampler *s, const cso_sampling *sampling, const cso_sampling_place *at, const float **scores,
                            float *most, cso_error *err) {
    size_t tokens = at->n_prompt + at->n_reply;
    *most = s->kernels->max(at->logits, s->vocab);
    if (!isfinite(*most))
        return cso_fail(err, CSO_ERR_NUMERIC, "the logits after %zu tokens are not finite", tokens);
    score(s, sampling, at, scores);
    if (*scores == at->logits)
        return CSO_OK;
    *most = s->kernels->max(*scores, s->vocab);
    if (*most == -INFINITY)
        return cso_fail(err, CSO_ERR_USAGE, "bias and constraint leave no token after %zu tokens", tokens);
    return isfinite(*most) ? CSO_OK
                           : cso_fail(err, CSO_ERR_NUMERIC, "the penalized logits after %zu tokens are not finite", tokens);
}

/* ---- filters ---- */

/* Scores are 0 for the most probable and below for the others. */
static size_t bucket_of(float score) {
    float at = -score * PER_UNIT;
    return at < BUCKETS - 1 ? (size_t)at : BUCKETS - 1;
}

static void count_buckets(const cso_sampler *s, histogram *h) {
    memset(h, 0, sizeof *h);
    for (size_t i = 0; i < s->vocab; i++) {
        size_t bucket = bucket_of(s->scores[i]);
        h->counts[bucket]++;
        h->masses[bucket] += (double)s->weights[i];
    }
}

static int compare_candidates(const void *left, const void *right) {
    const candidate *a = left, *b = right;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

/* The candidates of a bucket down to the lowest score, the most probable first. */
static candidate *sort_bucket(cso_sampler *s, size_t bucket, float lowest, size_t *count) {
    candidate *found = s->spare;
    size_t n = 0;
    for (size_t i = 0; i < s->vocab; i++)
        if (s->scores[i] >= lowest && bucket_of(s->scores[i]) == bucket)
            found[n++] = (candidate){s->scores[i], (int32_t)i};
    cso_sort(found, found + s->vocab, n, sizeof *found, compare_candidates);
    *count = n;
    return found;
}

/* The score of the k-th candidate; *total: the mass down to it. 0 < k <= V. */
static float find_top_k(cso_sampler *s, const histogram *h, size_t k, double *total) {
    size_t bucket = 0, before = 0, count;
    for (*total = 0; before + h->counts[bucket] < k; bucket++) {
        before += h->counts[bucket];
        *total += h->masses[bucket];
    }
    const candidate *found = sort_bucket(s, bucket, -INFINITY, &count);
    float lowest = found[k - before - 1].score;
    for (size_t i = 0; i < count && found[i].score >= lowest; i++)
        *total += (double)s->weights[found[i].id];
    return lowest;
}

/* The last candidate that top-p keeps, with a target of mass, of those down to the lowest score. */
static candidate find_top_p(cso_sampler *s, const histogram *h, float lowest, double target) {
    size_t bucket = 0, last = bucket_of(lowest), count, i = 0;
    double mass = 0;
    for (; bucket < last && mass + h->masses[bucket] < target; bucket++)
        mass += h->masses[bucket];
    const candidate *found = sort_bucket(s, bucket, lowest, &count);
    if (!count) /* by rounding, the target is more than all */
        return (candidate){lowest, INT32_MAX};
    while (i + 1 < count && (mass += (double)s->weights[found[i].id]) < target)
        i++;
    return found[i];
}

static double sum_block(const float *weights, size_t count) {
    double lanes[DRAW_LANES] = {0}, sum = 0;
    size_t i = 0;
    for (; i + DRAW_LANES <= count; i += DRAW_LANES)
        for (size_t lane = 0; lane < DRAW_LANES; lane++)
            lanes[lane] += (double)weights[i + lane];
    for (; i < count; i++)
        sum += (double)weights[i];
    for (size_t lane = 0; lane < DRAW_LANES; lane++)
        sum += lanes[lane];
    return sum;
}

static size_t block_size(const cso_sampler *s, size_t first) {
    return s->vocab - first < DRAW_BLOCK ? s->vocab - first : DRAW_BLOCK;
}

/* Steps 6 to 8: weights become 0. mass: of all weights. */
static void filter(cso_sampler *s, const cso_sampling *sampling, double mass) {
    const size_t k = sampling->top_k;
    const double p = sampling->top_p;
    bool top_k = k != 0 && k < s->vocab;
    bool top_p = p > 0 && p < 1;
    candidate edge = {-INFINITY, INT32_MAX}; /* the last that stays */
    if (top_k || top_p) {
        histogram h;
        count_buckets(s, &h);
        if (top_k)
            edge.score = find_top_k(s, &h, k, &mass);
        if (top_p)
            edge = find_top_p(s, &h, edge.score, p * mass);
    }
    float least = (float)sampling->min_p * s->kernels->max(s->weights, s->vocab);
    for (size_t i = 0; i < s->vocab; i++) {
        float score = s->scores[i];
        if (score < edge.score || (score == edge.score && (int32_t)i > edge.id) || s->weights[i] < least)
            s->weights[i] = 0;
    }
}

cso_status cso_sampler_weigh(cso_sampler *s, const cso_sampling *sampling, const cso_sampling_place *at, double *total,
                             cso_error *err) {
    const float *scores, temperature = (float)sampling->temperature;
    float most;
    CSO_TRY(score_all(s, sampling, at, &scores, &most, err));
    for (size_t i = 0; i < s->vocab; i++)
        s->weights[i] = s->scores[i] = (scores[i] - most) / temperature;
    double mass = s->kernels->exp_sum(s->weights, s->vocab, 0);
    if (sampling->top_k || (sampling->top_p > 0 && sampling->top_p < 1) || sampling->min_p > 0)
        filter(s, sampling, mass);
    *total = 0;
    for (size_t first = 0; first < s->vocab; first += DRAW_BLOCK)
        *total += sum_block(s->weights + first, block_size(s, first));
    return CSO_OK;
}

/* ---- the choice ---- */

/* Uniform in [0, 1), with 53 bits. */
static double draw(const cso_sampling *sampling, const cso_sampling_place *at) {
    cso_rng rng = cso_rng_make(sampling->seed, CSO_STREAM_REPLY, at->sequence);
    rng.index = at->n_prompt + at->n_reply;
    return (double)(cso_rng_u64(&rng) >> 11) * 0x1p-53;
}

/* The id at which the sum of weights passes the target: the last with a weight where rounding puts the target behind all. */
static int32_t find_draw(const cso_sampler *s, double target) {
    double before = 0;
    size_t block = 0, found = 0;
    for (size_t first = 0; first < s->vocab; first += DRAW_BLOCK) {
        double sum = sum_block(s->weights + first, block_size(s, first));
        if (sum <= 0)
            continue;
        block = first;
        if (before + sum > target)
            break;
        before += sum;
    }
    for (size_t i = block; i < block + block_size(s, block); i++) {
        if (s->weights[i] <= 0)
            continue;
        found = i;
        if ((before += (double)s->weights[i]) > target)
            break;
    }
    return (int32_t)found;
}

cso_status cso_sampler_choose(cso_sampler *s, const cso_sampling *sampling, const cso_sampling_place *at, int32_t *id,
                              cso_error *err) {
    if (sampling->temperature == 0) {
        const float *scores;
        float most;
        CSO_TRY(score_all(s, sampling, at, &scores, &most, err));
        for (*id = 0; scores[*id] != most; ++*id) {
        }
        return CSO_OK;
    }
    double total;
    CSO_TRY(cso_sampler_weigh(s, sampling, at, &total, err));
    *id = find_draw(s, draw(sampling, at) * total);
    return CSO_OK;
}

void cso_top_alternatives(const cso_kernels *kernels, const float *logits, size_t rows, size_t vocab, cso_alternative *top,
                          size_t n) {
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        top[i] = (cso_alternative){-1, -INFINITY};
    for (size_t i = 0; n && i < vocab; i++) {
        if (found == n && !(logits[i] > logits[top[n - 1].id]))
            continue;
        size_t at = found < n ? found++ : n - 1;
        for (; at > 0 && logits[i] > logits[top[at - 1].id]; at--)
            top[at] = top[at - 1];
        top[at].id = (int32_t)i;
    }
    float most = kernels->max(logits, rows);
    double log_sum = log(kernels->exp_sum_only(logits, rows, most));
    for (size_t i = 0; i < found; i++)
        top[i].logp = (double)logits[top[i].id] - (double)most - log_sum;
}

/* test_sampling.c - the choice of a token: transformers' distributions, a plain computation of all filters, frequencies of draws. */
#include "decode_fixture.h"

#include "base/rng.h"
#include "decode/sampling.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const cso_kernels *kernels(void) {
    return cso_kernels_choose(NULL);
}

static cso_sampler open_sampler(size_t vocab) {
    cso_sampler sampler;
    cso_error error = {0};
    golden_ok(cso_sampler_init(&sampler, kernels(), vocab, &error), &error);
    return sampler;
}

static double number(const cJSON *object, const char *name) {
    const cJSON *item = cJSON_GetObjectItem(object, name);
    return item ? item->valuedouble : 0;
}

static float *floats(const cJSON *array, size_t *count) {
    float *list = calloc((size_t)cJSON_GetArraySize(array) + 1, sizeof *list);
    const cJSON *item;
    assert_non_null(list);
    *count = 0;
    cJSON_ArrayForEach(item, array) list[(*count)++] = (float)item->valuedouble;
    return list;
}

/* ---- transformers ---- */

static void compare_case(const cJSON *item, const float *logits, size_t vocab) {
    cso_sampler sampler = open_sampler(vocab);
    cso_error error = {0};
    cso_logit_bias bias[8];
    cso_sampling sampling = {.temperature = number(item, "temperature"),
                             .top_k = (size_t)number(item, "top_k"),
                             .top_p = number(item, "top_p"),
                             .min_p = number(item, "min_p"),
                             .repetition_penalty = number(item, "repetition_penalty"),
                             .presence_penalty = number(item, "presence_penalty"),
                             .frequency_penalty = number(item, "frequency_penalty"),
                             .bias = bias};
    const cJSON *pair, *expected = cJSON_GetObjectItem(item, "probabilities");
    cJSON_ArrayForEach(pair, cJSON_GetObjectItem(item, "bias")) bias[sampling.n_bias++] =
        (cso_logit_bias){cJSON_GetArrayItem(pair, 0)->valueint, (float)cJSON_GetArrayItem(pair, 1)->valuedouble};
    cso_sampling_place place = {.logits = logits};
    int32_t *prompt = golden_ids(cJSON_GetObjectItem(item, "prompt"), &place.n_prompt);
    int32_t *reply = golden_ids(cJSON_GetObjectItem(item, "reply"), &place.n_reply);
    place.prompt = prompt;
    place.reply = reply;
    golden_ok(cso_sampling_check(&sampling, vocab, &error), &error);
    for (int round = 0; round < 2; round++) { /* again: the first leaves nothing behind */
        double total;
        size_t kept = 0;
        golden_ok(cso_sampler_weigh(&sampler, &sampling, &place, &total, &error), &error);
        cJSON_ArrayForEach(pair, expected) {
            int id = cJSON_GetArrayItem(pair, 0)->valueint;
            double truth = cJSON_GetArrayItem(pair, 1)->valuedouble, found = (double)sampler.weights[id] / total;
            if (!(fabs(found - truth) <= 1e-5 * truth))
                fail_msg("%s: id %d: %.9g, transformers %.9g", cJSON_GetObjectItem(item, "name")->valuestring, id, found, truth);
        }
        for (size_t i = 0; i < vocab; i++)
            kept += sampler.weights[i] > 0;
        assert_int_equal(kept, cJSON_GetArraySize(expected));
        assert_true(kept > 0);
    }
    free(prompt);
    free(reply);
    cso_sampler_free(&sampler);
}

static void transformers_distributions(void **state) {
    (void)state;
    const char *path = golden_path("sampling/sampling.json");
    if (!path)
        skip();
    cJSON *root = golden_json(path);
    const cJSON *rows = cJSON_GetObjectItem(root, "logits"), *item;
    int cases = 0;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(root, "cases")) {
        size_t vocab;
        float *logits = floats(cJSON_GetArrayItem(rows, (int)number(item, "logits")), &vocab);
        compare_case(item, logits, vocab);
        free(logits);
        cases++;
    }
    assert_true(cases >= 20);
    cJSON_Delete(root);
}

/* ---- against a full sort ---- */

typedef struct scored {
    float score;
    int32_t id;
} scored;

static int compare_scored(const void *left, const void *right) {
    const scored *a = left, *b = right;
    return a->score != b->score ? (a->score > b->score ? -1 : 1) : (a->id > b->id) - (a->id < b->id);
}

/* The weights by sorting everything; those whose place is decided by less than rounding are -1. */
static void plain_weights(double *weights, const float *logits, size_t vocab, const cso_sampling *sampling) {
    scored *list = calloc(vocab, sizeof *list);
    float most = kernels()->max(logits, vocab);
    double total = 0, before = 0;
    size_t n = vocab;
    assert_non_null(list);
    for (size_t i = 0; i < vocab; i++) {
        list[i] = (scored){(logits[i] - most) / (float)sampling->temperature, (int32_t)i};
        weights[i] = 0;
    }
    qsort(list, vocab, sizeof *list, compare_scored);
    if (sampling->top_k && sampling->top_k < n)
        for (n = sampling->top_k; n < vocab && list[n].score == list[sampling->top_k - 1].score; n++) {
        }
    for (size_t i = 0; i < n; i++)
        total += exp((double)list[i].score);
    double p = sampling->top_p > 0 ? sampling->top_p : 1, least = sampling->min_p;
    for (size_t i = 0; i < n; i++) {
        double weight = exp((double)list[i].score);
        bool unsure = (p < 1 && fabs(before - p * total) < 1e-5 * total) || (least > 0 && fabs(weight - least) < 1e-5 * least) ||
                      (double)list[i].score < -86;
        bool kept = (i == 0 || p >= 1 || before < p * total) && weight >= least;
        weights[list[i].id] = unsure && i ? -1 : kept ? weight : 0;
        before += weight;
    }
    free(list);
}

static void compare_plain(const float *logits, size_t vocab, const cso_sampling *sampling) {
    cso_sampler sampler = open_sampler(vocab);
    cso_error error = {0};
    double *expected = calloc(vocab, sizeof *expected), total, sum = 0;
    assert_non_null(expected);
    plain_weights(expected, logits, vocab, sampling);
    const cso_sampling_place place = {.logits = logits};
    golden_ok(cso_sampler_weigh(&sampler, sampling, &place, &total, &error), &error);
    for (size_t i = 0; i < vocab; i++) {
        double found = (double)sampler.weights[i];
        sum += found;
        if (expected[i] >= 0 && !(fabs(found - expected[i]) <= 2e-6 * expected[i]))
            fail_msg("k %zu p %g m %g t %g: id %zu of %zu: %.9g, expected %.9g", sampling->top_k, sampling->top_p, sampling->min_p,
                     sampling->temperature, i, vocab, found, expected[i]);
    }
    assert_true(fabs(sum - total) <= 1e-9 * sum);
    free(expected);
    cso_sampler_free(&sampler);
}

static void full_sort(void **state) {
    (void)state;
    static const size_t vocabs[] = {1, 2, 7, 300, 5000}, ks[] = {0, 1, 2, 40, 299, 4000};
    static const double ps[] = {0, 1e-9, 0.3, 0.9, 0.9999, 1 - 1e-12}, ms[] = {0, 0.02, 1}, ts[] = {0.05, 0.7, 1, 3};
    for (size_t v = 0; v < sizeof vocabs / sizeof *vocabs; v++)
        for (int shape = 0; shape < 4; shape++) {
            float *logits = calloc(vocabs[v], sizeof *logits);
            cso_rng rng = cso_rng_make(5, CSO_STREAM_SAMPLE, v * 4 + (size_t)shape);
            assert_non_null(logits);
            for (size_t i = 0; i < vocabs[v]; i++) { /* spread out, few different values, all the same, far apart */
                double x = cso_rng_normal(&rng);
                logits[i] = shape == 0   ? (float)(3 * x)
                            : shape == 1 ? (float)(int)(2 * x) / 2
                            : shape == 2 ? 1.5f
                                         : (float)(1e4 * x);
            }
            for (size_t at = 0; at < 6 * 6 * 3 * 4; at++) {
                const cso_sampling sampling = {
                    .top_k = ks[at % 6], .top_p = ps[at / 6 % 6], .min_p = ms[at / 36 % 3], .temperature = ts[at / 108]};
                compare_plain(logits, vocabs[v], &sampling);
            }
            free(logits);
        }
}

/* ---- draws ---- */

/* chi^2 of counts against weights; cells with less than 5 expected are one. */
static double chi_square(const size_t *counts, const float *weights, double total, size_t n, size_t draws, size_t *freedom) {
    double sum = 0, rest_expected = 0, rest = 0;
    size_t cells = 0;
    for (size_t i = 0; i < n; i++) {
        double expected = (double)weights[i] / total * (double)draws;
        if (weights[i] <= 0)
            assert_int_equal(counts[i], 0);
        if (expected < 5) {
            rest_expected += expected;
            rest += (double)counts[i];
            continue;
        }
        sum += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
        cells++;
    }
    if (rest_expected > 0) {
        sum += (rest - rest_expected) * (rest - rest_expected) / rest_expected;
        cells++;
    }
    *freedom = cells - 1;
    return sum;
}

static void frequencies(void **state) {
    (void)state;
    enum { VOCAB = 700, DRAWS = 60000 };
    static const cso_sampling settings[] = {{.temperature = 1},
                                            {.temperature = 0.6, .seed = 9},
                                            {.temperature = 1.7, .top_k = 50, .seed = UINT64_MAX},
                                            {.temperature = 1, .top_p = 0.8, .seed = 1},
                                            {.temperature = 1.2, .min_p = 0.05, .top_p = 0.95, .seed = 77}};
    float logits[VOCAB];
    cso_rng rng = cso_rng_make(11, CSO_STREAM_SAMPLE, 0);
    for (size_t i = 0; i < VOCAB; i++)
        logits[i] = (float)(1.5 * cso_rng_normal(&rng));
    for (size_t s = 0; s < sizeof settings / sizeof *settings; s++)
        for (int by = 0; by < 2; by++) { /* over positions of one reply, and over replies at one position */
            cso_sampler sampler = open_sampler(VOCAB);
            size_t counts[VOCAB] = {0}, freedom;
            cso_error error = {0};
            for (size_t i = 0; i < DRAWS; i++) {
                const cso_sampling_place place = {.logits = logits, .n_reply = by ? 3 : i, .sequence = by ? i : 3};
                int32_t id;
                golden_ok(cso_sampler_choose(&sampler, &settings[s], &place, &id, &error), &error);
                counts[id]++;
            }
            double total, found;
            golden_ok(cso_sampler_weigh(&sampler, &settings[s], &(cso_sampling_place){.logits = logits}, &total, &error), &error);
            found = chi_square(counts, sampler.weights, total, VOCAB, DRAWS, &freedom);
            if (!(fabs(found - (double)freedom) <= 3.3 * sqrt(2 * (double)freedom))) /* one in a thousand */
                fail_msg("settings %zu, by %d: chi^2 %.1f with %zu degrees of freedom", s, by, found, freedom);
            cso_sampler_free(&sampler);
        }
}

/* The draw depends on seed, sequence and position, and where the reply begins does not matter. */
static void what_decides(void **state) {
    (void)state;
    enum { VOCAB = 1000, PLACES = 64 };
    float logits[VOCAB] = {0};
    cso_sampler sampler = open_sampler(VOCAB);
    cso_error error = {0};
    size_t same[3] = {0};
    for (size_t i = 0; i < PLACES; i++) {
        cso_sampling sampling = {.temperature = 1, .seed = 5};
        cso_sampling_place place = {.logits = logits, .n_prompt = i, .n_reply = 9, .sequence = 4};
        int32_t first, other[4];
        golden_ok(cso_sampler_choose(&sampler, &sampling, &place, &first, &error), &error);
        place.n_prompt++;
        golden_ok(cso_sampler_choose(&sampler, &sampling, &place, &other[0], &error), &error);
        place.n_reply--;
        golden_ok(cso_sampler_choose(&sampler, &sampling, &place, &other[3], &error), &error);
        assert_int_equal(other[3], first);
        place.sequence++;
        golden_ok(cso_sampler_choose(&sampler, &sampling, &place, &other[1], &error), &error);
        place.sequence--;
        sampling.seed++;
        golden_ok(cso_sampler_choose(&sampler, &sampling, &place, &other[2], &error), &error);
        for (int j = 0; j < 3; j++)
            same[j] += other[j] == first;
    }
    for (int j = 0; j < 3; j++)
        assert_true(same[j] <= 3);
    cso_sampler_free(&sampler);
}

/* ---- masks, alternatives, errors ---- */

static void masks(void **state) {
    (void)state;
    enum { VOCAB = 200 };
    float logits[VOCAB];
    uint64_t allowed[4] = {0};
    cso_sampler sampler = open_sampler(VOCAB);
    cso_error error = {0};
    double total;
    int32_t id;
    for (size_t i = 0; i < VOCAB; i++)
        logits[i] = (float)(i % 13);
    allowed[0] = UINT64_C(1) << 5 | UINT64_C(1) << 18; /* both 5 */
    allowed[3] = UINT64_C(1) << 7;                     /* 199: 4 */
    allowed[3] |= UINT64_C(1) << 40;                   /* beyond the vocabulary */
    cso_sampling_place place = {.logits = logits, .allowed = allowed};
    golden_ok(cso_sampler_choose(&sampler, &(cso_sampling){0}, &place, &id, &error), &error);
    assert_int_equal(id, 5);
    const cso_logit_bias bias[] = {{199, 2}, {20, 100}};
    golden_ok(cso_sampler_choose(&sampler, &(cso_sampling){.bias = bias, .n_bias = 2}, &place, &id, &error), &error);
    assert_int_equal(id, 199);
    golden_ok(cso_sampler_weigh(&sampler, &(cso_sampling){.temperature = 1, .top_k = 2}, &place, &total, &error), &error);
    for (size_t i = 0; i < VOCAB; i++)
        assert_int_equal(sampler.weights[i] > 0, i == 5 || i == 18);
    memset(allowed, 0, sizeof allowed);
    assert_int_equal(cso_sampler_choose(&sampler, &(cso_sampling){0}, &place, &id, &error), CSO_ERR_USAGE);
    assert_int_equal(cso_sampler_choose(&sampler, &(cso_sampling){.temperature = 1}, &place, &id, &error), CSO_ERR_USAGE);
    cso_sampler_free(&sampler);
}

static void alternatives(void **state) {
    (void)state;
    decode_fixture f = decode_fixture_open("qwen2-tiny", 1);
    int32_t *ids = fixture_ids(&f, 30, 3);
    cso_decoder *decoder = fixture_decoder(&f, 0, 0);
    cso_session *session = fixture_session(decoder, NULL);
    const float *logits = fixture_feed(session, ids, 30, 1);
    enum { TOP = 12 };
    cso_alternative top[TOP], few[TOP];
    cso_sampler sampler = open_sampler(f.vocab);
    cso_error error = {0};
    int32_t greedy;
    cso_top_alternatives(f.ctx->kernels, logits, f.vocab, f.vocab, top, TOP);
    golden_ok(cso_sampler_choose(&sampler, &(cso_sampling){0}, &(cso_sampling_place){.logits = logits}, &greedy, &error), &error);
    assert_int_equal(top[0].id, greedy);
    for (size_t i = 0; i < TOP; i++) {
        assert_true(top[i].logp == cso_logits_logp(decoder, logits, top[i].id)); /* the same bits */
        assert_true(!i || top[i].logp <= top[i - 1].logp);
    }
    size_t better = 0;
    for (size_t i = 0; i < f.vocab; i++)
        better += logits[i] > logits[top[TOP - 1].id];
    assert_true(better < TOP);
    const float ties[4] = {1, 2, 2, 1};
    cso_top_alternatives(f.ctx->kernels, ties, 4, 4, few, 6);
    const int32_t order[6] = {1, 2, 0, 3, -1, -1};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(few[i].id, order[i]);
    assert_true(few[5].logp == -INFINITY);
    cso_sampler_free(&sampler);
    cso_session_drop(session);
    cso_decoder_free(decoder);
    free(ids);
    decode_fixture_close(&f);
}

static void errors(void **state) {
    (void)state;
    const cso_logit_bias outside = {10, 1}, nan_bias = {1, NAN}, huge = {1, INFINITY};
    const cso_sampling wrong[] = {{.temperature = -1},
                                  {.temperature = NAN},
                                  {.temperature = 1e-300},
                                  {.repetition_penalty = 1e-50},
                                  {.temperature = INFINITY},
                                  {.top_p = 1.1},
                                  {.top_p = -0.1},
                                  {.min_p = 2},
                                  {.repetition_penalty = -1},
                                  {.presence_penalty = NAN},
                                  {.frequency_penalty = 1e7},
                                  {.bias = &outside, .n_bias = 1},
                                  {.bias = &nan_bias, .n_bias = 1},
                                  {.bias = &huge, .n_bias = 1}};
    cso_error error = {0};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(cso_sampling_check(&wrong[i], 10, &error), CSO_ERR_USAGE);
    cso_sampling_check(&(cso_sampling){.top_p = 1.5}, 10, &error);
    assert_string_equal(error.message, "top_p must be from 0 to 1, got 1.5");
    cso_sampler sampler = open_sampler(3);
    const float bad[][3] = {{1, NAN, 0}, {1, 2, INFINITY}, {-INFINITY, -INFINITY, -INFINITY}};
    for (size_t i = 0; i < 3; i++)
        for (int hot = 0; hot < 2; hot++) {
            const cso_sampling sampling = {.temperature = hot};
            int32_t id;
            assert_int_equal(cso_sampler_choose(&sampler, &sampling, &(cso_sampling_place){.logits = bad[i]}, &id, &error),
                             CSO_ERR_NUMERIC);
        }
    cso_sampler_free(&sampler);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(transformers_distributions),
                                       cmocka_unit_test(full_sort),
                                       cmocka_unit_test(frequencies),
                                       cmocka_unit_test(what_decides),
                                       cmocka_unit_test(masks),
                                       cmocka_unit_test(alternatives),
                                       cmocka_unit_test(errors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tree_naive.h"

#include <stdlib.h>
#include <string.h>

bool naive_scored(const cso_sequence *s, size_t t) {
    if (t == 0)
        return false;
    return s->scored ? s->scored[t] : t >= s->score_start;
}

size_t naive_laid(const cso_sequence *s) {
    size_t last = 0;
    for (size_t t = 0; t < s->length; t++)
        if (naive_scored(s, t))
            last = t;
    return last;
}

static bool same_prefix(const cso_sequence *a, const cso_sequence *b, size_t n) {
    return a->group == b->group && a->length >= n && b->length >= n && !memcmp(a->ids, b->ids, n * sizeof *a->ids);
}

/* Whether an earlier sequence lays out the first n tokens of sequences[s]. */
static bool seen_laid(const cso_sequence *sequences, size_t s, size_t n) {
    for (size_t r = 0; r < s; r++)
        if (naive_laid(&sequences[r]) >= n && same_prefix(&sequences[r], &sequences[s], n))
            return true;
    return false;
}

size_t naive_tokens(const cso_sequence *sequences, size_t count) {
    size_t total = 0;
    for (size_t s = 0; s < count; s++)
        for (size_t n = 1; n <= naive_laid(&sequences[s]); n++)
            total += !seen_laid(sequences, s, n);
    return total;
}

size_t naive_edges(const cso_sequence *sequences, size_t count) {
    size_t total = 0;
    for (size_t s = 0; s < count; s++)
        for (size_t t = 1; t < sequences[s].length; t++) {
            bool seen = false;
            for (size_t r = 0; r < s && !seen; r++)
                seen = same_prefix(&sequences[r], &sequences[s], t + 1) && naive_scored(&sequences[r], t);
            total += naive_scored(&sequences[s], t) && !seen;
        }
    return total;
}

size_t naive_nodes(const cso_sequence *sequences, size_t count) {
    size_t total = 0;
    for (size_t s = 0; s < count; s++)
        for (size_t t = 1; t < sequences[s].length; t++) {
            bool seen = false;
            for (size_t r = 0; r < s && !seen; r++)
                seen = same_prefix(&sequences[r], &sequences[s], t) && t < sequences[r].length && naive_scored(&sequences[r], t);
            total += naive_scored(&sequences[s], t) && !seen;
        }
    return total;
}

/* How many different laid-out tokens follow the first n of sequences[s]. */
static size_t followers(const cso_sequence *sequences, size_t count, size_t s, size_t n) {
    size_t total = 0;
    for (size_t r = 0; r < count; r++)
        if (naive_laid(&sequences[r]) > n && same_prefix(&sequences[r], &sequences[s], n))
            total += !seen_laid(sequences, r, n + 1);
    return total;
}

size_t naive_segments(const cso_sequence *sequences, size_t count) {
    size_t total = 0;
    for (size_t s = 0; s < count; s++)
        for (size_t n = 1; n <= naive_laid(&sequences[s]); n++) /* the prefix of n tokens begins a segment if it is new and ... */
            total += !seen_laid(sequences, s, n) && (n == 1 || followers(sequences, count, s, n - 1) > 1);
    return total;
}

uint32_t random_next(uint64_t *state) { /* a linear congruential generator is random enough here */
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(*state >> 33);
}

void random_set_make(random_set *set, uint64_t *state, size_t max_count, size_t max_length) {
    set->count = random_next(state) % (max_count + 1);
    set->sequences = calloc(set->count + 1, sizeof *set->sequences);
    set->ids = calloc((set->count + 1) * max_length, sizeof *set->ids);
    set->scored = calloc((set->count + 1) * max_length, 1);
    uint32_t alphabet = 1 + random_next(state) % 4, groups = 1 + random_next(state) % 3, mask_kind = random_next(state) % 3;
    for (size_t s = 0; s < set->count; s++) {
        cso_sequence *sequence = &set->sequences[s];
        int32_t *ids = set->ids + s * max_length;
        uint8_t *scored = set->scored + s * max_length;
        size_t shared = 0;
        sequence->length = random_next(state) % (max_length + 1);
        sequence->group = random_next(state) % groups;
        if (s && random_next(state) % 4) { /* begin as an earlier one, up to the whole of it */
            const cso_sequence *earlier = &set->sequences[random_next(state) % s];
            shared = earlier->length ? random_next(state) % (earlier->length + 1) : 0;
            shared = shared < sequence->length ? shared : sequence->length;
            memcpy(ids, earlier->ids, shared * sizeof *ids);
        }
        for (size_t t = shared; t < sequence->length; t++)
            ids[t] = (int32_t)(random_next(state) % alphabet);
        sequence->ids = ids;
        if (mask_kind == 0 || (mask_kind == 1 && random_next(state) % 2)) {
            sequence->score_start = random_next(state) % (max_length + 2);
        } else {
            uint32_t density = random_next(state) % 4;
            for (size_t t = 1; t < sequence->length; t++)
                scored[t] = random_next(state) % 4 < density;
            sequence->scored = scored;
        }
    }
}

void random_set_free(random_set *set) {
    free(set->sequences);
    free(set->ids);
    free(set->scored);
}

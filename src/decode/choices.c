/* choices.c - alternatives as sessions of a step.
 *
 * Row r of a choice's logits is that after r of its tokens. The first step feeds the beginning of each set and what its choices have in
 * common, and gives these rows. For the others, choices are put in lexicographic order: one shares with the one before it all rows of
 * their common beginning, so it is fed for the rest only; one that needs no row of its own is not fed. Two steps, because pages that
 * part can copy only what is computed.
 */
#include "choices.h"

#include "base/memory.h"
#include "base/sort.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A choice in the step. */
typedef struct branch {
    cso_choice *choice;
    cso_session *session; /* NULL: needs no logits of its own */
    size_t first;         /* its own rows begin here; those before are the previous branch's, or the base's */
    size_t feed;
} branch;

typedef struct base {
    const cso_choice_set *set;
    int32_t *ids;     /* the set's prompt, then what the choices have in common */
    size_t common;    /* tokens that all choices begin with, one less than the shortest has at most */
    branch *branches; /* (set's n) */
    cso_session *session;
} base;

typedef struct scoring {
    cso_decoder *decoder;
    base *bases; /* (n) */
    size_t n;
    cso_feed *feeds; /* (n_feeds) of a step; there is room for all choices */
    size_t n_feeds;
    size_t vocab;
} scoring;

static int compare_branches(const void *left, const void *right) {
    const cso_choice *a = ((const branch *)left)->choice, *b = ((const branch *)right)->choice;
    for (size_t i = 0; i < a->count && i < b->count; i++)
        if (a->ids[i] != b->ids[i])
            return a->ids[i] < b->ids[i] ? -1 : 1;
    return (a->count > b->count) - (a->count < b->count);
}

/* The rows that a choice shares with the one before it in order. */
static size_t shared_rows(const cso_choice *before, const cso_choice *choice) {
    size_t common = 0;
    while (common < before->count && common < choice->count && before->ids[common] == choice->ids[common])
        common++;
    return common + 1 < before->count ? common + 1 : before->count;
}

static cso_status check_set(const scoring *s, const cso_choice_set *set, cso_error *err) {
    if (!set->n || (!set->n_prompt && !(set->session && cso_session_length(set->session))))
        return cso_fail(err, CSO_ERR_USAGE, "choices need a token before them, and one choice at least");
    for (size_t i = 0; i < set->n; i++) {
        const cso_choice *choice = &set->choices[i];
        if (!choice->count)
            return cso_fail(err, CSO_ERR_USAGE, "choice %zu has no tokens", i + 1);
        for (size_t j = 0; j < choice->count; j++)
            if (choice->ids[j] < 0 || (size_t)choice->ids[j] >= s->vocab)
                return cso_fail(err, CSO_ERR_INPUT, "token id %d is not in the model's vocabulary of %zu", choice->ids[j],
                                s->vocab);
    }
    return CSO_OK;
}

static cso_status sort_choices(base *b, cso_error *err) {
    size_t n = b->set->n;
    b->branches = cso_calloc(n, 2 * sizeof *b->branches); /* half of it for sorting */
    if (!b->branches)
        return cso_fail_memory(err, "choices");
    for (size_t i = 0; i < n; i++)
        b->branches[i].choice = &b->set->choices[i];
    cso_sort(b->branches, b->branches + n, n, sizeof *b->branches, compare_branches);
    b->common = shared_rows(b->branches[0].choice, b->branches[n - 1].choice) - 1;
    return CSO_OK;
}

static cso_status plan_base(scoring *s, const cso_choice_set *set, cso_error *err) {
    base *b = &s->bases[s->n++];
    b->set = set;
    CSO_TRY(check_set(s, set, err));
    CSO_TRY(sort_choices(b, err));
    if (set->session)
        CSO_TRY(cso_session_fork(&b->session, set->session, cso_session_length(set->session), err));
    else
        CSO_TRY(cso_session_open(&b->session, s->decoder, set->adapter, err));
    size_t count = set->n_prompt + b->common;
    b->ids = cso_calloc(count, sizeof *b->ids);
    if (!b->ids)
        return cso_fail_memory(err, "choices");
    if (set->n_prompt)
        memcpy(b->ids, set->prompt, set->n_prompt * sizeof *b->ids);
    memcpy(b->ids + set->n_prompt, set->choices[0].ids, b->common * sizeof *b->ids);
    s->feeds[s->n_feeds++] = (cso_feed){.session = b->session, .ids = b->ids, .count = count, .n_logits = b->common + 1};
    return CSO_OK;
}

/* The tokens of which the base has the rows. */
static void sum_common(const scoring *s, const base *b, const float *rows) {
    for (size_t i = 0; i < b->set->n; i++) {
        cso_choice *choice = &b->set->choices[i];
        choice->logp = 0;
        for (size_t row = 0; row <= b->common; row++)
            choice->logp += cso_logits_logp(s->decoder, rows + row * s->vocab, choice->ids[row]);
    }
}

static cso_status plan_branches(scoring *s, base *b, cso_error *err) {
    for (size_t i = 0; i < b->set->n; i++) {
        branch *leaf = &b->branches[i];
        const cso_choice *choice = leaf->choice;
        leaf->first = i ? shared_rows(leaf[-1].choice, choice) : 0;
        if (leaf->first <= b->common)
            leaf->first = b->common + 1;
        if (leaf->first >= choice->count)
            continue;
        CSO_TRY(cso_session_fork(&leaf->session, b->session, cso_session_length(b->session), err));
        leaf->feed = s->n_feeds;
        s->feeds[s->n_feeds++] = (cso_feed){.session = leaf->session,
                                            .ids = choice->ids + b->common,
                                            .count = choice->count - 1 - b->common, /* nothing follows the last token */
                                            .n_logits = choice->count - leaf->first};
    }
    return CSO_OK;
}

/* Row r of a branch: its own, or that of a branch before it. */
static const float *find_row(const scoring *s, const branch *b, size_t row) {
    while (row < b->first)
        b--;
    return s->feeds[b->feed].logits + (row - b->first) * s->vocab;
}

static cso_status sum_branches(const scoring *s, const base *b, cso_error *err) {
    for (size_t i = 0; i < b->set->n; i++) {
        cso_choice *choice = b->branches[i].choice;
        for (size_t row = b->common + 1; row < choice->count; row++)
            choice->logp += cso_logits_logp(s->decoder, find_row(s, &b->branches[i], row), choice->ids[row]);
        if (!isfinite(choice->logp))
            return cso_fail(err, CSO_ERR_NUMERIC, "the logits of choices are not finite");
    }
    return CSO_OK;
}

static void normalize(const cso_choice_set *set) {
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < set->n; i++)
        most = set->choices[i].logp > most ? set->choices[i].logp : most;
    for (size_t i = 0; i < set->n; i++)
        sum += set->choices[i].probability = exp(set->choices[i].logp - most);
    for (size_t i = 0; i < set->n; i++)
        set->choices[i].probability /= sum;
}

static cso_status score_sets(scoring *s, const cso_choice_set *sets, size_t n, cso_error *err) {
    for (size_t i = 0; i < n; i++)
        CSO_TRY(plan_base(s, &sets[i], err));
    CSO_TRY(cso_decode_step(s->decoder, s->feeds, s->n_feeds, err));
    for (size_t i = 0; i < n; i++)
        sum_common(s, &s->bases[i], s->feeds[i].logits);
    s->n_feeds = 0;
    for (size_t i = 0; i < n; i++)
        CSO_TRY(plan_branches(s, &s->bases[i], err));
    if (s->n_feeds)
        CSO_TRY(cso_decode_step(s->decoder, s->feeds, s->n_feeds, err));
    for (size_t i = 0; i < n; i++) {
        CSO_TRY(sum_branches(s, &s->bases[i], err));
        normalize(&sets[i]);
    }
    return CSO_OK;
}

static void free_base(base *b) {
    for (size_t i = 0; b->branches && i < b->set->n; i++)
        cso_session_drop(b->branches[i].session);
    cso_session_drop(b->session);
    free(b->branches);
    free(b->ids);
}

cso_status cso_choices_score(cso_decoder *decoder, const cso_choice_set *sets, size_t n, cso_error *err) {
    size_t most = n;
    for (size_t i = 0; i < n; i++)
        most += sets[i].n;
    scoring s = {.decoder = decoder,
                 .bases = cso_calloc(n, sizeof *s.bases),
                 .feeds = cso_calloc(most, sizeof *s.feeds),
                 .vocab = cso_decoder_model(decoder)->hparams.vocab};
    cso_status status = s.bases && s.feeds ? score_sets(&s, sets, n, err) : cso_fail_memory(err, "choices");
    for (size_t i = 0; s.bases && i < s.n; i++)
        free_base(&s.bases[i]);
    free(s.bases);
    free(s.feeds);
    return status;
}

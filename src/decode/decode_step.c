/* decode_step.c - a step: extends the sessions, finds the tokens that are not computed yet, and computes them in batches.
 *
 * Sessions go by adapter and then in the order of a walk over the tree, so that those which share pages are neighbours in a batch.
 * A token that several sessions of a batch lack is computed for the first of them: within a layer all keys are stored before any
 * is read.
 */
#include "decode_state.h"

#include "base/memory.h"
#include "base/sort.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

static cso_status check_feed(const cso_decoder *d, const cso_feed *feed, cso_error *err) {
    const cso_session *s = feed->session;
    size_t vocab = d->model->hparams.vocab;
    if (!s || s->decoder != d || s->step == d->step || feed->count > INT32_MAX - s->length ||
        feed->n_logits > s->length + feed->count)
        return cso_fail(err, CSO_ERR_INTERNAL,
                        "a step was given a session twice, one of another decoder, or more than it can hold");
    for (size_t i = 0; i < feed->count; i++)
        if (feed->ids[i] < 0 || (size_t)feed->ids[i] >= vocab)
            return cso_fail(err, CSO_ERR_INPUT,
                            "token id %d is not in the model's vocabulary of %zu (do tokenizer and model belong together?)",
                            feed->ids[i], vocab);
    return CSO_OK;
}

/* By adapter, then by the first page in which the paths differ. Which comes first does not matter. */
static int compare_feeds(const void *left, const void *right) {
    const cso_session *a = (*(const cso_feed *const *)left)->session, *b = (*(const cso_feed *const *)right)->session;
    if (a->root != b->root)
        return (uintptr_t)a->root < (uintptr_t)b->root ? -1 : 1;
    size_t n = a->n_pages < b->n_pages ? a->n_pages : b->n_pages, i = 0;
    while (i < n && a->pages[i] == b->pages[i])
        i++;
    if (i < n)
        return (uintptr_t)a->pages[i] < (uintptr_t)b->pages[i] ? -1 : 1;
    return a->length == b->length ? 0 : a->length < b->length ? -1 : 1;
}

/* The root last, so that it is evicted last. */
static void touch_path(cso_session *s) {
    for (size_t i = s->n_pages; i-- > 0;)
        cso_kv_touch(&s->decoder->tree, s->pages[i]);
}

/* Computes the rows that were planned so far. */
static cso_status run_batch(cso_decoder *d, cso_error *err) {
    cso_status status = d->n_rows ? cso_decode_batch(d, err) : CSO_OK;
    for (size_t i = 0; i < d->n_rows; i++) {
        cso_kv_page *page = d->rows[i].pages[d->rows[i].position / CSO_KV_PAGE];
        if (status == CSO_OK)
            page->computed = page->planned;
        else
            page->planned = page->computed;
        d->counts.computed += d->rows[i].store;
    }
    d->counts.batches += d->n_rows > 0;
    d->n_rows = 0;
    d->tree.batch++;
    return status;
}

/* Memory for a page of the session's path. Where other sessions of the batch use it up, the batch ends here. */
static cso_status hold_page(cso_session *s, cso_kv_page *page, cso_error *err) {
    cso_decoder *d = s->decoder;
    bool room;
    CSO_TRY(cso_kv_hold(&d->tree, page, &room, err));
    if (room)
        return CSO_OK;
    CSO_TRY(run_batch(d, err));
    touch_path(s);
    CSO_TRY(cso_kv_hold(&d->tree, page, &room, err));
    if (room)
        return CSO_OK;
    return cso_fail(err, CSO_ERR_SYSTEM, "the keys and values of %zu tokens do not fit in %.2f MiB (expected %.2f MiB at least)",
                    s->length, (double)d->tree.budget / (1 << 20),
                    (double)(s->n_pages * (d->tree.page_bytes + sizeof *page)) / (1 << 20));
}

/* Adds to the batch what the session lacks, and what has to be computed for its logits. */
static cso_status plan_session(cso_session *s, size_t n_logits, size_t *logits, cso_error *err) {
    cso_decoder *d = s->decoder;
    touch_path(s);
    for (size_t i = 0; i < s->n_pages; i++) {
        cso_kv_page *page = s->pages[i];
        size_t begin = i * CSO_KV_PAGE, seen = s->length - begin < CSO_KV_PAGE ? s->length - begin : CSO_KV_PAGE;
        if ((size_t)page->planned < seen)
            CSO_TRY(hold_page(s, page, err));
        size_t at = (size_t)page->planned, first_logits = s->length - n_logits > begin ? s->length - n_logits - begin : 0;
        for (at = at < first_logits ? at : first_logits; at < seen; at++) {
            if (d->n_rows == d->batch) {
                CSO_TRY(run_batch(d, err));
                touch_path(s);
            }
            bool store = at >= (size_t)page->planned, wanted = at >= first_logits;
            if (!store && !wanted)
                continue;
            d->rows[d->n_rows++] = (cso_row){.pages = s->pages,
                                             .id = page->tokens[at],
                                             .position = (int32_t)(begin + at),
                                             .store = store,
                                             .logits = wanted ? (*logits)++ : CSO_NO_LOGITS,
                                             .adapter = s->root->adapter};
            page->planned = store ? (int32_t)at + 1 : page->planned;
        }
    }
    return CSO_OK;
}

static cso_status reserve_logits(cso_decoder *d, size_t rows, cso_error *err) {
    size_t floats;
    if (rows <= d->logit_rows)
        return CSO_OK;
    free(d->logits);
    d->logit_rows = 0;
    d->logits = cso_size_mul(rows, d->model->hparams.vocab, &floats) ? cso_aligned_alloc(floats, sizeof(float)) : NULL;
    if (!d->logits)
        return cso_fail_memory(err, "logits");
    d->logit_rows = rows;
    return CSO_OK;
}

/* order (2 n): room for the feeds in the order of their sessions, and for sorting them. */
static cso_status take_step(cso_decoder *d, cso_feed *feeds, cso_feed **order, size_t n, cso_error *err) {
    size_t rows = 0, logits = 0;
    for (size_t i = 0; i < n; i++) {
        CSO_TRY(cso_session_extend(feeds[i].session, feeds[i].ids, feeds[i].count, err));
        rows += feeds[i].n_logits;
        order[i] = &feeds[i];
    }
    CSO_TRY(reserve_logits(d, rows, err));
    cso_sort(order, order + n, n, sizeof(cso_feed *), compare_feeds);
    for (size_t i = 0; i < n; i++) {
        order[i]->logits = order[i]->n_logits ? d->logits + logits * d->model->hparams.vocab : NULL;
        CSO_TRY(plan_session(order[i]->session, order[i]->n_logits, &logits, err));
    }
    return run_batch(d, err);
}

/* What a failed step had planned is not computed, and its tokens go. */
static void undo_step(cso_decoder *d, cso_feed *feeds, const size_t *lengths, size_t n) {
    for (size_t i = 0; i < d->n_rows; i++) {
        cso_kv_page *page = d->rows[i].pages[d->rows[i].position / CSO_KV_PAGE];
        page->planned = page->computed;
    }
    d->n_rows = 0;
    d->tree.batch++;
    for (size_t i = 0; i < n; i++) {
        cso_session_cut(feeds[i].session, lengths[i]);
        feeds[i].logits = NULL;
    }
}

cso_status cso_decode_step(cso_decoder *d, cso_feed *feeds, size_t n, cso_error *err) {
    d->step++;
    for (size_t i = 0; i < n; i++) {
        CSO_TRY(check_feed(d, &feeds[i], err));
        feeds[i].session->step = d->step;
    }
    size_t *lengths = cso_calloc(n, sizeof *lengths);
    cso_feed **order = cso_calloc(n, 2 * sizeof(cso_feed *));
    if (!lengths || !order) {
        free(lengths);
        free(order);
        return cso_fail_memory(err, "a step");
    }
    for (size_t i = 0; i < n; i++)
        lengths[i] = feeds[i].session->length;
    cso_status status = take_step(d, feeds, order, n, err);
    if (status != CSO_OK)
        undo_step(d, feeds, lengths, n);
    for (size_t i = 0; status == CSO_OK && i < n; i++)
        d->counts.fed += feeds[i].count;
    free(lengths);
    free(order);
    return status;
}

double cso_logits_logp(const cso_decoder *d, const float *logits, int32_t id) {
    size_t vocab = d->model->hparams.vocab;
    float most = d->ctx->kernels->max(logits, vocab);
    return (double)logits[id] - (double)most - log(d->ctx->kernels->exp_sum_only(logits, vocab, most));
}

/* session.c - sessions as paths through the tree of pages. */
#include "decode_state.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static cso_kv_page *last_page(const cso_session *session) {
    return session->n_pages ? session->pages[session->n_pages - 1] : session->root;
}

/* A page holds its parent, so a session holds its last page only. */
static void move_hold(cso_session *session, cso_kv_page *from, cso_kv_page *to) {
    to->sessions++;
    from->sessions--;
    cso_kv_prune(&session->decoder->tree, from);
}

static cso_status new_session(cso_session **session, cso_decoder *decoder, size_t capacity, cso_error *err) {
    cso_session *s = *session = cso_calloc(1, sizeof *s);
    if (s)
        s->pages = cso_calloc(capacity ? capacity : 1, sizeof(cso_kv_page *));
    if (!s || !s->pages) {
        free(s);
        *session = NULL;
        return cso_fail_memory(err, "a session");
    }
    s->capacity = capacity ? capacity : 1;
    s->decoder = decoder;
    return CSO_OK;
}

cso_status cso_session_open(cso_session **session, cso_decoder *decoder, const cso_adapter *adapter, cso_error *err) {
    CSO_TRY(new_session(session, decoder, 0, err));
    cso_status status = cso_kv_root(&decoder->tree, adapter, &(*session)->root, err);
    if (status != CSO_OK) {
        free((*session)->pages);
        free(*session);
        *session = NULL;
        return status;
    }
    (*session)->root->sessions++;
    return CSO_OK;
}

cso_status cso_session_fork(cso_session **fork, const cso_session *session, size_t length, cso_error *err) {
    size_t n_pages = (length + CSO_KV_PAGE - 1) / CSO_KV_PAGE;
    *fork = NULL;
    if (length > session->length)
        return cso_fail(err, CSO_ERR_INTERNAL, "a session of %zu tokens has no first %zu", session->length, length);
    CSO_TRY(new_session(fork, session->decoder, n_pages, err));
    cso_session *s = *fork;
    s->root = session->root;
    s->length = length;
    s->n_pages = n_pages;
    memcpy(s->pages, session->pages, n_pages * sizeof *s->pages);
    last_page(s)->sessions++;
    return CSO_OK;
}

void cso_session_drop(cso_session *session) {
    if (!session)
        return;
    last_page(session)->sessions--;
    cso_kv_prune(&session->decoder->tree, last_page(session));
    free(session->pages);
    free(session);
}

cso_decoder *cso_session_decoder(const cso_session *session) {
    return session->decoder;
}

size_t cso_session_length(const cso_session *session) {
    return session->length;
}

int32_t cso_session_token(const cso_session *session, size_t position) {
    return session->pages[position / CSO_KV_PAGE]->tokens[position % CSO_KV_PAGE];
}

void cso_session_cut(cso_session *session, size_t length) {
    cso_kv_page *last = last_page(session);
    session->length = length;
    session->n_pages = (length + CSO_KV_PAGE - 1) / CSO_KV_PAGE;
    if (last_page(session) != last)
        move_hold(session, last, last_page(session));
}

static cso_status push_page(cso_session *session, cso_kv_page *page, cso_error *err) {
    cso_kv_page *last = last_page(session);
    if (!cso_grow(&session->pages, &session->capacity, session->n_pages + 1, sizeof(cso_kv_page *))) {
        cso_kv_prune(&session->decoder->tree, page);
        return cso_fail_memory(err, "a session");
    }
    session->pages[session->n_pages++] = page;
    move_hold(session, last, page);
    return CSO_OK;
}

static void append(cso_kv_page *page, const int32_t *ids, size_t count) {
    memcpy(page->tokens + page->count, ids, count * sizeof *ids);
    page->count += (int32_t)count;
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* The session ends where a page does: goes on in the child that agrees with the most, or in a new one. */
static cso_status begin_page(cso_session *s, const int32_t *ids, size_t count, size_t *took, cso_error *err) {
    cso_kv_page *page = cso_kv_match(last_page(s), NULL, 0, ids, count, took);
    if (page) {
        s->decoder->counts.reused += *took;
        return push_page(s, page, err);
    }
    *took = smaller(count, CSO_KV_PAGE);
    CSO_TRY(cso_kv_child(&s->decoder->tree, last_page(s), ids, *took, &page, err));
    return push_page(s, page, err);
}

/* The session ends within its last page. Who comes first to the end of a page's tokens appends there; others that go on
 * differently get a page of their own. */
static cso_status go_on(cso_session *s, const int32_t *ids, size_t count, size_t *took, cso_error *err) {
    cso_kv_page *page = last_page(s), *other = NULL;
    size_t used = s->length % CSO_KV_PAGE, common = used;
    if ((size_t)page->count > used || count > 1)
        other = cso_kv_match(page->parent, page->tokens, used, ids, count, &common);
    if (other && common > used) {
        s->decoder->counts.reused += *took = common - used;
    } else if ((size_t)page->count == used) {
        append(page, ids, *took = smaller(count, CSO_KV_PAGE - used));
        return CSO_OK;
    } else {
        CSO_TRY(cso_kv_child(&s->decoder->tree, page->parent, page->tokens, used, &other, err));
        append(other, ids, *took = smaller(count, CSO_KV_PAGE - used));
    }
    if (other == page)
        return CSO_OK;
    s->pages[s->n_pages - 1] = other;
    move_hold(s, page, other);
    return CSO_OK;
}

cso_status cso_session_extend(cso_session *session, const int32_t *ids, size_t count, cso_error *err) {
    while (count) {
        size_t took;
        CSO_TRY((session->length % CSO_KV_PAGE ? go_on : begin_page)(session, ids, count, &took, err));
        session->length += took;
        ids += took;
        count -= took;
    }
    return CSO_OK;
}

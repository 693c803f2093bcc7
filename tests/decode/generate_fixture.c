#include "generate_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t per_request(const fixture_replies *list) {
    return list->n && list->requests[0].n ? list->requests[0].n : 1;
}

static kept_reply *find(fixture_replies *list, const cso_request *request, size_t number) {
    assert_true(number < per_request(list));
    return &list->replies[(size_t)(request - list->requests) * per_request(list) + number];
}

static cso_status next_request(void *context, const cso_request **request, cso_error *err) {
    (void)err;
    fixture_replies *list = context;
    *request = list->begun < list->n ? &list->requests[list->begun++] : NULL;
    return CSO_OK;
}

static cso_status on_token(void *context, const cso_reply_token *token, bool *stop, cso_error *err) {
    (void)err;
    fixture_replies *list = context;
    kept_reply *r = find(list, token->request, token->number);
    assert_int_equal(r->finished, 0);
    assert_int_equal(token->text[token->size], 0);
    r->streamed = realloc(r->streamed, r->streamed_size + token->size + 1);
    assert_non_null(r->streamed);
    memcpy(r->streamed + r->streamed_size, token->text, token->size + 1);
    r->streamed_size += token->size;
    r->told += token->id >= 0;
    *stop = list->cancel_at && r == &list->replies[list->cancel_reply] && r->told == list->cancel_at;
    return CSO_OK;
}

static void *copy(const void *from, size_t size) {
    void *to = calloc(size + 1, 1);
    assert_non_null(to);
    if (size)
        memcpy(to, from, size);
    return to;
}

static cso_status on_reply(void *context, const cso_reply *reply, cso_error *err) {
    fixture_replies *list = context;
    const cso_request *request = reply->request;
    kept_reply *r = find(list, request, reply->number);
    assert_int_equal(r->finished++, 0);
    assert_int_equal(strlen(reply->text), reply->size);
    r->ids = copy(reply->ids, reply->n_ids * sizeof *r->ids);
    r->n_ids = reply->n_ids;
    r->n_forced = reply->n_forced;
    r->text = copy(reply->text, reply->size);
    r->size = reply->size;
    r->finish = reply->finish;
    assert_int_equal(reply->logps != NULL, (request->logps || request->n_top) && reply->n_ids);
    if (reply->logps)
        r->logps = copy(reply->logps, reply->n_ids * sizeof *r->logps);
    if (reply->top)
        r->top = copy(reply->top, reply->n_ids * request->n_top * sizeof *r->top);
    if (++list->total == list->stop_after)
        return cso_fail(err, CSO_STOPPED, "stopped");
    return CSO_OK;
}

cso_status fixture_generate(fixture_replies *list, cso_decoder *decoder, cso_generate_options options, cso_error *err) {
    list->replies = calloc(list->n * per_request(list) + 1, sizeof *list->replies);
    assert_non_null(list->replies);
    list->begun = list->total = 0;
    options.context = list;
    options.next = next_request;
    options.token = on_token;
    options.finished = on_reply;
    return cso_generate(decoder, &options, err);
}

void fixture_replies_free(fixture_replies *list) {
    for (size_t i = 0; i < list->n * per_request(list); i++) {
        kept_reply *r = &list->replies[i];
        free(r->ids);
        free(r->text);
        free(r->streamed);
        free(r->logps);
        free(r->top);
    }
    free(list->replies);
    list->replies = NULL;
}

void fixture_replies_equal(const fixture_replies *left, const fixture_replies *right) {
    assert_int_equal(left->n, right->n);
    for (size_t i = 0; i < left->n * per_request(left); i++) {
        const kept_reply *a = &left->replies[i], *b = &right->replies[i];
        size_t n_top = left->requests[i / per_request(left)].n_top;
        assert_int_equal(a->finished, 1);
        assert_int_equal(b->finished, 1);
        assert_int_equal(a->finish, b->finish);
        assert_int_equal(a->n_ids, b->n_ids);
        assert_int_equal(a->n_forced, b->n_forced);
        assert_memory_equal(a->ids, b->ids, a->n_ids * sizeof *a->ids);
        assert_string_equal(a->text, b->text);
        assert_int_equal(a->logps != NULL, b->logps != NULL);
        if (a->logps)
            assert_memory_equal(a->logps, b->logps, a->n_ids * sizeof *a->logps);
        for (size_t j = 0; a->top && j < a->n_ids * n_top; j++) {
            assert_int_equal(a->top[j].id, b->top[j].id);
            assert_true(a->top[j].logp == b->top[j].logp);
        }
    }
}

/* lm_session.c - sessions. */
#include "api.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct cso_lm_session {
    cso_lm_worker *worker;
    cso_lm_session *next; /* of the worker's */
    const cso_adapter *adapter;
    cso_session *session;
    int32_t *waiting; /* (n_waiting) tokens for the next step */
    size_t n_waiting, capacity;
    const float *logits; /* of the worker's step number `step` */
    uint64_t step;
};

cso_status api_decoder(cso_lm_worker *worker, cso_error *err) {
    if (worker->decoder)
        return CSO_OK;
    const cso_decoder_options options = {.compute = worker->decode, .memory = worker->memory};
    return cso_decoder_create(&worker->decoder, worker->ctx, worker->model->base.model, &options, err);
}

void api_forget(cso_lm_worker *worker, const cso_adapter *adapter) {
    if (!adapter || !worker->decoder)
        return;
    for (const cso_lm_session *other = worker->sessions; other; other = other->next)
        if (other->adapter == adapter)
            return;
    cso_decoder_forget(worker->decoder, adapter);
}

static cso_status new_session(cso_lm_session **session, cso_lm_worker *worker, const cso_adapter *adapter, cso_error *err) {
    cso_lm_session *s = *session = cso_calloc(1, sizeof *s);
    if (!s)
        return cso_fail_memory(err, "a session");
    s->worker = worker;
    s->adapter = adapter;
    s->next = worker->sessions;
    worker->sessions = s;
    return CSO_OK;
}

void cso_lm_session_drop(cso_lm_session *session) {
    if (!session)
        return;
    cso_lm_session **link = &session->worker->sessions;
    while (*link != session)
        link = &(*link)->next;
    *link = session->next;
    cso_session_drop(session->session);
    api_forget(session->worker, session->adapter);
    free(session->waiting);
    free(session);
}

/* What a function that makes a session returns: on failure there is none. */
static cso_lm_status made(cso_lm_session **session, cso_status status, const cso_error *err, cso_lm_error *error) {
    if (status != CSO_OK) {
        cso_lm_session_drop(*session);
        *session = NULL;
    }
    return api_result(status, err, error);
}

static cso_status open_session(cso_lm_session **session, cso_lm_worker *worker, const cso_lm_adapter *adapter, cso_error *err) {
    const cso_adapter *found;
    CSO_TRY(api_require(worker, "worker", err));
    CSO_TRY(api_adapter(worker, adapter, &found, err));
    CSO_TRY(api_decoder(worker, err));
    CSO_TRY(new_session(session, worker, found, err));
    return cso_session_open(&(*session)->session, worker->decoder, found, err);
}

cso_lm_status cso_lm_session_open(cso_lm_session **session, cso_lm_worker *worker, const cso_lm_adapter *adapter,
                                  cso_lm_error *error) {
    cso_error err = {0};
    *session = NULL;
    return made(session, open_session(session, worker, adapter, &err), &err, error);
}

static cso_status feed(cso_lm_session *s, const int32_t *ids, size_t count, cso_error *err) {
    size_t vocab = s->worker->model->base.model->hparams.vocab;
    if (count > INT32_MAX - cso_lm_session_length(s))
        return cso_fail(err, CSO_ERR_USAGE, "%zu more tokens are too many", count);
    for (size_t i = 0; i < count; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= vocab)
            return cso_fail(err, CSO_ERR_INPUT, "token id %d is not in the model's vocabulary of %zu", ids[i], vocab);
    if (!cso_grow(&s->waiting, &s->capacity, s->n_waiting + count, sizeof *s->waiting))
        return cso_fail_memory(err, "tokens");
    if (count)
        memcpy(s->waiting + s->n_waiting, ids, count * sizeof *ids);
    s->n_waiting += count;
    return CSO_OK;
}

static cso_status fork_session(cso_lm_session **fork, const cso_lm_session *session, size_t length, cso_error *err) {
    CSO_TRY(api_require(session, "session", err));
    size_t computed = cso_session_length(session->session);
    if (length > cso_lm_session_length(session))
        return cso_fail(err, CSO_ERR_USAGE, "a session of %zu tokens has no first %zu", cso_lm_session_length(session), length);
    CSO_TRY(new_session(fork, session->worker, session->adapter, err));
    CSO_TRY(cso_session_fork(&(*fork)->session, session->session, length < computed ? length : computed, err));
    return length > computed ? feed(*fork, session->waiting, length - computed, err) : CSO_OK;
}

cso_lm_status cso_lm_session_fork(cso_lm_session **fork, const cso_lm_session *session, size_t length, cso_lm_error *error) {
    cso_error err = {0};
    *fork = NULL;
    return made(fork, fork_session(fork, session, length, &err), &err, error);
}

size_t cso_lm_session_length(const cso_lm_session *session) {
    return cso_session_length(session->session) + session->n_waiting;
}

cso_lm_status cso_lm_session_feed(cso_lm_session *session, const int32_t *ids, size_t count, cso_lm_error *error) {
    cso_error err = {0};
    cso_status status = api_require(session, "session", &err);
    if (status == CSO_OK && count)
        status = api_require(ids, "ids", &err);
    return api_result(status == CSO_OK ? feed(session, ids, count, &err) : status, &err, error);
}

static cso_status step(cso_lm_worker *worker, cso_lm_session *const *sessions, size_t n, cso_error *err) {
    CSO_TRY(api_require(worker, "worker", err));
    CSO_TRY(api_require(sessions || !n ? worker : NULL, "sessions", err));
    worker->steps++;
    for (size_t i = 0; i < n; i++) {
        CSO_TRY(api_require(sessions[i], "a session", err));
        if (sessions[i]->worker != worker || sessions[i]->step == worker->steps || !cso_lm_session_length(sessions[i]))
            return cso_fail(err, CSO_ERR_USAGE, "session %zu is another worker's, has no token, or was given twice", i + 1);
        sessions[i]->step = worker->steps;
        sessions[i]->logits = NULL;
    }
    cso_feed *feeds = cso_calloc(n, sizeof *feeds);
    if (!feeds)
        return cso_fail_memory(err, "a step");
    for (size_t i = 0; i < n; i++)
        feeds[i] = (cso_feed){
            .session = sessions[i]->session, .ids = sessions[i]->waiting, .count = sessions[i]->n_waiting, .n_logits = 1};
    cso_status status = n ? cso_decode_step(worker->decoder, feeds, n, err) : CSO_OK;
    for (size_t i = 0; status == CSO_OK && i < n; i++) {
        sessions[i]->logits = feeds[i].logits;
        sessions[i]->n_waiting = 0;
    }
    free(feeds);
    return status;
}

cso_lm_status cso_lm_sessions_step(cso_lm_worker *worker, cso_lm_session *const *sessions, size_t n, cso_lm_error *error) {
    cso_error err = {0};
    return api_result(step(worker, sessions, n, &err), &err, error);
}

const float *cso_lm_session_logits(const cso_lm_session *session) {
    return session->step == session->worker->steps && !session->n_waiting ? session->logits : NULL;
}

double cso_lm_session_logp(const cso_lm_session *session, int32_t id) {
    const float *logits = cso_lm_session_logits(session);
    if (!logits || id < 0 || (size_t)id >= session->worker->model->base.model->hparams.vocab)
        return NAN;
    return cso_logits_logp(session->worker->decoder, logits, id);
}

cso_lm_status cso_lm_session_choices(const cso_lm_session *session, cso_lm_choice *choices, size_t n, cso_lm_error *error) {
    cso_error err = {0};
    cso_status status = api_require(session, "session", &err);
    if (status == CSO_OK) {
        const cso_choice_set set = {.session = session->session, .prompt = session->waiting, .n_prompt = session->n_waiting};
        status = api_choices(session->worker, set, choices, n, &err);
    }
    return api_result(status, &err, error);
}

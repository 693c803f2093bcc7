#include "decode_fixture.h"

#include "decode/kv_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const char *const fixture_models[] = {"llama-tiny", "qwen2-tiny", "gemma2-tiny", NULL};

decode_fixture decode_fixture_open(const char *model, int threads) {
    static const char *const names[FIXTURE_ADAPTERS] = {NULL, "r4", "r4-qv"};
    decode_fixture f = {0};
    cso_error error = {0};
    golden_ok(cso_model_open(&f.model, golden_path("models/%s", model), &error), &error);
    golden_ok(cso_context_create(&f.ctx, threads, &error), &error);
    f.vocab = f.model->hparams.vocab;
    for (int i = 1; i < FIXTURE_ADAPTERS; i++) {
        cso_adapter *adapter;
        golden_ok(cso_adapter_read(&adapter, f.model, golden_path("adapters/%s/%s", model, names[i]), &error), &error);
        f.adapters[i] = adapter;
    }
    return f;
}

void decode_fixture_close(decode_fixture *f) {
    for (int i = 1; i < FIXTURE_ADAPTERS; i++)
        cso_adapter_free((cso_adapter *)f->adapters[i]);
    cso_context_free(f->ctx);
    cso_model_free(f->model);
}

size_t fixture_page_bytes(const decode_fixture *f) {
    cso_kv_tree tree;
    cso_kv_tree_init(&tree, f->model, fixture_compute == CSO_DECODE_FAST, 0);
    return tree.page_bytes + sizeof(cso_kv_page);
}

cso_decode_compute fixture_compute;

cso_decoder *fixture_decoder(const decode_fixture *f, size_t memory, size_t batch) {
    cso_decoder *decoder;
    cso_error error = {0};
    const cso_decoder_options options = {.compute = fixture_compute, .memory = memory ? memory : (size_t)1 << 30, .batch = batch};
    golden_ok(cso_decoder_create(&decoder, f->ctx, f->model, &options, &error), &error);
    return decoder;
}

cso_session *fixture_session(cso_decoder *decoder, const cso_adapter *adapter) {
    cso_session *session;
    cso_error error = {0};
    golden_ok(cso_session_open(&session, decoder, adapter, &error), &error);
    return session;
}

const float *fixture_feed(cso_session *session, const int32_t *ids, size_t count, size_t n_logits) {
    cso_error error = {0};
    cso_feed feed = {.session = session, .ids = ids, .count = count, .n_logits = n_logits};
    golden_ok(cso_decode_step(cso_session_decoder(session), &feed, 1, &error), &error);
    return feed.logits;
}

static float *alone(const decode_fixture *f, const cso_adapter *adapter, const int32_t *ids, size_t count, size_t n_logits) {
    cso_decoder *decoder = fixture_decoder(f, 0, 0);
    cso_session *session = fixture_session(decoder, adapter);
    float *copy = calloc(n_logits * f->vocab, sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, fixture_feed(session, ids, count, n_logits), n_logits * f->vocab * sizeof *copy);
    cso_session_drop(session);
    cso_decoder_free(decoder);
    return copy;
}

float *fixture_alone(const decode_fixture *f, const cso_adapter *adapter, const int32_t *ids, size_t count) {
    return alone(f, adapter, ids, count, 1);
}

float *fixture_alone_all(const decode_fixture *f, const cso_adapter *adapter, const int32_t *ids, size_t count) {
    return alone(f, adapter, ids, count, count);
}

uint32_t fixture_random(uint32_t *seed, uint32_t below) {
    *seed = *seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)*seed * below) >> 32);
}

int32_t *fixture_ids(const decode_fixture *f, size_t count, uint32_t seed) {
    int32_t *ids = calloc(count, sizeof *ids);
    assert_non_null(ids);
    for (size_t i = 0; i < count; i++)
        ids[i] = (int32_t)fixture_random(&seed, (uint32_t)f->vocab);
    return ids;
}

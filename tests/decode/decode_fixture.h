/* decode_fixture.h - a tiny model with its adapters, and sequences computed alone, for the tests of decoding. */
#ifndef CSO_TESTS_DECODE_FIXTURE_H
#define CSO_TESTS_DECODE_FIXTURE_H

#include "../golden.h"
#include "decode/decoder.h"

enum { FIXTURE_ADAPTERS = 3 };
extern const char *const fixture_models[]; /* the golden models of all families; NULL after them */

typedef struct decode_fixture {
    cso_context *ctx;
    cso_model *model;
    const cso_adapter *adapters[FIXTURE_ADAPTERS]; /* the first is NULL: the base model */
    size_t vocab;
} decode_fixture;

decode_fixture decode_fixture_open(const char *model, int threads);
void decode_fixture_close(decode_fixture *f);

/* Bytes of a page with its tokens. */
size_t fixture_page_bytes(const decode_fixture *f);
/* What decoders compute in: exact at first. */
extern cso_decode_compute fixture_compute;
/* memory and batch: 0 for plenty, and for the default. */
cso_decoder *fixture_decoder(const decode_fixture *f, size_t memory, size_t batch);
cso_session *fixture_session(cso_decoder *decoder, const cso_adapter *adapter);
/* A step with one session; the last n_logits rows. */
const float *fixture_feed(cso_session *session, const int32_t *ids, size_t count, size_t n_logits);

/* The logits after the last id, by a new decoder in one step; the caller frees. */
float *fixture_alone(const decode_fixture *f, const cso_adapter *adapter, const int32_t *ids, size_t count);
/* Of all ids. */
float *fixture_alone_all(const decode_fixture *f, const cso_adapter *adapter, const int32_t *ids, size_t count);

/* Ids below the vocabulary, a fixed sequence for each seed; the caller frees. */
int32_t *fixture_ids(const decode_fixture *f, size_t count, uint32_t seed);
uint32_t fixture_random(uint32_t *seed, uint32_t below);

#endif

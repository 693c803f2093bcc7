/* api_fixture.h - a tiny model opened through libcso, and what its callbacks were told. */
#ifndef CSO_TESTS_API_FIXTURE_H
#define CSO_TESTS_API_FIXTURE_H

#include "cso.h"

#define API_MODEL   "tests/golden/models/llama-tiny"
#define API_ADAPTER "tests/golden/adapters/llama-tiny/r4"
#define API_PAIRS   "tests/golden/pairs/pairs.jsonl"

typedef struct api_fixture {
    cso_lm *model;
    cso_lm_worker *worker;
    cso_lm_adapter *adapter; /* r4 */
} api_fixture;

void api_open(api_fixture *f);
void api_close(api_fixture *f);

/* Fails the test with the error's message. */
void api_ok(cso_lm_status status, const cso_lm_error *error);
/* The status and the whole message, or fails the test. */
void api_fails(cso_lm_status status, const cso_lm_error *error, cso_lm_status expected, const char *message);

/* All scores of a call, one after the other. */
typedef struct api_scores {
    size_t items, sequences, tokens;
    size_t counts[64];
    double logp[64];
    size_t n_tokens[64];
    double token_logps[4096];
    size_t stop_after; /* items; 0: never */
} api_scores;
bool api_keep_score(void *context, const cso_lm_score *score);

/* Writes the configuration of a run of 6 steps over API_PAIRS into the folder, as DIR/c.toml; static until the next call. */
const char *api_config(const char *dir);

#endif

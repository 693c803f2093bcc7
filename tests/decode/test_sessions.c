/* test_sessions.c - sessions on a shared tree: random operations against each path computed alone, what is shared, memory, failures
 * of memory, and wrong use. */
#include "../faults.h"
#include "decode_fixture.h"

#include "decode/kv_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- random operations --- */

enum { SESSIONS = 12, LONGEST = 200, OPERATIONS = 1000, BUDGET_PAGES = 9 };

/* What a session must be. */
typedef struct naive {
    cso_session *session; /* NULL: none here */
    int adapter;
    int32_t ids[LONGEST];
    size_t length;
} naive;

typedef struct world {
    decode_fixture f;
    cso_decoder *decoder;
    naive leaves[SESSIONS];
    uint32_t seed;
    size_t budget;
} world;

static uint32_t draw(world *w, uint32_t below) {
    return fixture_random(&w->seed, below);
}

static naive *empty_place(world *w) {
    naive *leaf = &w->leaves[draw(w, SESSIONS)];
    cso_session_drop(leaf->session);
    leaf->session = NULL;
    return leaf;
}

static void open_one(world *w) {
    naive *leaf = empty_place(w);
    leaf->adapter = (int)draw(w, FIXTURE_ADAPTERS);
    leaf->length = 0;
    leaf->session = fixture_session(w->decoder, w->f.adapters[leaf->adapter]);
}

static void fork_one(world *w) {
    naive *from = &w->leaves[draw(w, SESSIONS)], *to;
    cso_error error = {0};
    if (!from->session || (to = empty_place(w)) == from)
        return;
    size_t length = draw(w, 2) ? from->length : draw(w, (uint32_t)from->length + 1);
    *to = *from;
    to->length = length;
    golden_ok(cso_session_fork(&to->session, from->session, length, &error), &error);
}

/* Tokens of few kinds in the first places, so that sessions meet by chance, too. */
static size_t draw_ids(world *w, naive *leaf) {
    static const uint32_t most[] = {1, 1, 3, 70, 130};
    size_t count = 1 + draw(w, most[draw(w, 5)]);
    if (count > LONGEST - leaf->length)
        count = LONGEST - leaf->length;
    for (size_t i = 0; i < count; i++) {
        size_t at = leaf->length + i;
        leaf->ids[at] = (int32_t)(at % 50 == 49 ? draw(w, 3) : at % 7);
    }
    return count;
}

static void check_logits(world *w, const naive *leaf, const float *logits) {
    assert_int_equal(cso_session_length(leaf->session), leaf->length);
    for (size_t i = 0; i < leaf->length; i++)
        assert_int_equal(cso_session_token(leaf->session, i), leaf->ids[i]);
    float *alone = fixture_alone(&w->f, w->f.adapters[leaf->adapter], leaf->ids, leaf->length);
    assert_memory_equal(logits, alone, w->f.vocab * sizeof *logits);
    free(alone);
}

static void step_some(world *w) {
    cso_feed feeds[SESSIONS];
    naive *fed[SESSIONS];
    size_t n = 0;
    cso_error error = {0};
    for (int i = 0; i < SESSIONS; i++) {
        naive *leaf = &w->leaves[i];
        if (!leaf->session || draw(w, 2) || leaf->length == LONGEST)
            continue;
        size_t count = leaf->length && !draw(w, 8) ? 0 : draw_ids(w, leaf);
        feeds[n] = (cso_feed){.session = leaf->session, .ids = leaf->ids + leaf->length, .count = count, .n_logits = 1};
        leaf->length += count;
        fed[n++] = leaf;
    }
    golden_ok(cso_decode_step(w->decoder, feeds, n, &error), &error);
    for (size_t i = 0; i < n; i++)
        if (!draw(w, 3))
            check_logits(w, fed[i], feeds[i].logits);
}

static void random_operations(const char *model, uint32_t seed) {
    world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->f = decode_fixture_open(model, 2);
    w->seed = seed;
    w->budget = BUDGET_PAGES * fixture_page_bytes(&w->f) + 200 * sizeof(cso_kv_page);
    w->decoder = fixture_decoder(&w->f, w->budget, 50);
    for (int i = 0; i < OPERATIONS; i++) {
        uint32_t kind = draw(w, 8);
        if (kind == 0)
            open_one(w);
        else if (kind < 3)
            fork_one(w);
        else if (kind == 3 && i % 5 == 0)
            empty_place(w);
        else
            step_some(w);
        assert_true(cso_decoder_counts(w->decoder).bytes <= w->budget);
    }
    cso_decode_counts counts = cso_decoder_counts(w->decoder);
    print_message("%s: %zu tokens fed, %zu shared, %zu computed in %zu batches, %zu pages evicted\n", model, counts.fed,
                  counts.reused, counts.computed, counts.batches, counts.evicted);
    assert_true(counts.most_bytes <= w->budget && counts.evicted > 100 && counts.reused > 1000);
    for (int i = 0; i < SESSIONS; i++)
        cso_session_drop(w->leaves[i].session);
    for (int a = 0; a < FIXTURE_ADAPTERS; a++)
        cso_decoder_forget(w->decoder, w->f.adapters[a]);
    assert_int_equal(cso_decoder_counts(w->decoder).bytes, 0);
    cso_decoder_free(w->decoder);
    decode_fixture_close(&w->f);
    free(w);
}

static void random_llama(void **state) {
    (void)state;
    random_operations("llama-tiny", 1);
}

static void random_qwen2(void **state) {
    (void)state;
    random_operations("qwen2-tiny", 2);
}

static void random_gemma2(void **state) {
    (void)state;
    random_operations("gemma2-tiny", 3);
}

static void random_fast(void **state) {
    (void)state;
    fixture_compute = CSO_DECODE_FAST;
    random_operations("llama-tiny", 4);
    fixture_compute = CSO_DECODE_EXACT;
}

/* --- what is shared --- */

static void equal_prompts_are_shared(void **state) {
    (void)state;
    decode_fixture f = decode_fixture_open("llama-tiny", 2);
    cso_decoder *decoder = fixture_decoder(&f, 0, 0);
    int32_t *ids = fixture_ids(&f, 300, 4);
    cso_session *first = fixture_session(decoder, NULL), *second = fixture_session(decoder, NULL);
    cso_session *adapted = fixture_session(decoder, f.adapters[1]), *third;
    fixture_feed(first, ids, 200, 0);
    fixture_feed(second, ids, 200, 0);
    assert_int_equal(cso_decoder_counts(decoder).computed, 200);
    assert_int_equal(cso_decoder_counts(decoder).reused, 200);
    fixture_feed(adapted, ids, 200, 0);
    assert_int_equal(cso_decoder_counts(decoder).computed, 400); /* with an adapter nothing is the same */
    cso_session_drop(first);
    cso_session_drop(second);
    third = fixture_session(decoder, NULL);
    int32_t kept = ids[150];
    ids[150] = (kept + 1) % (int32_t)f.vocab;
    fixture_feed(third, ids, 300, 0); /* nobody holds the first 150, but they are there */
    assert_int_equal(cso_decoder_counts(decoder).computed, 550);
    assert_int_equal(cso_decoder_counts(decoder).reused, 350);
    cso_session_drop(third);
    cso_session_drop(adapted);
    cso_decoder_free(decoder);
    free(ids);
    decode_fixture_close(&f);
}

/* Two sessions of one step with the same new prompt: it is computed once. */
static void a_step_shares_within_itself(void **state) {
    (void)state;
    decode_fixture f = decode_fixture_open("qwen2-tiny", 2);
    cso_decoder *decoder = fixture_decoder(&f, 0, 0);
    int32_t *ids = fixture_ids(&f, 100, 4);
    cso_feed feeds[3];
    cso_error error = {0};
    for (int i = 0; i < 3; i++)
        feeds[i] = (cso_feed){.session = fixture_session(decoder, NULL), .ids = ids, .count = 100 - 10 * (size_t)i, .n_logits = 1};
    golden_ok(cso_decode_step(decoder, feeds, 3, &error), &error);
    assert_int_equal(cso_decoder_counts(decoder).computed, 100);
    for (int i = 0; i < 3; i++) {
        float *alone = fixture_alone(&f, NULL, ids, feeds[i].count);
        assert_memory_equal(feeds[i].logits, alone, f.vocab * sizeof *alone);
        free(alone);
        cso_session_drop(feeds[i].session);
    }
    cso_decoder_free(decoder);
    free(ids);
    decode_fixture_close(&f);
}

/* --- memory --- */

static void a_session_must_fit(void **state) {
    (void)state;
    decode_fixture f = decode_fixture_open("llama-tiny", 1);
    size_t page = fixture_page_bytes(&f);
    cso_decoder *decoder = fixture_decoder(&f, 3 * page + sizeof(cso_kv_page), 0); /* and a root */
    int32_t *ids = fixture_ids(&f, 193, 4);
    cso_session *session = fixture_session(decoder, NULL);
    cso_error error = {0};
    cso_feed feed = {.session = session, .ids = ids, .count = 193, .n_logits = 1};
    assert_int_equal(cso_decode_step(decoder, &feed, 1, &error), CSO_ERR_SYSTEM);
    assert_non_null(strstr(error.message, "193 tokens"));
    assert_int_equal(cso_session_length(session), 0);
    feed.count = 192;
    golden_ok(cso_decode_step(decoder, &feed, 1, &error), &error);
    float *alone = fixture_alone(&f, NULL, ids, 192);
    assert_memory_equal(feed.logits, alone, f.vocab * sizeof *alone);
    assert_true(cso_decoder_counts(decoder).most_bytes <= 4 * page + sizeof(cso_kv_page));
    free(alone);
    cso_session_drop(session);
    cso_decoder_free(decoder);
    free(ids);
    decode_fixture_close(&f);
}

/* A decoder, four sessions of two adapters, forks and steps; *logits is the last row of the last one, where all went well. */
static cso_status some_work(const decode_fixture *f, const int32_t *ids, float *logits, cso_error *err) {
    const cso_decoder_options options = {.memory = 12 * fixture_page_bytes(f), .batch = 40};
    cso_decoder *decoder = NULL;
    cso_session *sessions[4] = {0};
    cso_feed feeds[4];
    cso_status status;
    CSO_TRY_DONE(cso_decoder_create(&decoder, f->ctx, f->model, &options, err));
    CSO_TRY_DONE(cso_session_open(&sessions[0], decoder, NULL, err));
    CSO_TRY_DONE(cso_session_open(&sessions[1], decoder, f->adapters[1], err));
    for (size_t i = 0; i < 2; i++)
        feeds[i] = (cso_feed){.session = sessions[i], .ids = ids, .count = 100};
    CSO_TRY_DONE(cso_decode_step(decoder, feeds, 2, err));
    for (size_t i = 0; i < 2; i++)
        CSO_TRY_DONE(cso_session_fork(&sessions[2 + i], sessions[i], 90 - i, err));
    for (size_t i = 0; i < 4; i++)
        feeds[i] = (cso_feed){.session = sessions[i], .ids = ids + 100, .count = 80, .n_logits = 1};
    CSO_TRY_DONE(cso_decode_step(decoder, feeds, 4, err));
    memcpy(logits, feeds[3].logits, f->vocab * sizeof *logits);
done:
    for (size_t i = 0; i < 4; i++)
        cso_session_drop(sessions[i]);
    cso_decoder_free(decoder);
    return status;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    decode_fixture f = decode_fixture_open("llama-tiny", 1);
    int32_t *ids = fixture_ids(&f, 180, 4);
    float *expected = calloc(f.vocab, sizeof *expected), *logits = calloc(f.vocab, sizeof *logits);
    cso_error error = {0};
    golden_ok(some_work(&f, ids, expected, &error), &error);
    size_t failed = 0;
    for (size_t at = 1;; at++) {
        fault_memory_begin(at, false);
        cso_status status = some_work(&f, ids, logits, &error);
        if (!fault_memory_end())
            break;
        assert_int_equal(status, CSO_ERR_SYSTEM);
        failed++;
    }
    assert_true(failed > 20);
    assert_memory_equal(logits, expected, f.vocab * sizeof *logits);
    free(expected);
    free(logits);
    free(ids);
    decode_fixture_close(&f);
}

/* A step that fails leaves its sessions as they were, and the next one goes on from there. */
static void a_failed_step_changes_nothing(void **state) {
    (void)state;
    decode_fixture f = decode_fixture_open("gemma2-tiny", 1);
    int32_t *ids = fixture_ids(&f, 250, 6);
    float *expected = fixture_alone(&f, NULL, ids, 250);
    for (size_t at = 1;; at++) {
        cso_decoder *decoder = fixture_decoder(&f, 0, 30);
        cso_session *session = fixture_session(decoder, NULL);
        cso_error error = {0};
        cso_feed feed = {.session = session, .ids = ids + 70, .count = 180, .n_logits = 1};
        fixture_feed(session, ids, 70, 0);
        fault_memory_begin(at, false);
        cso_status status = cso_decode_step(decoder, &feed, 1, &error);
        bool failed = fault_memory_end();
        if (failed) {
            assert_int_equal(status, CSO_ERR_SYSTEM);
            assert_int_equal(cso_session_length(session), 70);
            golden_ok(cso_decode_step(decoder, &feed, 1, &error), &error);
        }
        assert_memory_equal(feed.logits, expected, f.vocab * sizeof *expected);
        cso_session_drop(session);
        cso_decoder_free(decoder);
        if (!failed) {
            assert_true(at > 5);
            break;
        }
    }
    free(expected);
    free(ids);
    decode_fixture_close(&f);
}

/* --- wrong use --- */

static void wrong_steps_are_refused(void **state) {
    (void)state;
    decode_fixture f = decode_fixture_open("llama-tiny", 1);
    cso_decoder *decoder = fixture_decoder(&f, 0, 0), *other = fixture_decoder(&f, 0, 0);
    cso_session *session = fixture_session(decoder, NULL), *strange = fixture_session(other, NULL), *fork;
    cso_error error = {0};
    int32_t ids[] = {1, 2, (int32_t)f.vocab}, negative = -1;
    cso_feed twice[] = {{.session = session, .ids = ids, .count = 1}, {.session = session, .ids = ids, .count = 1}};
    assert_int_equal(cso_decode_step(decoder, twice, 2, &error), CSO_ERR_INTERNAL);
    cso_feed feed = {.session = session, .ids = ids, .count = 3};
    assert_int_equal(cso_decode_step(decoder, &feed, 1, &error), CSO_ERR_INPUT);
    assert_non_null(strstr(error.message, "token id 1024"));
    feed = (cso_feed){.session = session, .ids = &negative, .count = 1};
    assert_int_equal(cso_decode_step(decoder, &feed, 1, &error), CSO_ERR_INPUT);
    feed = (cso_feed){.session = strange, .ids = ids, .count = 1};
    assert_int_equal(cso_decode_step(decoder, &feed, 1, &error), CSO_ERR_INTERNAL);
    feed = (cso_feed){.session = session, .n_logits = 1}; /* it has no token yet */
    assert_int_equal(cso_decode_step(decoder, &feed, 1, &error), CSO_ERR_INTERNAL);
    assert_int_equal(cso_session_fork(&fork, session, 1, &error), CSO_ERR_INTERNAL);
    assert_int_equal(cso_session_length(session), 0);
    assert_int_equal(cso_decoder_counts(decoder).fed, 0);
    golden_ok(cso_decode_step(decoder, NULL, 0, &error), &error);
    cso_session_drop(session);
    cso_session_drop(strange);
    cso_session_drop(NULL);
    cso_decoder_free(decoder);
    cso_decoder_free(other);
    cso_decoder_free(NULL);
    decode_fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_llama),
        cmocka_unit_test(random_qwen2),
        cmocka_unit_test(random_gemma2),
        cmocka_unit_test(random_fast),
        cmocka_unit_test(equal_prompts_are_shared),
        cmocka_unit_test(a_step_shares_within_itself),
        cmocka_unit_test(a_session_must_fit),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_failed_step_changes_nothing),
        cmocka_unit_test(wrong_steps_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

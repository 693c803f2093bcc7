/* test_gemma.c - the code around libsentencepiece (cutting at spaces, the word cache, very long words) gives the library's own
 * results. Texts are random, of difficult pieces.
 */
#include "../golden.h"
#include "base/file.h"
#include "text/spm_long.h"
#include "text_cases.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t next_random(uint32_t *state) {
    return (*state = *state * 1664525u + 1013904223u) >> 8;
}

/* Text without the four control strings. */
static size_t random_text(uint32_t *state, char *text, size_t capacity) {
    static const char *const pieces[] = {
        " ",
        "  ",
        "   ",
        "\n",
        "\n\n",
        "\t",
        "hello",
        " the",
        "ing",
        "s",
        "S",
        "Hi",
        "> </",
        ">",
        "</",
        "<h1>",
        "<start_of_turn>",
        "<end_of_turn>",
        "<mask>",
        "<unused1>",
        "\xE2\x96\x81",
        "\xE2\x96\x81\xE2\x96\x81",
        "\xC3\xA9",
        "\xF0\x9F\x98\x80",
        "\xE4\xBB\x8A",
        "12",
        "0",
        "...",
        "'",
        "I feel so",
        "<0x0A>",
        "\x01",
        "counsel",
        "sadness",
        "\xF4\x8F\xBF\xBF",
    };
    size_t size = 0, count = 1 + next_random(state) % 30;
    while (count--) {
        const char *piece = pieces[next_random(state) % (sizeof pieces / sizeof *pieces)];
        if (size + strlen(piece) >= capacity)
            break;
        memcpy(text + size, piece, strlen(piece));
        size += strlen(piece);
    }
    return size;
}

static void check_text(const cso_tokenizer *tokenizer, const char *text, size_t size, cso_bpe_scratch *scratch) {
    int32_t *expected = NULL;
    size_t count = 0;
    cso_ids ids = {0}, by_us = {0};
    cso_error err;
    golden_ok(cso_spm_encode(tokenizer->spm, text, size, &expected, &count, &err), &err);
    golden_ok(cso_tokenizer_encode(tokenizer, text, size, false, &ids, &err), &err);
    golden_ok(cso_spm_encode_long(tokenizer, text, size, &by_us, scratch, &err), &err);
    assert_int_equal(ids.count, count);
    assert_memory_equal(ids.ids, expected, count * sizeof *expected);
    assert_int_equal(by_us.count, count);
    assert_memory_equal(by_us.ids, expected, count * sizeof *expected);
    free(expected);
    free(ids.ids);
    free(by_us.ids);
}

static void run_texts(const char *path) {
    cso_tokenizer *tokenizer = open_tokenizer(path);
    cso_bpe_scratch scratch = {0};
    uint32_t state = 3;
    char text[1024];
    assert_non_null(tokenizer->scores);
    for (int round = 0; round < 3000; round++) {
        size_t size = random_text(&state, text, sizeof text);
        check_text(tokenizer, text, size, &scratch);
    }
    char word[6000];
    for (int round = 0; round < 5; round++) { /* longer than what goes to the library */
        for (size_t i = 0; i < sizeof word; i++)
            word[i] = (char)('a' + next_random(&state) % (round ? 20 : 1));
        check_text(tokenizer, word, sizeof word, &scratch);
    }
    cso_bpe_scratch_free(&scratch);
    cso_tokenizer_free(tokenizer);
}

static void test_tiny(void **state) {
    (void)state;
    run_texts(golden_path("models/gemma2-tiny/tokenizer.model"));
    run_texts(golden_path("gguf/gemma2-tiny-Q8_0.gguf"));
}

static void test_real_vocabulary(void **state) {
    (void)state;
    const char *path = CSO_SHARED_DATA "/data/tokenizers/gemma2/tokenizer.model";
    if (!cso_path_exists(path)) {
        print_message("%s is not here: skipped\n", path);
        skip();
    }
    run_texts(path);
}

typedef struct worker {
    const cso_tokenizer *tokenizer;
    bool failed;
} worker;

/* The same texts in every thread; what a thread finds in the cache another may have put there. */
static void *work(void *context) {
    worker *w = context;
    uint32_t state = 11;
    char text[1024];
    for (int round = 0; round < 500; round++) {
        int32_t *expected = NULL;
        size_t size = random_text(&state, text, sizeof text), count = 0;
        cso_ids ids = {0};
        if (cso_spm_encode(w->tokenizer->spm, text, size, &expected, &count, NULL) != CSO_OK ||
            cso_tokenizer_encode(w->tokenizer, text, size, false, &ids, NULL) != CSO_OK || ids.count != count ||
            (count && memcmp(ids.ids, expected, count * sizeof *expected)))
            w->failed = true;
        free(expected);
        free(ids.ids);
    }
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    pthread_t threads[4];
    worker workers[4];
    cso_tokenizer *tokenizer = open_tokenizer(golden_path("models/gemma2-tiny/tokenizer.model"));
    for (int i = 0; i < 4; i++) {
        workers[i] = (worker){tokenizer, false};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_false(workers[i].failed);
    }
    cso_tokenizer_free(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tiny), cmocka_unit_test(test_real_vocabulary),
                                       cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

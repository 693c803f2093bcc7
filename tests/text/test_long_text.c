/* test_long_text.c - a megabyte of any one thing takes linear time and decodes to itself. */
#include "../golden.h"
#include "base/file.h"
#include "text_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { SIZE = 1000000 };
static const double most_seconds = 5.0; /* of processor time, with sanitizers on a busy machine; quadratic time would be hours */

static double seconds(void) {
    return (double)clock() / CLOCKS_PER_SEC;
}

/* Encodes (with markers in the text, also as special tokens), decodes, compares; expected NULL: it decodes to another text. */
static void check(const cso_tokenizer *tokenizer, const char *name, const char *text, size_t size, const char *expected,
                  size_t expected_size) {
    for (int parse = 0; parse < (strstr(name, "markers") ? 2 : 1); parse++) {
        cso_ids ids = {0};
        cso_error err;
        char *decoded = NULL;
        size_t decoded_size = 0;
        double begin = seconds();
        golden_ok(cso_tokenizer_encode(tokenizer, text, size, parse, &ids, &err), &err);
        double taken = seconds() - begin;
        if (!(taken < most_seconds))
            fail_msg("%s, %s: %.1f s", cso_tokenizer_kind(tokenizer), name, taken);
        golden_ok(cso_tokenizer_decode(tokenizer, ids.ids, ids.count, &decoded, &decoded_size, &err), &err);
        if (expected) {
            assert_int_equal(decoded_size, expected_size);
            assert_memory_equal(decoded, expected, expected_size);
        }
        free(decoded);
        free(ids.ids);
    }
}

static void run(const char *path) {
    static const struct {
        const char *name, *first, *repeated, *last;
        bool changed; /* by normalization */
    } cases[] = {
        {"one letter", "", "a", "", false},
        {"spaces", "", " ", "", false},
        {"spaces before a letter", "", " ", "x", false},
        {"line breaks", "", "\n", "", false},
        {"blank lines", "", " \n", "", false},
        {"apostrophes", "", "'", "", false},
        {"digits", "", "7", "", false},
        {"beginnings of markers", "", "<|im_", "", false},
        {"markers", "", "<|im_end|><eos><|eot_id|>", "", false},
        {"combining marks", "a", "\xCC\x81\xCC\x96", "", true},
        {"letters with marks", "", "e\xCC\x81", "", true},
        {"ideographs", "", "\xE4\xB8\xAD", "", false},
        {"emoji", "", "\xF0\x9F\x98\x80", "", false},
        {"no UTF-8", "", "\xE2\x28", "", true},
        {"zeros", "", NULL, "", false},
    };
    cso_tokenizer *tokenizer = open_tokenizer(path);
    char *text = malloc(SIZE + 64);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size = strlen(cases[i].first), step = cases[i].repeated ? strlen(cases[i].repeated) : 1;
        memcpy(text, cases[i].first, size);
        for (; size < SIZE; size += step)
            memcpy(text + size, cases[i].repeated ? cases[i].repeated : "", step);
        memcpy(text + size, cases[i].last, strlen(cases[i].last));
        size += strlen(cases[i].last);
        check(tokenizer, cases[i].name, text, size, cases[i].changed ? NULL : text, size);
    }
    uint32_t state = 5;
    for (size_t i = 0; i < SIZE; i++) /* the word that is hardest to merge: all letters at random */
        text[i] = (char)('a' + (state = state * 1664525u + 1013904223u) % 67108864u / 2581111u);
    check(tokenizer, "random letters", text, SIZE, text, SIZE);
    free(text);
    cso_tokenizer_free(tokenizer);
}

static void test_tiny(void **state) {
    (void)state;
    run(golden_path("models/llama-tiny"));
    run(golden_path("models/qwen2-tiny"));
    run(golden_path("models/gemma2-tiny"));
    run(golden_path("models/gemma2-tiny/tokenizer.model"));
}

static void test_real_vocabularies(void **state) {
    (void)state;
    static const char *const paths[] = {"llama3", "qwen2.5/tokenizer.gguf", "gemma2/tokenizer.model"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char path[1024];
        snprintf(path, sizeof path, CSO_SHARED_DATA "/data/tokenizers/%s", paths[i]);
        if (!cso_path_exists(path)) {
            print_message("%s is not here: skipped\n", path);
            skip();
        }
        double begin = seconds();
        run(path);
        print_message("%s: %.1f s\n", paths[i], seconds() - begin);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_tiny), cmocka_unit_test(test_real_vocabularies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

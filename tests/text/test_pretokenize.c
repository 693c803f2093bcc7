/* test_pretokenize.c - the class of every code point, words as Hugging Face cuts them, and form C, against the library's
 * results. */
#include "../golden.h"
#include "text/nfc.h"
#include "text/pretokenize.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const cJSON *get(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    assert_non_null(item);
    return item;
}

static void mark(uint8_t *classes, const cJSON *ranges, uint8_t class) {
    const cJSON *range;
    cJSON_ArrayForEach(range, ranges) for (int point = range->child->valueint; point <= range->child->next->valueint; point++)
        classes[point] = class;
}

static void test_every_code_point(void **state) {
    (void)state;
    cJSON *root = golden_json(golden_path("tokenizer/unicode_classes.json"));
    uint8_t *expected = malloc(0x110000);
    cso_pretokenizer *pretokenizer = NULL;
    assert_non_null(expected);
    memset(expected, CSO_CHAR_OTHER, 0x110000);
    mark(expected, get(root, "letters"), CSO_CHAR_LETTER);
    mark(expected, get(root, "numbers"), CSO_CHAR_NUMBER);
    mark(expected, get(root, "whitespace"), CSO_CHAR_SPACE);
    expected[0x17F] = CSO_CHAR_LONG_S;
    assert_int_equal(cso_pretokenizer_create(&pretokenizer, "qwen2", NULL), CSO_OK);
    for (uint32_t point = 0; point < 0x110000; point++)
        assert_int_equal(cso_pretokenizer_class(pretokenizer, point), point < 0x80 ? point : expected[point]);
    assert_int_equal(cso_pretokenizer_class(pretokenizer, 0x110000), CSO_CHAR_OTHER);
    cso_pretokenizer_free(pretokenizer);
    free(expected);
    cJSON_Delete(root);
}

typedef struct words {
    const cJSON *next;
    size_t count;
} words;

static cso_status compare_word(void *context, const char *word, size_t size, cso_error *err) {
    words *w = context;
    char *expected = NULL;
    size_t expected_size = 0;
    assert_non_null(w->next);
    assert_int_equal(cso_json_bytes(w->next, &expected, &expected_size, err), CSO_OK);
    assert_int_equal(size, expected_size);
    assert_memory_equal(word, expected, size);
    free(expected);
    w->next = w->next->next;
    w->count++;
    return CSO_OK;
}

static void test_words(void **state) {
    (void)state;
    static const char *const names[] = {"llama-bpe", "qwen2", "smollm"};
    cJSON *root = golden_json(golden_path("tokenizer/words.json"));
    for (size_t i = 0; i < 3; i++) {
        cso_pretokenizer *pretokenizer = NULL;
        cso_pretokenize_scratch scratch = {0};
        const cJSON *record;
        size_t count = 0;
        assert_int_equal(cso_pretokenizer_create(&pretokenizer, names[i], NULL), CSO_OK);
        cJSON_ArrayForEach(record, get(root, names[i])) {
            char *text = NULL;
            size_t size = 0;
            words w = {record->child->next->child, 0};
            assert_int_equal(cso_json_bytes(record->child, &text, &size, NULL), CSO_OK);
            assert_int_equal(cso_pretokenize(pretokenizer, text, size, &scratch, compare_word, &w, NULL), CSO_OK);
            assert_null(w.next);
            count += w.count;
            free(text);
        }
        assert_true(count > 1000);
        cso_pretokenize_scratch_free(&scratch);
        cso_pretokenizer_free(pretokenizer);
    }
    cJSON_Delete(root);
}

static void test_form_c(void **state) {
    (void)state;
    cJSON *root = golden_json(golden_path("tokenizer/unicode_nfc.json"));
    const cJSON *record;
    size_t changed = 0;
    cJSON_ArrayForEach(record, get(root, "cases")) {
        char *text = NULL, *expected = NULL, *normal = NULL;
        size_t size = 0, expected_size = 0, normal_size = 0;
        assert_int_equal(cso_json_bytes(record->child, &text, &size, NULL), CSO_OK);
        assert_int_equal(cso_json_bytes(record->child->next, &expected, &expected_size, NULL), CSO_OK);
        assert_int_equal(cso_nfc(text, size, &normal, &normal_size, NULL), CSO_OK);
        assert_int_equal(normal ? normal_size : size, expected_size);
        assert_memory_equal(normal ? normal : text, expected, expected_size);
        changed += size != expected_size || memcmp(text, expected, size);
        free(text);
        free(expected);
        free(normal);
    }
    assert_true(changed > 200);
    cJSON_Delete(root);
}

/* Text without a character that form C could change is not copied, and every such character by itself is right. */
static void test_form_c_of_plain_text(void **state) {
    (void)state;
    static const char plain[] = "Caf\xC3\xA9 \xE4\xBB\x8A\xE6\x97\xA5 \xF0\x9F\x98\x80 \xD0\xBF\xE2\x80\x99";
    char *normal = "";
    size_t size = 0;
    assert_int_equal(cso_nfc(plain, sizeof plain - 1, &normal, &size, NULL), CSO_OK);
    assert_null(normal);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_code_point), cmocka_unit_test(test_words),
                                       cmocka_unit_test(test_form_c), cmocka_unit_test(test_form_c_of_plain_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

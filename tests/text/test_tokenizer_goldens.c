/* test_tokenizer_goldens.c - the real vocabularies of Llama-3, Qwen2.5 and Gemma, from every kind of file: each case of the
 * shared fixtures. */
#include "base/file.h"
#include "text_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DATA CSO_SHARED_DATA "/data/tokenizers/"

static void run_family(const char *family, const char *route, const char *chat) {
    char path[1024];
    case_run run = {0};
    cso_error err;
    size_t total = 0;
    snprintf(path, sizeof path, DATA "%s%s%s", family, *route ? "/" : "", route);
    if (!cso_path_exists(path)) {
        print_message("%s is not here: skipped\n", path);
        skip();
    }
    cso_tokenizer *tokenizer = open_tokenizer(path);
    run.tokenizer = tokenizer;
    if (cso_chat_template_get(&run.chat, "auto", tokenizer, path, &err) != CSO_OK)
        fail_msg("%s", err.message);
    assert_string_equal(cso_chat_template_name(run.chat), chat);
    static const struct {
        const char *name;
        void (*check)(case_run *, const cJSON *, size_t);
    } files[] = {{"golden", check_encode}, {"decode", check_decode}, {"chat", check_chat}, {"chat_system_merged", check_chat}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, DATA "%s/%s.jsonl", family, files[i].name);
        if (i == 3 && !cso_path_exists(path))
            continue;
        run.passed = 0;
        assert_true(run_cases(&run, path, files[i].check));
        print_message("%s by %s: %s: %zu passed, %zu failed\n", family, *route ? route : "folder", files[i].name, run.passed,
                      run.failed);
        total += run.passed;
    }
    assert_int_equal(run.failed, 0);
    assert_true(total > 1500);
    cso_tokenizer_free(tokenizer);
}

static void test_llama3_folder(void **state) {
    (void)state;
    run_family("llama3", "", "llama3");
}

static void test_llama3_gguf(void **state) {
    (void)state;
    run_family("llama3", "tokenizer.gguf", "llama3");
}

static void test_qwen_folder(void **state) {
    (void)state;
    run_family("qwen2.5", "", "chatml");
}

static void test_qwen_gguf(void **state) {
    (void)state;
    run_family("qwen2.5", "tokenizer.gguf", "chatml");
}

static void test_gemma_folder(void **state) {
    (void)state;
    run_family("gemma2", "", "gemma2");
}

static void test_gemma_model(void **state) {
    (void)state;
    run_family("gemma2", "tokenizer.model", "gemma2");
}

static void test_gemma_gguf(void **state) {
    (void)state;
    run_family("gemma2", "tokenizer.gguf", "gemma2");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_llama3_folder), cmocka_unit_test(test_llama3_gguf),  cmocka_unit_test(test_qwen_folder),
        cmocka_unit_test(test_qwen_gguf),     cmocka_unit_test(test_gemma_folder), cmocka_unit_test(test_gemma_model),
        cmocka_unit_test(test_gemma_gguf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_chat.c - choosing a template, and cases beyond the fixtures' chats. */
#include "../golden.h"
#include "base/file.h"
#include "text_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Qwen's tiny tokenizer in a folder whose tokenizer_config.json has this template text. */
static cso_tokenizer *with_template(const char *text) {
    cso_tokenizer *tokenizer = NULL;
    cso_error err;
    char folder[] = "/tmp/cso-chat-XXXXXX", path[64];
    cJSON *root = golden_json(golden_path("models/qwen2-tiny/tokenizer.json")), *config = cJSON_CreateObject();
    assert_non_null(mkdtemp(folder));
    char *json = cJSON_PrintUnformatted(root);
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    golden_ok(cso_save_text(path, json, strlen(json), &err), &err);
    free(json);
    if (text)
        cJSON_AddStringToObject(config, "chat_template", text);
    json = cJSON_PrintUnformatted(config);
    snprintf(path, sizeof path, "%s/tokenizer_config.json", folder);
    golden_ok(cso_save_text(path, json, strlen(json), &err), &err);
    free(json);
    cJSON_Delete(config);
    cJSON_Delete(root);
    tokenizer = open_tokenizer(folder);
    golden_ok(cso_remove_tree(folder, &err), &err);
    return tokenizer;
}

static const char smollm2_text[] =
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful "
    "AI "
    "assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + "
    "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif "
    "%}";

static void test_smollm2(void **state) {
    (void)state;
    static const struct {
        cso_message messages[3];
        size_t count;
        bool prompt;
        const char *text;
    } cases[] = {
        {{{"user", "Hi", 2}},
         1,
         true,
         "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging "
         "Face<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
         "<|im_start|>assistant\n"},
        {{{"system", "", 0}, {"user", " Hi\n", 4}, {"assistant", "\nyes", 4}},
         3,
         false,
         "<|im_start|>system\n<|im_end|>\n<|im_start|>user\n Hi\n<|im_end|>\n<|im_start|>assistant\n\nyes<|im_end|>\n"},
    };
    cso_tokenizer *tokenizer = with_template(smollm2_text);
    const cso_chat_template *chat = NULL;
    cso_error err;
    golden_ok(cso_chat_template_get(&chat, "auto", tokenizer, "m", &err), &err);
    assert_string_equal(cso_chat_template_name(chat), "smollm2");
    assert_int_equal(cso_chat_end_of_turn(chat, tokenizer), cso_tokenizer_find(tokenizer, "<|im_end|>"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = NULL;
        size_t size = 0;
        cso_ids parts = {0}, whole = {0};
        golden_ok(cso_chat_render(chat, tokenizer, &(cso_chat_request){cases[i].messages, cases[i].count, cases[i].prompt, false},
                                  &parts, &text, &size, &err),
                  &err);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(size, strlen(cases[i].text));
        golden_ok(cso_tokenizer_encode(tokenizer, text, size, true, &whole, &err),
                  &err); /* without markers in contents: the same ids */
        assert_int_equal(parts.count, whole.count);
        assert_memory_equal(parts.ids, whole.ids, whole.count * sizeof *whole.ids);
        free(parts.ids);
        free(whole.ids);
        free(text);
    }
    cso_tokenizer_free(tokenizer);
}

/* The same template in another spelling is recognised; one that writes other text is not. */
static void test_recognition(void **state) {
    (void)state;
    char escaped[2048], other[2048];
    size_t used = 0;
    for (const char *at = smollm2_text; *at; at++) {
        if (*at == '\n') {
            escaped[used++] = '\\';
            escaped[used++] = 'n';
        } else {
            escaped[used++] = *at == '\'' ? '"' : *at;
        }
    }
    escaped[used++] = '\n';
    escaped[used] = '\0';
    cso_tokenizer *tokenizer = with_template(escaped);
    const cso_chat_template *chat = NULL;
    cso_error err;
    golden_ok(cso_chat_template_get(&chat, "auto", tokenizer, "m", &err), &err);
    assert_string_equal(cso_chat_template_name(chat), "smollm2");
    cso_tokenizer_free(tokenizer);
    snprintf(other, sizeof other, "%s", smollm2_text);
    memcpy(strstr(other, "helpful"), "playful", 7);
    tokenizer = with_template(other);
    assert_int_equal(cso_chat_template_get(&chat, "auto", tokenizer, "m", &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "m: the model's chat template"));
    assert_non_null(strstr(err.message, "resembles smollm2"));
    assert_non_null(strstr(err.message, "model.chat_template"));
    golden_ok(cso_chat_template_get(&chat, "chatml", tokenizer, "m", &err), &err); /* who names one knows why */
    assert_int_equal(cso_chat_template_get(&chat, "llama2", tokenizer, "m", &err), CSO_ERR_USAGE);
    assert_non_null(strstr(err.message, "expected auto, llama3, gemma2, chatml or smollm2"));
    cso_tokenizer_free(tokenizer);
    tokenizer = with_template(NULL);
    assert_int_equal(cso_chat_template_get(&chat, "auto", tokenizer, "m", &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "no chat template"));
    cso_tokenizer_free(tokenizer);
}

static void test_refusals(void **state) {
    (void)state;
    cso_tokenizer *tokenizer = open_tokenizer(golden_path("models/qwen2-tiny"));
    const cso_chat_template *chat = NULL;
    cso_error err;
    cso_ids ids = {0};
    cso_message tool = {"tool", "7", 1}, user = {"user", "hi", 2};
    golden_ok(cso_chat_template_get(&chat, "auto", tokenizer, "m", &err), &err);
    assert_int_equal(cso_chat_render(chat, tokenizer, &(cso_chat_request){&tool, 1, true, false}, &ids, NULL, NULL, &err),
                     CSO_ERR_INPUT);
    assert_string_equal(err.message, "message 1 has the role \"tool\" (expected system, user or assistant)");
    assert_int_equal(cso_chat_render(chat, tokenizer, &(cso_chat_request){&user, 0, true, false}, &ids, NULL, NULL, &err),
                     CSO_ERR_INPUT);
    golden_ok(cso_chat_template_get(&chat, "llama3", tokenizer, "m", &err), &err);
    assert_int_equal(cso_chat_render(chat, tokenizer, &(cso_chat_request){&user, 1, true, false}, &ids, NULL, NULL, &err),
                     CSO_ERR_INPUT);
    assert_string_equal(
        err.message, "the chat template llama3 writes <|begin_of_text|>, which is not a token of this model (model.chat_template)");
    assert_int_equal(ids.count, 0);
    assert_int_equal(cso_chat_end_of_turn(chat, tokenizer), -1);
    free(ids.ids);
    cso_tokenizer_free(tokenizer);
}

/* Jinja's trim is Python's strip, zero characters and all. */
static void test_trim(void **state) {
    (void)state;
    static const char *const blanks[] = {"\t",           "\n",           "\v",           "\f",           "\r",
                                         "\x1C",         "\x1D",         "\x1E",         "\x1F",         " ",
                                         "\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80", "\xE2\x80\x80", "\xE2\x80\x8A",
                                         "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80"};
    static const char *const others[] = {"\xE2\x80\x8B", "\xE1\xA0\x8E", "\xEF\xBB\xBF", "\x1B", "\x7F", "\xC2\x84"};
    cso_tokenizer *tokenizer = open_tokenizer(golden_path("models/gemma2-tiny"));
    const cso_chat_template *chat = NULL;
    cso_error err;
    golden_ok(cso_chat_template_get(&chat, "gemma2", tokenizer, "m", &err), &err);
    for (size_t i = 0; i < 26; i++) {
        const char *edge = i < 20 ? blanks[i] : others[i - 20];
        char content[64], expected[128], *text = NULL;
        size_t size = 0;
        snprintf(content, sizeof content, "%s%sx%sy%s%s", edge, edge, edge, edge, edge);
        snprintf(expected, sizeof expected, "<bos><start_of_turn>user\n%s%sx%sy%s%s<end_of_turn>\n", i < 20 ? "" : edge,
                 i < 20 ? "" : edge, edge, i < 20 ? "" : edge, i < 20 ? "" : edge);
        cso_message message = {"user", content, strlen(content)};
        golden_ok(cso_chat_render(chat, tokenizer, &(cso_chat_request){&message, 1, false, false}, NULL, &text, &size, &err), &err);
        assert_string_equal(text, expected);
        free(text);
        message = (cso_message){"user", edge, strlen(edge)};
        golden_ok(cso_chat_render(chat, tokenizer, &(cso_chat_request){&message, 1, false, false}, NULL, &text, &size, &err), &err);
        assert_int_equal(size, 39 + (i < 20 ? 0 : strlen(edge)));
        free(text);
    }
    cso_tokenizer_free(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_smollm2), cmocka_unit_test(test_recognition),
                                       cmocka_unit_test(test_refusals), cmocka_unit_test(test_trim)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

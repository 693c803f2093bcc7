/* test_tokenizer_tiny.c - the tiny models' tokenizers from every kind of file, their chats, streaming, and typed markers that
 * must stay text. */
#include "../golden.h"
#include "text_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const *find_route(size_t i) {
    /* tokenizer/NAME.json, the file or folder, the template */
    static const char *const routes[][3] = {
        {"llama-tiny", "models/llama-tiny", "llama3"},           {"llama-tiny", "gguf/llama-tiny-F16.gguf", "llama3"},
        {"qwen2-tiny", "models/qwen2-tiny", "chatml"},           {"qwen2-tiny", "gguf/qwen2-tiny-Q8_0.gguf", "chatml"},
        {"gemma2-tiny", "models/gemma2-tiny", "gemma2"},         {"gemma2-tiny", "models/gemma2-tiny/tokenizer.model", "gemma2"},
        {"gemma2-tiny", "gguf/gemma2-tiny-Q8_0.gguf", "gemma2"},
    };
    return i < sizeof routes / sizeof *routes ? routes[i] : NULL;
}

static cJSON *as_case(const cJSON *record) { /* {"text","ids","decoded"} as check_decode wants it */
    cJSON *copy = cJSON_CreateObject();
    cJSON_AddItemToObject(copy, "ids", cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(record, "ids"), true));
    cJSON_AddItemToObject(copy, "text", cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(record, "decoded"), true));
    return copy;
}

/* Where libsentencepiece reads a literal U+2581 as a space; the other differences are control tokens, which we cut out
 * first. */
static const cJSON *spm_ids(const cJSON *root, const char *text) {
    const cJSON *other;
    cJSON_ArrayForEach(other, cJSON_GetObjectItemCaseSensitive(root, "sentencepiece_differs")) {
        const char *its = cJSON_GetObjectItemCaseSensitive(other, "text")->valuestring;
        if (!strcmp(its, text) && strstr(its, "\xE2\x96\x81"))
            return other;
    }
    return NULL;
}

static void test_goldens(void **state) {
    (void)state;
    const char *const *route;
    for (size_t i = 0; (route = find_route(i)); i++) {
        const char *path = golden_path("%s", route[1]), *cases = golden_path("tokenizer/%s.json", route[0]);
        cso_error err;
        assert_non_null(path);
        cJSON *root = golden_json(cases);
        cso_tokenizer *tokenizer = open_tokenizer(path);
        case_run run = {.tokenizer = tokenizer, .place = path};
        golden_ok(cso_chat_template_get(&run.chat, "auto", tokenizer, path, &err), &err);
        assert_string_equal(cso_chat_template_name(run.chat), route[2]);
        const cJSON *record;
        size_t line = 0;
        bool spm = !strcmp(route[0], "gemma2-tiny") && strcmp(route[1], "models/gemma2-tiny") != 0;
        cJSON_ArrayForEach(record, cJSON_GetObjectItemCaseSensitive(root, "cases")) {
            const cJSON *differs = spm ? spm_ids(root, cJSON_GetObjectItemCaseSensitive(record, "text")->valuestring) : NULL;
            check_encode(&run, differs ? differs : record, ++line);
            cJSON *decoding = as_case(record);
            check_decode(&run, decoding, line);
            cJSON_Delete(decoding);
        }
        cJSON_ArrayForEach(record, cJSON_GetObjectItemCaseSensitive(root, "chats")) check_chat(&run, record, ++line);
        print_message("%s: %zu passed, %zu failed\n", route[1], run.passed, run.failed);
        assert_int_equal(run.failed, 0);
        assert_true(run.passed > 250);
        cso_tokenizer_free(tokenizer);
        cJSON_Delete(root);
    }
}

static void encode(const cso_tokenizer *tokenizer, const char *text, bool parse_special, cso_ids *ids) {
    cso_error err;
    ids->count = 0;
    golden_ok(cso_tokenizer_encode(tokenizer, text, strlen(text), parse_special, ids, &err), &err);
}

static bool has_id(const cso_ids *ids, int32_t id) {
    for (size_t i = 0; i < ids->count; i++)
        if (ids->ids[i] == id)
            return true;
    return false;
}

static size_t count_id(const cso_ids *ids, int32_t id) {
    size_t count = 0;
    for (size_t i = 0; i < ids->count; i++)
        count += ids->ids[i] == id;
    return count;
}

/* Typed text cannot become the tokens that end or begin a turn, and it decodes to itself. */
static void test_typed_markers(void **state) {
    (void)state;
    static const char typed[] =
        "hi<|eot_id|><|im_end|>\n<|im_start|>system<end_of_turn>\n<start_of_turn>model\n<eos><bos><end_of_turn>";
    const char *const *route;
    for (size_t i = 0; (route = find_route(i)); i++) {
        cso_tokenizer *tokenizer = open_tokenizer(golden_path("%s", route[1]));
        const cso_chat_template *chat = NULL;
        cso_message messages[] = {{"user", "hi", 2}, {"assistant", typed, sizeof typed - 1}};
        cso_ids plain = {0}, with = {0}, parsed = {0};
        char *text = NULL, *decoded = NULL;
        size_t size = 0, decoded_size = 0;
        cso_error err;
        golden_ok(cso_chat_template_get(&chat, route[2], tokenizer, "", &err), &err);
        int32_t end = cso_chat_end_of_turn(chat, tokenizer);
        assert_true(end >= 0);
        golden_ok(cso_chat_render(chat, tokenizer, &(cso_chat_request){messages, 2, false, false}, &with, &text, &size, &err),
                  &err);
        messages[1] = (cso_message){"assistant", "hi", 2};
        golden_ok(cso_chat_render(chat, tokenizer, &(cso_chat_request){messages, 2, false, false}, &plain, NULL, NULL, &err), &err);
        assert_int_equal(count_id(&with, end), count_id(&plain, end));
        for (int32_t id = 0; (size_t)id < cso_tokenizer_vocab(tokenizer); id++)
            if (cso_tokenizer_is_special(tokenizer, id))
                assert_int_equal(count_id(&with, id), count_id(&plain, id));
        golden_ok(cso_tokenizer_decode(tokenizer, with.ids, with.count, &decoded, &decoded_size, &err), &err);
        assert_int_equal(decoded_size, size);
        assert_memory_equal(decoded, text, size);
        messages[1] = (cso_message){"assistant", typed, sizeof typed - 1};
        golden_ok(cso_chat_render(chat, tokenizer, &(cso_chat_request){messages, 2, false, true}, &parsed, NULL, NULL, &err), &err);
        assert_true(count_id(&parsed, end) > count_id(&plain, end)); /* as Hugging Face does */
        free(text);
        free(decoded);
        free(plain.ids);
        free(with.ids);
        free(parsed.ids);
        cso_tokenizer_free(tokenizer);
    }
}

static void test_plain_text(void **state) {
    (void)state;
    cso_tokenizer *llama = open_tokenizer(golden_path("models/llama-tiny")),
                  *gemma = open_tokenizer(golden_path("models/gemma2-tiny"));
    cso_ids ids = {0};
    encode(llama, "a<|eot_id|>b", true, &ids);
    assert_true(has_id(&ids, cso_tokenizer_find(llama, "<|eot_id|>")));
    encode(llama, "a<|eot_id|>b", false, &ids);
    assert_false(has_id(&ids, cso_tokenizer_find(llama, "<|eot_id|>")));
    encode(gemma, "a<eos>b", true, &ids);
    assert_true(has_id(&ids, cso_tokenizer_eos(gemma)));
    encode(gemma, "a<eos>b<bos><pad>", false, &ids);
    assert_false(has_id(&ids, cso_tokenizer_eos(gemma)) || has_id(&ids, cso_tokenizer_bos(gemma)) || has_id(&ids, 0));
    encode(gemma, "<start_of_turn>", false, &ids); /* a piece like others, as for libsentencepiece */
    assert_int_equal(ids.count, 1);
    encode(llama, "", true, &ids);
    assert_int_equal(ids.count, 0);
    free(ids.ids);
    cso_tokenizer_free(llama);
    cso_tokenizer_free(gemma);
}

/* Ill-formed bytes are read as U+FFFD, one for each maximal part, and never crash anything. */
static void test_bad_utf8(void **state) {
    (void)state;
    const char *const *route;
    for (size_t i = 0; (route = find_route(i)); i++) {
        cso_tokenizer *tokenizer = open_tokenizer(golden_path("%s", route[1]));
        cso_ids bad = {0}, good = {0};
        encode(tokenizer, "a\xFF\xE2\x82 b\xED\xA0\x80\xF4\x90", true, &bad);
        encode(tokenizer, "a\xEF\xBF\xBD\xEF\xBF\xBD b\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", true, &good);
        assert_int_equal(bad.count, good.count);
        assert_memory_equal(bad.ids, good.ids, bad.count * sizeof *bad.ids);
        free(bad.ids);
        free(good.ids);
        cso_tokenizer_free(tokenizer);
    }
}

static void test_ids_out_of_range(void **state) {
    (void)state;
    cso_tokenizer *tokenizer = open_tokenizer(golden_path("models/qwen2-tiny"));
    int32_t ids[] = {5, (int32_t)cso_tokenizer_vocab(tokenizer)}, negative = -1;
    char *text = NULL;
    size_t size;
    cso_error err;
    cso_token_stream stream = {0};
    assert_int_equal(cso_tokenizer_decode_bytes(tokenizer, ids, 2, &text, &size, &err), CSO_ERR_INPUT);
    assert_string_equal(err.message, "token id 1024 is out of range (0 to 1023)");
    assert_int_equal(cso_tokenizer_decode(tokenizer, &negative, 1, &text, &size, &err), CSO_ERR_INPUT);
    assert_int_equal(cso_token_stream_feed(&stream, tokenizer, -1, &err), CSO_ERR_INPUT);
    cso_tokenizer_free(tokenizer);
}

static void test_what_it_says_of_itself(void **state) {
    (void)state;
    char folder[33], gguf[33];
    cso_tokenizer *a = open_tokenizer(golden_path("models/llama-tiny")),
                  *b = open_tokenizer(golden_path("gguf/llama-tiny-F16.gguf"));
    cso_tokenizer_fingerprint(a, folder);
    cso_tokenizer_fingerprint(b, gguf);
    assert_string_equal(folder, gguf); /* one tokenizer, two files */
    assert_string_equal(cso_tokenizer_kind(a), "llama-bpe");
    assert_true(cso_tokenizer_adds_bos(a) && cso_tokenizer_adds_bos(b));
    assert_int_equal(cso_tokenizer_bos(a), 1008);
    assert_int_equal(cso_tokenizer_eos(a), 1017);
    assert_int_equal(cso_tokenizer_find(a, "<|eot_id|>"), 1017);
    assert_int_equal(cso_tokenizer_find(a, "no such token"), -1);
    cso_tokenizer_free(a);
    cso_tokenizer_free(b);
    a = open_tokenizer(golden_path("models/qwen2-tiny"));
    cso_tokenizer_fingerprint(a, gguf);
    assert_string_not_equal(folder, gguf);
    assert_false(cso_tokenizer_adds_bos(a));
    assert_int_equal(cso_tokenizer_bos(a), -1);
    cso_tokenizer_free(a);
}

/* The tokenizer.json of a tiny model with the normalizer, pre-tokenizer, ... that another tokenizer is saved with. */
static cso_tokenizer *open_pipeline(const cJSON *pipeline) {
    cso_tokenizer *tokenizer = NULL;
    cso_error err;
    cJSON *root = golden_json(golden_path("models/%s/tokenizer.json", cJSON_GetObjectItem(pipeline, "model")->valuestring));
    const cJSON *part;
    cJSON_ArrayForEach(part, cJSON_GetObjectItem(pipeline, "parts"))
        cJSON_ReplaceItemInObjectCaseSensitive(root, part->string, cJSON_Duplicate(part, true));
    cJSON_ArrayForEach(part, cJSON_GetObjectItem(pipeline, "flags"))
        cJSON_ReplaceItemInObjectCaseSensitive(cJSON_GetObjectItem(root, "model"), part->string, cJSON_Duplicate(part, true));
    char *text = cJSON_PrintUnformatted(root);
    assert_non_null(text);
    golden_ok(cso_tokenizer_from_memory(&tokenizer, "tokenizer.json", text, strlen(text), &err), &err);
    free(text);
    cJSON_Delete(root);
    return tokenizer;
}

/* Every form that Llama-3's, Qwen2.5's, Gemma-2's and SmolLM2's tokenizers are saved in, with the ids that tokenizers gives. */
static void test_pipelines(void **state) {
    (void)state;
    cJSON *root = golden_json(golden_path("tokenizer/pipelines.json"));
    const cJSON *texts = cJSON_GetObjectItem(root, "texts"), *pipeline;
    size_t count = 0;
    cJSON_ArrayForEach(pipeline, cJSON_GetObjectItem(root, "pipelines")) {
        cso_tokenizer *tokenizer = open_pipeline(pipeline);
        case_run run = {.tokenizer = tokenizer, .place = cJSON_GetObjectItem(pipeline, "name")->valuestring};
        assert_string_equal(cso_tokenizer_kind(tokenizer), cJSON_GetObjectItem(pipeline, "kind")->valuestring);
        const cJSON *text = texts->child, *ids = cJSON_GetObjectItem(pipeline, "ids")->child;
        for (size_t line = 1; text && ids; text = text->next, ids = ids->next, line++) {
            cJSON *record = cJSON_CreateObject();
            cJSON_AddItemToObject(record, "text", cJSON_Duplicate(text, true));
            cJSON_AddItemToObject(record, "ids", cJSON_Duplicate(ids, true));
            check_encode(&run, record, line);
            cJSON_Delete(record);
        }
        assert_true(!text && !ids);
        print_message("%s: %zu passed, %zu failed\n", run.place, run.passed, run.failed);
        assert_int_equal(run.failed, 0);
        assert_true(run.passed > 100);
        count++;
        cso_tokenizer_free(tokenizer);
    }
    assert_int_equal(count, 9);
    cJSON_Delete(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goldens),
        cmocka_unit_test(test_pipelines),
        cmocka_unit_test(test_typed_markers),
        cmocka_unit_test(test_plain_text),
        cmocka_unit_test(test_bad_utf8),
        cmocka_unit_test(test_ids_out_of_range),
        cmocka_unit_test(test_what_it_says_of_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

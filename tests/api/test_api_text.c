/* libcso: models, tokenizers, chat templates and replies; what each function refuses. */
#include "api_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const cso_lm_message hello[] = {{"system", "Be kind."}, {"user", "I feel lost <|eot_id|>."}};

static void describes_a_model(void **state) {
    (void)state;
    api_fixture f;
    api_open(&f);
    assert_string_equal(cso_lm_family(f.model), "llama");
    assert_true(cso_lm_parameters(f.model) > 1000);
    assert_true(cso_lm_vocab(f.model) > 256);
    assert_true(cso_lm_context(f.model) > 0);
    assert_true(strlen(cso_version()) >= 5);
    api_close(&f);
}

static void texts_to_ids_and_back(void **state) {
    (void)state;
    cso_lm_error error = {0};
    cso_lm_tokenizer *tokenizer;
    cso_lm_ids plain, special;
    cso_lm_text text;
    static const char said[] = "nul \0 and <|eot_id|>";
    api_ok(cso_lm_tokenizer_open(&tokenizer, API_MODEL, "llama3", &error), &error);
    int32_t eot = cso_lm_token_id(tokenizer, "<|eot_id|>");
    assert_true(eot >= 0);
    assert_int_equal(cso_lm_token_id(tokenizer, "no such token"), -1);
    api_ok(cso_lm_encode(tokenizer, said, sizeof said - 1, false, &plain, &error), &error);
    api_ok(cso_lm_encode(tokenizer, said, sizeof said - 1, true, &special, &error), &error);
    assert_int_equal(special.ids[special.count - 1], eot);
    assert_true(plain.count > special.count);
    for (size_t i = 0; i < plain.count; i++)
        assert_int_not_equal(plain.ids[i], eot);
    api_ok(cso_lm_decode(tokenizer, plain.ids, plain.count, &text, &error), &error);
    assert_int_equal(text.size, sizeof said - 1);
    assert_memory_equal(text.text, said, sizeof said);
    cso_lm_text_free(&text);
    api_fails(cso_lm_decode(tokenizer, &(int32_t){1 << 20}, 1, &text, &error), &error, CSO_LM_ERR_INPUT, error.message);
    assert_null(text.text);
    cso_lm_ids_free(&plain);
    cso_lm_ids_free(&special);
    cso_lm_tokenizer_close(tokenizer);
}

static void renders_chats(void **state) {
    (void)state;
    api_fixture f;
    cso_lm_error error = {0};
    cso_lm_text text;
    cso_lm_ids ids, again;
    api_open(&f);
    const cso_lm_tokenizer *tokenizer = cso_lm_get_tokenizer(f.model);
    api_ok(cso_lm_render_text(tokenizer, hello, 2, true, &text, &error), &error);
    assert_non_null(strstr(text.text, "Be kind."));
    assert_non_null(strstr(text.text, "<|start_header_id|>user<|end_header_id|>\n\nI feel lost <|eot_id|>.<|eot_id|>"));
    api_ok(cso_lm_render_ids(tokenizer, hello, 2, true, true, &ids, &error), &error);
    api_ok(cso_lm_encode(tokenizer, text.text, text.size, true, &again, &error), &error);
    assert_int_equal(ids.count, again.count);
    assert_memory_equal(ids.ids, again.ids, ids.count * sizeof *ids.ids);
    cso_lm_ids_free(&ids);
    api_ok(cso_lm_render_ids(tokenizer, hello, 2, true, false, &ids, &error), &error);
    assert_true(ids.count > again.count); /* what the user typed stays text */
    cso_lm_ids_free(&ids);
    cso_lm_ids_free(&again);
    cso_lm_text_free(&text);
    api_fails(cso_lm_render_ids(tokenizer, &(cso_lm_message){"user", NULL}, 1, true, false, &ids, &error), &error, CSO_LM_ERR_USAGE,
              "messages[0]: role or content is NULL");
    assert_null(ids.ids);
    api_close(&f);
}

typedef struct heard {
    char text[4096];
    size_t size, tokens, stop_after;
} heard;

static bool hear(void *context, const cso_lm_token *token) {
    heard *h = context;
    memcpy(h->text + h->size, token->text, token->size + 1);
    h->size += token->size;
    h->tokens += token->id >= 0;
    return h->tokens != h->stop_after;
}

static void replies(void **state) {
    (void)state;
    api_fixture f;
    cso_lm_error error = {0};
    cso_lm_text base, adapted, cut;
    heard h = {.stop_after = 1000};
    api_open(&f);
    cso_lm_generate_options options = {.max_tokens = 24, .callback = hear, .context = &h};
    api_ok(cso_lm_reply(f.worker, hello, 2, &options, &base, &error), &error);
    assert_true(base.size > 0 && h.tokens > 4 && h.tokens <= 24);
    assert_int_equal(h.size, base.size);
    assert_memory_equal(h.text, base.text, base.size);

    options.adapter = f.adapter;
    h = (heard){.stop_after = 1000};
    api_ok(cso_lm_reply(f.worker, hello, 2, &options, &adapted, &error), &error);
    assert_string_not_equal(base.text, adapted.text);

    options.adapter = NULL;
    h = (heard){.stop_after = 3};
    api_ok(cso_lm_reply(f.worker, hello, 2, &options, &cut, &error), &error);
    assert_int_equal(h.tokens, 3);
    assert_true(cut.size < base.size);
    assert_memory_equal(cut.text, h.text, cut.size);

    cso_lm_text_free(&base);
    cso_lm_text_free(&adapted);
    cso_lm_text_free(&cut);
    api_close(&f);
}

/* Greedy: the reply's tokens are the most probable ones, so the reply to a prompt with its beginning is its end. */
static void continues_ids(void **state) {
    (void)state;
    api_fixture f;
    cso_lm_error error = {0};
    cso_lm_ids prompt, whole, rest;
    api_open(&f);
    api_ok(cso_lm_render_ids(cso_lm_get_tokenizer(f.model), hello, 2, true, false, &prompt, &error), &error);
    cso_lm_generate_options options = {.max_tokens = 12};
    api_ok(cso_lm_continue(f.worker, prompt.ids, prompt.count, &options, &whole, &error), &error);
    assert_true(whole.count > 5);
    prompt.ids = realloc(prompt.ids, (prompt.count + 4) * sizeof *prompt.ids);
    memcpy(prompt.ids + prompt.count, whole.ids, 4 * sizeof *whole.ids);
    options.max_tokens = 8;
    api_ok(cso_lm_continue(f.worker, prompt.ids, prompt.count + 4, &options, &rest, &error), &error);
    assert_int_equal(rest.count, whole.count - 4);
    assert_memory_equal(rest.ids, whole.ids + 4, rest.count * sizeof *rest.ids);
    api_fails(cso_lm_continue(f.worker, prompt.ids, 0, &options, &(cso_lm_ids){0}, &error), &error, CSO_LM_ERR_USAGE,
              "there are no ids to continue");
    cso_lm_ids_free(&prompt);
    cso_lm_ids_free(&whole);
    cso_lm_ids_free(&rest);
    api_close(&f);
}

static void refused(void **state) {
    (void)state;
    api_fixture f;
    cso_lm *model = (cso_lm *)&f;
    cso_lm_worker *worker;
    cso_lm_adapter *adapter;
    cso_lm_tokenizer *tokenizer;
    cso_lm_error error = {0};
    api_fails(cso_lm_open(&model, NULL, NULL, &error), &error, CSO_LM_ERR_USAGE, "path is NULL");
    assert_null(model);
    assert_int_not_equal(cso_lm_open(&model, "/nowhere", NULL, &error), CSO_LM_OK);
    assert_memory_equal(error.message, "/nowhere", 8);
    api_fails(cso_lm_open(&model, API_MODEL, &(cso_lm_options){.chat_template = "chatm"}, &error), &error, CSO_LM_ERR_USAGE,
              error.message);
    assert_non_null(strstr(error.message, "chatml"));
    assert_null(model);
    api_open(&f);
    api_fails(cso_lm_worker_create(&worker, f.model, &(cso_lm_worker_options){.compute = "f16"}, &error), &error, CSO_LM_ERR_USAGE,
              "compute is \"f16\" (expected f32 or bf16)");
    assert_null(worker);
    api_fails(cso_lm_worker_create(&worker, f.model, &(cso_lm_worker_options){.threads = 5000}, &error), &error, CSO_LM_ERR_USAGE,
              "threads is 5000 (expected up to 4096)");
    api_fails(cso_lm_worker_create(&worker, NULL, NULL, &error), &error, CSO_LM_ERR_USAGE, "model is NULL");
    api_fails(cso_lm_adapter_open(&adapter, f.model, "tests/golden/adapters/gemma2-tiny/r4", &error), &error, CSO_LM_ERR_INPUT,
              error.message);
    assert_null(adapter);
    api_fails(cso_lm_tokenizer_open(&tokenizer, NULL, NULL, &error), &error, CSO_LM_ERR_USAGE, "path is NULL");
    assert_null(tokenizer);
    cso_lm_close(NULL);
    cso_lm_worker_free(NULL);
    cso_lm_adapter_close(NULL);
    cso_lm_tokenizer_close(NULL);
    cso_lm_ids_free(NULL);
    cso_lm_text_free(NULL);
    api_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(describes_a_model), cmocka_unit_test(texts_to_ids_and_back), cmocka_unit_test(renders_chats),
        cmocka_unit_test(replies),           cmocka_unit_test(continues_ids),         cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

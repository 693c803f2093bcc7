/* test_chat_series.c - rendering lists one after the other gives what each gives by itself, and the time of what is new. */
#include "../golden.h"
#include "../io/bytes.h"
#include "text/chat_series.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_MESSAGES = 12, ROUNDS = 4000, TURNS = 1500 };

static const char *const routes[][2] = {{"models/llama-tiny", "llama3"},
                                        {"models/gemma2-tiny", "gemma2"},
                                        {"models/qwen2-tiny", "chatml"},
                                        {"models/qwen2-tiny", "smollm2"}};

static unsigned next_random(unsigned *seed, unsigned below) {
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 16) % below;
}

static cso_message random_message(unsigned *seed, size_t turn) {
    static const char *const texts[] = {"",
                                        "Hello",
                                        "\nI feel <|im_end|> low. ",
                                        "(Question) What happened?",
                                        " \t<bos>",
                                        "na\xC3\xAFve 123",
                                        "<|eot_id|>",
                                        "<start_of_turn>user\n"};
    static const char *const roles[] = {"user", "assistant", "system", "tool"};
    unsigned odd = next_random(seed, 40);
    const char *text = texts[next_random(seed, 8)];
    return (cso_message){odd < 2 ? roles[2 + odd] : roles[turn % 2], text, strlen(text)};
}

/* Changes the list: cuts its end off, changes a message, or goes on. Some lists are such as a template refuses. */
static void change(cso_message *messages, size_t *count, unsigned *seed) {
    size_t system = *count && !strcmp(messages[0].role, "system");
    if (!*count || !next_random(seed, 10)) {
        *count = 0;
        if (next_random(seed, 2))
            messages[(*count)++] = (cso_message){"system", "Be kind.", 8};
        return;
    }
    if (!next_random(seed, 3))
        *count -= next_random(seed, (unsigned)*count);
    if (!next_random(seed, 6))
        messages[next_random(seed, (unsigned)*count)] = random_message(seed, next_random(seed, 2));
    for (size_t more = next_random(seed, 3); more && *count < MAX_MESSAGES; more--) {
        messages[*count] = random_message(seed, *count - system);
        ++*count;
    }
}

/* A list through the series and by itself. */
static bool compare(cso_chat_series *series, const cso_chat_template *chat, const cso_tokenizer *tokenizer,
                    const cso_chat_request *request, size_t track) {
    cso_ids alone = {0};
    const cso_ids *ids;
    cso_error err = {0}, other = {0};
    size_t same;
    cso_status status = cso_chat_render(chat, tokenizer, request, &alone, NULL, NULL, &err);
    assert_int_equal(cso_chat_series_render(series, track, request, 0, &ids, &same, &other), status);
    if (status == CSO_OK) {
        assert_int_equal(ids->count, alone.count);
        assert_true(same <= ids->count);
        assert_memory_equal(ids->ids, alone.ids, alone.count * sizeof *alone.ids);
        assert_int_equal(cso_chat_series_render(series, track, request, request->count, &ids, &same, &other), CSO_OK);
        assert_int_equal(ids->count, alone.count);
        assert_memory_equal(ids->ids, alone.ids, alone.count * sizeof *alone.ids);
    } else {
        assert_string_equal(other.message, err.message);
    }
    free(alone.ids);
    return status == CSO_OK;
}

static void same_as_alone(void **state) {
    (void)state;
    for (size_t r = 0; r < sizeof routes / sizeof *routes; r++) {
        cso_tokenizer *tokenizer;
        const cso_chat_template *chat;
        cso_chat_series *series;
        cso_error err;
        const char *path = golden_path("%s", routes[r][0]);
        golden_ok(cso_tokenizer_open(&tokenizer, path, &err), &err);
        golden_ok(cso_chat_template_get(&chat, routes[r][1], tokenizer, path, &err), &err);
        golden_ok(cso_chat_series_create(&series, chat, tokenizer, &err), &err);
        cso_message messages[MAX_MESSAGES + 1];
        unsigned seed = 11;
        size_t count = 0, rendered = 0;
        for (int round = 0; round < ROUNDS; round++) {
            change(messages, &count, &seed);
            const cso_chat_request request = {messages, count, next_random(&seed, 2), !next_random(&seed, 8)};
            rendered += compare(series, chat, tokenizer, &request, next_random(&seed, CSO_CHAT_TRACKS));
        }
        print_message("%s: %zu of %d lists rendered\n", routes[r][1], rendered, ROUNDS);
        assert_true(rendered > ROUNDS / 4 && rendered < ROUNDS);
        cso_chat_series_free(series);
        cso_tokenizer_free(tokenizer);
    }
}

/* Each prompt of a dialogue of 1,500 turns: a few million messages, most of them over and over. */
static void time_of_what_is_new(void **state) {
    (void)state;
    cso_tokenizer *tokenizer;
    const cso_chat_template *chat;
    cso_chat_series *series;
    cso_error err;
    const char *path = golden_path("models/llama-tiny");
    golden_ok(cso_tokenizer_open(&tokenizer, path, &err), &err);
    golden_ok(cso_chat_template_get(&chat, "llama3", tokenizer, path, &err), &err);
    golden_ok(cso_chat_series_create(&series, chat, tokenizer, &err), &err);
    static cso_message messages[2 * TURNS];
    static char texts[2 * TURNS][80];
    const cso_ids *ids = NULL;
    double began = work_seconds();
    for (size_t i = 0; i < 2 * TURNS; i++) {
        int size = snprintf(texts[i], sizeof texts[i], "Message %zu says that all is well, and asks what comes next.", i);
        messages[i] = (cso_message){i % 2 ? "assistant" : "user", texts[i], (size_t)size};
        size_t same;
        const cso_chat_request request = {messages, i + 1, i % 2 == 0, false};
        golden_ok(cso_chat_series_render(series, 0, &request, 0, &ids, &same, &err), &err);
    }
    double seconds = work_seconds() - began;
    print_message("%d turns, %zu tokens at the end: %.3f s\n", TURNS, ids->count, seconds);
    assert_true(seconds < 1);
    cso_chat_series_free(series);
    cso_tokenizer_free(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_as_alone), cmocka_unit_test(time_of_what_is_new)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* libcso: scores of pairs, files, texts and ids are those of the goldens, and agree among themselves. */
#include "../golden.h"
#include "api_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void files_are_as_golden(void **state) {
    (void)state;
    api_fixture f;
    api_scores *scores = calloc(1, sizeof *scores);
    cso_lm_error error = {0};
    cJSON *root = golden_json(golden_path("pref/llama-tiny/pref.json"));
    const cJSON *golden = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "adapters"), "r4");
    static const char *const keys[2][2] = {{"ref_chosen_logps_f64", "ref_rejected_logps_f64"},
                                           {"policy_chosen_logps_f64", "policy_rejected_logps_f64"}};
    assert_non_null(golden);
    api_open(&f);
    for (int adapted = 0; adapted < 2; adapted++) {
        memset(scores, 0, sizeof *scores);
        const cso_lm_score_options options = {
            .callback = api_keep_score, .context = scores, .adapter = adapted ? f.adapter : NULL, .parse_special = true};
        api_ok(cso_lm_score_file(f.worker, API_PAIRS, &options, &error), &error);
        assert_int_equal(scores->items, 16);
        assert_int_equal(scores->sequences, 32);
        for (size_t i = 0; i < 32; i++) {
            const cJSON *value = cJSON_GetArrayItem(cJSON_GetObjectItem(golden, keys[adapted][i % 2]), (int)(i / 2));
            assert_true(cJSON_IsNumber(value) && value->valuedouble < -1);
            if (!(fabs(scores->logp[i] - value->valuedouble) <= 1e-4 * fmax(1, (double)scores->n_tokens[i])))
                fail_msg("sequence %zu: %.9g, golden %.9g", i, scores->logp[i], value->valuedouble);
        }
    }
    api_close(&f);
    cJSON_Delete(root);
    free(scores);
}

/* The first two pairs of the file, given as messages, as ids, and in the file. */
static void pairs_and_ids_agree(void **state) {
    (void)state;
    api_fixture f;
    api_scores *file = calloc(3, sizeof *file), *pair = file + 1, *ids = file + 2;
    cso_lm_error error = {0};
    cJSON *first = NULL, *tokenized = golden_json(golden_path("pref/llama-tiny/tokenized.json"));
    char *text = NULL;
    api_open(&f);
    cso_lm_score_options options = {.callback = api_keep_score, .context = file, .adapter = f.adapter, .parse_special = true};
    api_ok(cso_lm_score_file(f.worker, API_PAIRS, &options, &error), &error);

    FILE *lines = fopen(API_PAIRS, "r");
    size_t capacity = 0;
    assert_true(lines && getline(&text, &capacity, lines) > 0);
    fclose(lines);
    first = cJSON_Parse(text);
    cso_lm_message prompt[8];
    size_t count = 0;
    const cJSON *message, *replies[2] = {cJSON_GetObjectItem(first, "chosen"), cJSON_GetObjectItem(first, "rejected")};
    cJSON_ArrayForEach(message, cJSON_GetObjectItem(first, "prompt")) {
        assert_true(count < 8);
        prompt[count++] = (cso_lm_message){cJSON_GetObjectItem(message, "role")->valuestring,
                                           cJSON_GetObjectItem(message, "content")->valuestring};
    }
    options.context = pair;
    api_ok(cso_lm_score_pair(f.worker, prompt, count, cJSON_GetObjectItem(replies[0]->child, "content")->valuestring,
                             cJSON_GetObjectItem(replies[1]->child, "content")->valuestring, &options, &error),
           &error);
    assert_int_equal(pair->counts[0], 2);

    const cJSON *one = cJSON_GetArrayItem(cJSON_GetObjectItem(tokenized, "pairs"), 0);
    cso_lm_sequence sequences[2];
    int32_t *owned[2];
    for (size_t side = 0; side < 2; side++) {
        size_t n_prompt, n_reply;
        int32_t *prompt_ids = golden_ids(cJSON_GetObjectItem(one, "prompt_ids"), &n_prompt);
        int32_t *reply = golden_ids(cJSON_GetObjectItem(one, side ? "rejected_ids" : "chosen_ids"), &n_reply);
        owned[side] = prompt_ids = realloc(prompt_ids, (n_prompt + n_reply) * sizeof *prompt_ids);
        memcpy(prompt_ids + n_prompt, reply, n_reply * sizeof *reply);
        free(reply);
        sequences[side] = (cso_lm_sequence){prompt_ids, n_prompt + n_reply, n_prompt};
    }
    options.context = ids;
    api_ok(cso_lm_score_ids(f.worker, sequences, 2, &options, &error), &error);
    assert_int_equal(ids->items, 2);

    size_t tokens = pair->tokens;
    assert_true(tokens > 10 && tokens == ids->tokens);
    for (size_t k = 0; k < tokens; k++) {
        assert_true(fabs(pair->token_logps[k] - ids->token_logps[k]) <= 1e-5);
        assert_true(fabs(pair->token_logps[k] - file->token_logps[k]) <= 1e-5);
    }
    free(owned[0]);
    free(owned[1]);
    free(text);
    cJSON_Delete(first);
    cJSON_Delete(tokenized);
    api_close(&f);
    free(file);
}

static void texts(void **state) {
    (void)state;
    static const char text[] = "I feel lost, and I do not know why.";
    api_fixture f;
    api_scores *scores = calloc(2, sizeof *scores);
    cso_lm_error error = {0};
    cso_lm_ids ids = {0};
    api_open(&f);
    cso_lm_score_options options = {.callback = api_keep_score, .context = scores};
    api_ok(cso_lm_score_text(f.worker, text, strlen(text), &options, &error), &error);
    assert_int_equal(scores->items, 1);
    assert_int_equal(scores->counts[0], 1);

    /* llama-tiny's tokenizer puts BOS first, so every token of the text is scored. */
    api_ok(cso_lm_encode(cso_lm_get_tokenizer(f.model), text, strlen(text), false, &ids, &error), &error);
    assert_int_equal(scores->n_tokens[0], ids.count);
    double sum = 0;
    for (size_t k = 0; k < ids.count; k++)
        sum += scores->token_logps[k];
    assert_true(fabs(sum - scores->logp[0]) <= 1e-9 && sum < -1);
    cso_lm_ids_free(&ids);
    assert_null(ids.ids);

    options.max_length = 4;
    char message[200];
    snprintf(message, sizeof message, "the text: %zu tokens (expected up to 4, the maximum length)", scores->n_tokens[0] + 1);
    api_fails(cso_lm_score_text(f.worker, text, strlen(text), &options, &error), &error, CSO_LM_ERR_INPUT, message);
    api_close(&f);
    free(scores);
}

/* The replies of a pair, of a list and of completions have the same log-probabilities. */
static void lists_and_completions(void **state) {
    (void)state;
    static const char records[] = "{\"prompt\":\"How are you?\",\"chosen\":\" Fine.\",\"rejected\":\" Not so well.\"}\n"
                                  "{\"prompt\":\"How are you?\",\"completions\":[\" Fine.\",\" Not so well.\",\" Why?\"]}\n"
                                  "{\"prompt\":\"How are you?\",\"completion\":\" Fine.\"}\n"
                                  "{\"prompt\":\"How are you?\",\"completion\":\" Not so well.\",\"label\":false}\n";
    static const size_t counts[] = {2, 3, 1, 1}, same[] = {0, 1, 0, 1, SIZE_MAX, 0, 1};
    api_fixture f;
    api_scores *scores = calloc(1, sizeof *scores);
    cso_lm_error error = {0};
    char path[64];
    snprintf(path, sizeof path, "/tmp/cso-api-score-%d.jsonl", (int)getpid());
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(records, file) >= 0);
    fclose(file);
    api_open(&f);
    cso_lm_score_options options = {.callback = api_keep_score, .context = scores};
    api_ok(cso_lm_score_file(f.worker, path, &options, &error), &error);
    assert_int_equal(scores->items, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(scores->counts[i], counts[i]);
    assert_int_equal(scores->sequences, 7);
    for (size_t s = 0; s < 7; s++)
        if (same[s] != SIZE_MAX)
            assert_true(fabs(scores->logp[s] - scores->logp[same[s]]) <= 1e-5 && scores->logp[s] < -1);
    remove(path);
    api_close(&f);
    free(scores);
}

static void too_long_and_stopped(void **state) {
    (void)state;
    api_fixture f;
    api_scores *scores = calloc(1, sizeof *scores);
    cso_lm_error error = {0};
    api_open(&f);
    cso_lm_score_options options = {.callback = api_keep_score, .context = scores, .max_length = 20};
    api_ok(cso_lm_score_file(f.worker, API_PAIRS, &options, &error), &error);
    assert_int_equal(scores->items, 16);
    assert_true(scores->sequences < 32);
    assert_int_equal(scores->counts[0], 0);

    *scores = (api_scores){.stop_after = 3};
    options.max_length = 0;
    api_fails(cso_lm_score_file(f.worker, API_PAIRS, &options, &error), &error, CSO_LM_STOPPED,
              "the callback has stopped the scoring");
    assert_int_equal(scores->items, 3);
    api_close(&f);
    free(scores);
}

static void refused(void **state) {
    (void)state;
    api_fixture f, other;
    api_scores *scores = calloc(1, sizeof *scores);
    cso_lm_error error = {0};
    static const int32_t ids[] = {1, 2, 1 << 20};
    api_open(&f);
    api_open(&other);
    cso_lm_score_options options = {.callback = api_keep_score, .context = scores};
    const cso_lm_sequence bad = {ids, 3, 1}, none = {NULL, 3, 1};
    char message[100];
    snprintf(message, sizeof message, "sequence 1: ids: item 3 is not a token id (expected 0 to %zu)", cso_lm_vocab(f.model) - 1);
    api_fails(cso_lm_score_ids(f.worker, &bad, 1, &options, &error), &error, CSO_LM_ERR_INPUT, message);
    api_fails(cso_lm_score_ids(f.worker, &none, 1, &options, &error), &error, CSO_LM_ERR_USAGE, "sequence 1 is NULL");
    api_fails(cso_lm_score_ids(NULL, &bad, 1, &options, &error), &error, CSO_LM_ERR_USAGE, "worker is NULL");
    api_fails(cso_lm_score_ids(f.worker, &bad, 1, NULL, &error), &error, CSO_LM_ERR_USAGE, "options is NULL");
    api_fails(cso_lm_score_ids(f.worker, &bad, 1, &(cso_lm_score_options){0}, &error), &error, CSO_LM_ERR_USAGE,
              "options->callback is NULL");
    api_fails(cso_lm_score_file(f.worker, "/nowhere.jsonl", &options, &error), &error, CSO_LM_ERR_INPUT,
              "/nowhere.jsonl: cannot open: No such file or directory");
    api_fails(cso_lm_score_pair(f.worker, &(cso_lm_message){"user", "Hello"}, 1, NULL, "b", &options, &error), &error,
              CSO_LM_ERR_USAGE, "chosen is NULL");
    api_fails(cso_lm_score_pair(f.worker, &(cso_lm_message){"assistant", "Hello"}, 1, "a", "b", &options, &error), &error,
              CSO_LM_ERR_INPUT, "the pair: the prompt ends with an assistant message (expected a user message)");
    options.adapter = other.adapter;
    api_fails(cso_lm_score_file(f.worker, API_PAIRS, &options, &error), &error, CSO_LM_ERR_USAGE,
              "the adapter was opened for another model than the worker's");
    assert_int_equal(scores->items, 0);
    assert_int_equal(cso_lm_score_ids(NULL, &bad, 1, &options, NULL), CSO_LM_ERR_USAGE); /* nobody wants the message */
    api_close(&other);
    api_close(&f);
    free(scores);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_as_golden),   cmocka_unit_test(pairs_and_ids_agree),  cmocka_unit_test(texts),
        cmocka_unit_test(lists_and_completions), cmocka_unit_test(too_long_and_stopped), cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

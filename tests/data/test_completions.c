/* test_completions.c - replies with a label and prompts with one completion, against TRL's tokens; what takes them and what does not. */
#include "data_fixture.h"
#include "golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const MODELS[] = {"llama-tiny", "qwen2-tiny", "gemma2-tiny"};
static const cso_data_options LABELED = {.kind = CSO_EXAMPLE_LABELED, .max_length = 1 << 20, .parse_special = true};
static const cso_data_options TEXTS = {.kind = CSO_EXAMPLE_TEXT, .max_length = 1 << 20, .parse_special = true};

static cso_status read_data(cso_dataset *data, const data_fixture *fixture, const char *text, const cso_data_options *options,
                            cso_error *err) {
    const char *path = write_data("completions.jsonl", text);
    return cso_dataset_read(data, &path, 1, fixture->tokenizer, fixture->chat, options, err);
}

/* How the golden pairs are written as other records. */
typedef enum written_form { MESSAGES_LABEL, COMPLETION_LABEL, COMPLETION_ONLY } written_form;

typedef struct writer {
    written_form form;
    bool chosen;
    cso_text text;
} writer;

static cso_status add_record(void *context, const cJSON *record, size_t line, cso_error *err) {
    writer *w = context;
    (void)line;
    (void)err;
    cJSON *prompt = cJSON_Duplicate(cJSON_GetObjectItem(record, "prompt"), true), *made = cJSON_CreateObject();
    cJSON *reply = cJSON_Duplicate(cJSON_GetObjectItem(record, w->chosen ? "chosen" : "rejected"), true);
    if (w->form == MESSAGES_LABEL) {
        cJSON_AddItemToArray(prompt, cJSON_DetachItemFromArray(reply, 0));
        cJSON_Delete(reply);
        cJSON_AddItemToObject(made, "messages", prompt);
    } else {
        cJSON_AddItemToObject(made, "prompt", prompt);
        cJSON_AddItemToObject(made, "completion", reply);
    }
    if (w->form != COMPLETION_ONLY)
        cJSON_AddBoolToObject(made, "label", w->chosen);
    char *text = cJSON_PrintUnformatted(made);
    cso_text_format(&w->text, "%s\n", text);
    cJSON_free(text);
    cJSON_Delete(made);
    return CSO_OK;
}

/* All chosen replies, then all rejected ones, as in the goldens of KTO. */
static char *write_records(const char *model, written_form form, bool rejected) {
    writer w = {.form = form, .chosen = true};
    const char *path = golden_path("pairs/%s", strcmp(model, "gemma2-tiny") ? "pairs.jsonl" : "pairs_nosystem.jsonl");
    cso_error err = {0};
    golden_ok(cso_json_each(path, add_record, &w, &err), &err);
    w.chosen = false;
    if (rejected)
        golden_ok(cso_json_each(path, add_record, &w, &err), &err);
    return w.text.data;
}

static void check_sequence(const char *model, size_t i, const cJSON *pair, const char *key, const cso_example_sequence *sequence) {
    size_t prompt, reply;
    int32_t *prompt_ids = golden_ids(cJSON_GetObjectItem(pair, "prompt_ids"), &prompt);
    int32_t *reply_ids = golden_ids(cJSON_GetObjectItem(pair, key), &reply);
    if (sequence->score_start != prompt || sequence->length != prompt + reply || sequence->scored ||
        memcmp(sequence->ids, prompt_ids, prompt * sizeof *prompt_ids) ||
        memcmp(sequence->ids + prompt, reply_ids, reply * sizeof *reply_ids))
        fail_msg("%s: example %zu differs", model, i);
    free(prompt_ids);
    free(reply_ids);
}

static void labeled_as_trl(void **state) {
    (void)state;
    for (size_t m = 0; m < 3; m++) {
        data_fixture fixture = data_fixture_tiny(MODELS[m]);
        cJSON *golden = golden_json(golden_path("pref/%s/tokenized.json", MODELS[m]));
        const cJSON *pairs = cJSON_GetObjectItem(golden, "pairs");
        size_t n = (size_t)cJSON_GetArraySize(pairs);
        char fingerprint[33] = "";
        for (written_form form = MESSAGES_LABEL; form <= COMPLETION_LABEL; form++) {
            char *text = write_records(MODELS[m], form, true);
            cso_dataset data;
            cso_error err = {0};
            golden_ok(read_data(&data, &fixture, text, &LABELED, &err), &err);
            assert_int_equal(data.count, 2 * n);
            assert_int_equal(data.n_sequences, 2 * n);
            for (size_t i = 0; i < data.count; i++) {
                assert_int_equal(data.examples[i].label, i < n);
                assert_int_equal(data.examples[i].dialogue, data.examples[i % n].dialogue);
                check_sequence(MODELS[m], i, cJSON_GetArrayItem(pairs, (int)(i % n)), i < n ? "chosen_ids" : "rejected_ids",
                               cso_dataset_sequences(&data, i));
            }
            assert_true(!fingerprint[0] || !strcmp(fingerprint, data.fingerprint));
            memcpy(fingerprint, data.fingerprint, sizeof fingerprint);
            cso_dataset_free(&data);
            free(text);
        }
        cJSON_Delete(golden);
        data_fixture_close(&fixture);
    }
}

/* Of a completion alone TRL's SFTTrainer counts what follows the prompt. */
static void completions_as_trl(void **state) {
    (void)state;
    for (size_t m = 0; m < 3; m++) {
        data_fixture fixture = data_fixture_tiny(MODELS[m]);
        cJSON *golden = golden_json(golden_path("train/%s/sft/tokenized.json", MODELS[m]));
        const cJSON *examples = cJSON_GetObjectItem(golden, "examples");
        char *text = write_records(MODELS[m], COMPLETION_ONLY, false);
        cso_dataset data;
        cso_error err = {0};
        golden_ok(read_data(&data, &fixture, text, &TEXTS, &err), &err);
        assert_int_equal(cJSON_GetArraySize(examples), data.count);
        for (size_t i = 0; i < data.count; i++) {
            const cso_example_sequence *sequence = cso_dataset_sequences(&data, i);
            const cJSON *example = cJSON_GetArrayItem(examples, (int)i);
            size_t count, masks;
            int32_t *ids = golden_ids(cJSON_GetObjectItem(example, "input_ids"), &count);
            int32_t *mask = golden_ids(cJSON_GetObjectItem(example, "loss_mask_last_answer_only"), &masks);
            assert_int_equal(sequence->length, count);
            assert_memory_equal(sequence->ids, ids, count * sizeof *ids);
            for (size_t t = 0; t < masks; t++)
                assert_int_equal(mask[t] != 0, t >= sequence->score_start);
            free(ids);
            free(mask);
        }
        cJSON_Delete(golden);
        free(text);
        cso_dataset_free(&data);
        data_fixture_close(&fixture);
    }
}

static void texts(void **state) {
    (void)state;
    data_fixture fixture = data_fixture_tiny("llama-tiny");
    cso_data_options pairs = TEXTS;
    cso_dataset labeled, opposite, text, pair;
    cso_error err = {0};
    pairs.kind = CSO_EXAMPLE_PAIR;
    golden_ok(read_data(&labeled, &fixture, "{\"prompt\":\"How so?\",\"completion\":\" Well.\",\"label\":true}", &LABELED, &err),
              &err);
    golden_ok(read_data(&opposite, &fixture, "{\"prompt\":\"How so?\",\"completion\":\" Well.\",\"label\":false}", &LABELED, &err),
              &err);
    golden_ok(read_data(&text, &fixture, "{\"prompt\":\"How so?\",\"completion\":\" Well.\"}", &TEXTS, &err), &err);
    golden_ok(read_data(&pair, &fixture, "{\"prompt\":\"How so?\",\"chosen\":\" Well.\",\"rejected\":\" No.\"}", &pairs, &err),
              &err);
    assert_string_not_equal(labeled.fingerprint, opposite.fingerprint);
    assert_string_not_equal(labeled.fingerprint, text.fingerprint);
    const cso_dataset *const all[] = {&labeled, &opposite, &text};
    for (size_t i = 0; i < 3; i++) {
        const cso_example_sequence *sequence = cso_dataset_sequences(all[i], 0), *chosen = cso_dataset_sequences(&pair, 0);
        assert_int_equal(sequence->length, chosen->length);
        assert_int_equal(sequence->score_start, chosen->score_start);
        assert_memory_equal(sequence->ids, chosen->ids, chosen->length * sizeof *chosen->ids);
    }
    cso_dataset_free(&labeled);
    cso_dataset_free(&opposite);
    cso_dataset_free(&text);
    cso_dataset_free(&pair);
    data_fixture_close(&fixture);
}

#define U    "{\"role\":\"user\",\"content\":\"Hello\"}"
#define A(x) "{\"role\":\"assistant\",\"content\":\"" x "\"}"
#define TREE                                                                                                                       \
    "{\"messages\":[" U ",{\"role\":\"assistant\",\"content\":\"Oh.\",\"strategy\":\"Affirmation\",\"negative\":[]}],\"iter\":1}"
#define HINT " (`cso-data convert --to kto` makes records with one)"

typedef struct refusal {
    cso_example_kind kind;
    const char *text, *message;
} refusal;

static const refusal REFUSALS[] = {
    {CSO_EXAMPLE_LABELED, TREE, "ESC-Pro tree: has no label, which this loss needs" HINT},
    {CSO_EXAMPLE_LABELED, "{\"messages\":[" U "],\"chosen\":" A("a") ",\"reject\":" A("b") "}",
     "ESC-Pro pair: has no label, which this loss needs" HINT},
    {CSO_EXAMPLE_LABELED, "{\"prompt\":\"p\",\"chosen\":\"a\",\"rejected\":\"b\"}",
     "preference record (prompt, chosen, rejected): has no label, which this loss needs" HINT},
    {CSO_EXAMPLE_LABELED, "{\"prompt\":\"p\",\"completion\":\"a\"}", "prompt and completion: has no label, which this loss needs"},
    {CSO_EXAMPLE_LABELED, "{\"messages\":[" U "," A("a") "]}", "conversation (messages): has no label, which this loss needs"},
    {CSO_EXAMPLE_LABELED, "{\"prompt\":\"p\",\"completions\":[\"a\",\"b\"]}",
     "list (prompt, completions): has no label, which this loss needs"},
    {CSO_EXAMPLE_LABELED, "{\"ids\":[1]}", "token ids: not for training (expected a label)"},
    {CSO_EXAMPLE_LABELED, "{\"messages\":[" U "," A(" ") "],\"label\":true}", "the assistant's last message is empty"},
    {CSO_EXAMPLE_LABELED, "{\"prompt\":\"p\",\"completion\":\"\",\"label\":true}", "completion is empty"},
    {CSO_EXAMPLE_PAIR, "{\"prompt\":\"p\",\"completion\":\"a\",\"label\":true}",
     "KTO record (with a label): needs loss.type = \"kto\" (expected chosen and rejected replies)"},
    {CSO_EXAMPLE_PAIR, "{\"prompt\":\"p\",\"completion\":\"a\"}",
     "prompt and completion: needs loss.type = \"sft\" (expected chosen and rejected replies)"},
    {CSO_EXAMPLE_TEXT, "{\"messages\":[" U "," A("a") "],\"label\":true}",
     "KTO record (with a label): needs loss.type = \"kto\" (expected messages, text, a completion or chosen and rejected replies)"},
    {CSO_EXAMPLE_TEXT, "{\"prompt\":[" U "],\"completion\":[" A(" ") "]}", "completion is empty"},
};

static void refuses(void **state) {
    (void)state;
    data_fixture fixture = data_fixture_tiny("llama-tiny");
    for (size_t i = 0; i < sizeof REFUSALS / sizeof *REFUSALS; i++) {
        cso_data_options options = {.kind = REFUSALS[i].kind, .max_length = 1 << 20};
        cso_dataset data;
        cso_error err = {0};
        char expected[512];
        const char *path = write_data("refused.jsonl", REFUSALS[i].text);
        assert_int_equal(cso_dataset_read(&data, &path, 1, fixture.tokenizer, fixture.chat, &options, &err), CSO_ERR_INPUT);
        snprintf(expected, sizeof expected, "%s:1: %s", path, REFUSALS[i].message);
        assert_string_equal(err.message, expected);
        remove(path);
    }
    data_fixture_close(&fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labeled_as_trl),
        cmocka_unit_test(completions_as_trl),
        cmocka_unit_test(texts),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

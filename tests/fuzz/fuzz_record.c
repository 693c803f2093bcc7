/* fuzz_record.c - data files: whatever pairs their records give must be pairs, and the data set read from them must hold the same.
 * Conversations and texts must be sequences of which something counts, lists have two replies or more in order of rank, labeled
 * replies one.
 *
 * The first byte says how they are read (see `choose`); the rest is the file.
 */
#include "base/memory.h"
#include "data/dataset.h"
#include "data/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                                         \
    do {                                                                                                                           \
        if (!(condition))                                                                                                          \
            __builtin_trap();                                                                                                      \
    } while (0)

enum { MODELS = 3 };
static cso_tokenizer *tokenizers[MODELS];
static const cso_chat_template *chats[MODELS];

static void open_tokenizers(void) {
    static const char *const folders[MODELS] = {"llama-tiny", "qwen2-tiny", "gemma2-tiny"};
    for (int i = 0; i < MODELS; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/golden/models/%s", CSO_TEST_DATA, folders[i]);
        REQUIRE(cso_tokenizer_open(&tokenizers[i], path, NULL) == CSO_OK);
        REQUIRE(cso_chat_template_get(&chats[i], "auto", tokenizers[i], path, NULL) == CSO_OK);
    }
}

typedef struct reading {
    const cso_tokenizer *tokenizer;
    const cso_chat_template *chat;
    cso_data_options options;
    size_t pairs;
} reading;

/* '0' to 'o': the model, what happens to long pairs, how long they may be, the system prompt, special tokens. */
static reading choose(unsigned byte) {
    static const char *const prompts[] = {"", "Be kind.", NULL};
    unsigned n = byte - '0';
    return (reading){.tokenizer = tokenizers[n % MODELS],
                     .chat = chats[n % MODELS],
                     .options = {.truncation = (cso_truncation)(n / 3 % 3),
                                 .max_length = n / 9 % 2 ? 40 : 100000,
                                 .system_prompt = n / 18 % 8 < 3 ? prompts[n / 18 % 8] : "",
                                 .parse_special = n % 2}};
}

static bool is_strategy(const char *name) {
    const cso_strategies *known = cso_strategies_builtin();
    for (size_t i = 0; i < known->count; i++)
        if (name == known->items[i].name)
            return true;
    return false;
}

static cso_status visit_pair(void *context, cso_pair_tokens *pair, cso_error *err) {
    reading *r = context;
    const cso_ids *ids = pair->sequence;
    (void)err;
    r->pairs++;
    REQUIRE(pair->n >= 1 && (!pair->pair || pair->n == 2));
    for (size_t side = 0; side < pair->n; side++) {
        REQUIRE(ids[side].count > pair->prompt_length && ids[side].count > 1);
        REQUIRE(pair->dropped || ids[side].count <= r->options.max_length);
        REQUIRE(!pair->reply[side].strategy || is_strategy(pair->reply[side].strategy));
        for (size_t i = 0; i < ids[side].count; i++)
            REQUIRE(ids[side].ids[i] >= 0 && (size_t)ids[side].ids[i] < cso_tokenizer_vocab(r->tokenizer));
    }
    for (size_t i = 1; i < pair->n; i++)
        REQUIRE(!pair->prompt_length || !memcmp(ids[0].ids, ids[i].ids, pair->prompt_length * sizeof *ids[0].ids));
    REQUIRE(pair->unknown_strategies <= pair->n);
    REQUIRE(r->options.truncation == CSO_TRUNCATE_LEFT || !pair->turns_dropped);
    REQUIRE(r->options.truncation != CSO_TRUNCATE_ERROR || !pair->dropped);
    return CSO_OK;
}

static cso_status visit_messages(void *context, const cso_message *messages, size_t count, cso_error *err) {
    const reading *r = context;
    cso_ids ids = {0};
    cso_status status = cso_chat_render(r->chat, r->tokenizer, &(cso_chat_request){messages, count, true, r->options.parse_special},
                                        &ids, NULL, NULL, err);
    free(ids.ids);
    return status;
}

static cso_status visit_record(void *context, const cJSON *record, size_t line, cso_error *err) {
    reading *r = context;
    cso_record_form form;
    char place[32];
    snprintf(place, sizeof place, "fuzz:%zu", line);
    CSO_TRY(cso_record_detect(record, place, &form, err));
    if (form == CSO_RECORD_MESSAGES)
        return cso_record_messages(record, place, visit_messages, r, err);
    if (form > CSO_RECORD_MESSAGES)
        return CSO_OK;
    const cso_record_request request = {record, form, place, r->tokenizer, r->chat, &r->options};
    return cso_record_pairs(&request, visit_pair, r, err);
}

static void check_order(const cso_dataset *data) {
    size_t *order = cso_calloc(data->count, sizeof *order);
    char *seen = cso_calloc(data->count, 1);
    REQUIRE(order && seen);
    for (int shuffle = CSO_SHUFFLE_DIALOGUE; shuffle <= CSO_SHUFFLE_NONE; shuffle++) {
        cso_dataset_order(data, (cso_shuffle)shuffle, 1, 1, order);
        for (size_t i = 0; i < data->count; i++) {
            REQUIRE(order[i] < data->count && seen[order[i]] == shuffle);
            seen[order[i]]++;
        }
    }
    free(order);
    free(seen);
}

static void check_dataset(const cso_dataset *data, const reading *r) {
    const cso_data_counts *counts = &data->counts;
    REQUIRE(data->count && counts->examples == data->count && strlen(data->fingerprint) == 32);
    REQUIRE(data->count + counts->duplicates + counts->too_long_dropped == r->pairs);
    for (size_t i = 0; i < data->count; i++) {
        const cso_example *example = &data->examples[i];
        const cso_example_sequence *sequences = cso_dataset_sequences(data, i);
        REQUIRE(example->dialogue < counts->dialogues && example->record < counts->records && example->n == 2);
        for (size_t k = 0; k < example->n; k++)
            REQUIRE(sequences[k].length > sequences[k].score_start && sequences[k].length <= counts->max_tokens &&
                    sequences[k].length <= r->options.max_length && cso_example_sequence_tokens(&sequences[k]) > 0);
    }
    check_order(data);
}

/* The same file for losses on single sequences. */
static void check_texts(const cso_dataset *data, const reading *r) {
    REQUIRE(data->count && data->n_sequences == data->count);
    for (size_t i = 0; i < data->count; i++) {
        const cso_example_sequence *sequence = cso_dataset_sequences(data, i);
        REQUIRE(data->examples[i].n == 1 && sequence->length <= r->options.max_length);
        REQUIRE(cso_example_sequence_tokens(sequence) > 0 && (!sequence->scored || !sequence->scored[0]));
    }
    check_order(data);
}

/* The same file for losses on lists and on labeled replies. */
static void check_replies(const cso_dataset *data, const reading *r) {
    bool list = r->options.kind == CSO_EXAMPLE_LIST;
    REQUIRE(data->count);
    for (size_t i = 0; i < data->count; i++) {
        const cso_example *example = &data->examples[i];
        const cso_example_sequence *sequences = cso_dataset_sequences(data, i);
        REQUIRE(list ? example->n >= 2 : example->n == 1);
        REQUIRE(!sequences[0].rank && (!list || sequences[example->n - 1].rank));
        for (size_t k = 0; k < example->n; k++) {
            const cso_example_sequence *s = &sequences[k];
            REQUIRE(s->length > s->score_start && s->length <= r->options.max_length && s->score_start == sequences->score_start);
            REQUIRE(s->strategy_from <= s->strategy_to && s->strategy_to <= s->length);
            REQUIRE(s->strategy_from == s->strategy_to || (s->strategy && s->strategy_from >= s->score_start));
            REQUIRE(!k || s->rank == s[-1].rank || s->rank == s[-1].rank + 1);
        }
    }
    check_order(data);
}

/* A failure has a message, and is the input's fault. */
static bool passed(cso_status status, const cso_error *err) {
    REQUIRE(status == CSO_OK || (status == CSO_ERR_INPUT && err->message[0]));
    return status == CSO_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    if (!tokenizers[0])
        open_tokenizers();
    reading r = choose(data[0]);
    char path[64];
    int file = memfd_create("fuzz", MFD_CLOEXEC);
    REQUIRE(file >= 0 && write(file, data + 1, size - 1) == (ssize_t)(size - 1));
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    cso_error err = {0};
    cso_dataset set;
    bool read = passed(cso_json_each(path, visit_record, &r, &err), &err);
    const char *paths[] = {path};
    if (passed(cso_dataset_read(&set, paths, 1, r.tokenizer, r.chat, &r.options, &err), &err)) {
        REQUIRE(read); /* training is no less strict */
        check_dataset(&set, &r);
        cso_dataset_free(&set);
    }
    r.options.kind = CSO_EXAMPLE_TEXT;
    if (passed(cso_dataset_read(&set, paths, 1, r.tokenizer, r.chat, &r.options, &err), &err)) {
        check_texts(&set, &r);
        cso_dataset_free(&set);
    }
    r.options.end_token = size % 2;
    for (r.options.kind = CSO_EXAMPLE_LIST; r.options.kind <= CSO_EXAMPLE_LABELED; r.options.kind++)
        if (passed(cso_dataset_read(&set, paths, 1, r.tokenizer, r.chat, &r.options, &err), &err)) {
            check_replies(&set, &r);
            cso_dataset_free(&set);
        }
    close(file);
    return 0;
}

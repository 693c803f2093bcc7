/* dataset.c - files of records to examples: read, checked, numbered by dialogue and counted. */
#include "dataset.h"

#include "base/file.h"
#include "base/memory.h"
#include "dataset_store.h"
#include "render.h"
#include "turn_group.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct dataset_reader {
    cso_dataset *data;
    pair_renderer renderer;
    const char *path; /* for messages */
    size_t file_records;
    cso_record_form file_form;
    size_t example_capacity, sequence_capacity;
    hash_map identities, dialogues;
    size_t record; /* that the source which is visited comes from */
    turn_group group;
    size_t group_record;
    source_counts source_counts;
} dataset_reader;

static void count_example(cso_data_counts *counts, const cso_pair_tokens *tokens) {
    counts->unknown_strategies += tokens->unknown_strategies;
    counts->too_long_dropped += tokens->dropped;
    counts->truncated += tokens->turns_dropped > 0;
    counts->turns_dropped += tokens->turns_dropped;
    for (size_t i = 0; i < tokens->n && !tokens->dropped; i++)
        if (tokens->sequence[i].count > counts->max_tokens)
            counts->max_tokens = tokens->sequence[i].count;
}

/* Whether two sequences are equal, which begin alike up to the prompt's end. */
static bool same_sequence(const cso_ids *a, const cso_ids *b, size_t prompt) {
    return a->count == b->count && !memcmp(a->ids + prompt, b->ids + prompt, (a->count - prompt) * sizeof *a->ids);
}

/* What a model can learn nothing from. */
static cso_status check_example(const cso_pair_tokens *pair, const char *place, cso_error *err) {
    for (size_t i = 0; i < pair->n; i++)
        if (pair->reply[i].empty)
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s is empty", place, pair->reply[i].name);
    for (size_t i = 1; i < pair->n; i++)
        for (size_t k = 0; k < i; k++)
            if (same_sequence(&pair->sequence[i], &pair->sequence[k], pair->prompt_length))
                return pair->pair ? cso_fail(err, CSO_ERR_INPUT, "%s: chosen and rejected are equal", place)
                                  : cso_fail(err, CSO_ERR_INPUT, "%s: %s and %s are equal", place, pair->reply[k].name,
                                             pair->reply[i].name);
    return CSO_OK;
}

static cso_status keep_example(dataset_reader *reader, const pair_source *source, const cso_pair_tokens *tokens, cso_error *err) {
    cso_dataset *data = reader->data;
    size_t n = reader->renderer.options->kind == CSO_EXAMPLE_TEXT ? 1 : tokens->n;
    bool added;
    if (!cso_grow(&data->examples, &reader->example_capacity, data->count + 1, sizeof *data->examples) ||
        !cso_grow(&data->sequences, &reader->sequence_capacity, data->n_sequences + n, sizeof *data->sequences))
        return cso_fail_memory(err, "the data set");
    cso_example *example = &data->examples[data->count];
    *example = (cso_example){.first = data->n_sequences, .n = n, .record = reader->record, .label = source->label};
    for (size_t i = 0; i < n; i++) {
        const cso_ids *ids = &tokens->sequence[i];
        const cso_reply_info *reply = &tokens->reply[i];
        cso_example_sequence *sequence = &data->sequences[example->first + i];
        *sequence = (cso_example_sequence){.ids = dataset_store_ids(data->store, i, ids->ids, ids->count),
                                           .length = ids->count,
                                           .score_start = tokens->prompt_length,
                                           .strategy = reply->strategy,
                                           .strategy_from = reply->strategy_from,
                                           .strategy_to = reply->strategy_to,
                                           .rank = reply->rank,
                                           .q = reply->q,
                                           .n = reply->n};
        if (tokens->scored)
            sequence->scored = dataset_store_scored(data->store, tokens->scored, ids->count);
        if (!sequence->ids || (tokens->scored && !sequence->scored))
            return cso_fail_memory(err, "the data set");
    }
    if (!hash_map_get(&reader->dialogues, source->dialogue, data->counts.dialogues, &example->dialogue, &added))
        return cso_fail_memory(err, "the data set");
    data->counts.dialogues += added;
    data->n_sequences += n;
    data->count++;
    return CSO_OK;
}

static cso_status visit_source(void *context, const pair_source *source, const char *place, cso_error *err) {
    dataset_reader *reader = context;
    cso_data_counts *counts = &reader->data->counts;
    if (source->has_identity) {
        size_t number;
        bool added;
        if (!hash_map_get(&reader->identities, source->identity, 0, &number, &added))
            return cso_fail_memory(err, "the data set");
        if (!added) {
            counts->duplicates++;
            return CSO_OK;
        }
    }
    cso_pair_tokens tokens;
    cso_status status = render_pair(&reader->renderer, source, place, &tokens, err);
    if (status == CSO_OK)
        status = check_example(&tokens, place, err);
    if (status == CSO_OK) {
        count_example(counts, &tokens);
        if (!tokens.dropped)
            status = keep_example(reader, source, &tokens, err);
    }
    cso_pair_tokens_free(&tokens);
    return status;
}

static cso_status close_group(dataset_reader *reader, cso_error *err) {
    reader->record = reader->group_record;
    return turn_group_visit(&reader->group, visit_source, reader, &reader->source_counts.duplicates, err);
}

/* A pair of which lists are to be made. */
static cso_status visit_grouped(void *context, const pair_source *source, const char *place, cso_error *err) {
    dataset_reader *reader = context;
    if (!turn_group_takes(&reader->group, source))
        CSO_TRY(close_group(reader, err));
    if (!reader->group.open)
        reader->group_record = reader->data->counts.records - 1;
    return turn_group_add(&reader->group, source, place, err);
}

static cso_status visit_record(void *context, const cJSON *record, size_t line, cso_error *err) {
    dataset_reader *reader = context;
    char place[768];
    cso_record_form form;
    snprintf(place, sizeof place, "%s:%zu", reader->path, line);
    CSO_TRY(cso_record_detect(record, place, &form, err));
    CSO_TRY(record_check_kind(form, reader->renderer.options->kind, place, err));
    if (reader->file_records && form != reader->file_form)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s in a file of another form (it began with: %s)", place,
                        cso_record_form_name(form), cso_record_form_name(reader->file_form));
    reader->file_form = form;
    reader->file_records++;
    reader->data->counts.records++;
    reader->data->counts.esc_trees += form == CSO_RECORD_ESC_TREE;
    reader->record = reader->data->counts.records - 1;
    reader->data->counts.esc_pairs += form == CSO_RECORD_ESC_PAIR;
    const cso_data_options *options = reader->renderer.options;
    bool grouped = form == CSO_RECORD_ESC_PAIR && options->kind == CSO_EXAMPLE_LIST;
    source_request request = {record, place, options, &reader->source_counts, grouped ? visit_grouped : visit_source, reader};
    CSO_TRY(record_sources(&request, form, err));
    if (options->record_read)
        options->record_read(options->context, reader->data->counts.records);
    return CSO_OK;
}

static cso_status read_files(dataset_reader *reader, const char *const *paths, size_t path_count, cso_error *err) {
    for (size_t i = 0; i < path_count; i++) {
        reader->path = cso_input_name(paths[i]);
        reader->file_records = 0;
        CSO_TRY(cso_json_each(paths[i], visit_record, reader, err));
        CSO_TRY(close_group(reader, err));
        if (!reader->file_records)
            return cso_fail(err, CSO_ERR_INPUT, "%s: no records (expected an array or lines of JSON objects)", reader->path);
    }
    const cso_dataset *data = reader->data;
    if (!data->count && data->counts.too_long_dropped)
        return cso_fail(err, CSO_ERR_INPUT, "%s: no example is left: all %zu are longer than data.max_length = %zu", reader->path,
                        data->counts.too_long_dropped, reader->renderer.options->max_length);
    if (!data->count)
        return cso_fail(err, CSO_ERR_INPUT, "%s: no pairs: no turn has a reply to compare with",
                        path_count ? reader->path : "data");
    return CSO_OK;
}

cso_status cso_dataset_read(cso_dataset *data, const char *const *paths, size_t path_count, const cso_tokenizer *tokenizer,
                            const cso_chat_template *chat, const cso_data_options *options, cso_error *err) {
    *data = (cso_dataset){0};
    dataset_reader reader = {.data = data, .renderer = {.tokenizer = tokenizer, .chat = chat, .options = options}};
    data->store = cso_calloc(1, sizeof *data->store);
    cso_status status = data->store ? read_files(&reader, paths, path_count, err) : cso_fail_memory(err, "the data set");
    data->counts.examples = data->count;
    data->counts.empty_turns = reader.source_counts.empty_turns;
    data->counts.duplicates += reader.source_counts.duplicates;
    pair_renderer_free(&reader.renderer);
    turn_group_free(&reader.group);
    hash_map_free(&reader.identities);
    hash_map_free(&reader.dialogues);
    if (status == CSO_OK && !dataset_index_dialogues(data))
        status = cso_fail_memory(err, "the data set");
    if (status == CSO_OK)
        dataset_fingerprint(data, options->kind);
    else
        cso_dataset_free(data);
    return status;
}

void cso_dataset_free(cso_dataset *data) {
    dataset_store_free(data->store);
    free(data->examples);
    free(data->sequences);
    *data = (cso_dataset){0};
}

size_t cso_example_sequence_tokens(const cso_example_sequence *sequence) {
    size_t from = sequence->score_start ? sequence->score_start : 1, count = 0;
    if (!sequence->scored)
        return sequence->length > from ? sequence->length - from : 0;
    for (size_t t = 1; t < sequence->length; t++)
        count += sequence->scored[t] != 0;
    return count;
}

/* data_tokenize.c - cso-data tokenize: JSON Lines in, JSON Lines out. */
#include "data_command.h"

#include "base/file.h"
#include "base/memory.h"
#include "data/record.h"
#include "io/json.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FLUSH_BYTES = 1 << 16 };

typedef struct tokenize_job {
    data_source *source;
    const char *path;  /* for messages */
    const char *place; /* of the current record */
    const cJSON *record;
    cso_text out;
    bool line_by_line; /* output goes to a terminal */
} tokenize_job;

static cso_status flush(tokenize_job *job, cso_error *err) {
    if (job->out.failed)
        return cso_fail_memory(err, "the output");
    if (job->out.size && fwrite(job->out.data, 1, job->out.size, stdout) != job->out.size)
        return cso_fail_errno(err, "write", "standard output");
    job->out.size = 0;
    return fflush(stdout) ? cso_fail_errno(err, "write", "standard output") : CSO_OK;
}

static cso_status end_line(tokenize_job *job, cso_error *err) {
    cso_text_add(&job->out, "}\n", 2);
    return job->line_by_line || job->out.failed || job->out.size >= FLUSH_BYTES ? flush(job, err) : CSO_OK;
}

/* Ids are most of the output: written by hand, which is several times faster than printf. */
static void add_list(cso_text *out, const int32_t *ids, size_t count) {
    cso_text_add(out, "[", 1);
    for (size_t i = 0; i < count; i++) {
        char digits[16], *at = digits + sizeof digits;
        uint32_t id = (uint32_t)ids[i];
        do
            *--at = (char)('0' + id % 10);
        while (id /= 10);
        if (i) {
            *--at = ' ';
            *--at = ',';
        }
        cso_text_add(out, at, (size_t)(digits + sizeof digits - at));
    }
    cso_text_add(out, "]", 1);
}

static void add_ids(cso_text *out, const char *key, const int32_t *ids, size_t count) {
    cso_text_format(out, "\"%s\": ", key);
    add_list(out, ids, count);
}

static cso_status tokenize_text(tokenize_job *job, cso_error *err) {
    char *text;
    size_t size;
    cso_ids ids = {0};
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(job->record, "text");
    if (!cJSON_IsString(member))
        return cso_fail(err, CSO_ERR_INPUT, "%s: text must be a string", job->place);
    CSO_TRY(cso_json_bytes(member, &text, &size, err));
    cso_status status = cso_tokenizer_encode(job->source->tokenizer, text, size, job->source->parse_special, &ids, err);
    if (status == CSO_OK) {
        cso_text_add(&job->out, "{", 1);
        add_ids(&job->out, "ids", ids.ids, ids.count);
        status = end_line(job, err);
    }
    free(ids.ids);
    free(text);
    return status;
}

static cso_status read_ids(const tokenize_job *job, cso_ids *ids, cso_error *err) {
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(job->record, "ids"), *item;
    if (!cJSON_IsArray(array))
        return cso_fail(err, CSO_ERR_INPUT, "%s: ids must be an array", job->place);
    size_t count = 0, vocab = cso_tokenizer_vocab(job->source->tokenizer);
    cJSON_ArrayForEach(item, array) count++;
    ids->ids = cso_calloc(count + 1, sizeof *ids->ids);
    if (!ids->ids)
        return cso_fail_memory(err, "token ids");
    ids->capacity = count;
    cJSON_ArrayForEach(item, array) {
        double value = cJSON_IsNumber(item) ? item->valuedouble : -1;
        if (!(value >= 0 && value < (double)vocab && value == (double)(int32_t)value))
            return cso_fail(err, CSO_ERR_INPUT, "%s: ids[%zu]: expected an integer from 0 to %zu", job->place, ids->count,
                            vocab - 1);
        ids->ids[ids->count++] = (int32_t)value;
    }
    return CSO_OK;
}

static cso_status tokenize_ids(tokenize_job *job, cso_error *err) {
    cso_ids ids = {0};
    char *text = NULL;
    size_t size = 0;
    cso_status status = read_ids(job, &ids, err);
    if (status == CSO_OK)
        status = cso_tokenizer_decode(job->source->tokenizer, ids.ids, ids.count, &text, &size, err);
    if (status == CSO_OK) {
        cso_text_add(&job->out, "{\"text\": ", 9);
        cso_text_json_string(&job->out, text, size);
        status = end_line(job, err);
    }
    free(text);
    free(ids.ids);
    return status;
}

/* A chat that the template refuses is reported in the output, as {"error": ...}. */
static cso_status tokenize_messages(void *context, const cso_message *messages, size_t count, cso_error *err) {
    tokenize_job *job = context;
    cso_ids ids = {0};
    char *text = NULL;
    size_t size = 0;
    bool generation_prompt;
    CSO_TRY(cso_json_bool(job->record, "add_generation_prompt", job->place, false, &generation_prompt, err));
    CSO_TRY(data_source_chat(job->source, err));
    const cso_chat_request request = {messages, count, generation_prompt, job->source->parse_special};
    cso_status status = cso_chat_render(job->source->chat, job->source->tokenizer, &request, &ids, &text, &size, err);
    if (status == CSO_ERR_INPUT) {
        cso_text_add(&job->out, "{\"error\": ", 10);
        cso_text_json_string(&job->out, err->message, strlen(err->message));
        status = end_line(job, err);
    } else if (status == CSO_OK) {
        cso_text_add(&job->out, "{\"text\": ", 9);
        cso_text_json_string(&job->out, text, size);
        cso_text_add(&job->out, ", ", 2);
        add_ids(&job->out, "ids", ids.ids, ids.count);
        status = end_line(job, err);
    }
    free(text);
    free(ids.ids);
    return status;
}

/* The ids of one reply, without its prompt. */
static void add_reply(cso_text *out, const char *key, const cso_pair_tokens *pair, size_t which) {
    const cso_ids *ids = &pair->sequence[which];
    add_ids(out, key, ids->ids + pair->prompt_length, ids->count - pair->prompt_length);
}

/* A pair, a list, or one reply, which may have a label. */
static cso_status tokenize_pair(void *context, cso_pair_tokens *pair, cso_error *err) {
    tokenize_job *job = context;
    cso_text *out = &job->out;
    cso_text_add(out, "{", 1);
    add_ids(out, "prompt_ids", pair->sequence[0].ids, pair->prompt_length);
    cso_text_add(out, ", ", 2);
    if (pair->pair) {
        add_reply(out, "chosen_ids", pair, 0);
        cso_text_add(out, ", ", 2);
        add_reply(out, "rejected_ids", pair, 1);
    } else if (pair->n == 1) {
        const cJSON *label = cJSON_GetObjectItemCaseSensitive(job->record, "label");
        add_reply(out, "completion_ids", pair, 0);
        if (label)
            cso_text_format(out, ", \"label\": %s", cJSON_IsTrue(label) ? "true" : "false");
    } else {
        for (size_t i = 0; i < pair->n; i++) {
            cso_text_format(out, "%s", i ? ", " : "\"completions_ids\": [");
            add_list(out, pair->sequence[i].ids + pair->prompt_length, pair->sequence[i].count - pair->prompt_length);
        }
        cso_text_add(out, "]", 1);
    }
    return end_line(job, err);
}

static cso_status tokenize_record(void *context, const cJSON *record, size_t line, cso_error *err) {
    tokenize_job *job = context;
    data_source *source = job->source;
    char place[768];
    cso_record_form form;
    snprintf(place, sizeof place, "%s:%zu", job->path, line);
    job->place = place;
    job->record = record;
    CSO_TRY(cso_record_detect(record, place, &form, err));
    if (form == CSO_RECORD_TEXT)
        return tokenize_text(job, err);
    if (form == CSO_RECORD_IDS)
        return tokenize_ids(job, err);
    if (form == CSO_RECORD_MESSAGES)
        return cso_record_messages(record, place, tokenize_messages, job, err);
    CSO_TRY(data_source_chat(source, err));
    cso_data_options options = {.max_length = SIZE_MAX,
                                .truncation = CSO_TRUNCATE_ERROR,
                                .parse_special = source->parse_special,
                                .strategies = source->strategies,
                                .system_prompt = source->system_prompt};
    const cso_record_request request = {record, form, place, source->tokenizer, source->chat, &options};
    return cso_record_pairs(&request, tokenize_pair, job, err);
}

static cso_status tokenize_files(data_source *source, const cso_arg_list *files, cso_error *err) {
    static const char *const STANDARD_INPUT[] = {"-"};
    const char *const *paths = files->count ? files->items : STANDARD_INPUT;
    size_t count = files->count ? files->count : 1;
    tokenize_job job = {.source = source, .line_by_line = isatty(STDOUT_FILENO) == 1};
    cso_status status = CSO_OK, flushed;
    for (size_t i = 0; status == CSO_OK && i < count; i++) {
        job.path = cso_input_name(paths[i]);
        status = cso_json_each(paths[i], tokenize_record, &job, err);
    }
    flushed = flush(&job, status == CSO_OK ? err : NULL); /* lines before an error are printed too */
    free(job.out.data);
    return status == CSO_OK ? flushed : status;
}

int data_tokenize(int argc, char **argv) {
    data_source source = {0};
    const cso_arg args[] = {DATA_SOURCE_ARGS(source)};
    const cso_program program = {
        .name = "cso-data",
        .summary = "Reads records (JSON Lines, or a JSON array), prints what they are in tokens, one JSON object a line.",
        .usage = "tokenize (--model PATH | --tokenizer PATH) [OPTIONS] [FILE]...",
        .details =
            "  a record                             becomes\n"
            "  {\"text\"}                             {\"ids\"}; no special tokens are added\n"
            "  {\"ids\"}                              {\"text\"}; bytes not UTF-8 become U+FFFD\n"
            "  {\"messages\"}, {\"messages\",\n"
            "    \"add_generation_prompt\": true}     {\"text\", \"ids\"}, or {\"error\"} where the\n"
            "                                       template refuses\n"
            "  {\"prompt\", \"chosen\", \"rejected\"},\n"
            "    an ESC-Pro pair                    {\"prompt_ids\", \"chosen_ids\",\n"
            "                                       \"rejected_ids\"}\n"
            "  an ESC-Pro tree                      the same, one line for each pair\n"
            "  {\"prompt\", \"completions\"}          {\"prompt_ids\", \"completions_ids\"}\n"
            "  {\"prompt\", \"completion\"}, either or\n"
            "    {\"messages\"} with \"label\"         {\"prompt_ids\", \"completion_ids\", \"label\"}\n\n"
            "Without FILE, or with -, standard input is read.\n\n"
            "Exit codes: 0 done (also with {\"error\"} lines); 2 wrong use; 3 a record or file that cannot be read (what came "
            "before it is printed); 4 the system failed; 128+n stopped by signal n.\n",
        .args = args,
        .arg_count = sizeof args / sizeof *args,
    };
    cso_error err = {0};
    cso_arg_list files;
    bool done;
    cso_status status = cso_args_parse(&program, argc, argv, &files, &done, &err);
    if (status == CSO_OK && !done)
        status = data_source_open(&source, &err);
    if (status == CSO_OK && !done)
        status = tokenize_files(&source, &files, &err);
    data_source_close(&source);
    cso_arg_list_free(&files);
    return cso_program_exit(&program, status, &err);
}

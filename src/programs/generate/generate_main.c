/* generate_main.c - cso-generate: the replies of a model, with or without an adapter, to a prompt, a chat, or many of them. */
#include "api/open_model.h"
#include "base/file.h"
#include "base/memory.h"
#include "decode/generate.h"
#include "io/json.h"
#include "programs/common/args.h"
#include "programs/common/busy_line.h"
#include "programs/common/open_context.h"
#include "programs/common/word_option.h"
#include "text/chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_INPUT = 1 << 26 };

typedef struct arguments {
    const char *model, *adapter, *tokenizer, *chat_template, *prompt, *file, *prompts, *compute;
    size_t max_tokens, threads, leaves;
    bool parse_special;
} arguments;

/* A prompt and its reply. */
typedef struct exchange {
    cso_ids prompt, reply;
} exchange;

typedef struct session {
    const arguments *o;
    opened_model base;
    cso_context *ctx;
    cso_decoder *decoder;
    cso_adapter *adapter;
    exchange *exchanges;
    size_t n_exchanges, capacity;
} session;

static void close_session(session *s) {
    cso_decoder_free(s->decoder);
    cso_context_free(s->ctx);
    cso_adapter_free(s->adapter);
    close_model(&s->base);
    for (size_t i = 0; i < s->n_exchanges; i++) {
        free(s->exchanges[i].prompt.ids);
        free(s->exchanges[i].reply.ids);
    }
    free(s->exchanges);
}

static cso_status take_message(const cJSON *item, const char *place, cso_message *message, cso_error *err) {
    if (!cJSON_IsObject(item))
        return cso_fail(err, CSO_ERR_INPUT, "%s: a message must be an object (expected {\"role\", \"content\"})", place);
    CSO_TRY(cso_json_string(item, "role", place, &message->role, err));
    CSO_TRY(cso_json_string(item, "content", place, &message->content, err));
    if (!message->role || !message->content)
        return cso_fail(err, CSO_ERR_INPUT, "%s: a message lacks \"role\" or \"content\"", place);
    message->size = strlen(message->content);
    return CSO_OK;
}

/* Renders what is to be answered. place: where it comes from, for errors. */
static cso_status add_prompt(session *s, const cso_message *messages, size_t count, const char *place, cso_error *err) {
    const cso_chat_request request = {messages, count, true, s->o->parse_special};
    if (!cso_grow(&s->exchanges, &s->capacity, s->n_exchanges + 1, sizeof *s->exchanges))
        return cso_fail_memory(err, "prompts");
    exchange *e = &s->exchanges[s->n_exchanges++];
    *e = (exchange){0};
    cso_status status = cso_chat_render(s->base.chat, s->base.tokenizer, &request, &e->prompt, NULL, NULL, err);
    return status == CSO_OK ? status : cso_error_prefix(err, status, "%s", place);
}

static cso_status add_text(session *s, const char *text, const char *place, cso_error *err) {
    const cso_message message = {"user", text, strlen(text)};
    return add_prompt(s, &message, 1, place, err);
}

/* An array of messages. */
static cso_status add_messages(session *s, const cJSON *list, const char *place, cso_error *err) {
    if (!cJSON_IsArray(list) || !list->child)
        return cso_fail(err, CSO_ERR_INPUT, "%s: expected a non-empty array of messages, or {\"messages\": [...]}", place);
    cso_message *messages = cso_calloc((size_t)cJSON_GetArraySize(list), sizeof *messages);
    size_t count = 0;
    const cJSON *item;
    cso_status status = messages ? CSO_OK : cso_fail_memory(err, "messages");
    for (item = list->child; status == CSO_OK && item; item = item->next)
        status = take_message(item, place, &messages[count++], err);
    if (status == CSO_OK)
        status = add_prompt(s, messages, count, place, err);
    free(messages);
    return status;
}

/* One chat: a JSON array, or {"messages": [...]}. */
static cso_status read_chat(session *s, const char *path, cso_error *err) {
    char *text = NULL;
    cJSON *json = NULL;
    size_t size;
    const char *place = cso_input_name(path);
    cso_status status;
    CSO_TRY_DONE(cso_read_file(path, MAX_INPUT, &text, &size, err));
    CSO_TRY_DONE(cso_json_parse(&json, text, size, place, 1, err));
    status = add_messages(s, cJSON_IsObject(json) ? cJSON_GetObjectItemCaseSensitive(json, "messages") : json, place, err);
done:
    cJSON_Delete(json);
    free(text);
    return status;
}

/* One of many prompts: {"prompt": TEXT} or {"messages": [...]}. */
static cso_status read_record(void *context, const cJSON *record, size_t line, cso_error *err) {
    session *s = context;
    const char *text;
    char *place = cso_format("%s:%zu", cso_input_name(s->o->prompts), line);
    cso_status status;
    if (!place)
        return cso_fail_memory(err, "prompts");
    if (cJSON_HasObjectItem(record, "messages")) {
        status = add_messages(s, cJSON_GetObjectItemCaseSensitive(record, "messages"), place, err);
        goto done;
    }
    CSO_TRY_DONE(cso_json_string(record, "prompt", place, &text, err));
    status = text ? add_text(s, text, place, err)
                  : cso_fail(err, CSO_ERR_INPUT, "%s: expected {\"prompt\": TEXT} or {\"messages\": [...]}", place);
done:
    free(place);
    return status;
}

static cso_status read_prompts(session *s, cso_error *err) {
    const arguments *o = s->o;
    if (o->prompts)
        return cso_json_each(o->prompts, read_record, s, err);
    return o->prompt ? add_text(s, o->prompt, "--prompt", err) : read_chat(s, o->file, err);
}

/* The requests of all exchanges, one after the other. */
typedef struct maker {
    session *s;
    cso_request *requests; /* (n_exchanges) */
    size_t begun;
    busy_line line;
} maker;

static cso_status next_request(void *context, const cso_request **request, cso_error *err) {
    (void)err;
    maker *m = context;
    *request = m->begun < m->s->n_exchanges ? &m->requests[m->begun++] : NULL;
    return CSO_OK;
}

static cso_status count_token(void *context, const cso_reply_token *token, bool *stop, cso_error *err) {
    (void)stop;
    (void)err;
    ((maker *)context)->line.done += token->id >= 0;
    return CSO_OK;
}

static cso_status take_reply(void *context, const cso_reply *reply, cso_error *err) {
    (void)context;
    exchange *e = reply->request->owner;
    return cso_ids_add(&e->reply, reply->ids, reply->n_ids, err);
}

static cso_status generate(session *s, cso_error *err) {
    const int32_t stops[2] = {cso_chat_end_of_turn(s->base.chat, s->base.tokenizer), cso_tokenizer_eos(s->base.tokenizer)};
    maker m = {.s = s, .requests = cso_calloc(s->n_exchanges, sizeof *m.requests)};
    const cso_generate_options options = {.tokenizer = s->base.tokenizer,
                                          .leaves = s->o->leaves,
                                          .context = &m,
                                          .next = next_request,
                                          .token = count_token,
                                          .finished = take_reply};
    if (!m.requests)
        return cso_fail_memory(err, "replies");
    for (size_t i = 0; i < s->n_exchanges; i++) {
        exchange *e = &s->exchanges[i];
        m.requests[i] = (cso_request){.owner = e,
                                      .adapter = s->adapter,
                                      .prompt = e->prompt.ids,
                                      .n_prompt = e->prompt.count,
                                      .max_tokens = s->o->max_tokens,
                                      .stops = stops,
                                      .n_stops = 2};
    }
    busy_line_start(&m.line, s->ctx->pool, "generating", "tokens", false);
    m.line.most = s->o->max_tokens * s->n_exchanges;
    cso_status status = cso_generate(s->decoder, &options, err);
    busy_line_end(&m.line);
    free(m.requests);
    return status == CSO_ERR_NUMERIC ? cso_error_prefix(err, status, "%s", s->o->model) : status;
}

/* One reply as it is; those to many prompts as JSON Lines. */
static cso_status print_reply(const session *s, const exchange *e, cso_error *err) {
    cso_text line = {0};
    char *text;
    size_t size;
    CSO_TRY(cso_tokenizer_decode(s->base.tokenizer, e->reply.ids, e->reply.count, &text, &size, err));
    if (s->o->prompts) {
        cso_text_add(&line, "{\"reply\": ", 10);
        cso_text_json_string(&line, text, size);
        cso_text_add(&line, "}\n", 2);
    } else {
        cso_text_add(&line, text, size);
        cso_text_add(&line, "\n", 1);
    }
    bool failed = line.failed, written = !failed && fwrite(line.data, 1, line.size, stdout) == line.size && fflush(stdout) == 0;
    free(text);
    free(line.data);
    return failed ? cso_fail_memory(err, "a reply") : written ? CSO_OK : cso_fail_errno(err, "write", "standard output");
}

static cso_status answer(session *s, cso_error *err) {
    const arguments *o = s->o;
    int compute;
    if (!o->model)
        return cso_fail(err, CSO_ERR_USAGE, "--model is missing (expected a model file or folder)");
    if (o->prompt && o->prompts)
        return cso_fail(err, CSO_ERR_USAGE, "--prompt and --prompts exclude each other (expected one of them)");
    CSO_TRY(parse_word("--compute", o->compute, cso_decode_words, &compute, err));
    CSO_TRY(open_context(&s->ctx, (int)o->threads, err));
    CSO_TRY(open_model(&s->base, o->model, o->tokenizer, o->chat_template, err));
    if (o->adapter)
        CSO_TRY(opened_model_adapter(&s->adapter, &s->base, o->adapter, err));
    CSO_TRY(read_prompts(s, err));
    const cso_decoder_options options = {.compute = (cso_decode_compute)compute};
    CSO_TRY(cso_decoder_create(&s->decoder, s->ctx, s->base.model, &options, err));
    CSO_TRY(generate(s, err));
    for (size_t i = 0; i < s->n_exchanges; i++)
        CSO_TRY(print_reply(s, &s->exchanges[i], err));
    return CSO_OK;
}

static cso_status run(void *context, const cso_arg_list *rest, cso_error *err) {
    session s = {.o = context};
    if (rest->count > 0)
        return cso_fail(err, CSO_ERR_USAGE, "\"%s\" is not expected here (see --help)", rest->items[0]);
    cso_status status = answer(&s, err);
    close_session(&s);
    return status;
}

int main(int argc, char **argv) {
    arguments o = {.chat_template = "auto", .file = "-", .compute = "fast", .max_tokens = 256};
    const cso_arg args[] = {
        {"model", 'm', CSO_ARG_STRING, &o.model, "PATH", "GGUF file, safetensors file or Hugging Face folder"},
        {"adapter", 'a', CSO_ARG_STRING, &o.adapter, "FOLDER", "PEFT adapter to apply"},
        {"prompt", 'p', CSO_ARG_STRING, &o.prompt, "TEXT", "one user message to answer"},
        {"file", 'f', CSO_ARG_STRING, &o.file, "FILE", "JSON array of messages to answer (default: standard input)"},
        {"prompts", 0, CSO_ARG_STRING, &o.prompts, "FILE",
         "JSON Lines of {\"prompt\": TEXT} or {\"messages\": [...]} to answer; prints a line {\"reply\": TEXT} for each"},
        {"leaves", 0, CSO_ARG_COUNT, &o.leaves, "N", "replies of --prompts that are made at the same time (default 16)"},
        {"max-tokens", 'n', CSO_ARG_COUNT, &o.max_tokens, "N", "longest reply (default 256)"},
        {"tokenizer", 0, CSO_ARG_STRING, &o.tokenizer, "PATH", "tokenizer folder or file (default: the model's own)"},
        {"chat-template", 0, CSO_ARG_STRING, &o.chat_template, "NAME", "auto, llama3, gemma2, chatml or smollm2 (default auto)"},
        {"parse-special", 0, CSO_ARG_FLAG, &o.parse_special, NULL, "special-token strings typed in messages become those tokens"},
        {"compute", 0, CSO_ARG_STRING, &o.compute, "TYPE",
         "fast: in integers where weights are; or exact: in f32, as training (default fast)"},
        {"threads", 't', CSO_ARG_THREADS, &o.threads, "N", "threads (default: all physical cores)"},
    };
    const cso_program program = {
        .name = "cso-generate",
        .summary = "Prints a model's replies to a prompt, a chat or a file of prompts, always taking the most probable token.",
        .usage = "--model PATH [--adapter FOLDER] [--prompt TEXT | --file FILE | --prompts FILE]",
        .details = "Example:\n  cso-generate --model model.gguf --adapter runs/smollm2/adapter \\\n      --prompt 'I feel lost.'\n",
        .args = args,
        .arg_count = sizeof args / sizeof *args,
    };
    return cso_program_main(&program, argc, argv, run, &o);
}

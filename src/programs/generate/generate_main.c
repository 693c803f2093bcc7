/* generate_main.c - cso-generate: the reply of a model, with or without an adapter, to a prompt or a chat. */
#include "api/open_model.h"
#include "base/file.h"
#include "base/memory.h"
#include "decode/generate.h"
#include "engine/engine.h"
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
    const char *model, *adapter, *tokenizer, *chat_template, *prompt, *file, *compute;
    size_t max_tokens, threads;
    bool parse_special;
} arguments;

typedef struct session {
    opened_model base;
    cso_context *ctx;
    cso_engine *engine;
    cso_adapter *adapter;
    char *input; /* text of the messages file */
    cJSON *json;
    cso_message *messages;
    size_t n_messages;
    cso_ids prompt, reply;
} session;

static void close_session(session *s) {
    cso_engine_free(s->engine);
    cso_context_free(s->ctx);
    cso_adapter_free(s->adapter);
    close_model(&s->base);
    cJSON_Delete(s->json);
    free(s->input);
    free(s->messages);
    free(s->prompt.ids);
    free(s->reply.ids);
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

/* Where the messages come from, for errors. */
static const char *messages_place(const arguments *o) {
    return o->prompt ? "--prompt" : cso_input_name(o->file);
}

/* The messages to answer: --prompt as one user message, or a JSON array (or {"messages": [...]}) from a file or standard
 * input. */
static cso_status read_messages(const arguments *o, session *s, cso_error *err) {
    if (o->prompt) {
        if (!(s->messages = cso_calloc(1, sizeof *s->messages)))
            return cso_fail_memory(err, "messages");
        s->messages[s->n_messages++] = (cso_message){"user", o->prompt, strlen(o->prompt)};
        return CSO_OK;
    }
    size_t size;
    const char *place = messages_place(o);
    CSO_TRY(cso_read_file(o->file, MAX_INPUT, &s->input, &size, err));
    CSO_TRY(cso_json_parse(&s->json, s->input, size, place, 1, err));
    const cJSON *list = cJSON_IsObject(s->json) ? cJSON_GetObjectItemCaseSensitive(s->json, "messages") : s->json, *item;
    if (!cJSON_IsArray(list) || !list->child)
        return cso_fail(err, CSO_ERR_INPUT, "%s: expected a non-empty array of messages, or {\"messages\": [...]}", place);
    if (!(s->messages = cso_calloc((size_t)cJSON_GetArraySize(list), sizeof *s->messages)))
        return cso_fail_memory(err, "messages");
    cJSON_ArrayForEach(item, list) CSO_TRY(take_message(item, place, &s->messages[s->n_messages++], err));
    return CSO_OK;
}

static cso_status count_token(void *context, int32_t id, bool *stop, cso_error *err) {
    (void)id;
    (void)stop;
    (void)err;
    ((busy_line *)context)->done++;
    return CSO_OK;
}

static cso_status generate(const arguments *o, session *s, const int32_t stops[2], cso_error *err) {
    busy_line line;
    const cso_generate_options options = {.max_tokens = o->max_tokens,
                                          .vocab = cso_tokenizer_vocab(s->base.tokenizer),
                                          .stops = stops,
                                          .n_stops = 2,
                                          .token = count_token,
                                          .context = &line};
    busy_line_start(&line, s->ctx->pool, "generating", "tokens", false);
    line.most = o->max_tokens;
    cso_status status = cso_generate_greedy(s->engine, s->adapter, s->prompt.ids, s->prompt.count, &options, &s->reply, err);
    busy_line_end(&line);
    return status;
}

static cso_status answer(const arguments *o, session *s, cso_error *err) {
    if (!o->model)
        return cso_fail(err, CSO_ERR_USAGE, "--model is missing (expected a model file or folder)");
    int compute;
    CSO_TRY(parse_word("--compute", o->compute, cso_compute_words, &compute, err));
    CSO_TRY(open_context(&s->ctx, (int)o->threads, err));
    CSO_TRY(read_messages(o, s, err));
    CSO_TRY(open_model(&s->base, o->model, o->tokenizer, o->chat_template, err));
    const cso_tokenizer *tokenizer = s->base.tokenizer;
    const cso_chat_template *chat = s->base.chat;
    if (o->adapter)
        CSO_TRY(opened_model_adapter(&s->adapter, &s->base, o->adapter, err));
    CSO_TRY(cso_engine_create(&s->engine, s->ctx, s->base.model, (cso_compute)compute, cso_memory_available() / 2, err));
    const cso_chat_request request = {s->messages, s->n_messages, true, o->parse_special};
    cso_status status = cso_chat_render(chat, tokenizer, &request, &s->prompt, NULL, NULL, err);
    if (status != CSO_OK)
        return cso_error_prefix(err, status, "%s", messages_place(o));
    int32_t stops[2] = {cso_chat_end_of_turn(chat, tokenizer), cso_tokenizer_eos(tokenizer)};
    status = generate(o, s, stops, err);
    if (status == CSO_ERR_NUMERIC)
        return cso_error_prefix(err, status, "%s", o->model);
    CSO_TRY(status);
    char *text;
    size_t size;
    CSO_TRY(cso_tokenizer_decode(tokenizer, s->reply.ids, s->reply.count, &text, &size, err));
    bool written = fwrite(text, 1, size, stdout) == size && putchar('\n') != EOF && fflush(stdout) == 0;
    free(text);
    return written ? CSO_OK : cso_fail_errno(err, "write", "standard output");
}

static cso_status run(void *context, const cso_arg_list *rest, cso_error *err) {
    session s = {0};
    if (rest->count > 0)
        return cso_fail(err, CSO_ERR_USAGE, "\"%s\" is not expected here (see --help)", rest->items[0]);
    cso_status status = answer(context, &s, err);
    close_session(&s);
    return status;
}

int main(int argc, char **argv) {
    arguments o = {.chat_template = "auto", .file = "-", .compute = "f32", .max_tokens = 256};
    const cso_arg args[] = {
        {"model", 'm', CSO_ARG_STRING, &o.model, "PATH", "GGUF file, safetensors file or Hugging Face folder"},
        {"adapter", 'a', CSO_ARG_STRING, &o.adapter, "FOLDER", "PEFT adapter to apply"},
        {"prompt", 'p', CSO_ARG_STRING, &o.prompt, "TEXT", "one user message to answer"},
        {"file", 'f', CSO_ARG_STRING, &o.file, "FILE", "JSON array of messages to answer (default: standard input)"},
        {"max-tokens", 'n', CSO_ARG_COUNT, &o.max_tokens, "N", "longest reply (default 256)"},
        {"tokenizer", 0, CSO_ARG_STRING, &o.tokenizer, "PATH", "tokenizer folder or file (default: the model's own)"},
        {"chat-template", 0, CSO_ARG_STRING, &o.chat_template, "NAME", "auto, llama3, gemma2, chatml or smollm2 (default auto)"},
        {"parse-special", 0, CSO_ARG_FLAG, &o.parse_special, NULL, "special-token strings typed in messages become those tokens"},
        {"compute", 0, CSO_ARG_STRING, &o.compute, "TYPE", "f32 or bf16 (default f32)"},
        {"threads", 't', CSO_ARG_THREADS, &o.threads, "N", "threads (default: all physical cores)"},
    };
    const cso_program program = {
        .name = "cso-generate",
        .summary = "Prints a model's reply to a prompt or a chat, always taking the most probable token.",
        .usage = "--model PATH [--adapter FOLDER] [--prompt TEXT | --file FILE]",
        .details = "Example:\n  cso-generate --model model.gguf --adapter runs/smollm2/adapter \\\n      --prompt 'I feel lost.'\n",
        .args = args,
        .arg_count = sizeof args / sizeof *args,
    };
    return cso_program_main(&program, argc, argv, run, &o);
}

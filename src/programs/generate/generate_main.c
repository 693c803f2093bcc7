/* generate_main.c - cso-generate: the replies of a model, with or without an adapter, to a prompt, a file of prompts, or in a chat. */
#include "base/file.h"
#include "chat_loop.h"
#include "generate_batch.h"
#include "generate_session.h"
#include "programs/common/args.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The options of replies as words of the command line, in the order of the table. */
typedef struct option_words {
    char names[REPLY_OPTION_COUNT][40];
    const char *words[REPLY_OPTION_COUNT];
    bool flags[REPLY_OPTION_COUNT];
    cso_arg_list lists[REPLY_OPTION_COUNT];
} option_words;

typedef struct arguments {
    generate_arguments o;
    option_words words;
} arguments;

static bool is_list(const reply_option *row) {
    return row->kind == REPLY_OPTION_TEXTS || row->kind == REPLY_OPTION_BIAS;
}

static void add_option_args(option_words *words, cso_arg *args) {
    for (size_t i = 0; i < REPLY_OPTION_COUNT; i++) {
        const reply_option *row = &reply_option_rows[i];
        snprintf(words->names[i], sizeof words->names[i], "%s", row->name);
        for (char *c = words->names[i]; *c; c++)
            *c = *c == '_' ? '-' : *c;
        args[i] = (cso_arg){.name = words->names[i],
                            .letter = i ? 0 : 'n', /* max-tokens is the first row */
                            .type = CSO_ARG_STRING,
                            .value = &words->words[i],
                            .metavar = row->metavar,
                            .help = row->help};
        if (is_list(row)) {
            args[i].type = CSO_ARG_LIST;
            args[i].value = &words->lists[i];
        } else if (row->kind == REPLY_OPTION_FLAG) {
            args[i].type = CSO_ARG_FLAG;
            args[i].value = &words->flags[i];
        }
    }
}

static cso_status read_defaults(option_words *words, reply_options *options, cso_arena *arena, cso_error *err) {
    *options = reply_options_default();
    for (size_t i = 0; i < REPLY_OPTION_COUNT; i++) {
        const reply_option *row = &reply_option_rows[i];
        if (words->words[i] || words->flags[i])
            CSO_TRY(reply_option_set_word(options, row, words->words[i], arena, err));
        for (size_t k = 0; k < words->lists[i].count; k++)
            CSO_TRY(reply_option_set_word(options, row, words->lists[i].items[k], arena, err));
    }
    return reply_options_check(options, "the command line", CSO_ERR_USAGE, err);
}

static cso_status check_arguments(const generate_arguments *o, cso_error *err) {
    if (!o->model)
        return cso_fail(err, CSO_ERR_USAGE, "--model is missing (expected a model file or folder)");
    if (o->file && o->prompts)
        return cso_fail(err, CSO_ERR_USAGE, "--file and --prompts exclude each other (--prompts is its older name)");
    if (o->prompt && (o->file || o->prompts))
        return cso_fail(err, CSO_ERR_USAGE, "--prompt and %s exclude each other (expected one of them)",
                        o->file ? "--file" : "--prompts");
    if (o->chat && (o->prompt || o->prompts || o->out))
        return cso_fail(err, CSO_ERR_USAGE, "--chat and %s exclude each other (expected one of them)",
                        o->prompt    ? "--prompt"
                        : o->prompts ? "--prompts"
                                     : "--out");
    if (o->chat && o->file && cso_is_standard_input(o->file))
        return cso_fail(err, CSO_ERR_USAGE, "--chat reads messages from standard input, so --file must be a file");
    return CSO_OK;
}

/* Where lines of JSON go; false: the one reply is shown as plain text. */
static bool writes_lines(const generate_arguments *o, const prompt_rows *rows) {
    if (rows->replies != 1 || !(o->prompt || rows->chat))
        return true;
    const reply_options *only = rows->items[0].options;
    return o->out || o->prompts || only->logprobs || only->strategy_probabilities;
}

static cso_status answer(generate_session *s, cso_error *err) {
    const generate_arguments *o = s->arguments;
    prompt_rows rows = {.settings = generate_session_rows(s)};
    const char *path = o->prompts ? o->prompts : o->file ? o->file : "-";
    const char *out = o->out && strcmp(o->out, "-") != 0 ? o->out : NULL;
    cso_status status = o->prompt ? prompt_rows_add_text(&rows, o->prompt, "--prompt", err) : prompt_rows_read(&rows, path, err);
    if (status == CSO_OK)
        status = generate_session_decoder(s, err);
    if (status == CSO_OK)
        status = writes_lines(o, &rows) ? generate_batch(s, &rows, out, err) : generate_plain(s, &rows, err);
    prompt_rows_free(&rows);
    return status;
}

static cso_status start(const generate_arguments *o, const reply_options *defaults, cso_error *err) {
    generate_session s = {0};
    cso_status status = generate_session_open(&s, o, defaults, err);
    if (status == CSO_OK && o->chat) {
        status = generate_session_decoder(&s, err);
        if (status == CSO_OK)
            status = chat_loop(&s, o->file, err);
    } else if (status == CSO_OK) {
        status = answer(&s, err);
    }
    generate_session_close(&s);
    return status == CSO_ERR_NUMERIC ? cso_error_prefix(err, status, "%s", o->model) : status;
}

static cso_status run(void *context, const cso_arg_list *rest, cso_error *err) {
    arguments *a = context;
    reply_options defaults;
    cso_arena arena = {0};
    if (rest->count > 0)
        return cso_fail(err, CSO_ERR_USAGE, "\"%s\" is not expected here (see --help)", rest->items[0]);
    cso_status status = read_defaults(&a->words, &defaults, &arena, err);
    if (status == CSO_OK)
        status = check_arguments(&a->o, err);
    if (status == CSO_OK)
        status = start(&a->o, &defaults, err);
    cso_arena_free(&arena);
    return status;
}

static const char DETAILS[] = "A row of FILE is {\"messages\": [...]}, {\"prompt\": TEXT}, {\"ids\": [...]} or an ESC-Pro record, "
                              "with options of its own under "
                              "the names above (\"top_k\": 40). Its reply is a line of JSON. One dialogue, an array of messages or "
                              "one {\"messages\"}, gets its "
                              "reply as plain text.\nWith --out, replies that FILE has already are not made again.\nExamples:\n"
                              "  cso-generate -m model.gguf --adapter runs/smollm2/adapter -p 'I feel lost.'\n"
                              "  cso-generate -m model.gguf --file prompts.jsonl --out replies.jsonl\n"
                              "  cso-generate -m model.gguf --chat --strategies esc-pro --temperature 0.8\n";

int main(int argc, char **argv) {
    arguments a = {.o = {.chat_template = "auto", .compute = "fast"}};
    generate_arguments *o = &a.o;
    const cso_arg own[] = {
        {"model", 'm', CSO_ARG_STRING, &o->model, "PATH", "GGUF file, safetensors file or Hugging Face folder"},
        {"adapter", 'a', CSO_ARG_STRING, &o->adapter, "FOLDER", "PEFT adapter to apply"},
        {"prompt", 'p', CSO_ARG_STRING, &o->prompt, "TEXT", "one user message to answer"},
        {"file", 'f', CSO_ARG_STRING, &o->file, "FILE", "rows to answer, JSON Lines, or one dialogue (default: standard input)"},
        {"prompts", 0, CSO_ARG_STRING, &o->prompts, "FILE", "the older name of --file for rows"},
        {"chat", 'c', CSO_ARG_FLAG, &o->chat, NULL, "chat in the terminal; with --file, go on with that dialogue"},
        {"out", 'o', CSO_ARG_STRING, &o->out, "FILE", "write lines of JSON here, and go on where they end; -: standard output"},
        {"leaves", 0, CSO_ARG_COUNT, &o->leaves, "N", "replies that are made at the same time (default 16)"},
        {"strategies", 0, CSO_ARG_STRING, &o->strategies, "FILE",
         "a TOML file with strategies, or esc-pro: their system prompt comes first, and --chat shows their probabilities"},
        {"system-prompt", 0, CSO_ARG_STRING, &o->system_prompt, "FILE", "a text before what has no system message"},
        {"tokenizer", 0, CSO_ARG_STRING, &o->tokenizer, "PATH", "tokenizer folder or file (default: the model's own)"},
        {"chat-template", 0, CSO_ARG_STRING, &o->chat_template, "NAME", "auto, llama3, gemma2, chatml or smollm2 (default auto)"},
        {"parse-special", 0, CSO_ARG_FLAG, &o->parse_special, NULL, "special-token strings typed in messages become those tokens"},
        {"compute", 0, CSO_ARG_STRING, &o->compute, "TYPE",
         "fast: in integers where weights are; or exact: in f32, as training (default fast)"},
        {"threads", 't', CSO_ARG_THREADS, &o->threads, "N", "threads (default: all physical cores)"},
    };
    enum { OWN_COUNT = sizeof own / sizeof *own };
    cso_arg args[OWN_COUNT + REPLY_OPTION_COUNT];
    memcpy(args, own, sizeof own);
    add_option_args(&a.words, args + OWN_COUNT);
    const cso_program program = {
        .name = "cso-generate",
        .summary = "Makes a model's replies: to a prompt, to a file of prompts, or in a chat.",
        .usage = "--model PATH [--adapter FOLDER] [--prompt TEXT | --file FILE | --chat] [OPTIONS]",
        .details = DETAILS,
        .args = args,
        .arg_count = OWN_COUNT + REPLY_OPTION_COUNT,
    };
    int code = cso_program_main(&program, argc, argv, run, &a);
    for (size_t i = 0; i < REPLY_OPTION_COUNT; i++)
        cso_arg_list_free(&a.words.lists[i]);
    return code;
}

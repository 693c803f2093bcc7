/* data_command.h - shared by the subcommands of cso-data. */
#ifndef CSO_DATA_COMMAND_H
#define CSO_DATA_COMMAND_H

#include "data/dataset.h"
#include "programs/common/args.h"
#include "text/chat.h"
#include "text/tokenizer.h"

/* Options that choose a tokenizer, a template and how to render. */
typedef struct data_source {
    const char *model, *tokenizer_path, *chat_template, *system_prompt_path, *strategies_path;
    bool parse_special;
    /* opened from them: */
    cso_tokenizer *tokenizer;
    const cso_chat_template *chat; /* NULL until data_source_chat */
    char *system_prompt;
    cso_strategies *strategies; /* NULL: the built-in ones */
} data_source;

enum { MAX_PROMPT_BYTES = 1 << 20 }; /* of a file with a system prompt */

#define STRATEGIES_ARG(path)                                                                                                       \
    {                                                                                                                              \
        "strategies", 0, CSO_ARG_STRING, &(path), "FILE",                                                                          \
            "a TOML file with the strategies that ESC-Pro records name; default: ESC-Pro's eight"                                  \
    }

/* Rows of a cso_arg table for the options above. */
#define DATA_SOURCE_ARGS(source)                                                                                                   \
    {"model",         'm',    CSO_ARG_STRING,                                                                                      \
     &(source).model, "PATH", "a model whose tokenizer and template to use: a folder or a .gguf file"},                            \
        {"tokenizer",    't',                                                                                                      \
         CSO_ARG_STRING, &(source).tokenizer_path,                                                                                 \
         "PATH",         "a tokenizer alone: a folder, tokenizer.json, tokenizer.model or a .gguf file"},                          \
        {"chat-template",         0,      CSO_ARG_STRING,                                                                          \
         &(source).chat_template, "NAME", "auto (default: the model's own), llama3, gemma2, chatml or smollm2"},                   \
        {"parse-special",         0,    CSO_ARG_FLAG,                                                                              \
         &(source).parse_special, NULL, "special-token strings in texts and contents become those tokens, as in Hugging Face"},    \
        {"system-prompt", 0,                                                                                                       \
         CSO_ARG_STRING,  &(source).system_prompt_path,                                                                            \
         "FILE",          "a text put before ESC-Pro trees instead of the built-in one that lists the strategies"},                \
        STRATEGIES_ARG((source).strategies_path)

cso_status data_source_open(data_source *source, cso_error *err);
/* The same without a tokenizer where none is named; with one the template is looked up too. */
cso_status data_source_open_any(data_source *source, cso_error *err);
/* Looks the template up when a record needs one: texts can be encoded without. */
cso_status data_source_chat(data_source *source, cso_error *err);
void data_source_close(data_source *source);

/* Each prints its own errors and returns the exit code. argv[0] is ignored. */
int data_check(int argc, char **argv);
int data_convert(int argc, char **argv);
int data_dedup(int argc, char **argv);
int data_sample(int argc, char **argv);
int data_split(int argc, char **argv);
int data_tokenize(int argc, char **argv);
int data_stats(int argc, char **argv);

#endif

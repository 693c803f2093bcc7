/* data_stats.c - cso-data stats: a data set in numbers, with the checks that training makes. */
#include "data_command.h"

#include "base/memory.h"
#include "io/json.h"
#include "programs/common/word_option.h"
#include "tree/tree.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_MAX_LENGTH = 2048 };

/* Tokens of a forward pass, by which sequences share prefixes. */
typedef struct token_counts {
    size_t none, pair, dialogue, all;
} token_counts;

/* group: 0 all sequences share, 1 those of a dialogue, 2 those of a pair. */
static cso_status measure(const cso_dataset *data, int grouping, size_t *shared, size_t *unshared, cso_error *err) {
    cso_sequence *sequences = cso_calloc(data->n_sequences, sizeof *sequences);
    if (!sequences)
        return cso_fail_memory(err, "token sequences");
    for (size_t i = 0; i < data->count; i++)
        for (size_t s = data->examples[i].first; s < data->examples[i].first + data->examples[i].n; s++) {
            const cso_example_sequence *sequence = &data->sequences[s];
            size_t groups[] = {0, data->examples[i].dialogue, i};
            sequences[s] = (cso_sequence){.ids = sequence->ids,
                                          .length = sequence->length,
                                          .scored = sequence->scored,
                                          .score_start = sequence->score_start,
                                          .group = groups[grouping]};
        }
    cso_status status = cso_tree_measure(sequences, data->n_sequences, shared, unshared, err);
    free(sequences);
    return status;
}

static cso_status count_tokens(const cso_dataset *data, token_counts *tokens, cso_error *err) {
    CSO_TRY(measure(data, 0, &tokens->all, &tokens->none, err));
    CSO_TRY(measure(data, 1, &tokens->dialogue, &tokens->none, err));
    return measure(data, 2, &tokens->pair, &tokens->none, err);
}

/* What examples of each kind are called: one, several, and several as a key. */
static const char *const NAMES[][3] = {
    [CSO_EXAMPLE_PAIR] = {"pair", "pairs", "pairs"},
    [CSO_EXAMPLE_TEXT] = {"text", "texts", "examples"},
    [CSO_EXAMPLE_LIST] = {"list", "lists", "examples"},
    [CSO_EXAMPLE_LABELED] = {"reply", "replies", "examples"},
};

static void print_json(const cso_dataset *data, cso_example_kind kind, const token_counts *tokens) {
    const cso_data_counts *c = &data->counts;
    printf("{\"records\": %zu, \"%s\": %zu, \"dialogues\": %zu, \"duplicates\": %zu, \"truncated\": %zu, \"turns_dropped\": %zu, "
           "\"too_long_dropped\": %zu, \"unknown_strategies\": %zu, \"empty_turns\": %zu, \"max_tokens\": %zu, "
           "\"tokens\": {\"none\": %zu, \"pair\": %zu, \"dialogue\": %zu, \"all\": %zu}, \"fingerprint\": \"%s\"}\n",
           c->records, NAMES[kind][2], c->examples, c->dialogues, c->duplicates, c->truncated, c->turns_dropped,
           c->too_long_dropped, c->unknown_strategies, c->empty_turns, c->max_tokens, tokens->none, tokens->pair, tokens->dialogue,
           tokens->all, data->fingerprint);
}

static void print_row(const char *name, size_t value, const char *note) {
    printf("%-28s%12zu%s%s\n", name, value, note[0] ? "  " : "", note);
}

static void print_tokens(const char *name, size_t value, size_t unshared) {
    char note[64];
    snprintf(note, sizeof note, "%.2f times fewer", value ? (double)unshared / (double)value : 0.0);
    print_row(name, value, value == unshared ? "" : note);
}

/* A row about examples: "pairs too long". */
static void print_examples(const char *before, const char *examples, const char *after, size_t value, const char *note) {
    char name[64];
    snprintf(name, sizeof name, "%s%s%s", before, examples, after);
    print_row(name, value, note);
}

static void print_text(const cso_dataset *data, cso_example_kind kind, const token_counts *tokens) {
    const cso_data_counts *c = &data->counts;
    const char *many = NAMES[kind][1];
    char tree[64];
    snprintf(tree, sizeof tree, "tokens, a tree a %s", NAMES[kind][0]);
    print_row("records", c->records, "");
    print_row("dialogues", c->dialogues, "");
    print_row(many, c->examples, "");
    if (kind == CSO_EXAMPLE_LIST)
        print_row("  replies in them", data->n_sequences, "");
    print_examples("duplicate ", many, "", c->duplicates, "dropped");
    print_examples("", many, " cut to fit", c->truncated, "");
    print_row("  turns cut from them", c->turns_dropped, "");
    print_examples("", many, " too long", c->too_long_dropped, "dropped");
    print_row("turns without alternatives", c->empty_turns, "");
    print_row("replies of no known strategy", c->unknown_strategies, "");
    print_row("longest sequence", c->max_tokens, "tokens");
    print_tokens("tokens, nothing shared", tokens->none, tokens->none);
    print_tokens(tree, tokens->pair, tokens->none);
    print_tokens("tokens, a tree a dialogue", tokens->dialogue, tokens->none);
    print_tokens("tokens, one tree", tokens->all, tokens->none);
    printf("%-28s%s\n", "fingerprint", data->fingerprint);
}

static cso_status show_stats(data_source *source, const cso_arg_list *files, const cso_data_options *options, bool json,
                             cso_error *err) {
    cso_dataset data;
    token_counts tokens;
    CSO_TRY(data_source_chat(source, err));
    CSO_TRY(cso_dataset_read(&data, files->items, files->count, source->tokenizer, source->chat, options, err));
    cso_status status = count_tokens(&data, &tokens, err);
    if (status == CSO_OK) {
        if (json)
            print_json(&data, options->kind, &tokens);
        else
            print_text(&data, options->kind, &tokens);
        if (fflush(stdout) || ferror(stdout))
            status = cso_fail_errno(err, "write", "standard output");
    }
    cso_dataset_free(&data);
    return status;
}

static cso_status choose_kind(const char *loss, cso_example_kind *kind, cso_error *err) {
    const cso_loss *found = cso_loss_find(loss);
    if (!found)
        return cso_fail(err, CSO_ERR_USAGE, "--loss: must be one of %s, got '%.60s'", cso_loss_names(), loss);
    *kind = found->takes;
    return CSO_OK;
}

int data_stats(int argc, char **argv) {
    data_source source = {0};
    cso_data_options options = {.max_length = DEFAULT_MAX_LENGTH};
    const char *truncation = "left", *loss = "cso";
    bool json = false;
    const cso_arg args[] = {
        DATA_SOURCE_ARGS(source),
        {"max-length", 0, CSO_ARG_COUNT, &options.max_length, "N", "tokens of prompt and reply together (default 2048)"},
        {"truncation", 0, CSO_ARG_STRING, &truncation, "HOW", "what is longer: left (default), drop or error, as data.truncation"},
        {"loss", 0, CSO_ARG_STRING, &loss, "TYPE", "the loss.type that examples are made for (default cso: pairs)"},
        {"json", 0, CSO_ARG_FLAG, &json, NULL, "print one JSON object"},
    };
    const cso_program program = {
        .name = "cso-data",
        .summary = "Reads a data set as training does, and prints what is in it and what sharing prefixes saves.",
        .usage = "stats (--model PATH | --tokenizer PATH) [OPTIONS] FILE...",
        .details = "Exit codes: 0 done, 2 wrong use, 3 a record or file that training would refuse, 4 the system failed, 128+n "
                   "stopped by signal n.\n",
        .args = args,
        .arg_count = sizeof args / sizeof *args,
    };
    cso_error err = {0};
    cso_arg_list files;
    bool done;
    int word = CSO_TRUNCATE_LEFT;
    cso_status status = cso_args_parse(&program, argc, argv, &files, &done, &err);
    if (status == CSO_OK && !done)
        status = parse_word("--truncation", truncation, cso_truncation_words, &word, &err);
    options.truncation = (cso_truncation)word;
    if (status == CSO_OK)
        status = choose_kind(loss, &options.kind, &err);
    if (status == CSO_OK && !done && !files.count)
        status = cso_fail(&err, CSO_ERR_USAGE, "a data file is missing (stats ... FILE)");
    if (status == CSO_OK && !done)
        status = data_source_open(&source, &err);
    options.parse_special = source.parse_special;
    options.strategies = source.strategies;
    options.system_prompt = source.system_prompt;
    if (status == CSO_OK && !done)
        status = show_stats(&source, &files, &options, json, &err);
    data_source_close(&source);
    cso_arg_list_free(&files);
    return cso_program_exit(&program, status, &err);
}

/* data_dedup.c - cso-data dedup: records without those that came before. */
#include "data_command.h"
#include "data_output.h"

#include "programs/common/word_option.h"
#include "records/split.h"

#include <stdio.h>

typedef struct options {
    const char *by, *output;
} options;

static cso_status dedup(void *context, const cso_arg_list *files, cso_error *err) {
    const options *opts = context;
    const data_inputs inputs = data_inputs_of(files);
    data_output output;
    size_t records = 0;
    int word;
    CSO_TRY(parse_word("--by", opts->by, cso_same_words, &word, err));
    cso_status status = data_output_open(&output, opts->output, err);
    if (status == CSO_OK)
        status = cso_dedup(inputs.paths, inputs.count, (cso_same)word, &output.sink, &records, err);
    size_t written = output.sink.count;
    status = data_output_close(&output, status, err);
    if (status == CSO_OK)
        fprintf(stderr, "note: %zu of %zu records are written, %zu came before\n", written, records, records - written);
    return status;
}

int data_dedup(int argc, char **argv) {
    options opts = {.by = "record"};
    const cso_arg args[] = {
        {"by", 0, CSO_ARG_STRING, &opts.by, "WHAT", "what must be equal: record (default), content or dialogue"},
        {"output", 'o', CSO_ARG_STRING, &opts.output, "FILE", "appears whole or not at all; default: standard output"},
    };
    const cso_program program = {
        .name = "cso-data",
        .summary = "Writes records without those that came before. What is written keeps its bytes.",
        .usage = "dedup [OPTIONS] [FILE|-]...",
        .details = "  record    every field; the order of keys, white space, escapes and the\n"
                   "            writing of numbers do not matter\n"
                   "  content   what training sees: scene, description, messages, replies\n"
                   "  dialogue  scene, description and first user message: the first record of\n"
                   "            each dialogue or search tree is written\n\n"
                   "Examples:\n"
                   "  cso-data dedup a.jsonl b.jsonl > all.jsonl\n"
                   "  cso-data dedup --by dialogue --output seeds.jsonl train.tree.jsonl\n\n"
                   "Exit codes: 0 done; 2 wrong use; 3 a bad record or file; 4 the system failed; 128+n stopped by signal n.\n",
        .args = args,
        .arg_count = sizeof args / sizeof *args,
    };
    return cso_command_main(&program, argc, argv, dedup, &opts);
}

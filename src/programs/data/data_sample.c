/* data_sample.c - cso-data sample: a random part of the records or dialogues. */
#include "data_command.h"
#include "data_output.h"

#include "programs/common/word_option.h"
#include "records/split.h"

#include <stdio.h>
#include <stdlib.h>

enum { DEFAULT_SEED = 42 };

typedef struct options {
    const char *by, *output, *fraction;
    size_t count, seed;
} options;

static cso_status sample(void *context, const cso_arg_list *files, cso_error *err) {
    const options *opts = context;
    static const char *const WORDS[] = {"record", "dialogue", NULL};
    const data_inputs inputs = data_inputs_of(files);
    cso_sample_options settings = {.count = opts->count, .seed = opts->seed};
    data_output output;
    size_t records = 0;
    char *end;
    int word;
    CSO_TRY(parse_word("--by", opts->by, WORDS, &word, err));
    settings.by_dialogue = word == 1;
    if (!opts->count == !opts->fraction)
        return cso_fail(err, CSO_ERR_USAGE, "one of --count N and --fraction F is needed");
    if (opts->fraction) {
        settings.fraction = strtod(opts->fraction, &end);
        if (end == opts->fraction || *end || !(settings.fraction > 0 && settings.fraction <= 1))
            return cso_fail(err, CSO_ERR_USAGE, "--fraction: must be a number > 0 and <= 1, got %s", opts->fraction);
    }
    cso_status status = data_output_open(&output, opts->output, err);
    if (status == CSO_OK)
        status = cso_sample(inputs.paths, inputs.count, &settings, &output.sink, &records, err);
    size_t written = output.sink.count;
    status = data_output_close(&output, status, err);
    if (status == CSO_OK)
        fprintf(stderr, "note: %zu of %zu records are written\n", written, records);
    return status;
}

int data_sample(int argc, char **argv) {
    options opts = {.by = "record", .seed = DEFAULT_SEED};
    const cso_arg args[] = {
        {"count", 'n', CSO_ARG_COUNT, &opts.count, "N", "so many records or dialogues, or all if there are fewer"},
        {"fraction", 0, CSO_ARG_STRING, &opts.fraction, "F", "each record or dialogue with this probability, > 0 and <= 1"},
        {"by", 0, CSO_ARG_STRING, &opts.by, "WHAT", "what is drawn: record (default), or dialogue with all its records"},
        {"seed", 0, CSO_ARG_SIZE, &opts.seed, "N", "of the draw (default 42)"},
        {"output", 'o', CSO_ARG_STRING, &opts.output, "FILE", "appears whole or not at all; default: standard output"},
    };
    const cso_program program = {
        .name = "cso-data",
        .summary = "Writes a random part of the records, in their order. What is written keeps its bytes.",
        .usage = "sample (--count N | --fraction F) [OPTIONS] [FILE|-]...",
        .details = "A dialogue is what has equal scene, description and first user message. Which dialogues are drawn depends on "
                   "the seed and "
                   "on the dialogues alone, which records on the seed and their order. The records are read once; with --count "
                   "those that are "
                   "drawn are in memory.\n\n"
                   "Examples:\n"
                   "  cso-data sample --count 1000 --seed 7 pairs.jsonl > some.jsonl\n"
                   "  zcat pairs.jsonl.gz | cso-data sample --fraction 0.01 --by dialogue\n\n"
                   "Exit codes: 0 done; 2 wrong use; 3 a bad record or file; 4 the system failed; 128+n stopped by signal n.\n",
        .args = args,
        .arg_count = sizeof args / sizeof *args,
    };
    return cso_command_main(&program, argc, argv, sample, &opts);
}

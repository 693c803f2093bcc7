/* data_convert.c - cso-data convert: records of one form to those of another. */
#include "data_command.h"
#include "data_output.h"

#include "base/file.h"
#include "programs/common/amounts.h"
#include "programs/common/word_option.h"
#include "records/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *to, *output, *strategies, *system_prompt;
    bool array, keep, quiet;
} options;

static const char *const TARGETS[] = {"trees", "pairs", "kto", "preference", "list", "sft", NULL};

static void print_losses(const cso_convert_result *result) {
    char text[256];
    for (int kind = 0; kind < CSO_LOSS_KINDS; kind++)
        if (result->lost[kind]) {
            cso_loss_text((cso_loss_kind)kind, result->lost[kind], text, sizeof text);
            fprintf(stderr, "warning: lost: %s\n", text);
        }
    if (result->unknown_strategies)
        fprintf(stderr, "warning: %zu replies name strategies that are not known (--strategies)\n", result->unknown_strategies);
}

static cso_status convert(void *context, const cso_arg_list *files, cso_error *err) {
    const options *opts = context;
    const data_inputs inputs = data_inputs_of(files);
    cso_convert_options settings = {.keep = opts->keep};
    cso_convert_result result = {0};
    cso_strategies *strategies = NULL;
    char *prompt = NULL;
    data_output output = {0};
    size_t size;
    int word;
    cso_status status;
    if (!opts->to)
        return cso_fail(err, CSO_ERR_USAGE, "--to FORM is needed (trees, pairs, kto, preference, list or sft)");
    CSO_TRY(parse_word("--to", opts->to, TARGETS, &word, err));
    settings.to = (cso_data_form)word; /* the targets are the first forms */
    if (opts->strategies)
        CSO_TRY_DONE(cso_strategies_read(&strategies, opts->strategies, err));
    if (opts->system_prompt)
        CSO_TRY_DONE(cso_read_file(opts->system_prompt, MAX_PROMPT_BYTES, &prompt, &size, err));
    settings.strategies = strategies;
    settings.system_prompt = prompt;
    CSO_TRY_DONE(data_output_open(&output, opts->output, err));
    output.sink.array = opts->array;
    status = cso_convert(&settings, inputs.paths, inputs.count, &output.sink, &result, err);
    status = data_output_close(&output, status, err);
    if (status == CSO_OK && !opts->quiet)
        print_losses(&result);
done:
    cso_strategies_free(strategies);
    free(prompt);
    return status;
}

static const char DETAILS[] = "  from                              to\n"
                              "  ESC-Pro trees                     trees, pairs, kto, preference, list, sft\n"
                              "  ESC-Pro pairs                     the same\n"
                              "  {\"messages\", \"label\"}             the same\n"
                              "  {\"prompt\", \"chosen\", \"rejected\"}  the same\n"
                              "  {\"prompt\", \"completions\", \"q\"}    the same\n"
                              "  {\"messages\"}                      trees, kto, sft\n"
                              "  {\"prompt\", \"completion\"}          trees, kto, sft\n"
                              "  {\"text\"}                          sft\n\n"
                              "Numbers, escapes and the order of messages stay as they are. What the other form cannot hold is "
                              "told on standard error, once, with "
                              "counts. Towards trees the records of a dialogue must stand side by side, else the error says how to "
                              "sort. A dialogue at most is in "
                              "memory.\n\n"
                              "Examples:\n"
                              "  cso-data convert --to pairs data/train.tree.jsonl > train.pairs.jsonl\n"
                              "  cso-data convert --to kto < train.pairs.jsonl | gzip > train.kto.jsonl.gz\n"
                              "  cso-data convert --to trees --array --output train.json train.pairs.jsonl\n\n"
                              "Exit codes: 0 done; 2 wrong use; 3 a record or file that cannot be converted (what came before it "
                              "is printed); 4 the system failed; "
                              "128+n stopped by signal n.\n";

int data_convert(int argc, char **argv) {
    options opts = {0};
    const cso_arg args[] = {
        {"to", 0, CSO_ARG_STRING, &opts.to, "FORM", "trees, pairs, kto, preference, list or sft"},
        {"output", 'o', CSO_ARG_STRING, &opts.output, "FILE", "appears whole or not at all; default: standard output"},
        {"array", 0, CSO_ARG_FLAG, &opts.array, NULL, "write one JSON array instead of JSON Lines"},
        {"keep", 0, CSO_ARG_FLAG, &opts.keep, NULL, "scene, description and iter come along where the form does not have them"},
        STRATEGIES_ARG(opts.strategies),
        {"system-prompt", 0, CSO_ARG_STRING, &opts.system_prompt, "FILE",
         "the system message of trees instead of the built-in one that lists the strategies"},
        {"quiet", 'q', CSO_ARG_FLAG, &opts.quiet, NULL, "do not tell what is lost"},
    };
    const cso_program program = {
        .name = "cso-data",
        .summary = "Converts records (JSON Lines, or a JSON array) from one form to another.",
        .usage = "convert --to FORM [OPTIONS] [FILE|-]...",
        .details = DETAILS,
        .args = args,
        .arg_count = sizeof args / sizeof *args,
    };
    return cso_command_main(&program, argc, argv, convert, &opts);
}

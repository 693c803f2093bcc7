/* eval_metrics.c - see eval_metrics.h. */
#include "eval_metrics.h"

#include "base/file.h"
#include "base/memory.h"
#include "data/strategies.h"
#include "eval_report.h"
#include "programs/common/args.h"
#include "strategy_names.h"

#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *strategies;
    size_t samples, seed;
    report_formats formats;
} options;

static cso_status open_file(const char *path, FILE **file, cso_error *err) {
    size_t size;
    int descriptor;
    if (cso_is_standard_input(path)) {
        *file = stdin;
        return CSO_OK;
    }
    CSO_TRY(cso_open_input(path, &descriptor, &size, err));
    *file = fdopen(descriptor, "r");
    return *file ? CSO_OK : cso_fail_errno(err, "open", path);
}

static cso_status read_predictions(const options *o, const char *path, cso_predictions **set, cso_error *err) {
    cso_strategies *own = NULL;
    const cso_strategies *strategies = NULL;
    const char **names = NULL;
    FILE *file = NULL;
    cso_status status;
    if (o->strategies) {
        CSO_TRY(strategies_choose(o->strategies, &own, &strategies, err));
        CSO_TRY_DONE(strategy_names(strategies, &names, err));
    }
    CSO_TRY_DONE(open_file(path, &file, err));
    status = cso_predictions_read(set, file, cso_input_name(path), names, strategies ? strategies->count : 0, err);
done:
    if (file && file != stdin)
        fclose(file);
    free(names);
    cso_strategies_free(own);
    return status;
}

static cso_status run(void *context, const cso_arg_list *rest, cso_error *err) {
    const options *o = context;
    eval_report report = {.n_samples = o->samples, .seed = o->seed, .single = true};
    if (rest->count != 1)
        return cso_fail(err, CSO_ERR_USAGE, "metrics: %zu files are given (expected one, or - for standard input)", rest->count);
    CSO_TRY(report_formats_check(&o->formats, err));
    report.systems = cso_calloc(1, sizeof *report.systems);
    if (!report.systems)
        return cso_fail_memory(err, "predictions");
    report.count = 1;
    report.systems[0].name = cso_input_name(rest->items[0]);
    cso_status status = read_predictions(o, rest->items[0], &report.systems[0].set, err);
    report.systems[0].measurer.set = report.systems[0].set;
    if (status == CSO_OK)
        status = eval_report_measure(&report, err);
    if (status == CSO_OK)
        status = eval_report_print(&report, &o->formats, err);
    eval_report_free(&report);
    return status;
}

int eval_metrics(int argc, char **argv) {
    options o = {.seed = 1};
    const cso_arg args[] = {
        {"json", 0, CSO_ARG_FLAG, &o.formats.json, NULL, "one object, with the confusion and the preferences"},
        {"csv", 0, CSO_ARG_FLAG, &o.formats.csv, NULL, "a row for each measure"},
        {"markdown", 0, CSO_ARG_FLAG, &o.formats.markdown, NULL, "a table in Markdown"},
        {"strategies", 0, CSO_ARG_STRING, &o.strategies, "FILE",
         "a TOML file with the strategies there are, or esc-pro; default: the names that occur"},
        {"samples", 0, CSO_ARG_COUNT, &o.samples, "N", "bootstrap samples of the dialogues, for intervals; default 0: none"},
        {"seed", 0, CSO_ARG_SIZE, &o.seed, "N", "of the samples; default 1"},
    };
    const cso_program program = {
        .name = "cso-eval",
        .summary = "Measures predictions: strategies and replies beside those they should be.",
        .usage = "metrics [OPTIONS] FILE|-",
        .details =
            "A line of FILE is {\"reference\": {\"strategy\", \"content\"}, \"prediction\": {\"strategy\", \"content\"}}; a "
            "predicted strategy may be null. Lines with the same \"index\" are of one dialogue. What cso-eval dialogues --out "
            "keeps is such a file, too.\n\n"
            "Measures: accuracy and F1 of strategies (scikit-learn's), preference bias B, ROUGE-L, corpus BLEU, distinct-n, "
            "words of a reply; docs/eval.md says how each is computed.\n\n"
            "Exit codes: 0 done; 2 wrong use; 3 bad input file; 4 the system failed; 128+n stopped by signal n.\n",
        .args = args,
        .arg_count = sizeof args / sizeof *args,
    };
    return cso_command_main(&program, argc, argv, run, &o);
}

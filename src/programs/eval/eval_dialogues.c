/* eval_dialogues.c - see eval_dialogues.h. */
#include "eval_dialogues.h"

#include "base/file.h"
#include "base/memory.h"
#include "dialogue_run.h"
#include "eval_report.h"
#include "eval_systems.h"
#include "programs/common/open_context.h"
#include "programs/common/word_option.h"
#include "strategy_names.h"

#include <stdlib.h>
#include <string.h>

typedef struct options {
    cso_arg_list models, adapters;
    const char *tokenizer, *chat_template, *strategies, *system_prompt, *out, *against, *temperature, *top_p, *beta;
    size_t threads, samples, sample_seed;
    run_options run;
    report_formats formats;
} options;

/* The command's work. */
typedef struct evaluation {
    const options *o;
    const cso_arg_list *files;
    double beta;
    cso_decode_compute compute;
    eval_systems systems;
    eval_report report;
    const cso_strategies *strategies;
    cso_strategies *own;
    found_strategies found;
    const char **names;
    const char *system_prompt;
    char *system_text;
    cso_context *ctx;
} evaluation;

/* One model, and what is made with it. */
typedef struct model_work {
    opened_model base;
    cso_decoder *decoder;
    dialogue_turns turns;
    name_ids names;
} model_work;

static cso_status read_number(const char *option, const char *text, double low, double high, double *number, cso_error *err) {
    char *end;
    *number = strtod(text, &end);
    if (end == text || *end || !(*number >= low && *number <= high))
        return cso_fail(err, CSO_ERR_USAGE, "%s: expected a number from %g to %g, found '%.80s'", option, low, high, text);
    return CSO_OK;
}

static cso_status read_options(evaluation *e, options *o, cso_error *err) {
    int word;
    CSO_TRY(report_formats_check(&o->formats, err));
    CSO_TRY(read_number("--temperature", o->temperature, 0, 100, &o->run.temperature, err));
    CSO_TRY(read_number("--top-p", o->top_p, 0, 1, &o->run.top_p, err));
    CSO_TRY(read_number("--beta", o->beta, 1e-6, 1e6, &e->beta, err));
    CSO_TRY(parse_word("--compute", o->run.compute, cso_decode_words, &word, err));
    e->compute = (cso_decode_compute)word;
    if (!o->run.max_tokens)
        return cso_fail(err, CSO_ERR_USAGE, "--max-tokens: expected 1 at least");
    if (!e->files->count)
        return cso_fail(err, CSO_ERR_USAGE, "dialogues: no data is given (expected files of ESC-Pro trees)");
    for (size_t i = 0; i < e->files->count; i++)
        if (cso_is_standard_input(e->files->items[i]))
            return cso_fail(err, CSO_ERR_USAGE, "dialogues: standard input cannot be read twice (expected a file)");
    return CSO_OK;
}

static cso_status open_strategies(evaluation *e, cso_error *err) {
    const options *o = e->o;
    size_t size;
    if (!strcmp(o->strategies, "names")) {
        CSO_TRY(found_strategies_read(&e->found, e->files, err));
        e->strategies = e->found.set;
    } else {
        CSO_TRY(strategies_choose(o->strategies, &e->own, &e->strategies, err));
    }
    e->system_prompt = cso_strategies_prompt(e->strategies);
    if (o->system_prompt) {
        CSO_TRY(cso_read_file(o->system_prompt, (size_t)1 << 20, &e->system_text, &size, err));
        e->system_prompt = e->system_text;
    }
    return strategy_names(e->strategies, &e->names, err);
}

static cso_status open_report(evaluation *e, cso_error *err) {
    eval_report *r = &e->report;
    r->n_samples = e->o->samples;
    r->seed = e->o->sample_seed;
    if (e->o->against)
        CSO_TRY(eval_systems_find(&e->systems, e->o->against, &r->against, err));
    r->systems = cso_calloc(e->systems.count, sizeof *r->systems);
    r->count = r->systems ? e->systems.count : 0;
    for (size_t i = 0; i < r->count; i++)
        r->systems[i].name = e->systems.items[i].name;
    return r->systems ? CSO_OK : cso_fail_memory(err, "systems");
}

/* What is measured is what the lines say, whether this run made them or one before it. */
static cso_status read_back(evaluation *e, size_t system, line_store *store, cso_error *err) {
    const eval_system *s = &e->systems.items[system];
    report_system *report = &e->report.systems[system];
    FILE *file = NULL;
    CSO_TRY(line_store_read(store, &file, err));
    cso_status status = cso_predictions_read(&report->set, file, s->file ? s->file : s->name, e->names, e->strategies->count, err);
    fclose(file);
    CSO_TRY(status);
    const cso_predictions *base = e->report.systems[s->base].set;
    report->measurer = (cso_measurer){.set = report->set, .beta = e->beta};
    if (s->adapter && cso_measurer_fits(report->set, base))
        report->measurer.base = base;
    return CSO_OK;
}

static cso_status run_system(evaluation *e, const model_work *m, size_t system, cso_error *err) {
    const eval_system *s = &e->systems.items[system];
    cso_adapter *adapter = NULL;
    line_store *store = NULL;
    cso_status status = CSO_OK;
    if (s->adapter)
        CSO_TRY(opened_model_adapter(&adapter, &m->base, s->adapter, err));
    const dialogue_job job = {.options = &e->o->run,
                              .name = s->name,
                              .model = &m->base,
                              .adapter = adapter,
                              .decoder = m->decoder,
                              .turns = &m->turns,
                              .strategies = e->strategies,
                              .names = &m->names};
    status = dialogue_run(&job, s->file, &store, err);
    if (status == CSO_OK)
        status = read_back(e, system, store, err);
    line_store_close(store);
    if (adapter)
        cso_decoder_forget(m->decoder, adapter);
    cso_adapter_free(adapter);
    return status == CSO_ERR_NUMERIC ? cso_error_prefix(err, status, "%s", s->name) : status;
}

static cso_status open_model_work(evaluation *e, const char *path, model_work *m, cso_error *err) {
    const options *o = e->o;
    const cso_decoder_options decoding = {.compute = e->compute};
    CSO_TRY(open_model(&m->base, path, o->tokenizer, o->chat_template, err));
    const turn_settings settings = {.model = &m->base, .strategies = e->strategies, .system_prompt = e->system_prompt};
    CSO_TRY(dialogue_turns_read(&m->turns, &settings, e->files, err));
    CSO_TRY(name_ids_make(&m->names, e->strategies, m->base.tokenizer, err));
    return cso_decoder_create(&m->decoder, e->ctx, m->base.model, &decoding, err);
}

/* The systems of the model of the first one; *next: behind them. */
static cso_status run_model(evaluation *e, size_t first, size_t *next, cso_error *err) {
    model_work m = {0};
    cso_status status = open_model_work(e, e->systems.items[first].model, &m, err);
    for (*next = first; *next < e->systems.count && e->systems.items[*next].base == first; ++*next)
        if (status == CSO_OK)
            status = run_system(e, &m, *next, err);
    cso_decoder_free(m.decoder);
    dialogue_turns_free(&m.turns);
    name_ids_free(&m.names);
    close_model(&m.base);
    return status;
}

/* What cannot be opened later is told before the first reply. */
static cso_status check_model(const evaluation *e, size_t first, size_t *next, cso_error *err) {
    opened_model base = {0};
    cso_status status = open_model(&base, e->systems.items[first].model, e->o->tokenizer, e->o->chat_template, err);
    for (*next = first; *next < e->systems.count && e->systems.items[*next].base == first; ++*next) {
        const char *folder = e->systems.items[*next].adapter;
        cso_adapter *adapter = NULL;
        if (status == CSO_OK && folder)
            status = opened_model_adapter(&adapter, &base, folder, err);
        cso_adapter_free(adapter);
    }
    close_model(&base);
    return status;
}

static cso_status evaluate(evaluation *e, cso_error *err) {
    CSO_TRY(eval_systems_make(&e->systems, &e->o->models, &e->o->adapters, e->o->out, err));
    CSO_TRY(open_report(e, err));
    CSO_TRY(open_strategies(e, err));
    for (size_t i = 0; i < e->systems.count;)
        CSO_TRY(check_model(e, i, &i, err));
    if (e->o->out)
        CSO_TRY(cso_make_folders(e->o->out, err));
    CSO_TRY(open_context(&e->ctx, (int)e->o->threads, err));
    for (size_t i = 0; i < e->systems.count;)
        CSO_TRY(run_model(e, i, &i, err));
    CSO_TRY(eval_report_measure(&e->report, err));
    return eval_report_print(&e->report, &e->o->formats, err);
}

static cso_status run(void *context, const cso_arg_list *rest, cso_error *err) {
    evaluation e = {.o = context, .files = rest};
    cso_status status = read_options(&e, context, err);
    if (status == CSO_OK)
        status = evaluate(&e, err);
    eval_report_free(&e.report);
    eval_systems_free(&e.systems);
    cso_strategies_free(e.own);
    found_strategies_free(&e.found);
    free(e.names);
    free(e.system_text);
    cso_context_free(e.ctx);
    return status;
}

static const char DETAILS[] =
    "Each turn of the supporter in DATA (ESC-Pro trees) is answered, with the dialogue before it as it was, by the model alone and "
    "with "
    "each adapter. Measured are the strategies of the replies, \"(NAME) text\", and the likeliest ones, the replies' texts, the "
    "perplexity of the references, and how often these are more probable than the replies that are worse. docs/eval.md says "
    "how.\n\n"
    "Several models need names: --model a=PATH --model b=PATH --adapter b/tuned=FOLDER.\n"
    "With --out, replies that are there already are not made again.\n\n"
    "Exit codes: 0 done; 2 wrong use; 3 bad input file; 4 the system failed; 5 a log-probability is no finite number; 128+n "
    "stopped by "
    "signal n: with --out the same command goes on.\n";

int eval_dialogues(int argc, char **argv) {
    options o = {.chat_template = "auto",
                 .strategies = "esc-pro",
                 .temperature = "0",
                 .top_p = "1",
                 .beta = "0.1",
                 .samples = 1000,
                 .sample_seed = 1,
                 .run = {.max_tokens = 128, .leaves = 16, .compute = "fast"}};
    const cso_arg args[] = {
        {"model", 'm', CSO_ARG_LIST, &o.models, "[NAME=]PATH",
         "GGUF file, safetensors file or Hugging Face folder; may be repeated"},
        {"adapter", 'a', CSO_ARG_LIST, &o.adapters, "[NAME=]FOLDER",
         "PEFT adapter to compare with the model alone; may be repeated"},
        {"out", 'o', CSO_ARG_STRING, &o.out, "FOLDER", "keep predictions in FOLDER/NAME.jsonl, and go on where they end"},
        {"json", 0, CSO_ARG_FLAG, &o.formats.json, NULL, "one object, with confusions, preferences and calibration"},
        {"csv", 0, CSO_ARG_FLAG, &o.formats.csv, NULL, "a row for each measure and system"},
        {"markdown", 0, CSO_ARG_FLAG, &o.formats.markdown, NULL, "a table in Markdown"},
        {"against", 0, CSO_ARG_STRING, &o.against, "NAME", "differences are to this system; default: the first"},
        {"strategies", 0, CSO_ARG_STRING, &o.strategies, "FILE",
         "a TOML file with the strategies, esc-pro (default), or names: those that DATA name"},
        {"system-prompt", 0, CSO_ARG_STRING, &o.system_prompt, "FILE", "before each dialogue; default: lists the strategies"},
        {"max-tokens", 'n', CSO_ARG_COUNT, &o.run.max_tokens, "N", "of a reply; default 128"},
        {"temperature", 0, CSO_ARG_STRING, &o.temperature, "X", "default 0: the most probable token"},
        {"top-p", 0, CSO_ARG_STRING, &o.top_p, "X", "default 1: all tokens"},
        {"seed", 0, CSO_ARG_SIZE, &o.run.seed, "N", "of the replies; default 0"},
        {"samples", 0, CSO_ARG_COUNT, &o.samples, "N", "bootstrap samples of the dialogues, for intervals; default 1000"},
        {"samples-seed", 0, CSO_ARG_SIZE, &o.sample_seed, "N", "of the samples; default 1"},
        {"beta", 0, CSO_ARG_STRING, &o.beta, "X", "of the rewards, as loss.beta; default 0.1"},
        {"leaves", 0, CSO_ARG_COUNT, &o.run.leaves, "N", "replies that are made at the same time; default 16"},
        {"tokenizer", 0, CSO_ARG_STRING, &o.tokenizer, "PATH", "default: the model's own"},
        {"chat-template", 0, CSO_ARG_STRING, &o.chat_template, "NAME", "auto (default), llama3, gemma2, chatml or smollm2"},
        {"compute", 0, CSO_ARG_STRING, &o.run.compute, "TYPE",
         "fast (default): in integers where weights are; or exact: in f32, as training"},
        {"threads", 't', CSO_ARG_THREADS, &o.threads, "N", "default: all physical cores"},
    };
    const cso_program program = {
        .name = "cso-eval",
        .summary = "Measures models and adapters on held-out dialogues.",
        .usage = "dialogues --model PATH [--adapter NAME=FOLDER]... [OPTIONS] DATA...",
        .details = DETAILS,
        .args = args,
        .arg_count = sizeof args / sizeof *args,
    };
    int code = cso_command_main(&program, argc, argv, run, &o);
    cso_arg_list_free(&o.models);
    cso_arg_list_free(&o.adapters);
    return code;
}

/* eval_main.c - cso-eval: figures about models. The first argument says which. */
#include "base/memory.h"
#include "eval_dialogues.h"
#include "eval_metrics.h"
#include "eval_perplexity.h"
#include "eval_score.h"
#include "loss/loss.h"
#include "programs/common/args.h"
#include "programs/common/open_context.h"
#include "programs/common/start.h"
#include "programs/common/word_option.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    const char *model, *adapter, *tokenizer, *chat_template, *compute, *beta, *strategies;
    size_t threads, max_length, window;
    bool parse_special, summary;
} options;

/* Texts of options to numbers and enums. */
static cso_status read_options(const options *opts, cso_compute *compute, double *beta, cso_error *err) {
    char *end;
    cso_loss_options loss = cso_loss_default_options();
    loss.beta = *beta = strtod(opts->beta, &end);
    if (end == opts->beta || *end)
        return cso_fail(err, CSO_ERR_USAGE, "--beta: expected a number, found '%s'", opts->beta);
    cso_status status = cso_loss_check(cso_loss_find("cso"), &loss, err);
    if (status != CSO_OK)
        return cso_error_prefix(err, status, "--beta");
    int word;
    CSO_TRY(parse_word("--compute", opts->compute ? opts->compute : "f32", cso_compute_words, &word, err));
    *compute = (cso_compute)word;
    return CSO_OK;
}

static cso_status score(const options *opts, const char *file, cso_error *err) {
    score_options settings = {
        .file = file,
        .place = opts->tokenizer ? opts->tokenizer : opts->model,
        .chat_template = opts->chat_template,
        .max_length = opts->max_length ? opts->max_length : INT32_MAX,
        .parse_special = opts->parse_special,
        .summary = opts->summary,
    };
    cso_strategies *strategies = NULL;
    opened_model base = {0};
    cso_adapter *adapter = NULL;
    cso_context *ctx = NULL;
    cso_engine *engine = NULL;
    cso_compute compute = CSO_COMPUTE_F32;
    cso_status status;
    CSO_TRY(read_options(opts, &compute, &settings.beta, err));
    if (opts->strategies)
        CSO_TRY(cso_strategies_read(&strategies, opts->strategies, err));
    settings.strategies = strategies;
    CSO_TRY_DONE(open_context(&ctx, (int)opts->threads, err));
    CSO_TRY_DONE(open_model(&base, opts->model, opts->tokenizer, NULL, err));
    if (opts->adapter)
        CSO_TRY_DONE(opened_model_adapter(&adapter, &base, opts->adapter, err));
    CSO_TRY_DONE(cso_engine_create(&engine, ctx, base.model, compute, memory_budget(&base, 0), err));
    status = score_file(stdout, &settings, &base, engine, adapter, err);
done:
    cso_engine_free(engine);
    cso_context_free(ctx);
    cso_adapter_free(adapter);
    close_model(&base);
    cso_strategies_free(strategies);
    return status;
}

static cso_status perplexity(const options *opts, const char *file, cso_error *err) {
    perplexity_options settings = {.file = file, .window = opts->window};
    cso_context *ctx = NULL;
    cso_adapter *adapter = NULL;
    opened_model base = {0};
    int word;
    cso_status status;
    CSO_TRY(parse_word("--compute", opts->compute ? opts->compute : "fast", cso_decode_words, &word, err));
    settings.compute = (cso_decode_compute)word;
    if (settings.window < 2)
        return cso_fail(err, CSO_ERR_USAGE, "--window: %zu tokens are too few (expected at least 2)", settings.window);
    CSO_TRY_DONE(open_context(&ctx, (int)opts->threads, err));
    CSO_TRY_DONE(open_model(&base, opts->model, opts->tokenizer, NULL, err));
    if (opts->adapter)
        CSO_TRY_DONE(opened_model_adapter(&adapter, &base, opts->adapter, err));
    status = print_perplexity(stdout, &settings, &base, ctx, adapter, err);
done:
    cso_context_free(ctx);
    cso_adapter_free(adapter);
    close_model(&base);
    return status;
}

static const char *const commands[] = {"score", "perplexity", "metrics", "dialogues", NULL};

static cso_status run(void *context, const cso_arg_list *rest, cso_error *err) {
    const options *opts = context;
    const char *command = rest->items[0];
    if (strcmp(command, "score") != 0 && strcmp(command, "perplexity") != 0)
        return cso_fail(err, CSO_ERR_USAGE, "the command comes first (cso-eval %s ...)", command);
    if (rest->count != 2)
        return cso_fail(err, CSO_ERR_USAGE, "%s: %zu files are given (expected one, or - for standard input)", command,
                        rest->count - 1);
    if (!opts->model)
        return cso_fail(err, CSO_ERR_USAGE, "no model is given (expected --model PATH)");
    return (strcmp(command, commands[0]) == 0 ? score : perplexity)(opts, rest->items[1], err);
}

int main(int argc, char **argv) {
    program_start("cso-eval");
    if (argc > 1 && !strcmp(argv[1], "metrics"))
        return eval_metrics(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "dialogues"))
        return eval_dialogues(argc - 1, argv + 1);
    options opts = {.chat_template = "auto", .beta = "0.1", .window = 1024};
    const cso_arg args[] = {
        {"model", 'm', CSO_ARG_STRING, &opts.model, "PATH", "a .gguf or .safetensors file, or a folder in Hugging Face layout"},
        {"adapter", 'a', CSO_ARG_STRING, &opts.adapter, "PATH", "folder of a PEFT LoRA adapter; without: the base model"},
        {"tokenizer", 0, CSO_ARG_STRING, &opts.tokenizer, "PATH", "default: the model's own"},
        {"chat-template", 0, CSO_ARG_STRING, &opts.chat_template, "NAME", "auto (default), llama3, gemma2, chatml or smollm2"},
        {"compute", 0, CSO_ARG_STRING, &opts.compute, "TYPE",
         "score: f32 (default) or bf16; perplexity: fast (default, in integers where weights are) or exact"},
        {"threads", 't', CSO_ARG_THREADS, &opts.threads, "N", "default: all physical cores"},
        {"max-length", 0, CSO_ARG_COUNT, &opts.max_length, "N",
         "cut older turns of longer pairs, as training does; default: no limit"},
        {"parse-special", 0, CSO_ARG_FLAG, &opts.parse_special, NULL, "special-token strings in contents become those tokens"},
        {"summary", 0, CSO_ARG_FLAG, &opts.summary, NULL, "one object with the means instead of a line for each record"},
        {"strategies", 0, CSO_ARG_STRING, &opts.strategies, "FILE",
         "a TOML file with the strategies that ESC-Pro records name; default: ESC-Pro's eight"},
        {"window", 0, CSO_ARG_COUNT, &opts.window, "N", "perplexity: tokens of a sequence; default 1024"},
        {"beta", 0, CSO_ARG_STRING, &opts.beta, "X", "of the rewards in the summary, as loss.beta; default 0.1"},
    };
    const cso_program program = {
        .name = "cso-eval",
        .summary = "Measures models and adapters.",
        .usage = "score|perplexity --model PATH [--adapter PATH] [OPTIONS] FILE|-",
        .details =
            "score: for each pair of FILE (JSON or JSON Lines) the sum and the single log-probabilities of the tokens of both "
            "replies, {\"chosen\": {\"logp\", \"token_logps\"}, \"rejected\": {...}}; for {\"text\"} and {\"ids\"} those of every "
            "token after the first, {\"logp\", \"token_logps\"}, for a prompt with a completion those of the completion, and for "
            "one with completions {\"completions\": [...]}. null stands for what is too long and not scored. ESC-Pro "
            "trees give a line for each pair. With --summary and --adapter also loss, rewards, their accuracy and margin against "
            "the base model.\n\n"
            "perplexity: how well decoding predicts a plain text, cut into windows of tokens that are sequences of their own: one "
            "object "
            "with perplexity, nll (its logarithm: the mean of the negative log-probabilities in nats), tokens and windows.\n\n"
            "metrics: how good predictions in a file are. dialogues: models and adapters on held-out dialogues. Both have options "
            "of "
            "their own: cso-eval metrics --help, cso-eval dialogues --help.\n\n"
            "Exit codes: 0 done; 2 wrong use; 3 bad input file; 4 the system failed; 5 a log-probability is no finite number; "
            "128+n stopped by signal n.",
        .args = args,
        .arg_count = sizeof args / sizeof *args,
        .commands = commands,
    };
    return cso_command_main(&program, argc, argv, run, &opts);
}

/* bench_main.c - cso-bench: kernels, whole training steps and decoding against the rate of the fastest library that multiplies. */
#include "bench.h"

#include "base/signals.h"
#include "programs/common/args.h"
#include "programs/common/word_option.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Options as they are written. */
typedef struct words {
    const char *threads, *seconds, *compute, *memory;
} words;

static cso_status parse_threads(const char *text, bench_options *options, cso_error *err) {
    const char *at = text;
    options->thread_counts = 0;
    for (;;) {
        char *end;
        long count = strtol(at, &end, 10);
        if (*at < '0' || *at > '9' || (*end && *end != ',') || count > BENCH_MAX_THREADS ||
            options->thread_counts == BENCH_THREAD_COUNTS)
            return cso_fail(err, CSO_ERR_USAGE,
                            "--threads: '%s' does not do (expected a number up to %d, or up to %d of them: 1,2)", text,
                            BENCH_MAX_THREADS, BENCH_THREAD_COUNTS);
        options->threads[options->thread_counts++] = count ? (int)count : cso_physical_cores();
        if (!*end)
            return CSO_OK;
        at = end + 1;
    }
}

static cso_status parse_number(const char *option, const char *text, double *number, cso_error *err) {
    char *end;
    *number = strtod(text, &end);
    if (end == text || *end || !(*number >= 0) || !isfinite(*number))
        return cso_fail(err, CSO_ERR_USAGE, "%s: expected a number from 0 on, found '%s'", option, text);
    return CSO_OK;
}

static cso_status parse_words(const words *w, bool decode, bench_options *options, cso_error *err) {
    CSO_TRY(parse_threads(w->threads, options, err));
    options->seconds = -1;
    if (w->seconds)
        CSO_TRY(parse_number("--seconds", w->seconds, &options->seconds, err));
    if (w->memory)
        CSO_TRY(parse_number("--memory", w->memory, &options->memory_gib, err));
    int compute;
    const char *name = w->compute ? w->compute : decode ? "fast" : "f32";
    CSO_TRY(parse_word("--compute", name, decode ? cso_decode_words : cso_compute_words, &compute, err));
    if (decode)
        options->decode_compute = (cso_decode_compute)compute;
    else
        options->compute = (cso_compute)compute;
    return CSO_OK;
}

static cso_status kernels(const bench_options *options, const cso_arg_list *rest, cso_error *err) {
    if (options->thread_counts > 1)
        return cso_fail(err, CSO_ERR_USAGE, "kernels: --threads takes one number");
    CSO_TRY(bench_context_open(options->threads[0], err));
    return bench_kernels(options, rest->items + 1, rest->count - 1, err);
}

/* What commands that open a model refuse. */
static cso_status check_model_options(const char *command, const bench_options *options, const cso_arg_list *rest, cso_error *err) {
    if (rest->count > 1)
        return cso_fail(err, CSO_ERR_USAGE, "%s: unexpected argument '%s' (expected options only)", command, rest->items[1]);
    if (options->model && (options->shape || options->type || options->layers))
        return cso_fail(err, CSO_ERR_USAGE, "%s: --shape, --dtype and --layers make a random model, --model gives another",
                        command);
    return CSO_OK;
}

static cso_status step(const bench_options *options, const cso_arg_list *rest, cso_error *err) {
    CSO_TRY(check_model_options("step", options, rest, err));
    return bench_step(options, err);
}

static cso_status decode(const bench_options *options, const cso_arg_list *rest, cso_error *err) {
    CSO_TRY(check_model_options("decode", options, rest, err));
    if (options->thread_counts > 1)
        return cso_fail(err, CSO_ERR_USAGE, "decode: --threads takes one number");
    CSO_TRY(bench_context_open(options->threads[0], err));
    return bench_decode(options, err);
}

/* The options, and the texts that parse_words makes of them. */
typedef struct arguments {
    bench_options options;
    words words;
} arguments;

static cso_status run(void *context, const cso_arg_list *rest, cso_error *err) {
    arguments *a = context;
    const bench_options *options = &a->options;
    bool decodes = !strcmp(rest->items[0], "decode");
    CSO_TRY(parse_words(&a->words, decodes, &a->options, err));
    return decodes                          ? decode(options, rest, err)
           : strcmp(rest->items[0], "step") ? kernels(options, rest, err)
                                            : step(options, rest, err);
}

static const char *const COMMANDS[] = {"kernels", "step", "decode", NULL};

int main(int argc, char **argv) {
    arguments a = {.words = {.threads = "0"}};
    bench_options *options = &a.options;
    words *w = &a.words;
    const cso_arg args[] = {
        {"json", 'j', CSO_ARG_FLAG, &options->json, NULL, "one JSON object"},
        {"threads", 't', CSO_ARG_STRING, &w->threads, "N", "default: all physical cores; step also takes a list, such as 1,2"},
        {"seconds", 's', CSO_ARG_STRING, &w->seconds, "S",
         "of each measurement; default 0.3 for kernels, 15 for a step, 10 for decode"},
        {"model", 'm', CSO_ARG_STRING, &options->model, "PATH",
         "step, decode: a .gguf or .safetensors file, or a folder in Hugging Face layout"},
        {"shape", 0, CSO_ARG_STRING, &options->shape, "NAME",
         "step, decode: random weights in the shape of smollm2 (default), 1b, 8b, 8b-8layers, qwen2-7b, gemma2-9b or tiny"},
        {"layers", 0, CSO_ARG_SIZE, &options->layers, "N", "step, decode: instead of the shape's"},
        {"dtype", 0, CSO_ARG_STRING, &options->type, "TYPE",
         "step, decode: of the random weights: BF16 (default), F32, Q8_0, Q4_0, Q4_K, ..."},
        {"tokens", 0, CSO_ARG_COUNT, &options->tokens, "N", "step: of the tree; default 1536. decode: of each leaf; 128"},
        {"adapter", 0, CSO_ARG_STRING, &options->adapter, "FOLDER", "decode: a PEFT adapter of the model"},
        {"prompt", 0, CSO_ARG_COUNT, &options->prompt, "N", "decode: tokens that each leaf begins with; default 512"},
        {"prefix", 0, CSO_ARG_COUNT, &options->prefix, "N",
         "decode: instead, tokens that all leaves share; with --prompt, too: before it, and not timed"},
        {"leaves", 0, CSO_ARG_COUNT, &options->leaves, "N", "decode: sequences at once; default 1"},
        {"rank", 0, CSO_ARG_SIZE, &options->rank, "N", "step: of the adapter, on all seven projections; default 16"},
        {"compute", 0, CSO_ARG_STRING, &w->compute, "TYPE", "step: f32 (default) or bf16; decode: fast (default) or exact"},
        {"memory", 0, CSO_ARG_STRING, &w->memory, "GIB",
         "step: for activations, as train.memory_gib; layers that do not fit are recomputed. decode: for keys and values"},
    };
    const cso_program program = {
        .name = "cso-bench",
        .summary = "Measures kernels, whole training steps and decoding against the rate of the fastest library, or of memory.",
        .usage = "kernels [gemm|bf16|thin|gemv|qgemm|dequantize|ops]... [OPTIONS], cso-bench step [OPTIONS], or cso-bench decode "
                 "[OPTIONS]",
        .details =
            "kernels: products with weights of stored types beside those of OpenBLAS and oneDNN on f32 matrices, each with its "
            "own threads (gemm; bf16: the same products in bf16), LoRA's products (thin), products with one row (gemv), "
            "products of quantized rows (qgemm, beside integer operations from registers, and reading memory), and single "
            "operations in all variants that this processor has. All of these, if none is named. The best of several rounds "
            "counts, and ratios are to the fastest library.\n\n"
            "step: forward, backward and optimizer on a tree like ESC-Pro's (a prompt, turns with four replies each), each step "
            "between two measurements of the libraries on the shapes of the step's products, weighted by their work: OpenBLAS's "
            "sgemm and oneDNN's matmul on f32 matrices, or oneDNN's matmul in bf16. Medians count, and the ratio is to the "
            "fastest library. GFLOP/s count products with weights and LoRA's factors, forward, backward and where they are made "
            "again, attention without masked scores, and the head on scored nodes. The peak of memory is that of a step, without "
            "the libraries' matrices.\n\n"
            "A step's phases are exclusive: what a product dequantizes is not in gemm; head, lora and attention include their own "
            "products; norms is all work row by row (RoPE, activations, biases too).\n\n"
            "decode: prompts, then steps of a token for every leaf, in rounds from nothing, of which medians count; between them a "
            "loop reads memory. Rates count all leaves together. decode_gb_per_second are the bytes of weights as they are stored, "
            "read once in each step; of_read is their part of what the loop reads. Phases as in a step.\n\n"
            "Exit codes: 0 done; 2 wrong use; 3 bad model; 4 the system failed; 5 a gradient that is no number; 128+n stopped by "
            "signal n.\n",
        .args = args,
        .arg_count = sizeof args / sizeof *args,
        .commands = COMMANDS,
    };
    int code = cso_program_main(&program, argc, argv, run, &a);
    bench_context_close();
    return code;
}

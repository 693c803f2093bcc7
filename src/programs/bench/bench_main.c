/* bench_main.c - cso-bench: kernels and whole training steps against the rate of the fastest library that multiplies. */
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

static cso_status parse_words(const words *w, bench_options *options, cso_error *err) {
    CSO_TRY(parse_threads(w->threads, options, err));
    options->seconds = -1;
    if (w->seconds)
        CSO_TRY(parse_number("--seconds", w->seconds, &options->seconds, err));
    if (w->memory)
        CSO_TRY(parse_number("--memory", w->memory, &options->memory_gib, err));
    int compute;
    CSO_TRY(parse_word("--compute", w->compute, cso_compute_words, &compute, err));
    options->compute = (cso_compute)compute;
    return CSO_OK;
}

static cso_status kernels(const bench_options *options, const cso_arg_list *rest, cso_error *err) {
    if (options->thread_counts > 1)
        return cso_fail(err, CSO_ERR_USAGE, "kernels: --threads takes one number");
    CSO_TRY(bench_context_open(options->threads[0], err));
    return bench_kernels(options, rest->items + 1, rest->count - 1, err);
}

static cso_status step(const bench_options *options, const cso_arg_list *rest, cso_error *err) {
    if (rest->count > 1)
        return cso_fail(err, CSO_ERR_USAGE, "step: unexpected argument '%s' (expected options only)", rest->items[1]);
    if (options->model && (options->shape || options->type || options->layers))
        return cso_fail(err, CSO_ERR_USAGE, "step: --shape, --dtype and --layers make a random model, --model gives another");
    return bench_step(options, err);
}

/* The options, and the texts that parse_words makes of them. */
typedef struct arguments {
    bench_options options;
    words words;
} arguments;

static cso_status run(void *context, const cso_arg_list *rest, cso_error *err) {
    arguments *a = context;
    const bench_options *options = &a->options;
    CSO_TRY(parse_words(&a->words, &a->options, err));
    return strcmp(rest->items[0], "step") ? kernels(options, rest, err) : step(options, rest, err);
}

static const char *const COMMANDS[] = {"kernels", "step", NULL};

int main(int argc, char **argv) {
    arguments a = {.words = {.threads = "0", .compute = "f32"}};
    bench_options *options = &a.options;
    words *w = &a.words;
    const cso_arg args[] = {
        {"json", 'j', CSO_ARG_FLAG, &options->json, NULL, "one JSON object"},
        {"threads", 't', CSO_ARG_STRING, &w->threads, "N", "default: all physical cores; step also takes a list, such as 1,2"},
        {"seconds", 's', CSO_ARG_STRING, &w->seconds, "S", "of each measurement; default 0.3 for kernels, 15 for a step"},
        {"model", 'm', CSO_ARG_STRING, &options->model, "PATH",
         "step: a .gguf or .safetensors file, or a folder in Hugging Face layout"},
        {"shape", 0, CSO_ARG_STRING, &options->shape, "NAME",
         "step: random weights in the shape of smollm2 (default), 1b, 8b, 8b-8layers, qwen2-7b, gemma2-9b or tiny"},
        {"layers", 0, CSO_ARG_SIZE, &options->layers, "N", "step: instead of the shape's"},
        {"dtype", 0, CSO_ARG_STRING, &options->type, "TYPE",
         "step: of the random weights: BF16 (default), F32, Q8_0, Q4_0, Q4_K, ..."},
        {"tokens", 0, CSO_ARG_COUNT, &options->tokens, "N", "step: of the tree; default 1536"},
        {"rank", 0, CSO_ARG_SIZE, &options->rank, "N", "step: of the adapter, on all seven projections; default 16"},
        {"compute", 0, CSO_ARG_STRING, &w->compute, "TYPE", "step: f32 (default) or bf16"},
        {"memory", 0, CSO_ARG_STRING, &w->memory, "GIB",
         "step: for activations, as train.memory_gib; layers that do not fit are recomputed"},
    };
    const cso_program program = {
        .name = "cso-bench",
        .summary = "Measures kernels and whole training steps against the rate of the fastest library that multiplies.",
        .usage = "kernels [gemm|bf16|thin|gemv|qgemm|dequantize|ops]... [OPTIONS], or cso-bench step [OPTIONS]",
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

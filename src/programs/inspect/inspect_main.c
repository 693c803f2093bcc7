/* inspect_main.c - cso-inspect: what is in a model, adapter, checkpoint, run folder, tokenizer or tensor file; and random
 * models. */
#include "base/signals.h"
#include "inspect.h"
#include "programs/common/args.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prints the whole report, also of a damaged file. */
static cso_status print_report(report *r, cso_error *err) {
    report_end(r);
    if (r->text.failed)
        return cso_fail_memory(err, "the report");
    errno = 0;
    if (fwrite(r->text.data, 1, r->text.size, stdout) != r->text.size || fflush(stdout))
        return cso_fail_errno(err, "write", "standard output");
    return CSO_OK;
}

static cso_status inspect(const inspect_options *options, const char *path, cso_error *err) {
    report r;
    cso_error ignored;
    bool complete = false;
    report_begin(&r, options->json);
    cso_status status = inspect_path(&r, options, path, &complete, err);
    if (status == CSO_OK)
        status = print_report(&r, err);
    else if (status == CSO_ERR_INPUT && complete)
        print_report(&r, &ignored); /* the file's own error is the one to report */
    free(r.text.data);
    return status;
}

typedef struct arguments {
    inspect_options show;
    make_options make;
    size_t threads;
} arguments;

static cso_status run(void *context, const cso_arg_list *rest, cso_error *err) {
    arguments *a = context;
    inspect_options *options = &a->show;
    make_options *make = &a->make;
    options->threads = make->threads = (int)a->threads;
    make->json = options->json;
    if (make->family) {
        if (rest->count)
            return cso_fail(err, CSO_ERR_USAGE, "--make-model takes no file, found '%s' (--out says where to)", rest->items[0]);
        return make_model(make, err);
    }
    if (make->out)
        return cso_fail(err, CSO_ERR_USAGE, "--out goes with --make-model");
    if (rest->count != 1)
        return cso_fail(err, CSO_ERR_USAGE, "%zu paths are given (expected one file or folder)", rest->count);
    return inspect(options, rest->items[0], err);
}

int main(int argc, char **argv) {
    arguments a = {.make = {.preset = "tiny", .seed = "0"}};
    inspect_options *options = &a.show;
    make_options *make = &a.make;
    const cso_arg args[] = {
        {"json", 'j', CSO_ARG_FLAG, &options->json, NULL, "one JSON object"},
        {"tensors", 0, CSO_ARG_FLAG, &options->tensors, NULL, "list every tensor: name, type, shape"},
        {"keys", 0, CSO_ARG_FLAG, &options->keys, NULL, "list the metadata: GGUF keys, or config.json"},
        {"verify", 0, CSO_ARG_FLAG, &options->verify, NULL,
         "read every tensor and count NaN and Inf; compare folders of cso-train with their checksums"},
        {"threads", 't', CSO_ARG_THREADS, &a.threads, "N", "default: all physical cores"},
        {"make-model", 0, CSO_ARG_STRING, &make->family, "FAMILY", "make a model of random weights: llama, qwen2 or gemma2"},
        {"out", 'o', CSO_ARG_STRING, &make->out, "PATH", "where to: a .gguf file, or the folder of a safetensors model"},
        {"preset", 0, CSO_ARG_STRING, &make->preset, "NAME", "tiny (default); llama: 135m, 1b, 8b; qwen2: 0.5b, 7b; gemma2: 9b"},
        {"type", 0, CSO_ARG_STRING, &make->type, "TYPE",
         "of the matrices: F32 (default of tiny), F16, BF16 (default of the others), and for GGUF Q8_0, Q4_0, Q4_K, ..."},
        {"seed", 0, CSO_ARG_STRING, &make->seed, "N", "of the random weights; default 0"},
        {"tokenizer", 0, CSO_ARG_STRING, &make->tokenizer, "PATH",
         "copy that of a folder (for a folder) or of a GGUF (for a GGUF); default: one token for each byte"},
        {"max-shard-size", 0, CSO_ARG_STRING, &make->shard, "SIZE", "most bytes of one safetensors file; default 5GB"},
        {"layers", 0, CSO_ARG_SIZE, &make->layers, "N", "instead of the preset's, as the following"},
        {"hidden", 0, CSO_ARG_SIZE, &make->hidden, "N", "width of the residual stream"},
        {"heads", 0, CSO_ARG_SIZE, &make->heads, "N", "attention heads"},
        {"kv-heads", 0, CSO_ARG_SIZE, &make->kv_heads, "N", "key-value heads"},
        {"head-dim", 0, CSO_ARG_SIZE, &make->head_dim, "N", "size of a head"},
        {"ffn", 0, CSO_ARG_SIZE, &make->ffn, "N", "width of the MLP"},
        {"vocab", 0, CSO_ARG_SIZE, &make->vocab, "N", "rows of the embedding; default: the tokenizer's or the preset's"},
        {"context", 0, CSO_ARG_SIZE, &make->context, "N", "positions"},
        {"quiet", 'q', CSO_ARG_FLAG, &make->quiet, NULL, "no progress"},
    };
    const cso_program program = {
        .name = "cso-inspect",
        .summary = "Shows what is in a model, adapter, checkpoint, run folder, tokenizer or tensor file; makes random models.",
        .usage = "[OPTIONS] PATH, or cso-inspect --make-model FAMILY --out PATH [OPTIONS]",
        .details = "A file with a fault is reported as far as it can be read, and the exit code is 3.\n"
                   "Random models of the same seed and shape are the same model in every format, up to the type's rounding (types "
                   "other than F32, F16, BF16, Q8_0 and Q4_0 hold random bits of the right size).\n\n"
                   "  cso-inspect models/SmolLM2-135M-Instruct.gguf --tensors\n"
                   "  cso-inspect --make-model llama --preset 8b --type Q4_0 --out llama-8b.gguf\n\n"
                   "Exit codes: 0 done; 2 wrong use; 3 bad input file; 4 the system failed; 128+n stopped by signal n.\n",
        .args = args,
        .arg_count = sizeof args / sizeof *args,
    };
    return cso_program_main(&program, argc, argv, run, &a);
}

/* inspect_make.c - cso-inspect --make-model: options to a model description, progress, and the result. */
#include "inspect.h"
#include "programs/common/dtype_option.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/signals.h"
#include "base/text.h"
#include "synth/random_model.h"
#include "text/tokenizer.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { QWEN_VOCAB_MULTIPLE = 128 };

typedef struct progress {
    cso_log log;
    double begin, shown;
} progress;

static bool show_progress(void *context, uint64_t done, uint64_t total) {
    progress *p = context;
    double time = cso_clock();
    if (time - p->shown > 0.2) {
        p->shown = time;
        cso_log_live(&p->log, "%.2f of %.2f GB written, %.0f MB/s", (double)done * 1e-9, (double)total * 1e-9,
                     (double)done * 1e-6 / (time - p->begin + 1e-9));
    }
    return !cso_signals_stop();
}

static cso_status parse_seed(const char *text, uint64_t *seed, cso_error *err) {
    char *end;
    errno = 0;
    *seed = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno == ERANGE)
        return cso_fail(err, CSO_ERR_USAGE, "--seed: expected a whole number, found '%s'", text);
    return CSO_OK;
}

/* "5GB", "500MB", "1e6": a number with an optional unit of powers of 1000, as Hugging Face's max_shard_size. */
static cso_status parse_bytes(const char *text, size_t *bytes, cso_error *err) {
    static const struct {
        const char *name;
        double bytes;
    } UNITS[] = {{"", 1}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}};
    char *end;
    double number = strtod(text, &end);
    for (size_t i = 0; i < 4 && end != text; i++)
        if (!strcasecmp(end, UNITS[i].name) && number * UNITS[i].bytes >= 1 && number * UNITS[i].bytes < 1e18) {
            *bytes = (size_t)(number * UNITS[i].bytes);
            return CSO_OK;
        }
    return cso_fail(err, CSO_ERR_USAGE, "--max-shard-size: expected a size like 5GB or 500MB, found '%s'", text);
}

static void replace(size_t *value, size_t given) {
    if (given)
        *value = given;
}

static void override_sizes(const make_options *options, cso_hparams *h) {
    replace(&h->n_layers, options->layers);
    replace(&h->hidden, options->hidden);
    replace(&h->ffn, options->ffn);
    replace(&h->n_heads, options->heads);
    replace(&h->n_kv_heads, options->kv_heads);
    if (options->heads && !options->kv_heads && h->n_heads % h->n_kv_heads)
        h->n_kv_heads = h->n_heads;
    if ((options->hidden || options->heads) && !options->head_dim && !(h->window && h->head_dim * h->n_heads != h->hidden))
        h->head_dim = h->hidden / h->n_heads / 2 * 2;
    replace(&h->head_dim, options->head_dim);
    replace(&h->vocab, options->vocab);
    replace(&h->max_positions, options->context);
}

/* A given tokenizer sets the vocabulary. */
static cso_status take_tokenizer(const make_options *options, cso_random_model *model, cso_error *err) {
    cso_tokenizer *tokenizer;
    CSO_TRY(cso_tokenizer_open(&tokenizer, options->tokenizer, err));
    size_t tokens = cso_tokenizer_vocab(tokenizer), rows = tokens;
    model->tokenizer = options->tokenizer;
    model->bos = cso_tokenizer_bos(tokenizer);
    model->eos = cso_tokenizer_eos(tokenizer);
    cso_tokenizer_free(tokenizer);
    if (!model->gguf && !strcmp(model->family, "qwen2")) /* a GGUF's tokens are padded already */
        rows = (rows + QWEN_VOCAB_MULTIPLE - 1) / QWEN_VOCAB_MULTIPLE * QWEN_VOCAB_MULTIPLE;
    if (options->vocab && options->vocab < tokens)
        return cso_fail(err, CSO_ERR_USAGE, "--vocab %zu is too small (the tokenizer has %zu tokens)", options->vocab, tokens);
    model->hparams.vocab = options->vocab ? options->vocab : rows;
    return CSO_OK;
}

static cso_status describe(const make_options *options, cso_random_model *model, cso_error *err) {
    CSO_TRY(cso_random_model_preset(model, options->family, options->preset, err));
    model->gguf = cso_ends_with(options->out, ".gguf");
    model->dtype = strcmp(options->preset, "tiny") ? CSO_BF16 : CSO_F32;
    if (options->type)
        CSO_TRY(parse_dtype("--type", options->type, &model->dtype, err));
    CSO_TRY(parse_seed(options->seed, &model->seed, err));
    if (options->shard)
        CSO_TRY(parse_bytes(options->shard, &model->shard_bytes, err));
    if (options->heads && options->heads > 1 << 16)
        return cso_fail(err, CSO_ERR_USAGE, "--heads %zu is too many", options->heads);
    override_sizes(options, &model->hparams);
    return options->tokenizer ? take_tokenizer(options, model, err) : CSO_OK;
}

cso_status make_model(const make_options *options, cso_error *err) {
    cso_random_model model = {.bos = -1, .eos = -1, .threads = options->threads};
    progress shown = {.begin = cso_clock()};
    uint64_t bytes, params;
    if (!options->out)
        return cso_fail(err, CSO_ERR_USAGE, "--out PATH is missing (a .gguf file, or the folder to make)");
    CSO_TRY(describe(options, &model, err));
    cso_log_init(&shown.log, options->quiet);
    model.progress = show_progress;
    model.context = &shown;
    CSO_TRY(cso_random_model_size(&model, &bytes, &params, err));
    cso_signals_hold();
    cso_status status = cso_random_model_write(&model, options->out, err);
    cso_signals_release();
    cso_log_end(&shown.log);
    CSO_TRY(status);
    double seconds = cso_clock() - shown.begin;
    if (options->json)
        printf("{\"parameters\": %llu, \"bytes\": %llu, \"seconds\": %.3f}\n", (unsigned long long)params,
               (unsigned long long)bytes, seconds);
    else
        cso_log_line(&shown.log, "%s: %s, %.4g million parameters, %s, %.4g MB in %.1f s", options->out, model.family,
                     (double)params * 1e-6, cso_dtype_get(model.dtype)->name, (double)bytes * 1e-6, seconds);
    return CSO_OK;
}

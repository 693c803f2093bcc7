/* bench_decode.c - cso-bench decode: prompts and steps of decoding, beside how fast memory can be read.
 *
 * A round begins with nothing kept. It feeds the prompts (of each leaf its own, or one prefix that all leaves are forked from), then
 * makes steps of one token for every leaf. With a prefix and prompts, the prefix is there before the clock starts. Tokens are random, so that leaves differ, and the next one is not chosen. Between rounds a
 * loop reads a block of memory. Medians count.
 */
#include "bench.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/profile.h"
#include "base/rng.h"
#include "bench_model.h"
#include "bench_peak.h"
#include "decode/decoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double DEFAULT_SECONDS = 10;
enum { LEAST_ROUNDS = 3, MAX_ROUNDS = 1000, DEFAULT_TOKENS = 128, DEFAULT_PROMPT = 512, READ_BYTES = 1 << 28 };

typedef struct decoding {
    const bench_options *options;
    cso_model *model;
    char *what;
    cso_adapter *adapter;
    cso_decoder *decoder;
    size_t leaves, prompt, prefix, tokens;
    int32_t *ids;           /* (leaves, prefix, prompt, tokens): of the prefixes the first one counts */
    size_t ids_per_leaf;    /* prefix, prompt and tokens */
    cso_session **sessions; /* (leaves) */
    cso_feed *feeds;        /* (leaves) */
    void *block;            /* (READ_BYTES) */
    size_t peak;            /* bytes, without the block */
    size_t rounds;
    double prefill[MAX_ROUNDS], decode[MAX_ROUNDS], reading[MAX_ROUNDS]; /* seconds */
    cso_profile prefill_profile, decode_profile;
} decoding;

static void close_decoding(decoding *d) {
    for (size_t i = 0; d->sessions && i < d->leaves; i++)
        cso_session_drop(d->sessions[i]);
    cso_decoder_free(d->decoder);
    cso_adapter_free(d->adapter);
    cso_model_free(d->model);
    free(d->what);
    free(d->ids);
    free(d->sessions);
    free(d->feeds);
    free(d->block);
}

static cso_status open_decoding(decoding *d, cso_error *err) {
    const bench_options *o = d->options;
    d->tokens = o->tokens ? o->tokens : DEFAULT_TOKENS;
    d->leaves = o->leaves ? o->leaves : 1;
    d->prefix = o->prefix;
    d->prompt = o->prompt || d->prefix ? o->prompt : DEFAULT_PROMPT;
    d->ids_per_leaf = d->prefix + d->prompt + d->tokens;
    CSO_TRY(bench_model_open(&d->model, &d->what, o, err));
    if (o->adapter)
        CSO_TRY(cso_adapter_read(&d->adapter, d->model, o->adapter, err));
    const cso_decoder_options decoder = {.compute = o->decode_compute, .memory = (size_t)(o->memory_gib * 1024 * 1024 * 1024)};
    CSO_TRY(cso_decoder_create(&d->decoder, bench_context(), d->model, &decoder, err));
    size_t count;
    d->sessions = cso_calloc(d->leaves, sizeof *d->sessions);
    d->feeds = cso_calloc(d->leaves, sizeof *d->feeds);
    d->ids = cso_size_mul(d->leaves, d->ids_per_leaf, &count) ? cso_calloc(count, sizeof *d->ids) : NULL;
    if (!d->sessions || !d->feeds || !d->ids)
        return cso_fail_memory(err, "tokens");
    cso_rng rng = cso_rng_make(1, CSO_STREAM_SAMPLE, 0);
    for (size_t i = 0; i < count; i++)
        d->ids[i] = (int32_t)cso_rng_below(&rng, d->model->hparams.vocab);
    return CSO_OK;
}

/* Every leaf has the prefix afterwards, if there is one. */
static cso_status feed_prefix(decoding *d, cso_error *err) {
    cso_session *root;
    CSO_TRY(cso_session_open(&root, d->decoder, d->adapter, err));
    cso_feed feed = {.session = root, .ids = d->ids, .count = d->prefix, .n_logits = d->prefix ? 1 : 0};
    cso_status status = d->prefix ? cso_decode_step(d->decoder, &feed, 1, err) : CSO_OK;
    for (size_t i = 0; status == CSO_OK && i < d->leaves; i++)
        status = cso_session_fork(&d->sessions[i], root, d->prefix, err);
    cso_session_drop(root);
    return status;
}

/* Every leaf has its prompt afterwards, and the logits after it. */
static cso_status feed_prompts(decoding *d, cso_error *err) {
    for (size_t i = 0; i < d->leaves; i++)
        d->feeds[i] = (cso_feed){
            .session = d->sessions[i], .ids = d->ids + i * d->ids_per_leaf + d->prefix, .count = d->prompt, .n_logits = 1};
    return cso_decode_step(d->decoder, d->feeds, d->leaves, err);
}

static cso_status decode_tokens(decoding *d, cso_error *err) {
    size_t first = d->ids_per_leaf - d->tokens;
    for (size_t t = 0; t < d->tokens; t++) {
        for (size_t i = 0; i < d->leaves; i++)
            d->feeds[i] =
                (cso_feed){.session = d->sessions[i], .ids = d->ids + i * d->ids_per_leaf + first + t, .count = 1, .n_logits = 1};
        CSO_TRY(cso_decode_step(d->decoder, d->feeds, d->leaves, err));
    }
    return CSO_OK;
}

static cso_status timed(decoding *d, cso_status (*run)(decoding *d, cso_error *err), cso_profile *profile, double *seconds,
                        cso_error *err) {
    double began = cso_clock();
    cso_profile_start(profile);
    cso_status status = run(d, err);
    cso_profile_stop();
    *seconds = cso_clock() - began;
    for (size_t i = 0; status == CSO_OK && i < d->leaves && d->feeds[i].logits; i++)
        if (!isfinite(d->feeds[i].logits[0]))
            return cso_fail(err, CSO_ERR_NUMERIC, "%s: a logit is %f", d->what, (double)d->feeds[i].logits[0]);
    return status;
}

static cso_status make_round(decoding *d, double *prefill, double *decode, cso_error *err) {
    if (d->prompt)
        CSO_TRY(feed_prefix(d, err));
    CSO_TRY(timed(d, d->prompt ? feed_prompts : feed_prefix, &d->prefill_profile, prefill, err));
    CSO_TRY(timed(d, decode_tokens, &d->decode_profile, decode, err));
    for (size_t i = 0; i < d->leaves; i++) {
        cso_session_drop(d->sessions[i]);
        d->sessions[i] = NULL;
    }
    cso_decoder_forget(d->decoder, d->adapter);
    return CSO_OK;
}

/* Bytes of weights that a step reads. */
static size_t weight_bytes(const cso_model *model) {
    size_t bytes = model->head.size;
    for (size_t layer = 0; layer < model->hparams.n_layers; layer++)
        for (size_t m = 0; m < CSO_MODULE_COUNT; m++)
            bytes += model->layers[layer].linear[m].size;
    return bytes;
}

static void report_decoding(report *r, const decoding *d) {
    report_text(r, "model", d->what);
    report_text(r, "family", cso_model_family_name(d->model));
    report_size(r, "parameters", d->model->n_params);
    report_text(r, "compute", cso_decode_words[d->options->decode_compute]);
    if (d->adapter)
        report_size(r, "rank", d->adapter->options.rank);
    report_size(r, "leaves", d->leaves);
    if (d->prefix)
        report_size(r, "prefix", d->prefix);
    if (d->prompt)
        report_size(r, "prompt", d->prompt);
    report_size(r, "tokens", d->tokens);
}

static void report_phases(report *r, const decoding *d) {
    static const bench_column COLUMNS[] = {{"phase", -12, 0}, {"prefill", 9, 4}, {"share", 7, 3},
                                           {"gflops", 8, 1},  {"decode", 9, 4},  {"decode_share", 12, 3}};
    const cso_profile *profiles[] = {&d->prefill_profile, &d->decode_profile};
    bench_table table;
    bench_table_begin(&table, r, "phases", "seconds of a round by phase", COLUMNS, sizeof COLUMNS / sizeof *COLUMNS);
    for (cso_phase phase = 0; phase < CSO_PHASE_COUNT; phase++) {
        if (phase == CSO_PHASE_OPTIMIZER)
            continue;
        bench_table_text(&table, cso_phase_name(phase));
        for (int p = 0; p < 2; p++) {
            double seconds = profiles[p]->seconds[phase], flops = profiles[p]->flops[phase];
            bench_table_number(&table, seconds / (double)profiles[p]->spans);
            bench_table_number(&table, seconds / cso_profile_total(profiles[p]));
            if (p == 0)
                bench_table_number(&table, flops > 0 ? flops / seconds / 1e9 : NAN);
        }
    }
    bench_table_end(&table);
}

static void report_rates(report *r, decoding *d) {
    double prefill = bench_median(d->prefill, d->rounds), decode = bench_median(d->decode, d->rounds);
    double reading = bench_median(d->reading, d->rounds), step = decode / (double)d->tokens;
    double weights = (double)weight_bytes(d->model) / step, memory = (double)READ_BYTES / reading;
    report_size(r, "rounds", d->rounds);
    bench_report_measured(r, "prefill_seconds", prefill);
    bench_report_measured(r, "prefill_tokens_per_second", (double)(d->prompt ? d->leaves * d->prompt : d->prefix) / prefill);
    bench_report_measured(r, "decode_seconds", decode);
    bench_report_measured(r, "decode_tokens_per_second", (double)d->leaves / step);
    bench_report_measured(r, "decode_gb_per_second", weights / 1e9);
    bench_report_measured(r, "read_gb_per_second", memory / 1e9);
    bench_report_measured(r, "of_read", weights / memory);
    report_size(r, "peak_memory_bytes", d->peak);
    report_phases(r, d);
}

static cso_status run(decoding *d, report *r, cso_error *err) {
    double seconds = d->options->seconds < 0 ? DEFAULT_SECONDS : d->options->seconds;
    CSO_TRY(open_decoding(d, err));
    report_decoding(r, d);
    CSO_TRY(bench_flush(r, err));
    CSO_TRY(make_round(d, d->prefill, d->decode, err)); /* not counted: it reads the model, and memory grows */
    d->prefill_profile = d->decode_profile = (cso_profile){0};
    d->peak = cso_memory_peak();
    if (!(d->block = cso_huge_alloc(READ_BYTES)))
        return cso_fail_memory(err, "a block to read");
    memset(d->block, 1, READ_BYTES);
    for (bench_rounds rounds = bench_rounds_begin(seconds, LEAST_ROUNDS); d->rounds < MAX_ROUNDS && bench_rounds_next(&rounds);) {
        CSO_TRY(make_round(d, &d->prefill[d->rounds], &d->decode[d->rounds], err));
        d->reading[d->rounds++] = bench_peak_read(d->block, READ_BYTES);
    }
    report_rates(r, d);
    return CSO_OK;
}

cso_status bench_decode(const bench_options *options, cso_error *err) {
    report r;
    decoding *d = cso_calloc(1, sizeof *d);
    if (!d)
        return cso_fail_memory(err, "a measurement");
    d->options = options;
    report_begin(&r, options->json);
    bench_report_machine(&r);
    cso_status status = run(d, &r, err);
    report_end(&r);
    if (status == CSO_OK)
        status = bench_flush(&r, err);
    close_decoding(d);
    free(d);
    free(r.text.data);
    return status;
}

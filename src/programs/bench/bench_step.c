/* bench_step.c - cso-bench step: whole training steps beside the libraries' own rates on the same shapes.
 *
 * A machine's clock varies from minute to minute, so a step is put between two measurements of each library, and what counts is
 * the ratio to the fastest one, in the median of several rounds.
 */
#include "bench.h"

#include "api/open_model.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/profile.h"
#include "bench_model.h"
#include "engine/engine.h"
#include "engine/engine_work.h"
#include "train/optim.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double DEFAULT_SECONDS = 15;
enum { LEAST_ROUNDS = 3, MAX_ROUNDS = 1000, DEFAULT_TOKENS = 1536, DEFAULT_RANK = 16 };

/* All that a step needs. */
typedef struct stage {
    cso_model *model;
    char *what;
    size_t memory;
    cso_tree tree;
    cso_engine *engine;
    cso_adapter *adapter;
    cso_adamw adamw;
    float *grads;
    double *edges, *weights; /* (n_edges) log-probabilities, dL/dlogp */
    size_t peak;             /* bytes, of a step alone */
    double flops;            /* of a step */
    bench_product products[BENCH_MAX_PRODUCTS];
    bench_yardstick *yardstick;
} stage;

/* What was measured with one number of threads. */
typedef struct series {
    int threads;
    size_t rounds;
    double forward[MAX_ROUNDS], step[MAX_ROUNDS];
    double library[BENCH_LIBRARY_COUNT][MAX_ROUNDS]; /* rates; NaN: not there */
    cso_profile profile;
} series;

static void stage_close(stage *s) {
    bench_yardstick_free(s->yardstick);
    free(s->weights);
    free(s->edges);
    free(s->grads);
    cso_adamw_free(&s->adamw);
    cso_adapter_free(s->adapter);
    cso_engine_free(s->engine);
    cso_tree_free(&s->tree);
    cso_model_free(s->model);
    free(s->what);
}

/* Forward, backward, and the optimizer's update, as training makes them. */
static cso_status make_step(stage *s, double *forward, double *whole, cso_error *err) {
    double began = cso_clock();
    memset(s->grads, 0, s->adamw.n * sizeof *s->grads);
    CSO_TRY(cso_engine_forward(s->engine, &s->tree, s->adapter, true, s->edges, err));
    *forward = cso_clock() - began;
    CSO_TRY(cso_engine_backward(s->engine, &s->tree, s->adapter, s->weights, s->grads, err));
    double norm = cso_grad_norm(s->grads, s->adamw.n);
    cso_adamw_step(&s->adamw, bench_context(), s->grads, fmin(1, 1 / (norm + 1e-6)), 1e-5);
    *whole = cso_clock() - began;
    if (!isfinite(norm))
        return cso_fail(err, CSO_ERR_NUMERIC, "the gradient's norm is %f", norm);
    return CSO_OK;
}

static cso_status make_adapter(stage *s, const bench_options *options, cso_error *err) {
    size_t rank = options->rank ? options->rank : DEFAULT_RANK;
    cso_lora_options lora = {.rank = rank, .alpha = 2 * (double)rank};
    for (int m = 0; m < CSO_MODULE_COUNT; m++)
        lora.targets[m] = true;
    CSO_TRY(cso_adapter_create(&s->adapter, s->model, &lora, 42, err));
    cso_trainables trained = cso_adapter_trainables(s->adapter);
    CSO_TRY(cso_adamw_create(&s->adamw, &trained, 0.9, 0.999, 1e-8, 0, err));
    s->grads = cso_calloc(s->adapter->n_params, sizeof *s->grads);
    s->edges = cso_calloc(s->tree.n_edges, sizeof *s->edges);
    s->weights = cso_calloc(s->tree.n_edges, sizeof *s->weights);
    if (!s->grads || !s->edges || !s->weights)
        return cso_fail_memory(err, "a step");
    for (size_t e = 0; e < s->tree.n_edges; e++)
        s->weights[e] = (e % 2 ? 0.05 : -0.05) / (double)s->tree.n_sequences;
    return CSO_OK;
}

/* Opens everything and makes one step that is not counted: it touches every page of the model, and shows the memory a step
 * takes before the library's f32 matrices add theirs. */
static cso_status stage_open(stage *s, const bench_options *options, cso_error *err) {
    double forward, whole;
    CSO_TRY(bench_model_open(&s->model, &s->what, options, err));
    cso_status status = bench_tree(&s->tree, options->tokens ? options->tokens : DEFAULT_TOKENS, s->model->hparams.vocab, err);
    if (status == CSO_ERR_INPUT)
        return cso_error_prefix(err, status, "%s", s->what);
    CSO_TRY(status);
    const opened_model opened = {.model = s->model};
    s->memory = memory_budget(&opened, options->memory_gib);
    CSO_TRY(cso_engine_create(&s->engine, bench_context(), s->model, options->compute, s->memory, err));
    if (cso_engine_max_tokens(s->engine) < s->tree.n_tokens)
        return cso_fail(err, CSO_ERR_USAGE, "--tokens %zu do not fit in %.2f GiB, which hold %zu", s->tree.n_tokens,
                        (double)s->memory / (1 << 30), cso_engine_max_tokens(s->engine));
    CSO_TRY(make_adapter(s, options, err));
    CSO_TRY(make_step(s, &forward, &whole, err));
    s->peak = cso_memory_peak();
    size_t kept = cso_engine_kept_layers(s->engine);
    cso_pass_work work = cso_engine_work(s->model, &s->tree, s->adapter, kept, true);
    s->flops = cso_work_flops(&work.forward) + cso_work_flops(&work.backward) + cso_work_flops(&work.again);
    return bench_yardstick_create(&s->yardstick, options->compute, s->products,
                                  bench_step_products(s->model, &s->tree, kept, s->products), err);
}

static cso_status measure(stage *s, series *m, cso_error *err) {
    double before[BENCH_LIBRARY_COUNT], after[BENCH_LIBRARY_COUNT];
    size_t i = m->rounds;
    bench_set_threads(m->threads);
    CSO_TRY(bench_yardstick_rates(s->yardstick, before, err));
    cso_profile_start(&m->profile);
    cso_status status = make_step(s, &m->forward[i], &m->step[i], err);
    cso_profile_stop();
    CSO_TRY(status);
    CSO_TRY(bench_yardstick_rates(s->yardstick, after, err));
    for (int l = 0; l < BENCH_LIBRARY_COUNT; l++)
        m->library[l][i] = (before[l] + after[l]) / 2;
    m->rounds++;
    return CSO_OK;
}

/* --- the report --- */

/* Rounds stay in their order: those of different numbers of threads belong together. */
static double median(const double *values, size_t count) {
    double copy[MAX_ROUNDS];
    memcpy(copy, values, count * sizeof *values);
    return bench_median(copy, count);
}

static void report_stage(report *r, const stage *s, const bench_options *options) {
    const cso_hparams *h = &s->model->hparams;
    report_text(r, "model", s->what);
    report_text(r, "family", cso_model_family_name(s->model));
    report_size(r, "parameters", s->model->n_params);
    report_size(r, "layers", h->n_layers);
    report_size(r, "layers_kept", cso_engine_kept_layers(s->engine));
    report_text(r, "compute", cso_compute_words[options->compute]);
    report_size(r, "rank", s->adapter->options.rank);
    report_size(r, "tokens", s->tree.n_tokens);
    report_size(r, "tokens_unshared", s->tree.n_unshared_tokens);
    report_size(r, "scored_nodes", s->tree.n_nodes);
    bench_report_measured(r, "gflop_per_step", s->flops / 1e9);
}

/* The library that was the fastest, by its median; what the others did in the same run does not count. */
static bench_library fastest(const series *m) {
    bench_library best = BENCH_OPENBLAS;
    double most = 0;
    for (int l = 0; l < BENCH_LIBRARY_COUNT; l++)
        if (!isnan(m->library[l][0]) && median(m->library[l], m->rounds) > most) {
            most = median(m->library[l], m->rounds);
            best = (bench_library)l;
        }
    return best;
}

/* Step against library, round by round. */
static double ratio(const series *m, bench_library library, double flops) {
    double ratios[MAX_ROUNDS];
    for (size_t i = 0; i < m->rounds; i++)
        ratios[i] = flops / m->step[i] / m->library[library][i];
    return bench_median(ratios, m->rounds);
}

static void report_series(report *r, const series *m, double flops) {
    static const char *const NAMES[BENCH_LIBRARY_COUNT] = {"openblas_gflops", "onednn_gflops"};
    double step = median(m->step, m->rounds);
    bench_library best = fastest(m);
    report_size(r, "rounds", m->rounds);
    bench_report_measured(r, "forward_seconds", median(m->forward, m->rounds));
    bench_report_measured(r, "step_seconds", step);
    bench_report_measured(r, "gflops", flops / step / 1e9);
    for (int l = 0; l < BENCH_LIBRARY_COUNT; l++)
        if (!isnan(m->library[l][0]))
            bench_report_measured(r, NAMES[l], median(m->library[l], m->rounds) / 1e9);
    report_text(r, "library", bench_library_name(best));
    bench_report_measured(r, "library_gflops", median(m->library[best], m->rounds) / 1e9);
    bench_report_measured(r, "ratio", ratio(m, best, flops));
}

static void report_phases(report *r, const cso_profile *profile) {
    static const bench_column COLUMNS[] = {{"phase", -12, 0}, {"seconds", 9, 4}, {"share", 7, 3}, {"gflops", 8, 1}};
    bench_table table;
    double total = cso_profile_total(profile);
    bench_table_begin(&table, r, "phases", "the mean step by phase", COLUMNS, sizeof COLUMNS / sizeof *COLUMNS);
    for (cso_phase phase = 0; phase < CSO_PHASE_COUNT; phase++) {
        double seconds = profile->seconds[phase], flops = profile->flops[phase];
        bench_table_text(&table, cso_phase_name(phase));
        bench_table_number(&table, seconds / (double)profile->spans);
        bench_table_number(&table, seconds / total);
        bench_table_number(&table, flops > 0 ? flops / seconds / 1e9 : NAN);
    }
    bench_table_end(&table);
}

/* Each number of threads against the first, round by round. */
static void report_scaling(report *r, const series *all, size_t count, double flops) {
    static const bench_column COLUMNS[] = {{"threads", 7, 0}, {"step_seconds", 12, 4},   {"speedup", 8, 2},
                                           {"gflops", 8, 1},  {"library_gflops", 15, 1}, {"ratio", 6, 3}};
    bench_table table;
    bench_table_begin(&table, r, "scaling", "numbers of threads, taking turns", COLUMNS, sizeof COLUMNS / sizeof *COLUMNS);
    for (size_t i = 0; i < count; i++) {
        double step = median(all[i].step, all[i].rounds), speedup[MAX_ROUNDS];
        for (size_t k = 0; k < all[i].rounds; k++)
            speedup[k] = all[0].step[k] / all[i].step[k];
        bench_table_number(&table, all[i].threads);
        bench_table_number(&table, step);
        bench_table_number(&table, bench_median(speedup, all[i].rounds));
        bench_table_number(&table, flops / step / 1e9);
        bench_table_number(&table, median(all[i].library[fastest(&all[i])], all[i].rounds) / 1e9);
        bench_table_number(&table, ratio(&all[i], fastest(&all[i]), flops));
    }
    bench_table_end(&table);
}

static cso_status run(stage *s, series *all, report *r, const bench_options *options, cso_error *err) {
    double seconds = options->seconds < 0 ? DEFAULT_SECONDS : options->seconds;
    size_t count = options->thread_counts;
    CSO_TRY(stage_open(s, options, err));
    report_stage(r, s, options);
    CSO_TRY(bench_flush(r, err));
    for (bench_rounds rounds = bench_rounds_begin(seconds * (double)count, LEAST_ROUNDS);
         rounds.done < MAX_ROUNDS && bench_rounds_next(&rounds);)
        for (size_t i = 0; i < count; i++)
            CSO_TRY(measure(s, &all[i], err));
    report_series(r, &all[count - 1], s->flops);
    report_size(r, "peak_memory_bytes", s->peak);
    report_phases(r, &all[count - 1].profile);
    if (count > 1)
        report_scaling(r, all, count, s->flops);
    return CSO_OK;
}

cso_status bench_step(const bench_options *options, cso_error *err) {
    stage s = {0};
    report r;
    CSO_TRY(bench_context_open(options->threads[options->thread_counts - 1], err));
    series *all = cso_calloc(options->thread_counts, sizeof *all);
    if (!all)
        return cso_fail_memory(err, "a measurement");
    for (size_t i = 0; i < options->thread_counts; i++)
        all[i].threads = options->threads[i];
    report_begin(&r, options->json);
    bench_report_machine(&r);
    cso_status status = run(&s, all, &r, options, err);
    report_end(&r);
    if (status == CSO_OK)
        status = bench_flush(&r, err);
    stage_close(&s);
    free(all);
    free(r.text.data);
    return status;
}

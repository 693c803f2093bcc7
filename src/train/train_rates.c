/* train_rates.c - see train_rates.h. */
#include "train_rates.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/profile.h"
#include "engine/engine.h"
#include "optim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_LAYERS = 4,
    SAMPLE_VOCAB = 4096,    /* rows of the head: one tile of the engine's */
    SAMPLE_PARAMS = 1 << 22 /* of the optimizer's update */
};
/* Work of the sample's two passes: about a second on a processor of today, whose threads up to this number share it. */
static const double FLOPS_OF_THREAD = 60e9;
enum { MOST_THREADS = 16 };
/* Tokens that a product needs to be about as fast as a larger one; and MLP columns likewise, in steps that every stored type
 * allows. */
enum { ENOUGH_TOKENS = 768, LEAST_FFN = 1024, FFN_STEP = 256 };

/* A pass is repeated for so long, at least twice, and the fastest counts; one that takes long is not. */
static const double REPEAT_SECONDS = 0.3, LONG_SECONDS = 1.2;

/* The model cut to what can be measured in the time; all but the arrays below are the model's own. */
typedef struct stage {
    cso_context *ctx;
    cso_model model;
    cso_layer layers[MOST_LAYERS];
    cso_tree tree;
    cso_arena arena;
    cso_engine *engine;
    cso_adapter *adapter;
    double *edges, *weights;
    float *grads;
} stage;

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static void cut_tensor(cso_tensor *t, size_t rows, size_t columns) {
    t->shape[0] = rows;
    t->shape[1] = columns;
}

/* Layers from the whole depth of the model, whose stored types may differ. */
static void cut_model(stage *s, const cso_model *model, size_t layers, size_t ffn) {
    s->model = *model;
    s->model.layers = s->layers;
    s->model.hparams.n_layers = layers;
    s->model.hparams.ffn = ffn;
    s->model.hparams.vocab = smaller(model->hparams.vocab, SAMPLE_VOCAB);
    cut_tensor(&s->model.head, s->model.hparams.vocab, model->hparams.hidden);
    for (size_t i = 0; i < layers; i++) {
        s->layers[i] = model->layers[(2 * i + 1) * model->hparams.n_layers / (2 * layers)];
        cut_tensor(&s->layers[i].linear[CSO_GATE_PROJ], ffn, model->hparams.hidden);
        cut_tensor(&s->layers[i].linear[CSO_UP_PROJ], ffn, model->hparams.hidden);
        cut_tensor(&s->layers[i].linear[CSO_DOWN_PROJ], model->hparams.hidden, ffn);
    }
}

/* A token's products with weights, forward and backward, with every token a node. */
static double token_flops(const stage *s) {
    double weights = 0;
    for (cso_module m = 0; m < CSO_MODULE_COUNT; m++)
        weights += (double)cso_module_in(&s->model, m) * (double)cso_module_out(&s->model, m);
    return 4 * (weights * (double)s->model.hparams.n_layers + (double)(s->model.hparams.vocab * s->model.hparams.hidden));
}

/* Fewer layers until `tokens` tokens are no more than the budget, then a narrower MLP. The number of tokens that are within it. */
static size_t fit_model(stage *s, const cso_model *model, size_t tokens) {
    int threads = cso_pool_threads(s->ctx->pool) < MOST_THREADS ? cso_pool_threads(s->ctx->pool) : MOST_THREADS;
    const double budget = FLOPS_OF_THREAD * threads;
    size_t layers = smaller(model->hparams.n_layers, MOST_LAYERS), ffn = model->hparams.ffn;
    size_t enough = smaller(tokens, ENOUGH_TOKENS);
    cut_model(s, model, layers, ffn);
    while (layers > 1 && token_flops(s) * (double)tokens > budget)
        cut_model(s, model, --layers, ffn);
    while (ffn >= LEAST_FFN + FFN_STEP && ffn % FFN_STEP == 0 && token_flops(s) * (double)enough > budget)
        cut_model(s, model, layers, ffn -= FFN_STEP);
    double most = budget / token_flops(s);
    return most < (double)tokens ? (size_t)most : tokens;
}

/* Every token is scored, so that the last layer works on all of them. */
static cso_status build_tree(stage *s, const cso_sequence *sequences, size_t count, cso_error *err) {
    cso_sequence *all = cso_arena_alloc(&s->arena, count, sizeof *all);
    if (!all)
        return cso_fail_memory(err, "a measurement");
    for (size_t i = 0; i < count; i++) {
        all[i] = sequences[i];
        all[i].scored = NULL;
        all[i].score_start = 0;
        all[i].weights = NULL; /* which are of the tokens scored before */
    }
    return cso_tree_build_in(&s->tree, all, count, &s->arena, err);
}

/* As many of the sequences as are within `most` tokens; of the first alone, its beginning. Which tokens they are does not matter to
 * the time, as long as the vocabulary has them. */
static cso_status make_tree(stage *s, const cso_sequence *sequences, size_t count, size_t most, cso_error *err) {
    size_t tokens, unshared;
    CSO_TRY(cso_tree_measure(sequences, count, &tokens, &unshared, err));
    while (count > 1 && tokens > most) {
        count = (count + 1) / 2;
        CSO_TRY(cso_tree_measure(sequences, count, &tokens, &unshared, err));
    }
    cso_sequence one = sequences[0];
    one.length = smaller(one.length, most + 1);
    CSO_TRY(build_tree(s, count > 1 ? sequences : &one, count, err));
    for (size_t i = 0; i < s->tree.n_tokens; i++)
        s->tree.tokens[i] %= (int32_t)s->model.hparams.vocab;
    for (size_t e = 0; e < s->tree.n_edges; e++)
        s->tree.edge_target[e] %= (int32_t)s->model.hparams.vocab;
    return CSO_OK;
}

static cso_status stage_open(stage *s, const cso_train_sample *sample, cso_compute compute, cso_error *err) {
    size_t tokens, unshared;
    *s = (stage){.ctx = sample->ctx};
    CSO_TRY(cso_tree_measure(sample->sequences, sample->count, &tokens, &unshared, err));
    CSO_TRY(make_tree(s, sample->sequences, sample->count, fit_model(s, sample->model, tokens), err));
    CSO_TRY(cso_engine_create(&s->engine, s->ctx, &s->model, compute, SIZE_MAX / 2, err));
    CSO_TRY(cso_adapter_create(&s->adapter, &s->model, &sample->adapter->options, 1, err));
    s->adapter->options.dropout = sample->adapter->options.dropout;
    s->edges = cso_calloc(s->tree.n_edges, sizeof *s->edges);
    s->weights = cso_calloc(s->tree.n_edges, sizeof *s->weights);
    s->grads = cso_calloc(s->adapter->n_params, sizeof *s->grads);
    if (!s->edges || !s->weights || !s->grads)
        return cso_fail_memory(err, "a measurement");
    for (size_t e = 0; e < s->tree.n_edges; e++)
        s->weights[e] = e % 2 ? 1e-3 : -1e-3;
    return CSO_OK;
}

static void stage_close(stage *s) {
    cso_engine_free(s->engine);
    cso_adapter_free(s->adapter);
    cso_arena_free(&s->arena);
    free(s->edges);
    free(s->weights);
    free(s->grads);
}

/* Reads a byte of each page, so that no pass waits for the disk. */
static void touch(const cso_tensor *t, size_t rows) {
    enum { PAGE = 4096 };
    const volatile uint8_t *bytes = t->data;
    for (size_t i = 0; i < rows * t->row_bytes && i < t->size; i += PAGE)
        (void)bytes[i];
}

static void touch_task(void *context, size_t index, int thread) {
    const stage *s = context;
    (void)thread;
    const cso_tensor *linear = &s->layers[index / CSO_MODULE_COUNT].linear[index % CSO_MODULE_COUNT];
    touch(linear, cso_tensor_rows(linear));
}

/* Tasks, so that the pool ticks: a slow disk takes its time. */
static void touch_model(stage *s) {
    cso_parallel_for(s->ctx->pool, s->model.hparams.n_layers * CSO_MODULE_COUNT, touch_task, s);
    touch(&s->model.head, s->model.hparams.vocab);
}

static cso_status run_passes(stage *s, cso_profile *forward, cso_profile *backward, cso_error *err) {
    *forward = *backward = (cso_profile){0};
    cso_profile_start(forward);
    cso_status status = cso_engine_forward(s->engine, &s->tree, s->adapter, true, s->edges, err);
    cso_profile_stop();
    CSO_TRY(status);
    cso_profile_start(backward);
    status = cso_engine_backward(s->engine, &s->tree, s->adapter, s->weights, s->grads, err);
    cso_profile_stop();
    return status;
}

/* The fastest of some repetitions: other programs may use the machine. The first one warms up, unless it is long itself. */
static cso_status measure_passes(stage *s, cso_profile *forward, cso_profile *backward, cso_error *err) {
    double began = cso_clock(), least = INFINITY;
    size_t done = 0;
    do {
        cso_profile f, b;
        CSO_TRY(run_passes(s, &f, &b, err));
        double seconds = cso_profile_total(&f) + cso_profile_total(&b);
        if (seconds < least) {
            least = seconds;
            *forward = f;
            *backward = b;
        }
    } while (least < LONG_SECONDS && (++done < 2 || cso_clock() - began < REPEAT_SECONDS));
    return CSO_OK;
}

/* Seconds for one parameter of what a step does after the backward pass. */
static cso_status measure_optimizer(double *rate, cso_context *ctx, const cso_adapter *adapter, cso_error *err) {
    size_t n = smaller(adapter->n_params, SAMPLE_PARAMS);
    cso_adamw adamw = {0};
    float *params = cso_calloc(2 * n, sizeof *params), *grads = params + n;
    const cso_trainables trained = {.n_params = n, .params = params};
    cso_status status;
    if (!params)
        return cso_fail_memory(err, "a measurement");
    CSO_TRY_DONE(cso_adamw_create(&adamw, &trained, 0.9, 0.999, 1e-8, 0, err));
    *rate = INFINITY;
    for (int i = 0; i < 3; i++) {
        double began = cso_clock();
        double norm = cso_grad_norm(grads, n);
        size_t bad = cso_adamw_overflow(&adamw, ctx, grads, 1 + norm, 1e-5);
        cso_adamw_step(&adamw, ctx, grads, bad == n ? 1 : 0, 1e-5);
        *rate = fmin(*rate, (cso_clock() - began) / (double)n);
    }
done:
    cso_adamw_free(&adamw);
    free(params);
    return status;
}

static void divide(cso_work *rates, const cso_profile *profile, const cso_work *work) {
    for (int phase = 0; phase < CSO_PHASE_COUNT; phase++)
        rates->of[phase] = work->of[phase] > 0 ? profile->seconds[phase] / work->of[phase] : 0;
}

cso_status cso_train_rates_measure(cso_train_rates *rates, const cso_train_sample *sample, cso_compute compute, cso_error *err) {
    stage s;
    cso_profile forward, backward;
    cso_status status;
    *rates = (cso_train_rates){0};
    CSO_TRY_DONE(stage_open(&s, sample, compute, err));
    touch_model(&s);
    CSO_TRY_DONE(measure_passes(&s, &forward, &backward, err));
    cso_pass_work work = cso_engine_work(&s.model, &s.tree, s.adapter, s.model.hparams.n_layers, true);
    divide(&rates->forward, &forward, &work.forward);
    divide(&rates->backward, &backward, &work.backward);
    status = measure_optimizer(&rates->forward.of[CSO_PHASE_OPTIMIZER], sample->ctx, sample->adapter, err);
done:
    stage_close(&s);
    return status;
}

double cso_train_seconds(const cso_train_rates *rates, const cso_train_work *work) {
    double seconds = 0;
    for (int phase = 0; phase < CSO_PHASE_COUNT; phase++)
        seconds += rates->forward.of[phase] * work->forward.of[phase] + rates->backward.of[phase] * work->backward.of[phase];
    return seconds;
}

cso_compute cso_train_faster(double f32_seconds, double bf16_seconds) {
    if (!(bf16_seconds > 0))
        return CSO_COMPUTE_F32;
    return f32_seconds > 0 && bf16_seconds > 0.95 * f32_seconds ? CSO_COMPUTE_F32 : CSO_COMPUTE_BF16;
}

/* What the contract of losses promises of a step: losses that see the whole batch, tokens, mismatched completions; trees, packings,
 * threads and ranks make no difference. The losses here are made up for that.
 *
 * The program starts itself again under mpirun: with a word, it is one of the processes. */
#include "../comm/mpirun.h"
#include "train_fixture.h"

#include "base/parallel.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *self;

/* Pushes each pair's margin above the batch's mean margin m: L_i = (h_i - m - 1)^2 / 100, with h_i of log-ratios. */
static void spread_compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    size_t n = batch->n;
    double mean = 0, push = 0;
    (void)options;
    for (int pass = 0; pass < 3; pass++) /* the mean; the losses; the derivatives */
        for (size_t i = 0; i < n; i++) {
            const double *p = batch->policy + batch->first[i], *r = batch->reference + batch->first[i];
            double h = (p[0] - r[0]) - (p[1] - r[1]), x = (h - mean - 1) / 50;
            if (pass == 0) {
                mean += h / (double)n;
            } else if (pass == 1) {
                result->loss[i] = (h - mean - 1) * (h - mean - 1) / 100;
                push += x / (double)n;
            } else {
                result->d_policy[batch->first[i]] = x - push;
                result->d_policy[batch->first[i] + 1] = push - x;
            }
        }
}

/* Half the square of each chosen token's log-probability, a mean over the example's tokens; of the rejected nothing. */
static void squares_compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    (void)options;
    for (size_t i = 0; i < batch->n; i++) {
        size_t s = batch->first[i], from = batch->token_first[s], to = batch->token_first[s + 1];
        double sum = 0;
        for (size_t t = from; t < to; t++) {
            double x = batch->policy_tokens[t], n = (double)(to - from);
            sum += x;
            result->loss[i] += x * x / 2 / n;
            result->d_tokens[t] = x / n;
        }
        if (!(fabs(sum - batch->policy[s]) <= 1e-9 * fabs(sum))) /* the tokens are those of the sequence */
            result->loss[i] = NAN;
    }
}

/* KTO's shape: the log-ratio of the chosen reply against the batch's mean log-ratio of mismatched completions, without gradient.
 * kl: that mean as last computed; a finite fixed_kl is used in its place. */
static double last_kl, fixed_kl = NAN;
static void mismatched_compute(const cso_loss_options *options, const cso_loss_batch *batch, cso_loss_result *result) {
    double kl = 0;
    (void)options;
    for (size_t i = 0; i < batch->n; i++) {
        size_t last = batch->first[i + 1] - 1;
        kl += (batch->policy[last] - batch->reference[last]) / (double)batch->n;
    }
    last_kl = kl;
    kl = isfinite(fixed_kl) ? fixed_kl : kl;
    for (size_t i = 0; i < batch->n; i++) {
        size_t s = batch->first[i];
        double h = (batch->policy[s] - batch->reference[s] - kl) / 20, e = 1 / (1 + exp(h));
        result->loss[i] = e;
        result->d_policy[s] = -e * (1 - e) / 20;
    }
}

static cso_loss made_loss(const char *name) {
    cso_loss loss = *cso_loss_find("cso");
    loss.needs = CSO_LOSS_REFERENCE;
    if (!strcmp(name, "spread")) {
        loss.compute = spread_compute;
        loss.needs |= CSO_LOSS_WHOLE_BATCH;
    } else if (!strcmp(name, "squares") || !strcmp(name, "whole squares")) {
        loss.compute = squares_compute;
        loss.needs |= CSO_LOSS_TOKENS;
        loss.needs |= *name == 'w' ? CSO_LOSS_WHOLE_BATCH : 0;
    } else if (!strcmp(name, "mismatched")) {
        loss.compute = mismatched_compute;
        loss.needs |= CSO_LOSS_WHOLE_BATCH | CSO_LOSS_MISMATCHED;
    } else if (!strcmp(name, "whole cso")) {
        loss.needs |= CSO_LOSS_WHOLE_BATCH;
    } else {
        assert_string_equal(name, "cso");
    }
    return loss;
}

static const char *const loss_names[] = {"cso", "whole cso", "spread", "squares", "whole squares", "mismatched"};
enum { LOSSES = sizeof loss_names / sizeof *loss_names };

/* A step over all pairs of the fixture, in an order of its own. max_tokens 0: one tree. */
typedef struct outcome {
    cso_batch_result result;
    float *grads;
    size_t n;
} outcome;

static outcome run(train_fixture *f, const char *name, cso_packing packing, size_t max_tokens, cso_comm *comm) {
    cso_loss loss = made_loss(name);
    cso_reference_cache cache;
    cso_error err = {0}, warning;
    outcome o = {.n = f->adapter->n_params};
    size_t examples[16];
    for (size_t i = 0; i < 16; i++) {
        examples[i] = i * 5 % 16;
        f->data.examples[i].dialogue = i / 3;
    }
    golden_ok(cso_reference_cache_open(&cache, NULL, NULL, 0, &f->data, &warning, &err), &err);
    test_objective made;
    test_objective_make(&made, &loss, cso_loss_default_options(), &f->data);
    const cso_batch_job job = {.engine = f->engine,
                               .data = &f->data,
                               .packing = packing,
                               .objective = &made.objective,
                               .metrics = &made.table,
                               .cache = &cache,
                               .max_tokens = max_tokens,
                               .comm = comm};
    o.grads = calloc(o.n, sizeof *o.grads);
    cso_engine_set_step(f->engine, 1, 2);
    golden_ok(cso_batch_run(&job, f->adapter, examples, 16, o.grads, &o.result, &err), &err);
    for (size_t i = 0; i < 16; i++)
        assert_true(cso_reference_cache_has(&cache, i));
    cso_reference_cache_free(&cache);
    return o;
}

static double norm_of(const outcome *o) {
    double sum = 0;
    for (size_t i = 0; i < o->n; i++)
        sum += (double)o->grads[i] * (double)o->grads[i];
    return sqrt(sum);
}

/* The larger of the losses' and the gradients' relative differences; a is freed. */
static double apart(outcome a, const outcome *b) {
    double difference = 0, norm = norm_of(b);
    for (size_t i = 0; i < b->n; i++)
        difference += ((double)a.grads[i] - b->grads[i]) * ((double)a.grads[i] - b->grads[i]);
    free(a.grads);
    assert_true(norm > 0 && isfinite(norm));
    return fmax(sqrt(difference) / norm, fabs(a.result.metrics[0] / b->result.metrics[0] - 1));
}

static bool same_bits(outcome a, const outcome *b) {
    bool same = !memcmp(a.grads, b->grads, b->n * sizeof *b->grads) &&
                !memcmp(a.result.metrics, b->result.metrics, sizeof a.result.metrics);
    free(a.grads);
    return same;
}

static void trees_and_packings(void **state) {
    (void)state;
    for (size_t k = 0; k < LOSSES; k++)
        for (int dropout = 0; dropout < (strcmp(loss_names[k], "spread") ? 1 : 2); dropout++) {
            train_fixture f;
            train_fixture_open(&f, "r4", 0);
            f.adapter->options.dropout = dropout ? 0.2 : 0;
            outcome one = run(&f, loss_names[k], CSO_PACK_TREE, 0, NULL);
            outcome cut = run(&f, loss_names[k], CSO_PACK_TREE, 300, NULL);
            assert_int_equal(one.result.trees, 1);
            assert_true(cut.result.trees > 2);
            double trees = apart(cut, &one), pair = apart(run(&f, loss_names[k], CSO_PACK_PAIR, 0, NULL), &one);
            double none = apart(run(&f, loss_names[k], CSO_PACK_NONE, 0, NULL), &one);
            print_message("%s%s: %.1e cut into trees, %.1e packing pair, %.1e none\n", loss_names[k], dropout ? ", dropout" : "",
                          trees, pair, none);
            if (!(trees <= 1e-5 && pair <= 1e-5 && none <= 1e-5))
                fail_msg("%s: too far apart", loss_names[k]);
            free(one.grads);
            train_fixture_close(&f);
        }
}

/* A loss that does not need the whole batch gives the same bits when it asks for it, one tree or several. */
static void whole_batch_is_the_same_loss(void **state) {
    (void)state;
    train_fixture f;
    train_fixture_open(&f, "r4", 0);
    outcome plain = run(&f, "cso", CSO_PACK_TREE, 0, NULL), tokens = run(&f, "squares", CSO_PACK_TREE, 0, NULL);
    assert_true(same_bits(run(&f, "whole cso", CSO_PACK_TREE, 0, NULL), &plain));
    assert_true(same_bits(run(&f, "whole squares", CSO_PACK_TREE, 0, NULL), &tokens));
    /* One tree has one forward and one backward pass; of several all but the last have one forward pass more. */
    outcome cut = run(&f, "cso", CSO_PACK_TREE, 300, NULL), twice = run(&f, "whole cso", CSO_PACK_TREE, 300, NULL);
    outcome once = run(&f, "whole cso", CSO_PACK_TREE, 0, NULL);
    assert_true(once.result.flops == plain.result.flops);
    assert_true(twice.result.flops > 1.05 * cut.result.flops && twice.result.flops < 1.5 * cut.result.flops);
    assert_int_equal(twice.result.tokens, cut.result.tokens);
    free(plain.grads);
    free(tokens.grads);
    free(cut.grads);
    free(twice.grads);
    free(once.grads);
    train_fixture_close(&f);
}

static void threads(void **state) {
    (void)state;
    for (size_t k = 0; k < LOSSES; k++) {
        train_fixture f;
        train_fixture_open(&f, "r4", 0);
        cso_pool_set_threads(f.ctx->pool, 1);
        outcome one = run(&f, loss_names[k], CSO_PACK_TREE, 300, NULL);
        cso_pool_set_threads(f.ctx->pool, 2);
        assert_true(same_bits(run(&f, loss_names[k], CSO_PACK_TREE, 300, NULL), &one));
        free(one.grads);
        train_fixture_close(&f);
    }
}

/* The loss as the parameters move along the gradient g: its slope is |g|. */
static void slope_is_the_gradient(void **state) {
    (void)state;
    for (size_t k = 0; k < LOSSES; k++) {
        train_fixture f;
        train_fixture_open(&f, "r4", 0);
        outcome at = run(&f, loss_names[k], CSO_PACK_TREE, 300, NULL);
        double norm = norm_of(&at), step = 0.01 / norm, loss[2];
        fixed_kl = last_kl; /* it has no gradient */
        for (int side = 0; side < 2; side++) {
            for (size_t i = 0; i < at.n; i++)
                f.adapter->params[i] += (float)((side ? -2 : 1) * step * (double)at.grads[i]);
            outcome there = run(&f, loss_names[k], CSO_PACK_TREE, 300, NULL);
            loss[side] = there.result.metrics[0];
            free(there.grads);
        }
        fixed_kl = NAN;
        double slope = (loss[0] - loss[1]) / (2 * step * norm);
        print_message("%s: slope %.6g, gradient %.6g\n", loss_names[k], slope, norm);
        if (!(fabs(slope / norm - 1) <= 1e-3))
            fail_msg("%s: slope %.8g, gradient %.8g", loss_names[k], slope, norm);
        free(at.grads);
        train_fixture_close(&f);
    }
}

/* The mismatched completions against the same sequences given as pairs. */
static void mismatched_completions(void **state) {
    (void)state;
    train_fixture f;
    train_fixture_open(&f, "r4", 0);
    int32_t *ids[16];
    test_pair pairs[16];
    outcome o = run(&f, "mismatched", CSO_PACK_TREE, 300, NULL);
    double kl = last_kl, expected = 0;
    for (size_t i = 0; i < 16; i++) { /* the step's order is 0, 5, 10, ...: i * 5 % 16 */
        const cso_example_sequence *own = cso_dataset_sequences(&f.data, i * 5 % 16);
        const cso_example_sequence *before = cso_dataset_sequences(&f.data, (i + 15) % 16 * 5 % 16);
        size_t prompt = own->score_start, reply = before->length - before->score_start;
        ids[i] = malloc((prompt + reply) * sizeof *ids[i]);
        memcpy(ids[i], own->ids, prompt * sizeof *ids[i]);
        memcpy(ids[i] + prompt, before->ids + before->score_start, reply * sizeof *ids[i]);
        pairs[i] = (test_pair){{ids[i], own->ids}, {prompt + reply, own->length}, prompt};
    }
    cso_dataset data = test_dataset(pairs, 16), golden = f.data;
    f.data = data;
    outcome as_pairs = run(&f, "cso", CSO_PACK_TREE, 0, NULL);
    expected = pair_metric(as_pairs.result.metrics, "rewards/chosen") / cso_loss_default_options().beta;
    if (!(fabs(kl / expected - 1) <= 1e-4) || fabs(expected) < 1e-2)
        fail_msg("%.8g, expected %.8g", kl, expected);
    test_dataset_free(&data);
    f.data = golden;
    for (size_t i = 0; i < 16; i++)
        free(ids[i]);
    free(o.grads);
    free(as_pairs.grads);
    train_fixture_close(&f);
}

/* One of several ranks: the same as all alone. Exit code 99 if not. */
static int be_process(void) {
    cso_comm *comm;
    cso_error err = {0};
    bool first;
    if (cso_comm_open(&comm, &err) != CSO_OK || !comm)
        return 98;
    for (size_t k = 0; k < LOSSES; k++) {
        train_fixture f;
        train_fixture_open(&f, "r4", 0);
        cso_pool_set_threads(f.ctx->pool, 1);
        outcome alone = run(&f, loss_names[k], CSO_PACK_TREE, 300, NULL),
                together = run(&f, loss_names[k], CSO_PACK_TREE, 300, comm);
        bool trees = together.result.trees > (size_t)cso_comm_size(comm);
        double difference = apart(together, &alone);
        if (!(difference <= 3e-6) || !trees) { /* other trees: f32 rounds otherwise */
            fprintf(stderr, "%s: %g apart\n", loss_names[k], difference);
            cso_comm_abort(comm, 99);
        }
        free(alone.grads);
        train_fixture_close(&f);
    }
    cso_comm_meet(comm, CSO_OK, &first);
    cso_comm_close(comm);
    return 0;
}

static void ranks(void **state) {
    (void)state;
    if (!mpirun_there())
        skip();
    for (int n = 2; n <= 3; n++)
        mpirun_itself(n, self);
}

int main(int argc, char **argv) {
    self = argv[0];
    if (argc > 1)
        return be_process();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees_and_packings),    cmocka_unit_test(whole_batch_is_the_same_loss), cmocka_unit_test(threads),
        cmocka_unit_test(slope_is_the_gradient), cmocka_unit_test(mismatched_completions),       cmocka_unit_test(ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

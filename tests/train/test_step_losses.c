/* Every loss over token trees: packings, cuts, threads and ranks make no difference, the gradient is the loss's slope, and values are
 * TRL's where they depend on more than log-probabilities of replies.
 *
 * The program starts itself again under mpirun: with a word, it is one of the processes. */
#include "../comm/mpirun.h"
#include "loss_cases.h"
#include "train_fixture.h"

#include "base/parallel.h"
#include "train/example_weights.h"

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

enum { PAIRS = 6, TREE_TOKENS = 200 };

/* A step over all examples of the data. */
typedef struct step_run {
    const cso_objective *objective;
    const cso_dataset *data;
    cso_packing packing;
    size_t max_tokens; /* 0: one tree */
    cso_comm *comm;
} step_run;

typedef struct outcome {
    cso_batch_result result;
    float *grads;
    size_t n;
} outcome;

static outcome run(train_fixture *f, const step_run *r) {
    cso_reference_cache cache;
    cso_metric_table table;
    cso_error err = {0}, warning;
    outcome o = {.n = f->adapter->n_params};
    size_t examples[64], n = r->data->count;
    double *weights;
    for (size_t i = 0; i < n; i++)
        examples[i] = i * 5 % n; /* an order of its own; n and 5 have no common factor */
    golden_ok(cso_reference_cache_open(&cache, NULL, NULL, 0, r->data, &warning, &err), &err);
    golden_ok(cso_example_weights(r->objective, r->data, &weights, &err), &err);
    cso_metric_table_make(&table, r->objective, r->data, NULL);
    const cso_batch_job job = {.engine = f->engine,
                               .data = r->data,
                               .packing = r->packing,
                               .objective = r->objective,
                               .weights = weights,
                               .metrics = &table,
                               .cache = r->objective->needs & CSO_LOSS_REFERENCE ? &cache : NULL,
                               .max_tokens = r->max_tokens,
                               .comm = r->comm};
    o.grads = calloc(o.n, sizeof *o.grads);
    golden_ok(cso_batch_run(&job, f->adapter, examples, n, o.grads, &o.result, &err), &err);
    cso_reference_cache_free(&cache);
    free(weights);
    return o;
}

static double norm_of(const outcome *o) {
    double sum = 0;
    for (size_t i = 0; i < o->n; i++)
        sum += (double)o->grads[i] * (double)o->grads[i];
    return sqrt(sum);
}

static double loss_apart(const outcome *a, const outcome *b) {
    return fabs(a->result.metrics[0] - b->result.metrics[0]) / fmax(1, fabs(b->result.metrics[0]));
}

/* The larger of the losses' and the gradients' relative differences; a is freed. */
static double apart(outcome a, const outcome *b) {
    double difference = 0, norm = norm_of(b);
    for (size_t i = 0; i < b->n; i++)
        difference += ((double)a.grads[i] - b->grads[i]) * ((double)a.grads[i] - b->grads[i]);
    free(a.grads);
    assert_true(norm > 0 && isfinite(norm));
    return fmax(sqrt(difference) / norm, loss_apart(&a, b));
}

/* Calls visit for every case, with data of its kind. */
static void each_case(const char *adapter, void (*visit)(train_fixture *f, step_run r, const char *name)) {
    cso_objective objective;
    const char *name;
    for (size_t k = 0; loss_case(k, &objective, &name); k++) {
        train_fixture f;
        train_fixture_open(&f, adapter, 0);
        cso_dataset few = f.data; /* the first pairs are enough, and fast */
        few.count = PAIRS;
        for (size_t i = 0; i < few.count; i++)
            few.examples[i].dialogue = i / 2;
        cso_dataset data = loss_dataset(objective.takes, &few);
        visit(&f, (step_run){.objective = &objective, .data = &data}, name);
        loss_dataset_free(&data);
        train_fixture_close(&f);
    }
}

static void check_packings(train_fixture *f, step_run r, const char *name) {
    outcome one = run(f, &r);
    assert_int_equal(one.result.trees, 1);
    r.max_tokens = TREE_TOKENS;
    outcome cut = run(f, &r);
    assert_true(cut.result.trees > 2);
    double trees = apart(cut, &one), packings[2];
    r.max_tokens = 0;
    for (int k = 0; k < 2; k++) {
        r.packing = k ? CSO_PACK_NONE : CSO_PACK_PAIR;
        packings[k] = apart(run(f, &r), &one);
    }
    print_message("%s: loss %.6g; %.1e cut into trees, %.1e packing pair, %.1e none\n", name, one.result.metrics[0], trees,
                  packings[0], packings[1]);
    if (!(trees <= 1e-5 && packings[0] <= 1e-5 && packings[1] <= 1e-5))
        fail_msg("%s: too far apart", name);
    free(one.grads);
}

static void trees_and_packings(void **state) {
    (void)state;
    each_case("r4", check_packings);
}

static void check_threads(train_fixture *f, step_run r, const char *name) {
    r.max_tokens = TREE_TOKENS;
    cso_pool_set_threads(f->ctx->pool, 1);
    outcome one = run(f, &r);
    cso_pool_set_threads(f->ctx->pool, 2);
    outcome two = run(f, &r);
    if (memcmp(one.grads, two.grads, one.n * sizeof *one.grads) ||
        memcmp(one.result.metrics, two.result.metrics, sizeof one.result.metrics))
        fail_msg("%s: other bits with two threads", name);
    free(one.grads);
    free(two.grads);
}

static void threads(void **state) {
    (void)state;
    each_case("r4", check_threads);
}

/* The loss as the parameters move along the gradient g: its slope is |g|. What has no gradient (WPO's weights, KTO's reference point)
 * would move as well: it is tested by itself. The hinge has a kink. */
static void check_slope(train_fixture *f, step_run r, const char *name) {
    if (r.objective->needs & (CSO_LOSS_ALIGNMENT | CSO_LOSS_MISMATCHED) || r.objective->loss[0] == cso_loss_find("hinge"))
        return;
    outcome at = run(f, &r);
    double norm = norm_of(&at), step = 0.003 / norm, loss[2];
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < at.n; i++)
            f->adapter->params[i] += (float)((side ? -2 : 1) * step * (double)at.grads[i]);
        outcome there = run(f, &r);
        loss[side] = there.result.metrics[0];
        free(there.grads);
    }
    double slope = (loss[0] - loss[1]) / (2 * step * norm);
    print_message("%s: slope %.6g, gradient %.6g\n", name, slope, norm);
    if (!(fabs(slope / norm - 1) <= 5e-3))
        fail_msg("%s: slope %.8g, gradient %.8g", name, slope, norm);
    free(at.grads);
}

static void slope_is_the_gradient(void **state) {
    (void)state;
    each_case("r4", check_slope);
}

/* Of each reply the first token alone counts, the one behind the fork: a tree trainer that shifts labels by segment leaves it out. */
static void first_token_after_each_fork(void **state) {
    (void)state;
    train_fixture f;
    test_objective o;
    train_fixture_open(&f, "r4", 0);
    cso_dataset data = loss_dataset(CSO_EXAMPLE_PAIR, &f.data);
    size_t same = 0;
    for (size_t s = 0; s < data.n_sequences; s++) {
        uint8_t *scored = calloc(data.sequences[s].length, 1);
        scored[data.sequences[s].score_start] = 1;
        data.sequences[s].scored = scored;
    }
    for (size_t i = 0; i < data.count; i++) {
        const cso_example_sequence *pair = cso_dataset_sequences(&data, i);
        same += pair[0].ids[pair[0].score_start] == pair[1].ids[pair[0].score_start];
    }
    assert_true(same < data.count / 2);
    test_objective_make(&o, cso_loss_find("cso"), test_options(1, 0), &data);
    step_run r = {.objective = &o.objective, .data = &data};
    outcome tree = run(&f, &r);
    r.packing = CSO_PACK_NONE;
    outcome none = run(&f, &r);
    double norm = norm_of(&none), difference = apart(tree, &none);
    print_message("gradient %.4g, %.1e apart\n", norm, difference);
    assert_true(norm > 1e-3 && difference <= 1e-5);
    for (size_t s = 0; s < data.n_sequences; s++)
        free((void *)data.sequences[s].scored);
    free(none.grads);
    loss_dataset_free(&data);
    train_fixture_close(&f);
}

/* WPO's weights from whole rows of logits, which nothing else needs. */
static double log_weight(train_fixture *f, const cso_example_sequence *s) {
    cso_tree tree;
    cso_error err = {0};
    const cso_sequence sequence = {.ids = s->ids, .length = s->length, .score_start = s->score_start};
    golden_ok(cso_tree_build(&tree, &sequence, 1, &err), &err);
    double *edges = calloc(tree.n_edges, sizeof *edges), sum = 0;
    size_t vocab = cso_engine_vocab(f->engine);
    float *logits = calloc(tree.n_nodes * vocab, sizeof *logits);
    golden_ok(cso_engine_forward(f->engine, &tree, f->adapter, false, edges, &err), &err);
    golden_ok(cso_engine_logits(f->engine, &tree, logits, &err), &err);
    for (size_t e = 0; e < tree.n_edges; e++) {
        const float *row = logits + (size_t)tree.edge_node[e] * vocab;
        double once = 0, twice = 0;
        for (size_t v = 0; v < vocab; v++) {
            once += exp((double)row[v]);
            twice += exp(2 * (double)row[v]);
        }
        sum += edges[e] - (log(twice) - 2 * log(once));
    }
    sum /= (double)tree.n_edges;
    free(edges);
    free(logits);
    cso_tree_free(&tree);
    return sum;
}

static void wpo_weights(void **state) {
    (void)state;
    train_fixture f;
    train_fixture_open(&f, "r4", 0);
    cso_loss_options options = cso_loss_default_options();
    test_objective plain, weighted;
    test_objective_make(&plain, cso_loss_find("cso"), options, &f.data);
    options.use_weighting = true;
    test_objective_make(&weighted, cso_loss_find("cso"), options, &f.data);
    cso_dataset one = f.data;
    one.count = 1;
    for (size_t i = 0; i < 3; i++) { /* pair by pair */
        one.examples = f.data.examples + i;
        step_run r = {.objective = &plain.objective, .data = &one};
        outcome a = run(&f, &r);
        r.objective = &weighted.objective;
        outcome b = run(&f, &r);
        const cso_example_sequence *pair = cso_dataset_sequences(&f.data, i);
        double weight = exp(log_weight(&f, &pair[0]) + log_weight(&f, &pair[1]));
        print_message("pair %zu: weight %.6g\n", i, weight);
        if (!(fabs(b.result.metrics[0] / a.result.metrics[0] / weight - 1) <= 1e-4))
            fail_msg("weight %.8g, expected %.8g", b.result.metrics[0] / a.result.metrics[0], weight);
        for (size_t k = 0; k < a.n; k++)
            a.grads[k] = (float)(weight * (double)a.grads[k]);
        assert_true(apart(b, &(outcome){.n = a.n, .grads = a.grads, .result = b.result}) <= 1e-4);
        free(a.grads);
    }
    train_fixture_close(&f);
}

static double number(const cJSON *object, const char *key) {
    assert_true(cJSON_IsNumber(cJSON_GetObjectItem(object, key)));
    return cJSON_GetObjectItem(object, key)->valuedouble;
}

/* The golden pairs in another tokenization. */
static cso_dataset golden_pairs(const char *model, const char *file) {
    static const char *const keys[2] = {"chosen_ids", "rejected_ids"};
    cJSON *root = golden_json(golden_path("pref/%s/%s", model, file)), *one;
    test_pair pairs[16];
    int32_t *ids[32];
    size_t n = 0, n_reply;
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(root, "pairs")) {
        for (size_t side = 0; side < 2; side++) {
            int32_t *reply = golden_ids(cJSON_GetObjectItem(one, keys[side]), &n_reply);
            ids[2 * n + side] = golden_ids(cJSON_GetObjectItem(one, "prompt_ids"), &pairs[n].prompt_length);
            pairs[n].length[side] = pairs[n].prompt_length + n_reply;
            ids[2 * n + side] = realloc(ids[2 * n + side], pairs[n].length[side] * sizeof **ids);
            memcpy(ids[2 * n + side] + pairs[n].prompt_length, reply, n_reply * sizeof *reply);
            pairs[n].ids[side] = ids[2 * n + side];
            free(reply);
        }
        n++;
    }
    cso_dataset data = test_dataset(pairs, n);
    for (size_t i = 0; i < 2 * n; i++)
        free(ids[i]);
    cJSON_Delete(root);
    return data;
}

static void expect_loss(train_fixture *f, const cso_dataset *data, const char *type, cso_loss_options options, double expected) {
    test_objective o;
    test_objective_make(&o, cso_loss_find(type), options, data);
    const step_run r = {.objective = &o.objective, .data = data};
    outcome found = run(f, &r);
    print_message("%s %s: %.8g, TRL's %.8g\n", f->name, type, found.result.metrics[0], expected);
    if (!(fabs(found.result.metrics[0] - expected) <= 1e-4))
        fail_msg("%s: %.10g, expected %.10g", type, found.result.metrics[0], expected);
    free(found.grads);
}

/* Examples e < 16 are the chosen replies, the others the rejected ones, in batches of eight. */
static void expect_kto(train_fixture *f, const cso_dataset *pairs, const cJSON *golden) {
    const cJSON *batch;
    size_t at = 0;
    cso_dataset all = loss_dataset(CSO_EXAMPLE_PAIR, pairs), eight = all;
    test_objective o;
    test_objective_make(&o, cso_loss_find("kto"), cso_loss_default_options(), &all);
    cJSON_ArrayForEach(batch, cJSON_GetObjectItem(golden, "batches")) {
        cso_example examples[8];
        for (size_t i = 0; i < 8; i++, at++) /* run() takes them in the order i * 5 % 8: undone here */
            examples[i * 5 % 8] = (cso_example){.first = 2 * (at % 16) + at / 16, .n = 1, .label = at < 16, .record = at};
        eight.examples = examples;
        eight.count = 8;
        const step_run r = {.objective = &o.objective, .data = &eight, .max_tokens = 300};
        outcome found = run(f, &r);
        double kl = cso_loss_metric(o.table.names, found.result.metrics, "kl");
        print_message("%s kto: %.8g, TRL's %.8g; kl %.6g, %.6g\n", f->name, found.result.metrics[0], number(batch, "loss_f64"), kl,
                      number(batch, "kl_f64"));
        assert_true(fabs(found.result.metrics[0] - number(batch, "loss_f64")) <= 1e-4);
        assert_true(fabs(kl - number(batch, "kl_f64")) <= 1e-4);
        free(found.grads);
    }
    assert_int_equal(at, 32);
    loss_dataset_free(&all);
}

/* What TRL has of losses that see more than the replies' log-probabilities. */
static void as_trl(void **state) {
    (void)state;
    static const char *const models[] = {"llama-tiny", "qwen2-tiny", "gemma2-tiny"};
    for (size_t m = 0; m < 3; m++) {
        train_fixture f;
        train_fixture_open_sft(&f, models[m]);
        cJSON *root = golden_json(golden_path("pref/%s/pref.json", models[m]));
        const cJSON *dpo = cJSON_GetObjectItem(root, "dpo"), *cpo = cJSON_GetObjectItem(root, "cpo");
        const cJSON *kto = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "kto"), "runs");
        cso_dataset pairs = golden_pairs(models[m], "tokenized.json"), ended = golden_pairs(models[m], "tokenized_cpo_orpo.json");
        cso_loss_options options = cso_loss_default_options(), ld = options;
        ld.ld_alpha = 0.5;
        expect_loss(&f, &pairs, "cso", ld, number(cJSON_GetObjectItem(dpo, "sigmoid+ld_alpha0.5"), "mean_f64"));
        expect_loss(&f, &pairs, "sft", options, number(cJSON_GetObjectItem(dpo, "sft"), "mean_f64"));
        expect_loss(&f, &ended, "orpo", options, number(cJSON_GetObjectItem(root, "orpo"), "total_f64"));
        expect_loss(&f, &ended, "cpo", options,
                    number(cJSON_GetObjectItem(cJSON_GetObjectItem(cpo, "losses"), "cpo_sigmoid"), "total_f64"));
        expect_loss(&f, &ended, "simpo", options,
                    number(cJSON_GetObjectItem(cJSON_GetObjectItem(cpo, "losses"), "simpo"), "total_f64"));
        expect_kto(&f, &pairs, cJSON_GetObjectItem(kto, "kto-batch8"));
        test_dataset_free(&pairs);
        test_dataset_free(&ended);
        cJSON_Delete(root);
        train_fixture_close(&f);
    }
}

/* The metrics of each strategy, and the weights of examples, by hand. */
static void by_strategy(void **state) {
    (void)state;
    train_fixture f;
    train_fixture_open(&f, "r4", 0);
    cso_dataset data = loss_dataset(CSO_EXAMPLE_PAIR, &f.data);
    test_objective o;
    cso_loss_options options = cso_loss_default_options();
    double *weights, sum = 0, count = 0, margin = 0, accuracy = 0;
    cso_error err = {0};
    test_objective_make(&o, cso_loss_find("cso"), options, &data);
    assert_int_equal(o.table.n_strategies, 2);
    const step_run r = {.objective = &o.objective, .data = &data, .max_tokens = 300};
    outcome found = run(&f, &r);
    size_t with[2] = {0}, without = 0;
    for (size_t i = 0; i < data.count; i++) {
        const char *name = cso_dataset_sequences(&data, i)->strategy;
        without += !name;
        if (name)
            with[strcmp(name, o.table.strategies[0]) != 0]++;
    }
    assert_true(with[0] && with[1] && without);
    for (size_t k = 0; k < 2; k++) {
        char name[96];
        snprintf(name, sizeof name, "pairs/%s", o.table.strategies[k]);
        double n = cso_loss_metric(o.table.names, found.result.metrics, name);
        assert_true(n == (double)with[k]);
        snprintf(name, sizeof name, "rewards/margins/%s", o.table.strategies[k]);
        margin += n * cso_loss_metric(o.table.names, found.result.metrics, name);
        snprintf(name, sizeof name, "rewards/accuracies/%s", o.table.strategies[k]);
        accuracy += n * cso_loss_metric(o.table.names, found.result.metrics, name);
        count += n;
    }
    assert_true(isfinite(margin) && accuracy > 0 && accuracy <= count);
    options.balance = CSO_BALANCE_STRATEGY;
    test_objective_make(&o, cso_loss_find("cso"), options, &data);
    golden_ok(cso_example_weights(&o.objective, &data, &weights, &err), &err);
    for (size_t i = 0; i < data.count; i++) {
        const char *name = cso_dataset_sequences(&data, i)->strategy;
        double expected = name ? count / 2 / (double)with[strcmp(name, o.table.strategies[0]) != 0] : 1;
        assert_true(fabs(weights[i] - expected) < 1e-12);
        sum += weights[i];
    }
    assert_true(fabs(sum / (double)data.count - 1) < 1e-12);
    free(weights);
    free(found.grads);
    loss_dataset_free(&data);
    train_fixture_close(&f);
}

static cso_comm *world;

static void check_ranks(train_fixture *f, step_run r, const char *name) {
    cso_pool_set_threads(f->ctx->pool, 1);
    r.max_tokens = TREE_TOKENS;
    outcome alone = run(f, &r);
    r.comm = world;
    outcome together = run(f, &r);
    double loss = loss_apart(&together, &alone), all = apart(together, &alone);
    if (!(loss <= 1e-6) || !(all <= 3e-6)) { /* other trees: f32 rounds otherwise */
        fprintf(stderr, "%s: %g apart, the loss %g\n", name, all, loss);
        cso_comm_abort(world, 99);
    }
    free(alone.grads);
}

/* One of several ranks: the same as all alone. Exit code 99 if not. */
static int be_process(void) {
    cso_error err = {0};
    bool first;
    if (cso_comm_open(&world, &err) != CSO_OK || !world)
        return 98;
    each_case("r4", check_ranks);
    cso_comm_meet(world, CSO_OK, &first);
    cso_comm_close(world);
    return 0;
}

static void ranks(void **state) {
    (void)state;
    if (!mpirun_there())
        skip();
    for (int n = 2; n <= 4; n += 2)
        mpirun_itself(n, self);
}

int main(int argc, char **argv) {
    self = argv[0];
    if (argc > 1)
        return be_process();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trees_and_packings),    cmocka_unit_test(threads),
        cmocka_unit_test(slope_is_the_gradient), cmocka_unit_test(first_token_after_each_fork),
        cmocka_unit_test(wpo_weights),           cmocka_unit_test(as_trl),
        cmocka_unit_test(by_strategy),           cmocka_unit_test(ranks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Losses against TRL's own values on the log-probabilities of the golden pairs, of all three families. */
#include "loss_values.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PAIRS = 16 };
static const char *const models[] = {"llama-tiny", "qwen2-tiny", "gemma2-tiny"};

static double number(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItem(object, key);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

static void read_list(const cJSON *object, const char *key, double *out, size_t n) {
    const cJSON *list = cJSON_GetObjectItem(object, key), *item;
    size_t i = 0;
    assert_int_equal(cJSON_GetArraySize(list), n);
    cJSON_ArrayForEach(item, list) out[i++] = item->valuedouble;
}

static void expect(const char *what, double found, double expected) {
    if (!(fabs(found - expected) <= 1e-9 * fmax(1, fabs(expected))))
        fail_msg("%s: %.15g, expected %.15g", what, found, expected);
}

/* A golden model's pairs: log-probabilities under the adapter r4 and the base, and lengths. */
typedef struct golden {
    cJSON *root;
    values v;
} golden;

/* per_example: 2, or 3 with room for a prompt. Lengths are those of the tokenization in that file. */
static golden golden_open(const char *model, const char *tokenized, size_t per_example) {
    static const char *const keys[2][2] = {{"policy_chosen_logps_f64", "policy_rejected_logps_f64"},
                                           {"ref_chosen_logps_f64", "ref_rejected_logps_f64"}};
    static const char *const ids[2] = {"chosen_ids", "rejected_ids"};
    golden g = {.root = golden_json(golden_path("pref/%s/pref.json", model)), .v = values_make(PAIRS, per_example)};
    const cJSON *r4 = cJSON_GetObjectItem(cJSON_GetObjectItem(g.root, "adapters"), "r4"), *pair;
    double list[PAIRS];
    for (size_t side = 0; side < 2; side++)
        for (size_t who = 0; who < 2; who++) {
            read_list(r4, keys[who][side], list, PAIRS);
            for (size_t i = 0; i < PAIRS; i++)
                (who ? g.v.reference : g.v.policy)[per_example * i + side] = list[i];
        }
    cJSON *file = golden_json(golden_path("pref/%s/%s", model, tokenized));
    size_t s = 0;
    cJSON_ArrayForEach(pair, cJSON_GetObjectItem(file, "pairs")) {
        for (size_t k = 0; k < per_example; k++, s++) {
            size_t n = (size_t)cJSON_GetArraySize(cJSON_GetObjectItem(pair, k < 2 ? ids[k] : "prompt_ids"));
            g.v.token_first[s + 1] = g.v.token_first[s] + n - (k == 2); /* of the prompt the first token does not count */
            g.v.prompt_tokens += k == 2 ? (double)(n - 1) : 0;
        }
    }
    assert_int_equal(s, PAIRS * per_example);
    cJSON_Delete(file);
    return g;
}

/* The first and the last of a batch of four, and all: as one call gives them. */
static double mean_of(const values *v, const cso_objective *objective, size_t from, size_t n) {
    values part = *v;
    part.n = n;
    part.n_sequences = 2 * n;
    memmove(part.policy, v->policy + 2 * from, 2 * n * sizeof *part.policy);
    memmove(part.reference, v->reference + 2 * from, 2 * n * sizeof *part.reference);
    for (size_t s = 0; s <= 2 * n; s++)
        part.token_first[s] = v->token_first[2 * from + s] - v->token_first[2 * from];
    values_compute(&part, objective, NULL);
    return values_sum(part.loss, n) / (double)n;
}

/* What a golden case was made with. NULL: no loss type of ours. */
static cso_objective objective_like(const cJSON *one) {
    const char *types[CSO_OBJECTIVE_MAX_LOSSES];
    double weights[CSO_OBJECTIVE_MAX_LOSSES];
    const cJSON *item, *divergence = cJSON_GetObjectItem(one, "f_divergence_type");
    cso_loss_options options = cso_loss_default_options();
    cso_objective objective;
    cso_error err = {0};
    size_t n = 0, word;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(one, "loss_type")) types[n++] = item->valuestring;
    if (cJSON_GetObjectItem(one, "loss_weights"))
        read_list(one, "loss_weights", weights, n);
    options.beta = number(one, "beta");
    options.label_smoothing = number(one, "label_smoothing");
    if (n == 1 && !strcmp(types[0], "sigmoid"))
        options.label_smoothing = 0; /* TRL's sigmoid ignores it */
    if (divergence) {
        assert_true(cso_word_find(cso_divergence_words, divergence->valuestring, &word));
        options.f_divergence_type = (cso_divergence)word;
    }
    golden_ok(cso_objective_make(&objective, types, cJSON_GetObjectItem(one, "loss_weights") ? weights : NULL, n, &options, &err),
              &err);
    return objective;
}

/* Every loss of TRL's DPO trainer: pair by pair, all at once, and in batches of four. What counts tokens otherwise (ld_alpha) is
 * tested on the engine. */
static void dpo(void **state) {
    (void)state;
    for (size_t m = 0; m < 3; m++) {
        golden g = golden_open(models[m], "tokenized.json", 2);
        const cJSON *one;
        size_t cases = 0;
        cJSON_ArrayForEach(one, cJSON_GetObjectItem(g.root, "dpo")) {
            double per_pair[PAIRS], batches[4];
            if (cJSON_GetObjectItem(one, "ld_alpha"))
                continue;
            cso_objective objective = objective_like(one);
            read_list(one, "per_pair_f64", per_pair, PAIRS);
            read_list(one, "mean_of_batches_of_4_f64", batches, 4);
            for (size_t i = 0; i < PAIRS; i++)
                expect(one->string, mean_of(&g.v, &objective, i, 1), per_pair[i]);
            for (size_t b = 0; b < 4; b++)
                expect(one->string, mean_of(&g.v, &objective, 4 * b, 4), batches[b]);
            expect(one->string, mean_of(&g.v, &objective, 0, PAIRS), number(one, "mean_f64"));
            cases++;
        }
        assert_int_equal(cases, 25);
        const cJSON *cdpo = cJSON_GetObjectItem(cJSON_GetObjectItem(g.root, "not_in_trl"), "cdpo_label_smoothing0.1");
        cso_loss_options options = cso_loss_default_options();
        options.label_smoothing = 0.1;
        cso_objective smooth = objective_of("dpo", &options);
        expect("cdpo", mean_of(&g.v, &smooth, 0, PAIRS), number(cdpo, "mean_f64"));
        cJSON_Delete(g.root);
    }
}

/* The metrics that TRL would log, which it has in f32. */
static void metrics(void **state) {
    (void)state;
    for (size_t m = 0; m < 3; m++) {
        golden g = golden_open(models[m], "tokenized.json", 2);
        const cJSON *one = cJSON_GetObjectItem(cJSON_GetObjectItem(g.root, "dpo"), "sigmoid");
        cso_objective objective = objective_like(one);
        double found[CSO_OBJECTIVE_MAX_METRICS];
        values_compute(&g.v, &objective, NULL);
        const cso_loss_batch batch = values_batch(&g.v, &objective);
        cso_objective_metrics(&objective, &batch, g.v.loss, g.v.parts, found);
        assert_int_equal(objective.n_metrics, 7);
        for (size_t i = 1; i < objective.n_metrics; i++) {
            double trl = number(cJSON_GetObjectItem(one, "metrics"), objective.metric_names[i]);
            if (!(fabs(found[i] - trl) <= 1e-5 * fmax(1, fabs(trl))))
                fail_msg("%s: %.9g, expected %.9g", objective.metric_names[i], found[i], trl);
        }
        cJSON_Delete(g.root);
    }
}

static void read_pairs(values *v, size_t per_example, const cJSON *object) {
    static const char *const keys[2] = {"policy_chosen_logps_f64", "policy_rejected_logps_f64"};
    double list[PAIRS];
    for (size_t side = 0; side < 2; side++) {
        read_list(object, keys[side], list, PAIRS);
        for (size_t i = 0; i < PAIRS; i++)
            v->policy[per_example * i + side] = list[i];
    }
}

/* CPO and SimPO, with and without the likelihood of the chosen reply. */
static void cpo(void **state) {
    (void)state;
    static const struct {
        const char *name, *types[2];
        double beta, smoothing, cpo_alpha, gamma;
    } cases[] = {
        {"cpo_sigmoid", {"cpo"}, 0.1, 0, 1, 0.5},
        {"cpo_sigmoid+label_smoothing0.1", {"cpo"}, 0.1, 0.1, 1, 0.5},
        {"cpo_sigmoid+cpo_alpha0", {"cpo"}, 0.1, 0, 0, 0.5},
        {"simpo", {"simpo"}, 0.1, 0, 1, 0.5},
        {"simpo+beta2+gamma1", {"simpo"}, 2, 0, 1, 1},
        {"cpo_simpo", {"simpo", "sft"}, 0.1, 0, 1, 0.5},
    };
    for (size_t m = 0; m < 3; m++) {
        golden g = golden_open(models[m], "tokenized_cpo_orpo.json", 2);
        const cJSON *all = cJSON_GetObjectItem(g.root, "cpo");
        read_pairs(&g.v, 2, all);
        for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
            const cJSON *one = cJSON_GetObjectItem(cJSON_GetObjectItem(all, "losses"), cases[c].name);
            cso_loss_options options = cso_loss_default_options();
            cso_objective objective;
            cso_error err = {0};
            options.beta = cases[c].beta;
            options.label_smoothing = cases[c].smoothing;
            options.cpo_alpha = cases[c].cpo_alpha;
            options.simpo_gamma = cases[c].gamma;
            golden_ok(cso_objective_make(&objective, cases[c].types, NULL, 1 + (cases[c].types[1] != NULL), &options, &err), &err);
            assert_true(objective.needs == CSO_LOSS_END_TOKEN);
            expect(cases[c].name, mean_of(&g.v, &objective, 0, PAIRS), number(one, "total_f64"));
        }
        cJSON_Delete(g.root);
    }
}

/* The goldens have the likelihood of prompts and chosen replies as one mean: the prompts' part of it is dealt out evenly. */
static void orpo(void **state) {
    (void)state;
    for (size_t m = 0; m < 3; m++) {
        golden g = golden_open(models[m], "tokenized_cpo_orpo.json", 3);
        const cJSON *one = cJSON_GetObjectItem(g.root, "orpo");
        cso_loss_options options = cso_loss_default_options();
        cso_objective objective = objective_of("orpo", &options);
        double found[CSO_OBJECTIVE_MAX_METRICS], chosen_tokens = 0, chosen = 0;
        read_pairs(&g.v, 3, cJSON_GetObjectItem(g.root, "cpo"));
        for (size_t i = 0; i < PAIRS; i++) {
            chosen += g.v.policy[3 * i];
            chosen_tokens += (double)(g.v.token_first[3 * i + 1] - g.v.token_first[3 * i]);
        }
        double prompts = -number(one, "nll_of_prompt_and_chosen_f64") * (chosen_tokens + g.v.prompt_tokens) - chosen;
        for (size_t i = 0; i < PAIRS; i++)
            g.v.policy[3 * i + 2] = prompts / PAIRS;
        values_compute(&g.v, &objective, NULL);
        expect("orpo", values_sum(g.v.loss, PAIRS) / PAIRS, number(one, "total_f64"));
        const cso_loss_batch batch = values_batch(&g.v, &objective);
        cso_objective_metrics(&objective, &batch, g.v.loss, g.v.parts, found);
        for (size_t i = 1; i < objective.n_metrics; i++) {
            double trl = number(cJSON_GetObjectItem(one, "metrics"), objective.metric_names[i]);
            bool mean = !strncmp(objective.metric_names[i], "logps/", 6); /* TRL's are by token */
            if (!mean && !(fabs(found[i] - trl) <= 1e-5 * fmax(1, fabs(trl))))
                fail_msg("%s: %.9g, expected %.9g", objective.metric_names[i], found[i], trl);
        }
        cJSON_Delete(g.root);
    }
}

/* Examples e < 16 are the chosen replies, the others the rejected ones; batches of eight. */
static void kto(void **state) {
    (void)state;
    static const char *const names[2][2] = {{"kto-batch8", "kto"}, {"apo_zero_unpaired-batch8", "apo_zero_unpaired"}};
    for (size_t m = 0; m < 3; m++) {
        cJSON *root = golden_json(golden_path("pref/%s/pref.json", models[m]));
        const cJSON *all = cJSON_GetObjectItem(root, "kto"), *batch;
        double policy[2 * PAIRS], reference[2 * PAIRS], expected[8];
        read_list(all, "policy_logps_f64", policy, 2 * PAIRS);
        read_list(all, "ref_logps_f64", reference, 2 * PAIRS);
        for (size_t c = 0; c < 2; c++) {
            cso_loss_options options = cso_loss_default_options();
            cso_objective objective = objective_of(names[c][1], &options);
            const cJSON *run = cJSON_GetObjectItem(cJSON_GetObjectItem(all, "runs"), names[c][0]);
            size_t at = 0;
            cJSON_ArrayForEach(batch, cJSON_GetObjectItem(run, "batches")) {
                values v = values_make(8, c ? 1 : 2);
                for (size_t i = 0; i < 8; i++, at++) {
                    size_t s = v.first[i];
                    v.policy[s] = policy[at];
                    v.reference[s] = reference[at];
                    v.label[i] = at < PAIRS;
                    if (c == 0)
                        v.policy[s + 1] = number(batch, "kl_before_clamp_f64");
                }
                values_compute(&v, &objective, NULL);
                read_list(batch, "per_example_f64", expected, 8);
                for (size_t i = 0; i < 8; i++)
                    expect(names[c][0], v.loss[i], expected[i]);
                expect(names[c][0], values_sum(v.loss, 8) / 8, number(batch, "loss_f64"));
            }
            assert_int_equal(at, 2 * PAIRS);
        }
        cJSON_Delete(root);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(dpo), cmocka_unit_test(metrics), cmocka_unit_test(cpo),
                                       cmocka_unit_test(orpo), cmocka_unit_test(kto)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

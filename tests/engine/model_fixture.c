#include "model_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

fixture fixture_open(const char *path, size_t memory) {
    fixture f = {0};
    cso_error error = {0};
    golden_ok(cso_model_open(&f.model, path, &error), &error);
    golden_ok(cso_context_create(&f.ctx, 0, &error), &error);
    golden_ok(cso_engine_create(&f.engine, f.ctx, f.model, CSO_COMPUTE_F32, memory ? memory : (size_t)4 << 30, &error), &error);
    return f;
}

void fixture_close(fixture *f) {
    cso_engine_free(f->engine);
    cso_context_free(f->ctx);
    cso_model_free(f->model);
}

cso_tree fixture_chain(const int32_t *ids, size_t count) {
    cso_tree tree;
    cso_error error = {0};
    int32_t *longer = calloc(count + 1, sizeof *longer);
    assert_non_null(longer);
    memcpy(longer, ids, count * sizeof *ids);
    cso_sequence sequence = {.ids = longer, .length = count + 1, .score_start = 1};
    golden_ok(cso_tree_build(&tree, &sequence, 1, &error), &error);
    free(longer);
    assert_int_equal(tree.n_tokens, count);
    assert_int_equal(tree.n_nodes, count);
    return tree;
}

fixture_pairs fixture_read_pairs(const char *path, int pack) {
    cJSON *root = golden_json(path);
    const cJSON *list = cJSON_GetObjectItem(root, "pairs"), *pair;
    fixture_pairs out = {.n_pairs = (size_t)cJSON_GetArraySize(list)};
    out.sequences = calloc(2 * out.n_pairs, sizeof *out.sequences);
    out.ids = calloc(2 * out.n_pairs, sizeof *out.ids);
    size_t i = 0;
    cJSON_ArrayForEach(pair, list) {
        const char *reply_keys[2] = {"chosen_ids", "rejected_ids"};
        for (int side = 0; side < 2; side++, i++) {
            size_t n_prompt, n_reply;
            int32_t *prompt = golden_ids(cJSON_GetObjectItem(pair, "prompt_ids"), &n_prompt);
            int32_t *reply = golden_ids(cJSON_GetObjectItem(pair, reply_keys[side]), &n_reply);
            out.ids[i] = realloc(prompt, (n_prompt + n_reply) * sizeof *prompt);
            memcpy(out.ids[i] + n_prompt, reply, n_reply * sizeof *reply);
            free(reply);
            out.sequences[i] = (cso_sequence){.ids = out.ids[i],
                                              .length = n_prompt + n_reply,
                                              .score_start = n_prompt,
                                              .group = pack == 2   ? 0
                                                       : pack == 1 ? i / 2
                                                                   : i};
        }
    }
    cJSON_Delete(root);
    return out;
}

void fixture_free_pairs(fixture_pairs *pairs) {
    for (size_t i = 0; i < 2 * pairs->n_pairs; i++)
        free(pairs->ids[i]);
    free(pairs->ids);
    free(pairs->sequences);
}

double fixture_dpo(size_t n_pairs, const double *policy, const double *reference, double beta, double *d) {
    double loss = 0;
    for (size_t i = 0; i < n_pairs; i++) {
        double h = beta * ((policy[2 * i] - reference[2 * i]) - (policy[2 * i + 1] - reference[2 * i + 1]));
        loss += (h > 0 ? log1p(exp(-h)) : log1p(exp(h)) - h) / (double)n_pairs;
        d[2 * i] = -beta / (1 + exp(h)) / (double)n_pairs;
        d[2 * i + 1] = -d[2 * i];
    }
    return loss;
}

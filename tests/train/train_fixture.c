#include "train_fixture.h"

#include "base/file.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

cso_dataset test_dataset(const test_pair *pairs, size_t count) {
    cso_dataset data = {
        .count = count, .pairs = calloc(count, sizeof *data.pairs), .fingerprint = "0123456789abcdef0123456789abcdef"};
    for (size_t i = 0; i < count; i++) {
        cso_pair *pair = &data.pairs[i];
        for (size_t side = 0; side < 2; side++) {
            int32_t *ids = malloc(pairs[i].length[side] * sizeof *ids);
            memcpy(ids, pairs[i].ids[side], pairs[i].length[side] * sizeof *ids);
            pair->ids[side] = ids;
            pair->length[side] = pairs[i].length[side];
        }
        pair->prompt_length = pairs[i].prompt_length;
        pair->record = i;
    }
    data.counts = (cso_data_counts){.records = count, .pairs = count, .dialogues = 1};
    return data;
}

void test_dataset_free(cso_dataset *data) {
    for (size_t i = 0; i < data->count; i++)
        for (size_t side = 0; side < 2; side++)
            free((void *)data->pairs[i].ids[side]);
    free(data->pairs);
    *data = (cso_dataset){0};
}

static cso_dataset read_pairs(void) {
    cJSON *root = golden_json(golden_path("pref/llama-tiny/tokenized.json"));
    const cJSON *list = cJSON_GetObjectItem(root, "pairs"), *one;
    test_pair pairs[16] = {0};
    int32_t *owned[32];
    size_t n = 0;
    cJSON_ArrayForEach(one, list) {
        size_t n_prompt, n_reply;
        assert_true(n < 16);
        for (size_t side = 0; side < 2; side++) {
            int32_t *prompt = golden_ids(cJSON_GetObjectItem(one, "prompt_ids"), &n_prompt);
            int32_t *reply = golden_ids(cJSON_GetObjectItem(one, side ? "rejected_ids" : "chosen_ids"), &n_reply);
            owned[2 * n + side] = realloc(prompt, (n_prompt + n_reply) * sizeof *prompt);
            memcpy(owned[2 * n + side] + n_prompt, reply, n_reply * sizeof *reply);
            free(reply);
            pairs[n].ids[side] = owned[2 * n + side];
            pairs[n].length[side] = n_prompt + n_reply;
            pairs[n].prompt_length = n_prompt;
        }
        n++;
    }
    assert_int_equal(n, 16);
    cso_dataset data = test_dataset(pairs, n);
    for (size_t i = 0; i < 2 * n; i++)
        free(owned[i]);
    cJSON_Delete(root);
    return data;
}

cso_adapter *train_fixture_adapter(const train_fixture *f, const char *adapter) {
    cso_adapter *read;
    cso_error err = {0};
    golden_ok(cso_adapter_read(&read, f->model, golden_path("adapters/llama-tiny/%s", adapter), &err), &err);
    return read;
}

void train_fixture_open(train_fixture *f, const char *adapter, size_t memory) {
    cso_error err = {0};
    *f = (train_fixture){.dir = "/tmp/cso-test-train-XXXXXX", .start = adapter};
    assert_non_null(mkdtemp(f->dir));
    golden_ok(cso_model_open(&f->model, golden_path("models/llama-tiny"), &err), &err);
    golden_ok(cso_context_create(&f->ctx, 0, &err), &err);
    golden_ok(cso_engine_create(&f->engine, f->ctx, f->model, CSO_COMPUTE_F32, memory ? memory : (size_t)1 << 30, &err), &err);
    f->adapter = train_fixture_adapter(f, adapter);
    f->data = read_pairs();
    f->config.path = (char *)"test.toml";
    f->config.data.packing = CSO_PACK_TREE;
    f->config.data.shuffle = CSO_SHUFFLE_NONE;
    f->config.loss.type = (char *)"cso";
    f->config.loss.options.beta = 0.1;
    f->config.train.epochs = 3;
    f->config.train.batch_size = 8;
    f->config.train.learning_rate = 5e-4;
    f->config.train.schedule = CSO_SCHEDULE_COSINE;
    f->config.train.warmup_steps = 2;
    f->config.train.weight_decay = 0.01;
    f->config.train.betas[0] = 0.9;
    f->config.train.betas[1] = 0.999;
    f->config.train.eps = 1e-8;
    f->config.train.max_grad_norm = 1;
    f->config.train.seed = 42;
    f->config.checkpoint.dir = f->dir;
    f->config.checkpoint.keep_last = 2;
    f->config.checkpoint.keep_best = true;
    f->config.log.every_steps = 1;
}

void train_fixture_close(train_fixture *f) {
    cso_adapter_free(f->adapter);
    cso_adapter_free(f->reference);
    cso_engine_free(f->engine);
    cso_context_free(f->ctx);
    cso_model_free(f->model);
    test_dataset_free(&f->data);
    assert_int_equal(cso_remove_tree(f->dir, NULL), CSO_OK);
}

void train_fixture_restart(train_fixture *f) {
    double dropout = f->adapter->options.dropout;
    cso_adapter_free(f->adapter);
    f->adapter = train_fixture_adapter(f, f->start);
    f->adapter->options.dropout = dropout;
}

cso_train_job train_fixture_job(train_fixture *f) {
    return (cso_train_job){
        .config = &f->config,
        .model = f->model,
        .engine = f->engine,
        .loss = cso_loss_find("cso"),
        .train = &f->data,
        .adapter = f->adapter,
        .reference = f->reference,
        .resume = "auto",
    };
}

const char *train_fixture_path(const train_fixture *f, const char *format, ...) {
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4], name[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    snprintf(path, sizeof paths[0], "%s/%s", f->dir, name);
    return path;
}

char *read_text(const char *path, size_t *size) {
    char *text;
    cso_error err = {0};
    golden_ok(cso_read_file(path, (size_t)1 << 30, &text, size, &err), &err);
    return text;
}

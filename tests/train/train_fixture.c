#include "train_fixture.h"

#include "base/file.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

cso_dataset test_dataset(const test_pair *pairs, size_t count) {
    cso_dataset data = {
        .count = count,
        .examples = calloc(count, sizeof *data.examples),
        .n_sequences = 2 * count,
        .sequences = calloc(2 * count, sizeof *data.sequences),
        .fingerprint = "0123456789abcdef0123456789abcdef",
        .counts = {.records = count, .examples = count, .dialogues = 1},
    };
    for (size_t i = 0; i < count; i++) {
        data.examples[i] = (cso_example){.first = 2 * i, .n = 2, .record = i};
        for (size_t side = 0; side < 2; side++) {
            int32_t *ids = malloc(pairs[i].length[side] * sizeof *ids);
            memcpy(ids, pairs[i].ids[side], pairs[i].length[side] * sizeof *ids);
            data.sequences[2 * i + side] =
                (cso_example_sequence){.ids = ids, .length = pairs[i].length[side], .score_start = pairs[i].prompt_length};
        }
    }
    return data;
}

void test_dataset_free(cso_dataset *data) {
    for (size_t s = 0; s < data->n_sequences; s++)
        free((void *)data->sequences[s].ids);
    free(data->examples);
    free(data->sequences);
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
    golden_ok(cso_adapter_read(&read, f->model, golden_path("adapters/%s/%s", f->name, adapter), &err), &err);
    return read;
}

/* Everything but the data. */
static void open_model(train_fixture *f, const char *model, const char *adapter, size_t memory) {
    cso_error err = {0};
    *f = (train_fixture){.dir = "/tmp/cso-test-train-XXXXXX", .start = adapter, .name = model};
    assert_non_null(mkdtemp(f->dir));
    golden_ok(cso_model_open(&f->model, golden_path("models/%s", model), &err), &err);
    golden_ok(cso_context_create(&f->ctx, 0, &err), &err);
    golden_ok(cso_engine_create(&f->engine, f->ctx, f->model, CSO_COMPUTE_F32, memory ? memory : (size_t)1 << 30, &err), &err);
    f->adapter = train_fixture_adapter(f, adapter);
    f->config.path = (char *)"test.toml";
    f->config.data.packing = CSO_PACK_TREE;
    f->config.data.shuffle = CSO_SHUFFLE_NONE;
    f->config.loss.type = (char *)"cso";
    f->config.loss.options = cso_loss_default_options();
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

void train_fixture_open(train_fixture *f, const char *adapter, size_t memory) {
    open_model(f, "llama-tiny", adapter, memory);
    f->data = read_pairs();
}

void train_fixture_open_sft(train_fixture *f, const char *model) {
    const cso_data_options options = {.kind = CSO_EXAMPLE_TEXT, .max_length = 1024};
    const cso_chat_template *chat;
    cso_tokenizer *tokenizer;
    cso_error err = {0};
    open_model(f, model, "r4", 0);
    f->config.loss.type = (char *)"sft";
    char *text = golden_conversations(model);
    const char *path = train_fixture_path(f, "conversations.jsonl");
    golden_ok(cso_save_text(path, text, strlen(text), &err), &err);
    golden_ok(cso_tokenizer_open(&tokenizer, golden_path("models/%s", model), &err), &err);
    golden_ok(cso_chat_template_get(&chat, "auto", tokenizer, model, &err), &err);
    golden_ok(cso_dataset_read(&f->data, &path, 1, tokenizer, chat, &options, &err), &err);
    cso_tokenizer_free(tokenizer);
    free(text);
}

void train_fixture_close(train_fixture *f) {
    cso_adapter_free(f->adapter);
    cso_adapter_free(f->reference);
    cso_engine_free(f->engine);
    cso_context_free(f->ctx);
    cso_model_free(f->model);
    if (f->data.store)
        cso_dataset_free(&f->data);
    else
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
    cso_error err = {0};
    golden_ok(cso_run_objective(&f->config, &f->objective, &err), &err);
    return (cso_train_job){
        .config = &f->config,
        .model = f->model,
        .engine = f->engine,
        .objective = &f->objective,
        .train = &f->data,
        .adapter = f->adapter,
        .reference = f->reference,
        .resume = "auto",
    };
}

double adapter_distance(const cso_adapter *adapter, const cso_safetensors *file, const char *prefix) {
    static const char before[] = "base_model.model.", after[] = ".weight"; /* which the goldens' names lack */
    double difference = 0, norm = 0;
    cso_trainables trained = cso_adapter_trainables(adapter);
    for (size_t k = 0; k < trained.count; k++) {
        const cso_trainable *item = &trained.items[k];
        const float *ours = trained.params + item->offset;
        char name[2 * CSO_MAX_NAME];
        size_t n;
        snprintf(name, sizeof name, "%s%s", prefix, item->name + strlen(before));
        name[strlen(name) - strlen(after)] = 0;
        double *golden = golden_doubles(file, name, &n);
        assert_int_equal(n, cso_trainable_size(item));
        for (size_t i = 0; i < n; i++) {
            difference += (ours[i] - golden[i]) * (ours[i] - golden[i]);
            norm += golden[i] * golden[i];
        }
        free(golden);
    }
    assert_int_equal(trained.count, adapter->n_layers * CSO_MODULE_COUNT * 2);
    assert_true(norm > 0);
    return sqrt(difference / norm);
}

double pair_metric(const double *metrics, const char *name) {
    double value = cso_loss_metric(pair_metric_names, metrics, name);
    assert_false(value != value);
    return value;
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

/* lm_open.c - models, adapters, tokenizers and workers: opening and closing. */
#include "api.h"

#include "base/memory.h"
#include "base/option.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_THREADS = 4096 };

/* A template that is not known fails what needs it, later; a wrong name fails at once. */
static cso_status find_chat(cso_lm_tokenizer *tokenizer, const char *name, const char *place, cso_error *err) {
    cso_status status =
        cso_chat_template_get(&tokenizer->chat, name && *name ? name : "auto", tokenizer->tokenizer, place, &tokenizer->no_chat);
    if (status == CSO_OK)
        return CSO_OK;
    tokenizer->chat = NULL;
    return status == CSO_ERR_INPUT ? CSO_OK : cso_fail(err, status, "%s", tokenizer->no_chat.message);
}

static cso_status open_lm(cso_lm **model, const char *path, const cso_lm_options *options, cso_error *err) {
    CSO_TRY(api_require(path, "path", err));
    cso_lm *m = *model = cso_calloc(1, sizeof *m);
    if (!m)
        return cso_fail_memory(err, "a model");
    const char *chat = options->chat_template && *options->chat_template ? options->chat_template : "auto";
    m->path = cso_format("%s", path);
    m->chat_template = cso_format("%s", chat);
    if (!m->path || !m->chat_template)
        return cso_fail_memory(err, "a model");
    CSO_TRY(open_model(&m->base, path, options->tokenizer, NULL, err));
    m->tokenizer.tokenizer = m->base.tokenizer;
    return find_chat(&m->tokenizer, chat, path, err);
}

cso_lm_status cso_lm_open(cso_lm **model, const char *path, const cso_lm_options *options, cso_lm_error *error) {
    static const cso_lm_options none;
    cso_error err = {0};
    *model = NULL;
    cso_status status = open_lm(model, path, options ? options : &none, &err);
    if (status != CSO_OK) {
        cso_lm_close(*model);
        *model = NULL;
    }
    return api_result(status, &err, error);
}

void cso_lm_close(cso_lm *model) {
    if (!model)
        return;
    close_model(&model->base);
    free(model->path);
    free(model->chat_template);
    free(model);
}

const char *cso_lm_family(const cso_lm *model) {
    return cso_model_family_name(model->base.model);
}

size_t cso_lm_parameters(const cso_lm *model) {
    return model->base.model->n_params;
}

size_t cso_lm_vocab(const cso_lm *model) {
    return model->base.model->hparams.vocab;
}

size_t cso_lm_context(const cso_lm *model) {
    return model->base.model->hparams.max_positions;
}

static cso_status open_adapter(cso_lm_adapter **adapter, const cso_lm *model, const char *folder, cso_error *err) {
    CSO_TRY(api_require(model, "model", err));
    CSO_TRY(api_require(folder, "folder", err));
    *adapter = cso_calloc(1, sizeof **adapter);
    if (!*adapter)
        return cso_fail_memory(err, "an adapter");
    (*adapter)->model = model;
    return opened_model_adapter(&(*adapter)->adapter, &model->base, folder, err);
}

cso_lm_status cso_lm_adapter_open(cso_lm_adapter **adapter, const cso_lm *model, const char *folder, cso_lm_error *error) {
    cso_error err = {0};
    *adapter = NULL;
    cso_status status = open_adapter(adapter, model, folder, &err);
    if (status != CSO_OK) {
        cso_lm_adapter_close(*adapter);
        *adapter = NULL;
    }
    return api_result(status, &err, error);
}

void cso_lm_adapter_close(cso_lm_adapter *adapter) {
    if (!adapter)
        return;
    cso_adapter_free(adapter->adapter);
    free(adapter);
}

static cso_status open_tokenizer(cso_lm_tokenizer **tokenizer, const char *path, const char *chat_template, cso_error *err) {
    CSO_TRY(api_require(path, "path", err));
    *tokenizer = cso_calloc(1, sizeof **tokenizer);
    if (!*tokenizer)
        return cso_fail_memory(err, "a tokenizer");
    CSO_TRY(cso_tokenizer_open(&(*tokenizer)->tokenizer, path, err));
    return find_chat(*tokenizer, chat_template, path, err);
}

cso_lm_status cso_lm_tokenizer_open(cso_lm_tokenizer **tokenizer, const char *path, const char *chat_template,
                                    cso_lm_error *error) {
    cso_error err = {0};
    *tokenizer = NULL;
    cso_status status = open_tokenizer(tokenizer, path, chat_template, &err);
    if (status != CSO_OK) {
        cso_lm_tokenizer_close(*tokenizer);
        *tokenizer = NULL;
    }
    return api_result(status, &err, error);
}

void cso_lm_tokenizer_close(cso_lm_tokenizer *tokenizer) {
    if (!tokenizer)
        return;
    cso_tokenizer_free(tokenizer->tokenizer);
    free(tokenizer);
}

const cso_lm_tokenizer *cso_lm_get_tokenizer(const cso_lm *model) {
    return &model->tokenizer;
}

static cso_status read_compute(const char *name, cso_compute *compute, cso_error *err) {
    size_t index = CSO_COMPUTE_F32;
    if (name && *name && !cso_word_find(cso_compute_words, name, &index))
        return cso_fail(err, CSO_ERR_USAGE, "compute is \"%s\" (expected f32 or bf16)", name);
    *compute = (cso_compute)index;
    return CSO_OK;
}

static cso_status create_worker(cso_lm_worker **worker, const cso_lm *model, const cso_lm_worker_options *options, cso_error *err) {
    cso_compute compute = CSO_COMPUTE_F32;
    size_t decode = CSO_DECODE_FAST;
    CSO_TRY(api_require(model, "model", err));
    CSO_TRY(read_compute(options->compute, &compute, err));
    if (options->decode && *options->decode && !cso_word_find(cso_decode_words, options->decode, &decode))
        return cso_fail(err, CSO_ERR_USAGE, "decode is \"%s\" (expected fast or exact)", options->decode);
    if (options->threads > MAX_THREADS)
        return cso_fail(err, CSO_ERR_USAGE, "threads is %zu (expected up to %d)", options->threads, MAX_THREADS);
    cso_lm_worker *w = *worker = cso_calloc(1, sizeof *w);
    if (!w)
        return cso_fail_memory(err, "a worker");
    w->model = model;
    w->decode = (cso_decode_compute)decode;
    CSO_TRY(cso_context_create(&w->ctx, (int)options->threads, err));
    w->memory = options->memory ? options->memory : memory_budget(&model->base, 0);
    return cso_engine_create(&w->engine, w->ctx, model->base.model, compute, w->memory, err);
}

cso_lm_status cso_lm_worker_create(cso_lm_worker **worker, const cso_lm *model, const cso_lm_worker_options *options,
                                   cso_lm_error *error) {
    static const cso_lm_worker_options none;
    cso_error err = {0};
    *worker = NULL;
    cso_status status = create_worker(worker, model, options ? options : &none, &err);
    if (status != CSO_OK) {
        cso_lm_worker_free(*worker);
        *worker = NULL;
    }
    return api_result(status, &err, error);
}

void cso_lm_worker_free(cso_lm_worker *worker) {
    if (!worker)
        return;
    cso_decoder_free(worker->decoder);
    cso_token_trie_free(worker->trie);
    cso_engine_free(worker->engine);
    cso_context_free(worker->ctx);
    free(worker);
}

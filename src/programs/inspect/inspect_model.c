/* inspect_model.c - models and tokenizers. */
#include "inspect.h"

#include "base/file.h"
#include "model/model.h"
#include "text/chat.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPECIALS_SHOWN = 64, KEY_ITEMS_SHOWN = 8, KEY_TEXT_SHOWN = 200 };

static cso_status report_specials(report *r, const cso_tokenizer *tokenizer, cso_error *err) {
    size_t count = 0;
    cso_status status = CSO_OK;
    for (size_t id = 0; id < cso_tokenizer_vocab(tokenizer); id++)
        count += cso_tokenizer_is_special(tokenizer, (int32_t)id);
    report_size(r, "special_token_count", count);
    report_list(r, count > SPECIALS_SHOWN ? "first_special_tokens" : "special_tokens");
    count = 0;
    for (int32_t id = 0; (size_t)id < cso_tokenizer_vocab(tokenizer) && count < SPECIALS_SHOWN; id++) {
        char *text;
        size_t size;
        if (!cso_tokenizer_is_special(tokenizer, id))
            continue;
        if ((status = cso_tokenizer_decode_bytes(tokenizer, &id, 1, &text, &size, err)) != CSO_OK)
            break;
        report_row(r);
        report_bytes(r, "text", text, size);
        report_size(r, "id", (uint64_t)id);
        report_end_row(r);
        free(text);
        count++;
    }
    report_end_list(r);
    return status;
}

static void report_token(report *r, const char *name, int32_t id) {
    if (id >= 0)
        report_size(r, name, (uint64_t)id);
}

cso_status inspect_tokenizer(report *r, const char *path, const struct cso_gguf *gguf, cso_error *err) {
    cso_tokenizer *tokenizer;
    const cso_chat_template *chat;
    char hex[33];
    if (gguf)
        CSO_TRY(cso_tokenizer_from_gguf(&tokenizer, gguf, path, err));
    else
        CSO_TRY(cso_tokenizer_open(&tokenizer, path, err));
    report_group(r, "tokenizer");
    report_text(r, "kind", cso_tokenizer_kind(tokenizer));
    report_size(r, "vocabulary", cso_tokenizer_vocab(tokenizer));
    report_token(r, "bos", cso_tokenizer_bos(tokenizer));
    report_token(r, "eos", cso_tokenizer_eos(tokenizer));
    report_bool(r, "adds_bos", cso_tokenizer_adds_bos(tokenizer));
    cso_tokenizer_fingerprint(tokenizer, hex);
    report_text(r, "fingerprint", hex);
    cso_status status = report_specials(r, tokenizer, err);
    report_end_group(r);
    if (status == CSO_OK) {
        report_group(r, "chat_template");
        cso_error why = {0};
        report_bool(r, "present", cso_tokenizer_chat_template(tokenizer) != NULL);
        if (cso_chat_template_get(&chat, "auto", tokenizer, path, &why) == CSO_OK) {
            report_text(r, "recognised_as", cso_chat_template_name(chat));
            report_token(r, "end_of_turn", cso_chat_end_of_turn(chat, tokenizer));
        } else if (cso_tokenizer_chat_template(tokenizer)) {
            report_text(r, "not_recognised", why.message);
        }
        report_end_group(r);
    }
    cso_tokenizer_free(tokenizer);
    return status;
}

static void report_hparams(report *r, const cso_hparams *h) {
    report_group(r, "hyperparameters");
    report_size(r, "layers", h->n_layers);
    report_size(r, "hidden", h->hidden);
    report_size(r, "heads", h->n_heads);
    report_size(r, "kv_heads", h->n_kv_heads);
    report_size(r, "head_dim", h->head_dim);
    report_size(r, "ffn", h->ffn);
    report_size(r, "vocabulary", h->vocab);
    report_size(r, "context", h->max_positions);
    report_float(r, "norm_eps", h->norm_eps);
    report_number(r, "rope_theta", h->rope_theta);
    report_text(r, "activation", h->activation == CSO_SWIGLU ? "SwiGLU" : "GeGLU");
    report_bool(r, "tied_head", h->tied);
    report_bool(r, "qkv_bias", h->qkv_bias);
    if (h->window)
        report_size(r, "window", h->window);
    if (h->attention_softcap > 0)
        report_float(r, "attention_softcap", h->attention_softcap);
    if (h->final_softcap > 0)
        report_float(r, "final_softcap", h->final_softcap);
    report_end_group(r);
}

static void report_value(report *r, const cso_gguf_value *value) {
    cso_text text = {0};
    cso_gguf_type item = value->type == CSO_GGUF_ARRAY ? value->item : value->type;
    size_t count = value->type == CSO_GGUF_ARRAY ? value->count : 1, cursor = 0, size;
    const char *bytes;
    if (value->type == CSO_GGUF_STRING) {
        report_bytes(r, value->key, (const char *)value->data, value->size < KEY_TEXT_SHOWN ? value->size : KEY_TEXT_SHOWN);
        return;
    }
    if (value->type == CSO_GGUF_ARRAY)
        cso_text_format(&text, "%zu: ", value->count);
    for (size_t i = 0; i < count && i < KEY_ITEMS_SHOWN; i++) {
        cso_text_add(&text, ", ", i ? 2 : 0);
        if (item == CSO_GGUF_STRING) {
            cso_gguf_next_string(value, &cursor, &bytes, &size);
            cso_text_json_string(&text, bytes, size < KEY_TEXT_SHOWN ? size : KEY_TEXT_SHOWN);
        } else if (item == CSO_GGUF_BOOL) {
            cso_text_format(&text, "%s", value->data[i] ? "true" : "false");
        } else {
            cso_gguf_value number = *value;
            number.item = item; /* reads a scalar as an array of one */
            char digits[32];
            snprintf(digits, sizeof digits, item == CSO_GGUF_FLOAT32 ? "%.7g" : "%.17g", cso_gguf_array_float(&number, i));
            cso_text_format(&text, "%s", digits);
        }
    }
    if (count > KEY_ITEMS_SHOWN)
        cso_text_format(&text, ", ...");
    if (text.failed)
        r->text.failed = true;
    else
        report_bytes(r, value->key, text.data ? text.data : "", text.size);
    free(text.data);
}

static void report_keys(report *r, const cso_weights *weights) {
    const cJSON *item;
    report_group(r, "keys");
    r->exact = true;
    for (size_t i = 0; weights->gguf && i < cso_gguf_value_count(weights->gguf); i++)
        report_value(r, cso_gguf_value_at(weights->gguf, i));
    cJSON_ArrayForEach(item, weights->config) {
        char *text = cJSON_PrintUnformatted(item);
        if (text)
            report_text(r, item->string, text);
        else
            r->text.failed = true;
        cJSON_free(text);
    }
    r->exact = false;
    report_end_group(r);
}

/* general.architecture or model_type. */
static void report_architecture(report *r, const cso_weights *weights) {
    const char *text = NULL;
    size_t size = 0;
    bool found;
    if (weights->gguf) {
        if (cso_gguf_get_string(weights->gguf, "general.architecture", &text, &size, &found, NULL) == CSO_OK && found)
            report_bytes(r, "architecture", text, size);
        if (cso_gguf_get_string(weights->gguf, "general.name", &text, &size, &found, NULL) == CSO_OK && found)
            report_bytes(r, "name", text, size);
    } else if (cso_json_string(weights->config, "model_type", weights->path, &text, NULL) == CSO_OK && text) {
        report_text(r, "architecture", text);
    }
}

static bool has_tokenizer(const cso_weights *weights) {
    static const char *const NAMES[] = {"tokenizer.json", "tokenizer.model"};
    bool found = false;
    if (weights->gguf)
        return cso_gguf_find(weights->gguf, "tokenizer.ggml.model") != NULL;
    for (int i = 0; i < 2 && !found; i++) {
        char *path = cso_path_join(weights->folder, NAMES[i]);
        found = path && cso_path_exists(path);
        free(path);
    }
    return found;
}

/* Keeps the first failure and reports each. */
static void note(report *r, const char *name, cso_status status, const cso_error *found, cso_status *first, cso_error *err) {
    if (status == CSO_OK)
        return;
    report_text(r, name, found->message);
    if (*first == CSO_OK) {
        *first = status;
        *err = *found;
    }
}

static cso_status report_all(report *r, const inspect_options *options, const cso_weights *weights, const tensor_list *list,
                             cso_error *err) {
    cso_status status = CSO_OK, part;
    cso_error why = {0};
    cso_model *model = NULL;
    char hex[33];
    report_text(r, "kind", "model");
    report_text(r, "format", weights->format == CSO_WEIGHTS_GGUF ? "GGUF" : "safetensors");
    report_architecture(r, weights);
    part = cso_model_open(&model, weights->path, &why);
    report_bool(r, "usable", part == CSO_OK);
    note(r, "problem", part, &why, &status, err);
    if (model) {
        report_size(r, "parameters", model->n_params);
        report_hparams(r, &model->hparams);
        cso_weights_fingerprint(weights, hex);
        report_text(r, "fingerprint", hex);
    }
    if (has_tokenizer(weights)) {
        part = inspect_tokenizer(r, weights->gguf ? weights->path : weights->folder, weights->gguf, &why);
        note(r, "tokenizer_problem", part, &why, &status, err);
    }
    part = inspect_tensors(r, options, list, "weights", weights->path, &why);
    if (part != CSO_OK && status == CSO_OK) {
        status = part;
        *err = why;
    }
    if (options->keys)
        report_keys(r, weights);
    cso_model_free(model);
    return status;
}

cso_status inspect_model(report *r, const inspect_options *options, const char *path, bool *complete, cso_error *err) {
    cso_weights *weights;
    tensor_list list = {0};
    cso_status status = CSO_OK;
    CSO_TRY(cso_weights_open(&weights, path, err));
    for (size_t i = 0; i < cso_weights_count(weights) && status == CSO_OK; i++)
        status = tensor_list_add(&list, cso_weights_at(weights, i), err);
    if (status == CSO_OK) {
        *complete = true;
        status = report_all(r, options, weights, &list, err);
    }
    free(list.items);
    cso_weights_close(weights);
    return status;
}

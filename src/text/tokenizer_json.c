/* tokenizer_json.c - reading tokenizer.json, the file of Hugging Face's tokenizers, and the small files beside it. */
#include "cso/file.h"
#include "cso/memory.h"
#include "tokenizer_pipeline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CONFIG_BYTES = 1 << 24 };

static const cJSON *get(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNull(item) ? NULL : item;
}

static bool is_true(const cJSON *object, const char *key) {
    return cJSON_IsTrue(get(object, key));
}

/* A token id: a whole number below the number of tokens, so that there cannot be many gaps. */
static cso_status read_id(const cJSON *item, const char *name, size_t limit, const char *place, size_t *id, cso_error *err) {
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble < (double)limit) ||
        item->valuedouble != floor(item->valuedouble))
        return cso_fail(err, CSO_ERR_INPUT, "%s: the id of token \"%.64s\" is no whole number below %zu, the number of tokens",
                        place, name, limit);
    *id = (size_t)item->valuedouble;
    return CSO_OK;
}

/* What of BPE's settings is not null, false, zero or empty must be known. */
static cso_status check_model(const cso_tokenizer *tokenizer, const cJSON *model, const char *place, cso_error *err) {
    static const char *const empty[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    const cJSON *type = get(model, "type"), *dropout = get(model, "dropout");
    if (!cJSON_IsObject(model) || (type && (!cJSON_IsString(type) || strcmp(type->valuestring, "BPE"))))
        return cso_fail(err, CSO_ERR_INPUT, "%s: model.type \"%.64s\" is not supported (expected BPE)", place,
                        cJSON_IsString(type) ? type->valuestring : "");
    if (dropout && !(cJSON_IsNumber(dropout) && dropout->valuedouble == 0))
        return cso_fail(err, CSO_ERR_INPUT, "%s: model.dropout is not supported (expected null or 0)", place);
    for (size_t i = 0; i < 2; i++) {
        const cJSON *item = get(model, empty[i]);
        if (item && !(cJSON_IsString(item) && !*item->valuestring))
            return cso_fail(err, CSO_ERR_INPUT, "%s: model.%s is not supported (expected null or empty)", place, empty[i]);
    }
    if (is_true(model, "byte_fallback") != (tokenizer->engine == CSO_ENGINE_CHARACTERS))
        return cso_fail(err, CSO_ERR_INPUT, "%s: model.byte_fallback is %s, which does not go with the decoder", place,
                        is_true(model, "byte_fallback") ? "true" : "false");
    return CSO_OK;
}

static cso_status read_vocab(cso_tokenizer *tokenizer, const cJSON *vocab, size_t limit, const char *place, cso_error *err) {
    const cJSON *item;
    if (!cJSON_IsObject(vocab))
        return cso_fail(err, CSO_ERR_INPUT, "%s: model.vocab is missing or no object", place);
    cJSON_ArrayForEach(item, vocab) {
        size_t id = 0, size = strlen(item->string);
        CSO_TRY(read_id(item, item->string, limit, place, &id, err));
        bool byte = tokenizer->engine == CSO_ENGINE_CHARACTERS && cso_gemma_byte(item->string, size) >= 0;
        CSO_TRY(cso_tokenizer_add_token(tokenizer, id, item->string, size, byte ? CSO_TOKEN_BYTE : CSO_TOKEN_NORMAL, place, err));
    }
    return CSO_OK;
}

/* Whether the model's vocabulary has it or not, an added token's kind is what added_tokens says. */
static cso_status add_added(cso_tokenizer *tokenizer, const cJSON *item, size_t limit, const char *place, bool *more,
                            cso_error *err) {
    const cJSON *content = get(item, "content");
    size_t id = 0;
    if (!cJSON_IsString(content))
        return cso_fail(err, CSO_ERR_INPUT, "%s: an item of added_tokens has no content", place);
    const char *text = content->valuestring;
    size_t size = strlen(text);
    CSO_TRY(read_id(get(item, "id"), text, limit, place, &id, err));
    cso_token_kind kind = is_true(item, "special") ? CSO_TOKEN_CONTROL : CSO_TOKEN_USER;
    int32_t known = cso_vocab_find(&tokenizer->vocab, text, size);
    if (known >= 0 && (size_t)known != id)
        return cso_fail(err, CSO_ERR_INPUT, "%s: added token \"%.64s\" has the id %zu, but %d in model.vocab", place, text, id,
                        (int)known);
    if (known < 0) {
        CSO_TRY(cso_tokenizer_add_token(tokenizer, id, text, size, kind, place, err));
        *more = true;
    } else {
        tokenizer->vocab.tokens[id].kind = (uint8_t)kind;
    }
    return CSO_OK;
}

static cso_status find_added(cso_tokenizer *tokenizer, const cJSON *item, cso_error *err) {
    const char *text = get(item, "content")->valuestring;
    size_t size = strlen(text), normal_size = 0;
    bool gemma = tokenizer->engine == CSO_ENGINE_CHARACTERS;
    cso_special special = {.id = cso_vocab_find(&tokenizer->vocab, text, size),
                           .control = !gemma || cso_gemma_is_control(text, size),
                           .single_word = is_true(item, "single_word"),
                           .lstrip = is_true(item, "lstrip"),
                           .rstrip = is_true(item, "rstrip")};
    if (!is_true(item, "normalized"))
        return cso_special_add(&tokenizer->added, text, size, &special, err);
    char *normal = NULL; /* it is looked for in normalized text, so it is normalized too */
    CSO_TRY(cso_tokenizer_normalize(tokenizer, text, size, &normal, &normal_size, err));
    cso_status status =
        cso_special_add(&tokenizer->added_normalized, normal ? normal : text, normal ? normal_size : size, &special, err);
    free(normal);
    return status;
}

static cso_status read_added(cso_tokenizer *tokenizer, const cJSON *added, size_t limit, const char *place, cso_error *err) {
    const cJSON *item;
    bool more = false;
    if (added && !cJSON_IsArray(added))
        return cso_fail(err, CSO_ERR_INPUT, "%s: added_tokens is no array", place);
    cJSON_ArrayForEach(item, added) CSO_TRY(add_added(tokenizer, item, limit, place, &more, err));
    if (more)
        CSO_TRY(cso_vocab_index(&tokenizer->vocab, place, err));
    cJSON_ArrayForEach(item, added) CSO_TRY(find_added(tokenizer, item, err));
    return CSO_OK;
}

static cso_status read_merges(cso_tokenizer *tokenizer, const cJSON *merges, const char *place, cso_error *err) {
    const cJSON *item;
    size_t rank = 0;
    if (!cJSON_IsArray(merges))
        return cso_fail(err, CSO_ERR_INPUT, "%s: model.merges is missing or no array", place);
    CSO_TRY(cso_merges_create(&tokenizer->merges, (size_t)cJSON_GetArraySize(merges), err));
    cJSON_ArrayForEach(item, merges) {
        const cJSON *left = cJSON_IsArray(item) ? item->child : NULL, *right = left ? left->next : NULL;
        if (cJSON_IsString(item))
            CSO_TRY(cso_tokenizer_add_merge_line(tokenizer, item->valuestring, strlen(item->valuestring), rank, place, err));
        else if (cJSON_IsString(left) && cJSON_IsString(right) && !right->next)
            CSO_TRY(cso_tokenizer_add_merge(tokenizer, left->valuestring, strlen(left->valuestring), right->valuestring,
                                            strlen(right->valuestring), rank, place, err));
        else
            return cso_fail(err, CSO_ERR_INPUT, "%s: merge %zu is neither \"a b\" nor [\"a\", \"b\"]", place, rank);
        rank++;
    }
    return CSO_OK;
}

static cso_status read_unknown(cso_tokenizer *tokenizer, const cJSON *model, const char *place, cso_error *err) {
    const char *text;
    CSO_TRY(cso_json_string(model, "unk_token", place, &text, err));
    tokenizer->fuse_unknown = is_true(model, "fuse_unk");
    if (text && (tokenizer->unknown = cso_tokenizer_find(tokenizer, text)) < 0)
        return cso_fail(err, CSO_ERR_INPUT, "%s: model.unk_token \"%.64s\" is no token", place, text);
    return CSO_OK;
}

static cso_status read_root(cso_tokenizer *tokenizer, const cJSON *root, const char *place, cso_error *err) {
    const cJSON *model = get(root, "model"), *vocab = get(model, "vocab"), *added = get(root, "added_tokens");
    size_t limit = (size_t)(cJSON_GetArraySize(vocab) + cJSON_GetArraySize(added));
    const char *bos = NULL;
    CSO_TRY(cso_pipeline_read(tokenizer, root, place, &bos, err));
    CSO_TRY(check_model(tokenizer, model, place, err));
    tokenizer->ignore_merges = is_true(model, "ignore_merges");
    CSO_TRY(read_vocab(tokenizer, vocab, limit, place, err));
    CSO_TRY(cso_vocab_index(&tokenizer->vocab, place, err));
    CSO_TRY(cso_tokenizer_find_bytes(tokenizer, place, err));
    CSO_TRY(read_merges(tokenizer, get(model, "merges"), place, err));
    CSO_TRY(read_added(tokenizer, added, limit, place, err));
    CSO_TRY(cso_vocab_check(&tokenizer->vocab, place, err));
    CSO_TRY(read_unknown(tokenizer, model, place, err));
    cso_tokenizer_find_joins(tokenizer);
    if (bos && (tokenizer->bos = cso_tokenizer_find(tokenizer, bos)) < 0)
        return cso_fail(err, CSO_ERR_INPUT, "%s: post_processor adds \"%.64s\", which is no token", place, bos);
    return tokenizer->engine == CSO_ENGINE_BYTES ? cso_pretokenizer_create(&tokenizer->pretokenizer, tokenizer->kind, err) : CSO_OK;
}

cso_status cso_tokenizer_read_json(cso_tokenizer *tokenizer, const char *text, size_t size, const char *place, cso_error *err) {
    cJSON *root = NULL;
    CSO_TRY(cso_json_parse(&root, text, size, place, 1, err));
    cso_status status = read_root(tokenizer, root, place, err);
    cJSON_Delete(root);
    return status;
}

/* A token that is given as a string or as {"content": string}. */
static const char *token_name(const cJSON *object, const char *key) {
    const cJSON *item = get(object, key);
    if (cJSON_IsObject(item))
        item = get(item, "content");
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

/* A string, or a list of {"name", "template"} of which the one named "default" counts. */
static const char *find_template(const cJSON *config) {
    const cJSON *item = get(config, "chat_template"), *entry;
    if (cJSON_IsString(item))
        return item->valuestring;
    cJSON_ArrayForEach(entry, item) {
        const cJSON *name = get(entry, "name"), *text = get(entry, "template");
        if (cJSON_IsString(name) && cJSON_IsString(text) && !strcmp(name->valuestring, "default"))
            return text->valuestring;
    }
    return NULL;
}

/* Takes BOS, EOS and the template from a JSON file, where they are not known yet. */
static cso_status read_small(cso_tokenizer *tokenizer, const char *path, cso_error *err) {
    cJSON *config = NULL;
    if (!cso_path_exists(path))
        return CSO_OK;
    CSO_TRY(cso_json_read(&config, path, MAX_CONFIG_BYTES, err));
    const char *bos = token_name(config, "bos_token"), *eos = token_name(config, "eos_token"), *text = find_template(config);
    if (tokenizer->bos < 0 && bos)
        tokenizer->bos = cso_tokenizer_find(tokenizer, bos);
    if (tokenizer->eos < 0 && eos)
        tokenizer->eos = cso_tokenizer_find(tokenizer, eos);
    cso_status status = CSO_OK;
    if (!tokenizer->chat_template && text && !(tokenizer->chat_template = cso_strdup(text)))
        status = cso_fail_memory(err, "the chat template");
    cJSON_Delete(config);
    return status;
}

cso_status cso_tokenizer_read_config(cso_tokenizer *tokenizer, const char *path, cso_error *err) {
    cso_status status = CSO_OK;
    char *folder = cso_path_folder(path);
    char *jinja = folder ? cso_path_join(folder, "chat_template.jinja") : NULL;
    char *config = folder ? cso_path_join(folder, "tokenizer_config.json") : NULL;
    char *map = folder ? cso_path_join(folder, "special_tokens_map.json") : NULL;
    if (!jinja || !config || !map) {
        status = cso_fail_memory(err, "a path");
        goto done;
    }
    if (cso_path_exists(jinja)) /* newer checkpoints keep the template in a file of its own */
        CSO_TRY_DONE(cso_read_file(jinja, MAX_CONFIG_BYTES, &tokenizer->chat_template, &(size_t){0}, err));
    CSO_TRY_DONE(read_small(tokenizer, config, err));
    status = read_small(tokenizer, map, err);
done:
    free(folder);
    free(jinja);
    free(config);
    free(map);
    return status;
}

/* tokenizer_json.c - reading tokenizer.json, the file of Hugging Face's tokenizers, and the small files beside it. */
#include "base/file.h"
#include "base/memory.h"
#include "io/json_walk.h"
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
static cso_status check_id(bool is_number, double number, cso_chars name, size_t limit, const char *place, size_t *id,
                           cso_error *err) {
    if (!is_number || !(number >= 0 && number < (double)limit) || number != floor(number))
        return cso_fail(err, CSO_ERR_INPUT, "%s: the id of token \"%.*s\" must be a whole number below %zu, the number of tokens",
                        place, (int)(name.size < 64 ? name.size : 64), name.text, limit);
    *id = (size_t)number;
    return CSO_OK;
}

/* Refuses every setting of BPE that is not null, false, zero or empty, except the supported ones. */
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

static cso_status read_vocab(cso_tokenizer *tokenizer, const cso_json_large *vocab, size_t limit, const char *place,
                             cso_error *err) {
    if (!vocab->text || *vocab->text != '{')
        return cso_fail(err, CSO_ERR_INPUT, "%s: model.vocab is missing or not an object", place);
    cso_json_walk walk = cso_json_walk_begin(vocab->text, vocab->size);
    cso_json_room room = {0};
    cso_status status = CSO_OK;
    while (status == CSO_OK && cso_json_walk_next(&walk)) {
        size_t id = 0, size = 0;
        double number = 0;
        const char *text = NULL;
        bool is_number = cso_json_walk_number(&walk, &number);
        if (!cso_json_walk_string(&room, walk.key, walk.key_size, &text, &size)) {
            status = cso_fail_memory(err, "the vocabulary");
            break;
        }
        status = check_id(is_number, number, (cso_chars){text, size}, limit, place, &id, err);
        bool byte = tokenizer->engine == CSO_ENGINE_CHARACTERS && cso_gemma_byte(text, size) >= 0;
        if (status == CSO_OK)
            status = cso_tokenizer_add_token(tokenizer, id, text, size, byte ? CSO_TOKEN_BYTE : CSO_TOKEN_NORMAL, place, err);
    }
    free(room.bytes);
    return status;
}

/* added_tokens decides an added token's kind, whether or not the vocabulary has it. */
static cso_status add_added(cso_tokenizer *tokenizer, const cJSON *item, size_t limit, const char *place, bool *more,
                            cso_error *err) {
    const cJSON *content = get(item, "content");
    size_t id = 0;
    if (!cJSON_IsString(content))
        return cso_fail(err, CSO_ERR_INPUT, "%s: an item of added_tokens has no content", place);
    const char *text = content->valuestring;
    size_t size = strlen(text);
    const cJSON *number = get(item, "id");
    CSO_TRY(check_id(cJSON_IsNumber(number), number ? number->valuedouble : 0, (cso_chars){text, size}, limit, place, &id, err));
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
    char *normal = NULL; /* it is searched in normalized text, so it is normalized too */
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
        return cso_fail(err, CSO_ERR_INPUT, "%s: added_tokens must be an array", place);
    cJSON_ArrayForEach(item, added) CSO_TRY(add_added(tokenizer, item, limit, place, &more, err));
    if (more)
        CSO_TRY(cso_vocab_index(&tokenizer->vocab, place, err));
    cJSON_ArrayForEach(item, added) CSO_TRY(find_added(tokenizer, item, err));
    CSO_TRY(cso_special_link(&tokenizer->added, err));
    return cso_special_link(&tokenizer->added_normalized, err);
}

/* One merge: "a b" or ["a", "b"]. */
static cso_status read_merge(cso_tokenizer *tokenizer, const cso_json_walk *merge, cso_json_room room[2], size_t rank,
                             const char *place, cso_error *err) {
    cso_chars text[2] = {{0}, {0}};
    size_t count = 0;
    if (*merge->value == '"') {
        if (!cso_json_walk_string(&room[0], merge->value, merge->value_size, &text[0].text, &text[0].size))
            return cso_fail_memory(err, "the merges");
        return cso_tokenizer_add_merge_line(tokenizer, text[0].text, text[0].size, rank, place, err);
    }
    cso_json_walk pair = cso_json_walk_begin(merge->value, merge->value_size);
    while (!pair.object && cso_json_walk_next(&pair) && *pair.value == '"' && count < 2) {
        if (!cso_json_walk_string(&room[count], pair.value, pair.value_size, &text[count].text, &text[count].size))
            return cso_fail_memory(err, "the merges");
        count++;
    }
    if (count != 2 || merge->items != 2)
        return cso_fail(err, CSO_ERR_INPUT, "%s: merge %zu is neither \"a b\" nor [\"a\", \"b\"]", place, rank);
    return cso_tokenizer_add_merge(tokenizer, text[0], text[1], rank, place, err);
}

static cso_status read_merges(cso_tokenizer *tokenizer, const cso_json_large *merges, const char *place, cso_error *err) {
    if (!merges->text || *merges->text != '[')
        return cso_fail(err, CSO_ERR_INPUT, "%s: model.merges is missing or not an array", place);
    CSO_TRY(cso_merges_create(&tokenizer->merges, merges->items, err));
    cso_json_walk walk = cso_json_walk_begin(merges->text, merges->size);
    cso_json_room room[2] = {{0}, {0}};
    cso_status status = CSO_OK;
    for (size_t rank = 0; status == CSO_OK && cso_json_walk_next(&walk); rank++)
        status = read_merge(tokenizer, &walk, room, rank, place, err);
    free(room[0].bytes);
    free(room[1].bytes);
    return status;
}

static cso_status read_unknown(cso_tokenizer *tokenizer, const cJSON *model, const char *place, cso_error *err) {
    const char *text;
    CSO_TRY(cso_json_string(model, "unk_token", place, &text, err));
    tokenizer->fuse_unknown = is_true(model, "fuse_unk");
    if (text && (tokenizer->unknown = cso_tokenizer_find(tokenizer, text)) < 0)
        return cso_fail(err, CSO_ERR_INPUT, "%s: model.unk_token \"%.64s\" is not a token", place, text);
    return CSO_OK;
}

static cso_status read_root(cso_tokenizer *tokenizer, const cJSON *root, const cso_json_large *vocab, const cso_json_large *merges,
                            const char *place, cso_error *err) {
    const cJSON *model = get(root, "model"), *added = get(root, "added_tokens");
    size_t limit = vocab->items + (size_t)cJSON_GetArraySize(added);
    const char *bos = NULL;
    CSO_TRY(cso_pipeline_read(tokenizer, root, place, &bos, err));
    CSO_TRY(check_model(tokenizer, model, place, err));
    tokenizer->ignore_merges = is_true(model, "ignore_merges");
    CSO_TRY(read_vocab(tokenizer, vocab, limit, place, err));
    CSO_TRY(cso_vocab_index(&tokenizer->vocab, place, err));
    CSO_TRY(cso_tokenizer_find_bytes(tokenizer, place, err));
    CSO_TRY(read_merges(tokenizer, merges, place, err));
    CSO_TRY(read_added(tokenizer, added, limit, place, err));
    CSO_TRY(cso_vocab_check(&tokenizer->vocab, place, err));
    CSO_TRY(read_unknown(tokenizer, model, place, err));
    cso_tokenizer_find_joins(tokenizer);
    if (bos && (tokenizer->bos = cso_tokenizer_find(tokenizer, bos)) < 0)
        return cso_fail(err, CSO_ERR_INPUT, "%s: post_processor adds \"%.64s\", which is not a token", place, bos);
    return tokenizer->engine == CSO_ENGINE_BYTES ? cso_pretokenizer_create(&tokenizer->pretokenizer, tokenizer->kind, err) : CSO_OK;
}

cso_status cso_tokenizer_read_json(cso_tokenizer *tokenizer, const char *text, size_t size, const char *place, cso_error *err) {
    cso_json_large large[] = {{.object = "model", .key = "vocab"}, {.object = "model", .key = "merges"}};
    cJSON *root = NULL;
    CSO_TRY(cso_json_parse_large(&root, text, size, place, large, 2, err));
    cso_status status = read_root(tokenizer, root, &large[0], &large[1], place, err);
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

/* Takes BOS, EOS and the template from a JSON file, if they are not known yet. */
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

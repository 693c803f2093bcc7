/* tokenizer_pipeline.c - see tokenizer_pipeline.h.
 *
 *   kind       normalizer            pre_tokenizer                                  decoder
 *   llama-bpe  none                  Split (its expression), ByteLevel              ByteLevel
 *   qwen2      NFC                   Split (its expression), ByteLevel              ByteLevel
 *   smollm     none                  Digits (one by one), ByteLevel (expression)    ByteLevel
 *   gpt2       none                  ByteLevel (expression)                         ByteLevel
 *   gemma      Replace " " by U+2581  none, or a Split at " " (which is never left)  Replace, ByteFallback, Fuse
 *
 * The normalizer of the first four may be none or NFC; either is applied. transformers 5 saves SmolLM2's tokenizer, when it comes
 * from a GGUF or as a GPT2Tokenizer, without the Digits: as gpt2.
 */
#include "tokenizer_pipeline.h"

#include <stdio.h>
#include <string.h>

static const cJSON *get(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNull(item) ? NULL : item;
}

static const char *string_of(const cJSON *object, const char *key) {
    const cJSON *item = get(object, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static bool is_string(const cJSON *object, const char *key, const char *value) {
    return !strcmp(string_of(object, key), value);
}

static bool is_type(const cJSON *part, const char *type) {
    return cJSON_IsObject(part) && is_string(part, "type", type);
}

/* The member is false or missing. */
static bool is_off(const cJSON *object, const char *key) {
    const cJSON *item = get(object, key);
    return !item || cJSON_IsFalse(item);
}

/* A member that is true when it is missing. */
static bool is_on(const cJSON *object, const char *key) {
    const cJSON *item = get(object, key);
    return !item || cJSON_IsTrue(item);
}

/* The items of a Sequence (named differently in each part), or the part itself as the only one; at most `max`. -1: more. */
static int items_of(const cJSON *part, const char *list, const cJSON **items, int max) {
    const cJSON *item;
    int count = 0;
    if (!part)
        return 0;
    if (!is_type(part, "Sequence")) {
        items[0] = part;
        return 1;
    }
    cJSON_ArrayForEach(item, get(part, list)) {
        if (count == max)
            return -1;
        items[count++] = item;
    }
    return count;
}

/* Names the part, and the parts of a Sequence. */
static cso_status refuse(const char *place, const char *name, const cJSON *part, const char *list, const char *known,
                         cso_error *err) {
    char parts[160] = "";
    size_t used = 0;
    const cJSON *item;
    if (part && is_type(part, "Sequence"))
        cJSON_ArrayForEach(item, get(part, list)) {
            used += (size_t)snprintf(parts + used, sizeof parts - used, "%s%.32s", used ? ", " : " of ", string_of(item, "type"));
            if (used >= sizeof parts - 40)
                break;
        }
    return cso_fail(err, CSO_ERR_INPUT, "%s: %s \"%.64s\"%s is not supported, or not with these settings (expected %s)", place,
                    name, part ? string_of(part, "type") : "null", parts, known);
}

static bool is_replace(const cJSON *part, const char *from, const char *to) {
    return is_type(part, "Replace") && is_string(get(part, "pattern"), "String", from) && is_string(part, "content", to);
}

static cso_status read_normalizer(cso_tokenizer *tokenizer, const cJSON *part, const char *place, cso_error *err) {
    const cJSON *items[1];
    int count = items_of(part, "normalizers", items, 1);
    if (count == 1 && is_type(items[0], "NFC"))
        tokenizer->nfc = true;
    else if (count == 1 && is_replace(items[0], " ", CSO_METASPACE))
        tokenizer->engine = CSO_ENGINE_CHARACTERS;
    else if (count)
        return refuse(place, "normalizer", part, "normalizers", "none, NFC, or Replace of \" \" by U+2581", err);
    return CSO_OK;
}

static bool is_byte_level(const cJSON *part, bool with_expression) {
    return is_type(part, "ByteLevel") && is_off(part, "add_prefix_space") &&
           (with_expression ? is_on(part, "use_regex") : get(part, "use_regex") && is_off(part, "use_regex"));
}

static cso_status read_pre_tokenizer(cso_tokenizer *tokenizer, const cJSON *part, const char *place, cso_error *err) {
    const cJSON *items[2];
    int count = items_of(part, "pretokenizers", items, 2);
    if (tokenizer->engine == CSO_ENGINE_CHARACTERS) {
        tokenizer->kind = "gemma";
        if (!count || (count == 1 && is_type(items[0], "Split") && is_string(get(items[0], "pattern"), "String", " ")))
            return CSO_OK;
        return refuse(place, "pre_tokenizer", part, "pretokenizers", "none after this normalizer", err);
    }
    const char *kind = NULL;
    if (count == 2 && is_type(items[0], "Split") && is_string(items[0], "behavior", "Isolated") && is_off(items[0], "invert") &&
        is_byte_level(items[1], false))
        kind = cso_pretokenizer_for_pattern(string_of(get(items[0], "pattern"), "Regex"));
    else if (count == 2 && is_type(items[0], "Digits") && get(items[0], "individual_digits") &&
             is_on(items[0], "individual_digits") && is_byte_level(items[1], true))
        kind = "smollm";
    else if (count == 1 && is_byte_level(items[0], true))
        kind = "gpt2";
    if (!kind)
        return refuse(place, "pre_tokenizer", part, "pretokenizers",
                      "that of Llama-3, Qwen2, SmolLM2 or GPT-2: Split or Digits, then ByteLevel, or ByteLevel alone", err);
    tokenizer->kind = kind;
    return CSO_OK;
}

/* TemplateProcessing that puts at most one token before a single text, and none after it. */
static bool read_template(cso_tokenizer *tokenizer, const cJSON *part, const char **bos) {
    const cJSON *single = get(part, "single"), *first = single ? single->child : NULL;
    if (!cJSON_IsArray(single))
        return false;
    if (first && get(first, "SpecialToken")) {
        *bos = string_of(get(first, "SpecialToken"), "id");
        tokenizer->adds_bos = true;
        first = first->next;
    }
    return first && get(first, "Sequence") && !first->next;
}

static cso_status read_post_processor(cso_tokenizer *tokenizer, const cJSON *part, const char *place, const char **bos,
                                      cso_error *err) {
    const cJSON *items[4];
    int count = items_of(part, "processors", items, 4);
    bool known = count >= 0;
    for (int i = 0; i < count && known; i++)
        known =
            is_type(items[i], "ByteLevel") || (is_type(items[i], "TemplateProcessing") && read_template(tokenizer, items[i], bos));
    return known ? CSO_OK
                 : refuse(place, "post_processor", part, "processors",
                          "none, ByteLevel, or TemplateProcessing that puts one token first", err);
}

static cso_status read_decoder(const cso_tokenizer *tokenizer, const cJSON *part, const char *place, cso_error *err) {
    const cJSON *items[3];
    int count = items_of(part, "decoders", items, 3);
    if (tokenizer->engine == CSO_ENGINE_CHARACTERS) {
        if (count == 3 && is_replace(items[0], CSO_METASPACE, " ") && is_type(items[1], "ByteFallback") &&
            is_type(items[2], "Fuse"))
            return CSO_OK;
        return refuse(place, "decoder", part, "decoders", "Replace of U+2581 by \" \", ByteFallback, Fuse", err);
    }
    return count == 1 && is_type(items[0], "ByteLevel") ? CSO_OK : refuse(place, "decoder", part, "decoders", "ByteLevel", err);
}

cso_status cso_pipeline_read(cso_tokenizer *tokenizer, const cJSON *root, const char *place, const char **bos, cso_error *err) {
    *bos = NULL;
    tokenizer->engine = CSO_ENGINE_BYTES;
    CSO_TRY(read_normalizer(tokenizer, get(root, "normalizer"), place, err));
    CSO_TRY(read_pre_tokenizer(tokenizer, get(root, "pre_tokenizer"), place, err));
    CSO_TRY(read_post_processor(tokenizer, get(root, "post_processor"), place, bos, err));
    return read_decoder(tokenizer, get(root, "decoder"), place, err);
}

/* base_name.c - see base_name.h. */
#include "base_name.h"

#include "base/hub.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 256 };

/* Whether the text has all letters and digits of the word in a row, whatever their case; what is no letter or digit does not
 * count. */
static bool has_word(const char *text, size_t size, const char *word, size_t word_size) {
    for (size_t begin = 0; begin < size; begin++) {
        size_t i = begin, k = 0;
        while (k < word_size) {
            if (!cso_is_letter_or_digit(word[k])) {
                k++;
            } else if (i < size && !cso_is_letter_or_digit(text[i])) {
                i++;
            } else if (i < size && (text[i] | 32) == (word[k] | 32)) { /* | 32: lower case; digits have the bit */
                i++;
                k++;
            } else {
                break;
            }
        }
        if (k == word_size)
            return true;
    }
    return !word_size;
}

static bool get_text(const cso_gguf *gguf, const char *key, const char **text, size_t *size) {
    bool found = false;
    if (cso_gguf_get_string(gguf, key, text, size, &found, NULL) != CSO_OK || !found)
        return false;
    *size = *size < MAX_TEXT ? *size : MAX_TEXT; /* no name is longer */
    return true;
}

/* Whether the id can be that of this very model: see base_name.h. */
static bool may_be(const cso_gguf *gguf, const char *id) {
    static const char *const words[] = {"instruct", "chat"};
    const char *text;
    size_t size;
    if (has_word(id, strlen(id), "gguf", 4))
        return false;
    if (get_text(gguf, "general.finetune", &text, &size) && !has_word(id, strlen(id), text, size))
        return false;
    if (get_text(gguf, "general.name", &text, &size))
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (has_word(text, size, words[i], strlen(words[i])) && !has_word(id, strlen(id), words[i], strlen(words[i])))
                return false;
    return true;
}

static bool find_in_gguf(const cso_gguf *gguf, char id[CSO_HUB_ID_BYTES]) {
    static const char *const keys[] = {
        "general.source.huggingface.repository", "general.source.repo_url", "general.source.url",
        "general.base_model.0.repo_url",         "general.repo_url",        "general.url",
    };
    size_t bases = 1;
    bool found;
    if (cso_gguf_get_size(gguf, "general.base_model.count", &bases, &found, NULL) != CSO_OK)
        bases = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *text;
        size_t size;
        if (strstr(keys[i], "base_model") && bases != 1)
            continue;
        if (get_text(gguf, keys[i], &text, &size) && cso_hub_read_id(text, size, id) && may_be(gguf, id))
            return true;
    }
    return false;
}

/* ".../models--OWNER--NAME/snapshots/REVISION" */
static bool find_in_path(const char *path, char id[CSO_HUB_ID_BYTES]) {
    static const char begin[] = "/models--", end[] = "/snapshots/";
    const char *last = NULL, *stop;
    for (const char *at = path; (at = strstr(at, begin)); at++)
        last = at + strlen(begin);
    const char *middle = last ? strstr(last, "--") : NULL;
    if (!middle || !(stop = strstr(middle, end)) || memchr(last, '/', (size_t)(stop - last)) || stop - last >= CSO_HUB_ID_BYTES)
        return false;
    snprintf(id, CSO_HUB_ID_BYTES, "%.*s/%.*s", (int)(middle - last), last, (int)(stop - middle - 2), middle + 2);
    return cso_is_hub_id(id);
}

static bool find_in_config(const cJSON *config, char id[CSO_HUB_ID_BYTES]) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(config, "_name_or_path");
    return cJSON_IsString(item) && cso_hub_read_id(item->valuestring, strlen(item->valuestring), id);
}

cso_status cso_model_base_name(const cso_model *model, char **name, cso_error *err) {
    const cso_weights *weights = model->weights;
    char id[CSO_HUB_ID_BYTES], *path = realpath(weights->path, NULL);
    const char *place = path ? path : weights->path;
    bool found;
    if (weights->gguf) /* its place in the hub's cache tells the repository of GGUF files */
        found = find_in_gguf(weights->gguf, id);
    else
        found =
            find_in_path(place, id) || find_in_path(weights->path, id) || (weights->config && find_in_config(weights->config, id));
    *name = cso_strdup(found ? id : place);
    free(path);
    return *name ? CSO_OK : cso_fail_memory(err, "the model's name");
}

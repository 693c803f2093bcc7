/* normalize.c - a tokenizer's normalizer: NFC, or U+2581 in place of spaces. */
#include "base/memory.h"
#include "nfc.h"
#include "tokenizer_internal.h"

#include <string.h>

cso_status cso_escape_spaces(const char *text, size_t size, char **out, size_t *out_size, cso_error *err) {
    size_t spaces = 0, used = 0;
    for (size_t i = 0; i < size; i++)
        spaces += text[i] == ' ';
    char *made = cso_malloc(size + 2 * spaces + 1);
    if (!made)
        return cso_fail_memory(err, "normalization");
    made[size + 2 * spaces] = '\0';
    for (size_t i = 0; i < size; i++)
        if (text[i] == ' ') {
            memcpy(made + used, CSO_METASPACE, 3);
            used += 3;
        } else {
            made[used++] = text[i];
        }
    *out = made;
    *out_size = used;
    return CSO_OK;
}

cso_status cso_tokenizer_normalize(const cso_tokenizer *tokenizer, const char *text, size_t size, char **normal,
                                   size_t *normal_size, cso_error *err) {
    *normal = NULL;
    if (tokenizer->nfc)
        return cso_nfc(text, size, normal, normal_size, err);
    if (tokenizer->engine == CSO_ENGINE_CHARACTERS)
        return cso_escape_spaces(text, size, normal, normal_size, err);
    return CSO_OK;
}

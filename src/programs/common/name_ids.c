/* name_ids.c - see name_ids.h. */
#include "name_ids.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

cso_status name_ids_make(name_ids *names, const cso_strategies *strategies, const cso_tokenizer *tokenizer, cso_error *err) {
    names->items = cso_calloc(strategies->count, sizeof *names->items);
    if (!names->items)
        return cso_fail_memory(err, "names of strategies");
    for (; names->count < strategies->count; names->count++) {
        char *text = cso_format("(%s)", strategies->items[names->count].name);
        if (!text)
            return cso_fail_memory(err, "names of strategies");
        cso_status status = cso_tokenizer_encode(tokenizer, text, strlen(text), false, &names->items[names->count], err);
        free(text);
        CSO_TRY(status);
    }
    return CSO_OK;
}

void name_ids_free(name_ids *names) {
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i].ids);
    free(names->items);
    *names = (name_ids){0};
}

size_t name_ids_tokens(const name_ids *names) {
    size_t tokens = 0;
    for (size_t i = 0; i < names->count; i++)
        tokens += names->items[i].count;
    return tokens;
}

/* fuzz_toml.c - configuration files. */
#include "io/toml.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cso_toml toml;
    cso_error err = {0};
    cso_status status = cso_toml_parse(&toml, (const char *)data, size, "fuzz", &err);
    if (status != CSO_OK && (status != CSO_ERR_USAGE || !err.message[0] || toml.count || toml.entries))
        __builtin_trap();
    int line = 1;
    for (size_t i = 0; i < toml.count; i++) {
        const cso_toml_entry *entry = &toml.entries[i];
        if (!entry->key || entry->line < line)
            __builtin_trap();
        line = entry->line;
        size_t length = 0;
        if (entry->type == CSO_TOML_STRING)
            length += strlen(entry->string);
        for (size_t k = 0; entry->type == CSO_TOML_STRINGS && k < entry->count; k++)
            length += strlen(entry->strings[k]);
        if (length > size * 4)
            __builtin_trap();
    }
    cso_toml_free(&toml);
    return 0;
}

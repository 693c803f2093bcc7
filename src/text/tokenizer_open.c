/* tokenizer_open.c - opening a tokenizer: finds its file, and hands it to the reader for that kind of file. */
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "tokenizer_internal.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 1 << 28 }; /* of a tokenizer.json or tokenizer.model */

static cso_status find_file(const char *folder, char **path, cso_error *err) {
    static const char *const names[] = {"tokenizer.json", "tokenizer.model"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *candidate = cso_path_join(folder, names[i]);
        if (!candidate)
            return cso_fail_memory(err, "a path");
        if (cso_path_exists(candidate)) {
            *path = candidate;
            return CSO_OK;
        }
        free(candidate);
    }
    CSO_TRY(cso_gguf_find_in(folder, path, err));
    if (!*path)
        return cso_fail(err, CSO_ERR_INPUT, "%s: no tokenizer here (expected tokenizer.json, tokenizer.model or a .gguf file)",
                        folder);
    return CSO_OK;
}

static cso_status read_gguf(cso_tokenizer *tokenizer, cso_gguf *gguf, const char *place, cso_error *err) {
    cso_status status = cso_tokenizer_read_gguf(tokenizer, gguf, place, err);
    cso_gguf_close(gguf);
    return status;
}

static cso_status open_file(cso_tokenizer *tokenizer, const char *path, cso_error *err) {
    if (!cso_ends_with(path, ".json") && !cso_ends_with(path, ".model")) {
        cso_gguf *gguf = NULL;
        CSO_TRY(cso_gguf_open(&gguf, path, err));
        return read_gguf(tokenizer, gguf, path, err);
    }
    char *data = NULL;
    size_t size = 0;
    CSO_TRY(cso_read_file(path, MAX_BYTES, &data, &size, err));
    cso_status status = cso_ends_with(path, ".json") ? cso_tokenizer_read_json(tokenizer, data, size, path, err)
                                                     : cso_tokenizer_read_model(tokenizer, data, size, path, err);
    free(data);
    return status == CSO_OK ? cso_tokenizer_read_config(tokenizer, path, err) : status;
}

cso_status cso_tokenizer_open(cso_tokenizer **tokenizer, const char *path, cso_error *err) {
    cso_tokenizer *made = NULL;
    char *found = NULL;
    cso_status status = CSO_OK;
    if (cso_path_is_folder(path))
        CSO_TRY_DONE(find_file(path, &found, err));
    CSO_TRY_DONE(cso_tokenizer_new(&made, err));
    status = open_file(made, found ? found : path, err);
done:
    free(found);
    if (status == CSO_OK)
        *tokenizer = made;
    else
        cso_tokenizer_free(made);
    return status;
}

cso_status cso_tokenizer_from_memory(cso_tokenizer **tokenizer, const char *name, const void *data, size_t size, cso_error *err) {
    cso_tokenizer *made = NULL;
    cso_gguf *gguf = NULL;
    CSO_TRY(cso_tokenizer_new(&made, err));
    cso_status status;
    if (cso_ends_with(name, ".json"))
        status = cso_tokenizer_read_json(made, data, size, name, err);
    else if (cso_ends_with(name, ".model"))
        status = cso_tokenizer_read_model(made, data, size, name, err);
    else if ((status = cso_gguf_open_memory(&gguf, data, size, name, err)) == CSO_OK)
        status = read_gguf(made, gguf, name, err);
    if (status == CSO_OK)
        *tokenizer = made;
    else
        cso_tokenizer_free(made);
    return status;
}

cso_status cso_tokenizer_from_gguf(cso_tokenizer **tokenizer, const cso_gguf *gguf, const char *place, cso_error *err) {
    cso_tokenizer *made = NULL;
    CSO_TRY(cso_tokenizer_new(&made, err));
    cso_status status = cso_tokenizer_read_gguf(made, gguf, place, err);
    if (status == CSO_OK)
        *tokenizer = made;
    else
        cso_tokenizer_free(made);
    return status;
}

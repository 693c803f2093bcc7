/* checksums.c - see checksums.h. */
#include "checksums.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 1 << 20 };
#define SEAL "\"checksum\": \"" /* the beginning of a sealed file's last member */
#define END  "\"\n}\n"

void cso_seal_add(cso_text *text) {
    char hex[CSO_DIGEST_HEX] = "";
    cso_text_format(text, "\n  ");
    if (!text->failed)
        cso_digest_bytes(text->data, text->size, hex);
    cso_text_format(text, SEAL "%s" END, hex);
}

static bool seal_holds(const char *text, size_t size) {
    char hex[CSO_DIGEST_HEX];
    const char *seal = NULL;
    for (const char *found = text; (found = strstr(found, SEAL)); found++)
        seal = found;
    if (!seal || strlen(text) != size)
        return false;
    cso_digest_bytes(text, (size_t)(seal - text), hex);
    const char *stored = seal + strlen(SEAL);
    return !strncmp(stored, hex, strlen(hex)) && !strcmp(stored + strlen(hex), END);
}

cso_status cso_sealed_read(const char *folder, const char *name, cJSON **json, cso_error *err) {
    char *path = cso_path_join(folder, name), *text = NULL;
    size_t size;
    cso_status status;
    *json = NULL;
    if (!path)
        return cso_fail_memory(err, "a path");
    CSO_TRY_DONE(cso_read_file(path, MAX_BYTES, &text, &size, err));
    if (seal_holds(text, size))
        status = cso_json_parse(json, text, size, path, 1, err);
    else
        status = cso_fail(err, CSO_ERR_INPUT, "%s: damaged (its checksum differs)", path);
done:
    free(path);
    free(text);
    return status;
}

cso_status cso_checksum_file(const char *folder, const char *name, char hex[33], cso_error *err) {
    cso_map map = {0};
    char *path = cso_path_join(folder, name);
    if (!path)
        return cso_fail_memory(err, "a path");
    cso_status status = cso_map_open(&map, path, err);
    if (status == CSO_OK)
        cso_digest_bytes(map.data, map.size, hex);
    cso_map_close(&map);
    free(path);
    return status;
}

cso_status cso_checksums_add(cso_text *text, const char *folder, const char *except, cso_error *err) {
    cso_names names;
    char hex[33];
    const char *separator = "";
    cso_status status = CSO_OK;
    CSO_TRY(cso_folder_list(folder, false, &names, err));
    cso_text_format(text, "  \"files\": {");
    for (size_t i = 0; i < names.count; i++) {
        const char *name = names.items[i];
        if (!strcmp(name, except))
            continue;
        CSO_TRY_DONE(cso_checksum_file(folder, name, hex, err));
        cso_text_format(text, "%s\n    ", separator);
        cso_text_json_string(text, name, strlen(name));
        cso_text_format(text, ": \"%s\"", hex);
        separator = ",";
    }
    cso_text_format(text, "\n  },");
done:
    cso_names_free(&names);
    return status;
}

cso_status cso_checksums_write(const char *folder, cso_error *err) {
    cso_text text = {0};
    cso_status status;
    char *path = cso_path_join(folder, CSO_CHECKSUMS_FILE);
    cso_text_format(&text, "{\n  \"format\": 1,\n");
    CSO_TRY_DONE(cso_checksums_add(&text, folder, CSO_CHECKSUMS_FILE, err));
    cso_seal_add(&text);
    status = path && !text.failed ? cso_save_text(path, text.data, text.size, err) : cso_fail_memory(err, "checksums");
done:
    free(path);
    free(text.data);
    return status;
}

cso_status cso_checksums_check(const char *folder, const cJSON *json, cso_error *err) {
    const cJSON *files = cJSON_GetObjectItemCaseSensitive(json, "files"), *item;
    if (!cJSON_IsObject(files) || !files->child)
        return cso_fail(err, CSO_ERR_INPUT, "%s: damaged (no checksums are stored)", folder);
    cJSON_ArrayForEach(item, files) {
        char hex[33];
        CSO_TRY(cso_checksum_file(folder, item->string, hex, err));
        if (!cJSON_IsString(item) || strcmp(item->valuestring, hex) != 0)
            return cso_fail(err, CSO_ERR_INPUT, "%s/%s: damaged (its checksum differs)", folder, item->string);
    }
    return CSO_OK;
}

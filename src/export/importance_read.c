/* importance_read.c - importance matrices of llama-imatrix, both of its forms. */
#include "importance_parts.h"

#include "base/file.h"
#include "base/memory.h"
#include "io/gguf.h"

#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 256 };
static const char SUMS[] = ".in_sum2", COUNTS[] = ".counts";

static float little_float(const uint8_t *bytes) {
    float value;
    uint32_t bits = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static cso_status check_size(const importance_entry *entry, size_t values, const char *path, const char *name, cso_error *err) {
    if (values == entry->columns)
        return CSO_OK;
    return cso_fail(err, CSO_ERR_INPUT, "%s: %s has %zu importances (expected %zu, the model's columns)", path, name, values,
                    entry->columns);
}

/* ---- GGUF ---- */

static cso_status read_tensor(cso_importance *importance, const cso_gguf *gguf, const cso_tensor *sums, const char *path,
                              cso_error *err) {
    char name[NAME_BYTES];
    size_t length = strlen(sums->name), columns = cso_tensor_columns(sums);
    if (length < sizeof SUMS || length >= sizeof name || strcmp(sums->name + length - (sizeof SUMS - 1), SUMS))
        return CSO_OK;
    memcpy(name, sums->name, length - (sizeof SUMS - 1));
    memcpy(name + length - (sizeof SUMS - 1), COUNTS, sizeof COUNTS);
    const cso_tensor *counts = cso_gguf_tensor(gguf, name);
    name[length - (sizeof SUMS - 1)] = 0;
    importance_entry *entry = importance_named(importance, name);
    if (!entry)
        return CSO_OK;
    CSO_TRY(check_size(entry, columns * cso_tensor_rows(sums), path, name, err));
    if (!counts || sums->dtype != CSO_F32 || counts->dtype != CSO_F32 || cso_tensor_columns(counts) * cso_tensor_rows(counts) != 1)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s%s and its counts are not of the form that llama-imatrix writes", path, name,
                        SUMS);
    double count = (double)little_float(counts->data);
    if (!(count > 0))
        return CSO_OK; /* it was never used */
    float *values = cso_calloc(columns, sizeof *values);
    if (!values)
        return cso_fail_memory(err, "an importance matrix");
    for (size_t i = 0; i < columns; i++)
        values[i] = little_float((const uint8_t *)sums->data + 4 * i);
    cso_status status = importance_set(entry, values, 1 / count, path, name, err);
    free(values);
    return status;
}

static cso_status read_gguf(cso_importance *importance, const char *path, cso_error *err) {
    cso_gguf *gguf = NULL;
    const char *type = "";
    size_t size = 0;
    bool found;
    CSO_TRY(cso_gguf_open(&gguf, path, err));
    cso_status status = cso_gguf_get_string(gguf, "general.type", &type, &size, &found, err);
    if (status == CSO_OK && (size != strlen("imatrix") || memcmp(type, "imatrix", size)))
        status = cso_fail(err, CSO_ERR_INPUT, "%s: is no importance matrix (expected general.type \"imatrix\")", path);
    for (size_t i = 0; status == CSO_OK && i < cso_gguf_tensor_count(gguf); i++)
        status = read_tensor(importance, gguf, cso_gguf_tensor_at(gguf, i), path, err);
    cso_gguf_close(gguf);
    return status;
}

/* ---- the older form ---- */

typedef struct reader {
    const uint8_t *bytes;
    size_t size, at;
    const char *path;
} reader;

static cso_status damaged(const reader *r, cso_error *err) {
    return cso_fail(err, CSO_ERR_INPUT,
                    "%s: is no importance matrix, or damaged, at byte %zu (expected GGUF or the form that "
                    "llama-imatrix wrote before)",
                    r->path, r->at);
}

/* A number that is not negative. */
static cso_status read_int(reader *r, size_t *value, cso_error *err) {
    if (r->size - r->at < 4)
        return damaged(r, err);
    const uint8_t *b = r->bytes + r->at;
    if (b[3] & 0x80)
        return damaged(r, err);
    *value = (size_t)b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16 | (size_t)b[3] << 24;
    r->at += 4;
    return CSO_OK;
}

static cso_status read_entry(cso_importance *importance, reader *r, cso_error *err) {
    char name[NAME_BYTES];
    size_t length = 0, calls = 0, values = 0;
    CSO_TRY(read_int(r, &length, err));
    if (!length || length >= sizeof name || length > r->size - r->at)
        return damaged(r, err);
    memcpy(name, r->bytes + r->at, length);
    name[length] = 0;
    r->at += length;
    CSO_TRY(read_int(r, &calls, err));
    CSO_TRY(read_int(r, &values, err));
    if (!values || values > (r->size - r->at) / 4)
        return damaged(r, err);
    const uint8_t *numbers = r->bytes + r->at;
    r->at += 4 * values;
    importance_entry *entry = importance_named(importance, name);
    if (!entry || !calls)
        return CSO_OK;
    CSO_TRY(check_size(entry, values, r->path, name, err));
    float *sums = cso_calloc(values, sizeof *sums);
    if (!sums)
        return cso_fail_memory(err, "an importance matrix");
    for (size_t i = 0; i < values; i++)
        sums[i] = little_float(numbers + 4 * i);
    cso_status status = importance_set(entry, sums, 1 / (double)calls, r->path, name, err);
    free(sums);
    return status;
}

static cso_status read_older(cso_importance *importance, const cso_map *map, cso_error *err) {
    reader r = {map->data, map->size, 0, map->path};
    size_t entries;
    CSO_TRY(read_int(&r, &entries, err));
    for (size_t i = 0; i < entries; i++)
        CSO_TRY(read_entry(importance, &r, err));
    return entries ? CSO_OK : damaged(&r, err);
}

cso_status cso_importance_read(cso_importance **importance, const cso_model *model, const char *path, cso_error *err) {
    cso_map map = {0};
    size_t of;
    *importance = NULL;
    CSO_TRY(cso_map_open(&map, path, err));
    cso_status status = importance_create(importance, model, err);
    if (status == CSO_OK && map.size >= 4 && !memcmp(map.data, "GGUF", 4))
        status = read_gguf(*importance, path, err);
    else if (status == CSO_OK)
        status = read_older(*importance, &map, err);
    if (status == CSO_OK && !cso_importance_known(*importance, &of))
        status = cso_fail(err, CSO_ERR_INPUT, "%s: has no importances of this model's %zu matrices", path, of);
    cso_map_close(&map);
    if (status != CSO_OK) {
        cso_importance_free(*importance);
        *importance = NULL;
    }
    return status;
}

/* safetensors_read.c - safetensors files, with the checks of the reference (tensor.rs of huggingface/safetensors). */
#include "safetensors.h"

#include "base/memory.h"
#include "json.h"
#include "name_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_HEADER = 100000000 };

/* Bits of an element; the sub-byte types must fill whole bytes. */
typedef struct element_type {
    const char *name;
    size_t bits;
} element_type;

static const element_type TYPES[] = {
    {"BOOL", 8}, {"U8", 8},   {"I8", 8},    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16},
    {"U16", 16}, {"F16", 16}, {"BF16", 16}, {"I32", 32},    {"U32", 32},    {"F32", 32},    {"F64", 64},
    {"I64", 64}, {"U64", 64}, {"C64", 64},  {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6},
};
enum { TYPE_COUNT = sizeof TYPES / sizeof TYPES[0] };

/* Every entry of the header. */
typedef struct entry {
    const char *name, *dtype;
    size_t begin, end; /* in the data */
    size_t tensor;     /* index among the tensors, SIZE_MAX if a cso_tensor cannot hold it */
} entry;

struct cso_safetensors {
    cso_map map; /* zeroed for memory */
    char *name;
    cJSON *header; /* owns the names */
    const uint8_t *data;
    size_t data_size;
    entry *entries;
    size_t entry_count, entry_capacity;
    cso_tensor *tensors;
    size_t tensor_count, tensor_capacity;
    cso_name_index index; /* name -> entry */
};

static cso_status fail(const cso_safetensors *file, const char *tensor, const char *what, cso_error *err) {
    return cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s: %s", file->name, tensor, what);
}

/* Bits of one element; 0: the type is unknown. */
static size_t bits_of(const char *dtype) {
    for (int i = 0; i < TYPE_COUNT; i++)
        if (!strcmp(TYPES[i].name, dtype))
            return TYPES[i].bits;
    return 0;
}

/* "shape": sets *dims and the tensor's first CSO_MAX_DIMS dimensions, and its size from the bits of one element. */
static cso_status read_shape(const cso_safetensors *file, const cJSON *shape, size_t bits, cso_tensor *tensor, size_t *dims,
                             cso_error *err) {
    size_t elements = 1, size = 0;
    const cJSON *number;
    bool fits = true;
    cJSON_ArrayForEach(number, shape) {
        if (!cJSON_IsNumber(number))
            return fail(file, tensor->name, "expected whole numbers in its shape", err);
        if (*dims < CSO_MAX_DIMS)
            tensor->shape[*dims] = (size_t)number->valuedouble;
        ++*dims;
        fits = fits && cso_size_mul(elements, (size_t)number->valuedouble, &elements);
    }
    if (!fits || !cso_size_mul(elements, bits, &size))
        return fail(file, tensor->name, "the product of its dimensions overflows", err);
    if (size % 8)
        return fail(file, tensor->name, "does not end on a whole byte", err);
    tensor->size = size / 8;
    return CSO_OK;
}

/* "data_offsets" of a tensor of `size` bytes. */
static cso_status read_offsets(const cso_safetensors *file, const cJSON *offsets, const char *name, size_t size, entry *e,
                               cso_error *err) {
    size_t range[2], count = 0;
    const cJSON *number;
    cJSON_ArrayForEach(number, offsets) {
        if (!cJSON_IsNumber(number) || count == 2)
            return fail(file, name, "expected two whole numbers in data_offsets", err);
        range[count++] = (size_t)number->valuedouble;
    }
    if (count != 2)
        return fail(file, name, "expected two whole numbers in data_offsets", err);
    if (range[1] < range[0] || range[1] > file->data_size)
        return cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s: data_offsets %zu to %zu (the file has %zu bytes of data)", file->name,
                        name, range[0], range[1], file->data_size);
    if (range[1] - range[0] != size)
        return cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s: data_offsets give it %zu bytes (expected %zu by shape and dtype)",
                        file->name, name, range[1] - range[0], size);
    e->begin = range[0];
    e->end = range[1];
    return CSO_OK;
}

/* Adds the entry, and the tensor if a cso_tensor can hold it. */
static cso_status add_entry(cso_safetensors *file, entry e, cso_tensor *tensor, size_t dims, cso_error *err) {
    if (!cso_grow(&file->entries, &file->entry_capacity, file->entry_count + 1, sizeof *file->entries) ||
        !cso_grow(&file->tensors, &file->tensor_capacity, file->tensor_count + 1, sizeof *file->tensors))
        return cso_fail_memory(err, file->name);
    e.tensor = SIZE_MAX;
    if (dims <= CSO_MAX_DIMS && cso_dtype_from_safetensors(e.dtype, &tensor->dtype)) {
        if (strlen(e.name) >= CSO_MAX_NAME)
            return fail(file, e.name, "its name is too long (expected at most 255 bytes)", err);
        tensor->n_dims = (int)dims;
        tensor->data = file->data + e.begin;
        if (!cso_dtype_row_bytes(tensor->dtype, cso_tensor_columns(tensor), &tensor->row_bytes))
            return fail(file, e.name, "the product of its dimensions overflows", err);
        e.tensor = file->tensor_count;
        file->tensors[file->tensor_count++] = *tensor;
    }
    file->entries[file->entry_count] = e;
    bool known;
    if (!cso_name_index_add(&file->index, e.name, file->entry_count, &known))
        return cso_fail_memory(err, file->name);
    file->entry_count++; /* the parser refused duplicates */
    return CSO_OK;
}

/* "dtype", "shape" and "data_offsets" of one entry. All numbers are whole: the parser checked them. */
static cso_status read_entry(cso_safetensors *file, const cJSON *item, cso_error *err) {
    const char *name = item->string;
    if (!cJSON_IsObject(item))
        return fail(file, name, "expected an object", err);
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(item, "shape");
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    if (!cJSON_IsString(dtype) || !cJSON_IsArray(shape) || !cJSON_IsArray(offsets))
        return fail(file, name, "expected the keys dtype (a string), shape and data_offsets (arrays)", err);
    size_t bits = bits_of(dtype->valuestring), dims = 0;
    if (!bits)
        return cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s: unknown dtype '%.32s'", file->name, name, dtype->valuestring);
    entry e = {.name = name, .dtype = dtype->valuestring};
    cso_tensor tensor = {.name = name};
    CSO_TRY(read_shape(file, shape, bits, &tensor, &dims, err));
    CSO_TRY(read_offsets(file, offsets, name, tensor.size, &e, err));
    return add_entry(file, e, &tensor, dims, err);
}

static cso_status check_metadata(const cso_safetensors *file, const cJSON *metadata, cso_error *err) {
    const cJSON *item;
    bool good = cJSON_IsObject(metadata);
    cJSON_ArrayForEach(item, metadata) good = good && cJSON_IsString(item);
    return good ? CSO_OK : cso_fail(err, CSO_ERR_INPUT, "%s: __metadata__: expected an object of strings", file->name);
}

static int compare_entries(const void *a, const void *b) {
    const entry *x = *(const entry *const *)a, *y = *(const entry *const *)b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* The tensors cover the data without holes and overlaps. */
static cso_status check_cover(const cso_safetensors *file, cso_error *err) {
    const entry **order = cso_calloc(file->entry_count, sizeof *order);
    if (!order)
        return cso_fail_memory(err, file->name);
    for (size_t i = 0; i < file->entry_count; i++)
        order[i] = &file->entries[i];
    qsort(order, file->entry_count, sizeof *order, compare_entries);
    size_t end = 0;
    cso_status status = CSO_OK;
    for (size_t i = 0; status == CSO_OK && i < file->entry_count; i++) {
        if (order[i]->begin != end)
            status = cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s: begins at %zu of the data, %s (expected %zu)", file->name,
                              order[i]->name, order[i]->begin, order[i]->begin < end ? "inside another" : "after a hole", end);
        end = order[i]->end;
    }
    free(order);
    if (status == CSO_OK && end != file->data_size)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %zu bytes follow the last tensor", file->name, file->data_size - end);
    return status;
}

static cso_status parse(cso_safetensors *file, const uint8_t *bytes, size_t size, cso_error *err) {
    uint64_t length = 0;
    if (size < sizeof length)
        return cso_fail(err, CSO_ERR_INPUT, "%s: not a safetensors file (it has %zu bytes)", file->name, size);
    for (int i = 7; i >= 0; i--)
        length = length << 8 | bytes[i];
    if (length > MAX_HEADER)
        return cso_fail(err, CSO_ERR_INPUT, "%s: not a safetensors file, or damaged (its header is more than 100 MB long)",
                        file->name);
    if (length > size - sizeof length)
        return cso_fail(err, CSO_ERR_INPUT, "%s: the file ends inside its header (%zu bytes, expected %zu more than 8)", file->name,
                        size, (size_t)length);
    const char *text = (const char *)bytes + sizeof length;
    if (!length || text[0] != '{')
        return cso_fail(err, CSO_ERR_INPUT, "%s: not a safetensors file (expected its header to begin with '{')", file->name);
    file->data = bytes + sizeof length + length;
    file->data_size = size - sizeof length - (size_t)length;
    CSO_TRY(cso_json_parse_integers(&file->header, text, (size_t)length, file->name, err));
    const cJSON *item;
    cJSON_ArrayForEach(item, file->header) {
        if (!strcmp(item->string, "__metadata__"))
            CSO_TRY(check_metadata(file, item, err));
        else
            CSO_TRY(read_entry(file, item, err));
    }
    return check_cover(file, err);
}

/* Takes map, which is zeroed for memory. */
static cso_status open_bytes(cso_safetensors **result, cso_map map, const uint8_t *bytes, size_t size, const char *name,
                             cso_error *err) {
    cso_safetensors *file = cso_calloc(1, sizeof *file);
    if (!file) {
        cso_map_close(&map);
        return cso_fail_memory(err, name);
    }
    file->map = map;
    file->name = cso_strdup(name);
    cso_status status = file->name ? parse(file, bytes, size, err) : cso_fail_memory(err, name);
    if (status == CSO_OK)
        *result = file;
    else
        cso_safetensors_close(file);
    return status;
}

cso_status cso_safetensors_open(cso_safetensors **file, const char *path, cso_error *err) {
    *file = NULL;
    cso_map map;
    CSO_TRY(cso_map_open(&map, path, err));
    return open_bytes(file, map, map.data, map.size, path, err);
}

cso_status cso_safetensors_open_memory(cso_safetensors **file, const void *data, size_t size, const char *name, cso_error *err) {
    *file = NULL;
    return open_bytes(file, (cso_map){0}, data, size, name, err);
}

void cso_safetensors_close(cso_safetensors *file) {
    if (!file)
        return;
    cso_name_index_free(&file->index);
    free(file->tensors);
    free(file->entries);
    cJSON_Delete(file->header);
    cso_map_close(&file->map);
    free(file->name);
    free(file);
}

size_t cso_safetensors_count(const cso_safetensors *file) {
    return file->tensor_count;
}

const cso_tensor *cso_safetensors_at(const cso_safetensors *file, size_t index) {
    return &file->tensors[index];
}

static const entry *find(const cso_safetensors *file, const char *name) {
    size_t number;
    return cso_name_index_find(&file->index, name, &number) ? &file->entries[number] : NULL;
}

const cso_tensor *cso_safetensors_find(const cso_safetensors *file, const char *name) {
    const entry *e = find(file, name);
    return e && e->tensor != SIZE_MAX ? &file->tensors[e->tensor] : NULL;
}

const char *cso_safetensors_metadata(const cso_safetensors *file, const char *key) {
    const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(file->header, "__metadata__");
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(metadata, key));
}

const char *cso_safetensors_path(const cso_safetensors *file) {
    return file->name;
}

cso_status cso_safetensors_raw(const cso_safetensors *file, const char *name, const char **dtype, const void **data, size_t *size,
                               cso_error *err) {
    const entry *e = find(file, name);
    if (!e)
        return cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s is missing", file->name, name);
    *dtype = e->dtype;
    *data = file->data + e->begin;
    *size = e->end - e->begin;
    return CSO_OK;
}

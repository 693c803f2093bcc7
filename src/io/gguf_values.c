/* gguf_values.c - what an open GGUF holds: its keys and tensors by name or index, and typed reads of its values. */
#include "gguf_file.h"

#include <inttypes.h>
#include <string.h>

typedef struct type_info {
    const char *name;
    size_t bytes;
} type_info;

static const type_info TYPES[] = {
    [CSO_GGUF_UINT8] = {"uint8", 1},     [CSO_GGUF_INT8] = {"int8", 1},     [CSO_GGUF_UINT16] = {"uint16", 2},
    [CSO_GGUF_INT16] = {"int16", 2},     [CSO_GGUF_UINT32] = {"uint32", 4}, [CSO_GGUF_INT32] = {"int32", 4},
    [CSO_GGUF_FLOAT32] = {"float32", 4}, [CSO_GGUF_BOOL] = {"bool", 1},     [CSO_GGUF_STRING] = {"string", 0},
    [CSO_GGUF_ARRAY] = {"array", 0},     [CSO_GGUF_UINT64] = {"uint64", 8}, [CSO_GGUF_INT64] = {"int64", 8},
    [CSO_GGUF_FLOAT64] = {"float64", 8},
};

size_t cso_gguf_type_bytes(cso_gguf_type type) {
    return TYPES[type].bytes;
}

const char *cso_gguf_type_name(cso_gguf_type type) {
    return TYPES[type].name;
}

const char *cso_gguf_path(const cso_gguf *gguf) {
    return gguf->parts[0].name;
}

size_t cso_gguf_tensor_count(const cso_gguf *gguf) {
    return gguf->tensor_count;
}

const cso_tensor *cso_gguf_tensor_at(const cso_gguf *gguf, size_t index) {
    return &gguf->tensors[index];
}

const cso_tensor *cso_gguf_tensor(const cso_gguf *gguf, const char *name) {
    size_t number;
    return cso_name_index_find(&gguf->tensor_index, name, &number) ? &gguf->tensors[number] : NULL;
}

size_t cso_gguf_value_count(const cso_gguf *gguf) {
    return gguf->value_count;
}

const cso_gguf_value *cso_gguf_value_at(const cso_gguf *gguf, size_t index) {
    return &gguf->values[index];
}

const cso_gguf_value *cso_gguf_find(const cso_gguf *gguf, const char *key) {
    size_t number;
    return cso_name_index_find(&gguf->value_index, key, &number) ? &gguf->values[number] : NULL;
}

/* The value of a key; *value is NULL if it is missing and found is given. */
static cso_status look_up(const cso_gguf *gguf, const char *key, const cso_gguf_value **value, bool *found, cso_error *err) {
    *value = cso_gguf_find(gguf, key);
    if (found)
        *found = *value != NULL;
    if (!*value && !found)
        return cso_fail(err, CSO_ERR_INPUT, "%s: key %s is missing", cso_gguf_path(gguf), key);
    return CSO_OK;
}

static cso_status fail_type(const cso_gguf *gguf, const cso_gguf_value *value, const char *expected, cso_error *err) {
    return cso_fail(err, CSO_ERR_INPUT, "%s: key %s: is of type %s (expected %s)", cso_gguf_path(gguf), value->key,
                    cso_gguf_type_name(value->type), expected);
}

/* A number; `kind` says which member holds it. */
typedef struct scalar {
    enum { NO_NUMBER, SIGNED, UNSIGNED, FLOAT } kind;
    int64_t i;
    uint64_t u;
    double f;
} scalar;

#define READ(type, member, kind_)                                                                                                  \
    do {                                                                                                                           \
        type item;                                                                                                                 \
        memcpy(&item, data, sizeof item);                                                                                          \
        result.member = item;                                                                                                      \
        result.kind = kind_;                                                                                                       \
    } while (0)

static scalar read_number(cso_gguf_type type, const uint8_t *data) {
    scalar result = {.kind = NO_NUMBER};
    switch (type) {
    case CSO_GGUF_BOOL:
    case CSO_GGUF_UINT8:
        READ(uint8_t, u, UNSIGNED);
        break;
    case CSO_GGUF_INT8:
        READ(int8_t, i, SIGNED);
        break;
    case CSO_GGUF_UINT16:
        READ(uint16_t, u, UNSIGNED);
        break;
    case CSO_GGUF_INT16:
        READ(int16_t, i, SIGNED);
        break;
    case CSO_GGUF_UINT32:
        READ(uint32_t, u, UNSIGNED);
        break;
    case CSO_GGUF_INT32:
        READ(int32_t, i, SIGNED);
        break;
    case CSO_GGUF_UINT64:
        READ(uint64_t, u, UNSIGNED);
        break;
    case CSO_GGUF_INT64:
        READ(int64_t, i, SIGNED);
        break;
    case CSO_GGUF_FLOAT32:
        READ(float, f, FLOAT);
        break;
    case CSO_GGUF_FLOAT64:
        READ(double, f, FLOAT);
        break;
    case CSO_GGUF_STRING:
    case CSO_GGUF_ARRAY:
        break;
    }
    return result;
}

cso_status cso_gguf_get_size(const cso_gguf *gguf, const char *key, size_t *size, bool *found, cso_error *err) {
    const cso_gguf_value *value;
    CSO_TRY(look_up(gguf, key, &value, found, err));
    if (!value)
        return CSO_OK;
    scalar n = read_number(value->type, value->data);
    if (value->type == CSO_GGUF_BOOL || (n.kind != SIGNED && n.kind != UNSIGNED))
        return fail_type(gguf, value, "an integer", err);
    if (n.kind == SIGNED && n.i < 0)
        return cso_fail(err, CSO_ERR_INPUT, "%s: key %s: must be >= 0, got %" PRId64, cso_gguf_path(gguf), key, n.i);
    *size = n.kind == SIGNED ? (size_t)n.i : (size_t)n.u;
    return CSO_OK;
}

cso_status cso_gguf_get_float(const cso_gguf *gguf, const char *key, double *result, bool *found, cso_error *err) {
    const cso_gguf_value *value;
    CSO_TRY(look_up(gguf, key, &value, found, err));
    if (!value)
        return CSO_OK;
    scalar n = read_number(value->type, value->data);
    if (value->type == CSO_GGUF_BOOL || n.kind == NO_NUMBER)
        return fail_type(gguf, value, "a number", err);
    *result = n.kind == FLOAT ? n.f : n.kind == SIGNED ? (double)n.i : (double)n.u;
    return CSO_OK;
}

cso_status cso_gguf_get_bool(const cso_gguf *gguf, const char *key, bool *result, bool *found, cso_error *err) {
    const cso_gguf_value *value;
    CSO_TRY(look_up(gguf, key, &value, found, err));
    if (!value)
        return CSO_OK;
    if (value->type != CSO_GGUF_BOOL)
        return fail_type(gguf, value, "bool", err);
    *result = value->data[0] != 0;
    return CSO_OK;
}

cso_status cso_gguf_get_string(const cso_gguf *gguf, const char *key, const char **text, size_t *size, bool *found,
                               cso_error *err) {
    const cso_gguf_value *value;
    CSO_TRY(look_up(gguf, key, &value, found, err));
    if (!value)
        return CSO_OK;
    if (value->type != CSO_GGUF_STRING)
        return fail_type(gguf, value, "string", err);
    *text = (const char *)value->data;
    *size = value->size;
    return CSO_OK;
}

cso_status cso_gguf_get_array(const cso_gguf *gguf, const char *key, bool strings, const cso_gguf_value **array, bool *found,
                              cso_error *err) {
    const cso_gguf_value *value;
    CSO_TRY(look_up(gguf, key, &value, found, err));
    if (!value)
        return CSO_OK;
    if (value->type != CSO_GGUF_ARRAY)
        return fail_type(gguf, value, "array", err);
    if ((value->item == CSO_GGUF_STRING) != strings)
        return cso_fail(err, CSO_ERR_INPUT, "%s: key %s: is an array of %s (expected of %s)", cso_gguf_path(gguf), key,
                        cso_gguf_type_name(value->item), strings ? "string" : "numbers");
    *array = value;
    return CSO_OK;
}

void cso_gguf_next_string(const cso_gguf_value *array, size_t *cursor, const char **text, size_t *size) {
    uint64_t length;
    memcpy(&length, array->data + *cursor, sizeof length);
    *text = (const char *)array->data + *cursor + sizeof length;
    *size = (size_t)length;
    *cursor += sizeof length + *size;
}

double cso_gguf_array_float(const cso_gguf_value *array, size_t i) {
    scalar n = read_number(array->item, array->data + i * cso_gguf_type_bytes(array->item));
    return n.kind == FLOAT ? n.f : n.kind == SIGNED ? (double)n.i : n.kind == UNSIGNED ? (double)n.u : 0.0;
}

int64_t cso_gguf_array_int(const cso_gguf_value *array, size_t i) {
    scalar n = read_number(array->item, array->data + i * cso_gguf_type_bytes(array->item));
    if (n.kind == FLOAT) /* 0 for values that do not fit, including NaN */
        return n.f > -0x1p63 && n.f < 0x1p63 ? (int64_t)n.f : 0;
    return n.kind == SIGNED ? n.i : n.kind == UNSIGNED ? (n.u > INT64_MAX ? INT64_MAX : (int64_t)n.u) : 0;
}

/* gguf_parse.c - one GGUF file from front to back (all numbers little-endian):
 *
 *   "GGUF"  u32 version  u64 tensors  u64 keys
 *   keys:    string key, u32 type, value        (string: u64 length, bytes; array: u32 item type, u64 count, items)
 *   tensors: string name, u32 n_dims, u64 dims[n_dims] fastest first, u32 type, u64 offset into the data
 *   padding to the alignment (general.alignment, 32)
 *   data, each tensor at a multiple of the alignment
 *
 * The cursor never moves past the end: each size is compared with the bytes left, so nothing can wrap around.
 */
#include "gguf_file.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "GGUF's tensors are little-endian and used in place"
#endif

enum {
    MAX_KEY = 65535,       /* the specification's 2^16 - 1 */
    MAX_TENSOR_NAME = 63,  /* GGML_MAX_NAME with its zero is 64 */
    MAX_ALIGNMENT = 65536, /* ours; 32 is usual */
    MIN_KEY_BYTES = 8 + 1 + 4 + 1,
    MIN_TENSOR_BYTES = 8 + 1 + 4 + 8 + 4 + 8
};

typedef struct cursor {
    const uint8_t *data;
    size_t size, at;
    const char *name;
    cso_error *err;
} cursor;

static cso_status fail_end(cursor *c, const char *what) {
    return cso_fail(c->err, CSO_ERR_INPUT, "%s: the file ends inside %s (offset %zu of %zu)", c->name, what, c->at, c->size);
}

static bool take(cursor *c, void *out, size_t size) {
    if (size > c->size - c->at)
        return false;
    memcpy(out, c->data + c->at, size);
    c->at += size;
    return true;
}

static cso_status take_u32(cursor *c, uint32_t *number, const char *what) {
    return take(c, number, sizeof *number) ? CSO_OK : fail_end(c, what);
}

static cso_status take_u64(cursor *c, uint64_t *number, const char *what) {
    return take(c, number, sizeof *number) ? CSO_OK : fail_end(c, what);
}

/* A string is not copied. */
static cso_status take_string(cursor *c, const char **text, size_t *length, const char *what) {
    size_t begin = c->at;
    uint64_t count = 0;
    CSO_TRY(take_u64(c, &count, what));
    if (count > c->size - c->at)
        return cso_fail(c->err, CSO_ERR_INPUT, "%s: %s at offset %zu: a string of %" PRIu64 " bytes (the file has %zu more)",
                        c->name, what, begin, count, c->size - c->at);
    *text = (const char *)c->data + c->at;
    *length = (size_t)count;
    c->at += (size_t)count;
    return CSO_OK;
}

/* The specification calls other values invalid. */
static cso_status check_bools(cursor *c, const uint8_t *items, size_t count, const char *key) {
    for (size_t i = 0; i < count; i++)
        if (items[i] > 1)
            return cso_fail(c->err, CSO_ERR_INPUT, "%s: key %s: a boolean of %d at offset %zu (expected 0 or 1)", c->name, key,
                            items[i], (size_t)(items - c->data) + i);
    return CSO_OK;
}

static cso_status take_type(cursor *c, cso_gguf_type *type, const char *key) {
    size_t begin = c->at;
    uint32_t number = 0;
    CSO_TRY(take_u32(c, &number, key));
    if (number > CSO_GGUF_FLOAT64)
        return cso_fail(c->err, CSO_ERR_INPUT, "%s: key %s: unknown type %" PRIu32 " at offset %zu (expected 0 to 12)", c->name,
                        key, number, begin);
    *type = (cso_gguf_type)number;
    return CSO_OK;
}

/* The items of an array, all of which must be in the file. */
static cso_status take_array(cursor *c, cso_gguf_value *value) {
    uint64_t count = 0;
    CSO_TRY(take_type(c, &value->item, value->key));
    if (value->item == CSO_GGUF_ARRAY)
        return cso_fail(c->err, CSO_ERR_INPUT, "%s: key %s: an array of arrays at offset %zu is not supported", c->name, value->key,
                        c->at - 4);
    CSO_TRY(take_u64(c, &count, value->key));
    size_t begin = c->at, left = c->size - begin, bytes = cso_gguf_type_bytes(value->item);
    if (count > left / (bytes ? bytes : 8)) /* a string takes 8 bytes at least */
        return cso_fail(c->err, CSO_ERR_INPUT,
                        "%s: key %s: an array of %" PRIu64 " items at offset %zu (the file has %zu more bytes)", c->name,
                        value->key, count, begin - 8, left);
    value->count = (size_t)count;
    value->data = c->data + begin;
    if (value->item == CSO_GGUF_STRING) {
        const char *text = NULL;
        size_t length = 0;
        for (size_t i = 0; i < value->count; i++)
            CSO_TRY(take_string(c, &text, &length, value->key));
    } else {
        c->at += value->count * bytes;
    }
    value->size = c->at - begin;
    return value->item == CSO_GGUF_BOOL ? check_bools(c, value->data, value->count, value->key) : CSO_OK;
}

static cso_status take_value(cursor *c, cso_gguf_value *value) {
    CSO_TRY(take_type(c, &value->type, value->key));
    if (value->type == CSO_GGUF_ARRAY)
        return take_array(c, value);
    if (value->type == CSO_GGUF_STRING) {
        const char *text = NULL;
        CSO_TRY(take_string(c, &text, &value->count, value->key));
        value->data = (const uint8_t *)text;
        value->size = value->count;
        return CSO_OK;
    }
    value->count = 1;
    value->data = c->data + c->at;
    value->size = cso_gguf_type_bytes(value->type);
    if (value->size > c->size - c->at)
        return fail_end(c, value->key);
    c->at += value->size;
    return value->type == CSO_GGUF_BOOL ? check_bools(c, value->data, 1, value->key) : CSO_OK;
}

/* A key: 1 to 65535 printable ASCII characters. */
static cso_status take_key(cursor *c, char **key) {
    size_t begin = c->at, length = 0;
    const char *text = NULL;
    CSO_TRY(take_string(c, &text, &length, "a key"));
    bool good = length > 0 && length <= MAX_KEY;
    for (size_t i = 0; good && i < length; i++)
        good = text[i] > ' ' && text[i] <= '~';
    if (!good)
        return cso_fail(c->err, CSO_ERR_INPUT,
                        "%s: bad key '%.*s' of %zu bytes at offset %zu (expected 1 to 65535 ASCII characters)", c->name,
                        length > 64 ? 64 : (int)length, text, length, begin);
    *key = cso_strndup(text, length);
    return *key ? CSO_OK : cso_fail_memory(c->err, c->name);
}

static cso_status parse_values(cso_gguf *gguf, cursor *c, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (!cso_grow(&gguf->values, &gguf->value_capacity, gguf->value_count + 1, sizeof *gguf->values))
            return cso_fail_memory(c->err, c->name);
        cso_gguf_value *value = &gguf->values[gguf->value_count];
        *value = (cso_gguf_value){0};
        size_t begin = c->at;
        char *key = NULL;
        CSO_TRY(take_key(c, &key));
        value->key = key; /* owned by gguf from here on */
        size_t number = gguf->value_count++;
        bool known;
        if (!cso_name_index_add(&gguf->value_index, key, number, &known))
            return cso_fail_memory(c->err, c->name);
        if (known)
            return cso_fail(c->err, CSO_ERR_INPUT, "%s: duplicate key %s at offset %zu", c->name, key, begin);
        CSO_TRY(take_value(c, value));
    }
    return CSO_OK;
}

static cso_status find_alignment(const cso_gguf *gguf, cursor *c, size_t *alignment) {
    *alignment = 32;
    const cso_gguf_value *value = cso_gguf_find(gguf, "general.alignment");
    if (!value)
        return CSO_OK;
    uint32_t number = 0;
    if (value->type == CSO_GGUF_UINT32)
        memcpy(&number, value->data, sizeof number);
    if (number < 8 || number > MAX_ALIGNMENT || (number & (number - 1)))
        return cso_fail(c->err, CSO_ERR_INPUT,
                        "%s: key general.alignment: %s %" PRIu32 " (expected a uint32, a power of two from 8 to %d)", c->name,
                        cso_gguf_type_name(value->type), number, MAX_ALIGNMENT);
    *alignment = number;
    return CSO_OK;
}

static cso_status take_tensor_name(cursor *c, char **name) {
    size_t begin = c->at, length = 0;
    const char *text = NULL;
    CSO_TRY(take_string(c, &text, &length, "a tensor's name"));
    bool good = length > 0 && length <= MAX_TENSOR_NAME && !memchr(text, '\0', length) && cso_utf8_check(text, length, NULL);
    if (!good)
        return cso_fail(c->err, CSO_ERR_INPUT,
                        "%s: bad tensor name '%.*s' of %zu bytes at offset %zu (expected 1 to 63 bytes of text)", c->name,
                        length > 64 ? 64 : (int)length, text, length, begin);
    *name = cso_strndup(text, length);
    return *name ? CSO_OK : cso_fail_memory(c->err, c->name);
}

/* Shape, type and sizes; `offset` is into the data section, which is not known yet. */
static cso_status take_tensor(cursor *c, cso_tensor *tensor, uint64_t *offset) {
    size_t begin = c->at;
    uint32_t dims = 0, type = 0;
    CSO_TRY(take_u32(c, &dims, tensor->name));
    if (dims < 1 || dims > CSO_MAX_DIMS)
        return cso_fail(c->err, CSO_ERR_INPUT, "%s: tensor %s: %" PRIu32 " dimensions at offset %zu (expected 1 to 4)", c->name,
                        tensor->name, dims, begin);
    tensor->n_dims = (int)dims;
    for (uint32_t i = 0; i < dims; i++) {
        uint64_t dim = 0;
        CSO_TRY(take_u64(c, &dim, tensor->name));
        if (dim > INT64_MAX || dim > SIZE_MAX)
            return cso_fail(c->err, CSO_ERR_INPUT, "%s: tensor %s: a dimension of %" PRIu64 " at offset %zu", c->name, tensor->name,
                            dim, c->at - 8);
        tensor->shape[dims - 1 - i] = (size_t)dim;
    }
    CSO_TRY(take_u32(c, &type, tensor->name));
    if (!cso_dtype_from_ggml(type, &tensor->dtype))
        return cso_fail(c->err, CSO_ERR_INPUT, "%s: tensor %s: type %" PRIu32 " at offset %zu is unknown or not supported", c->name,
                        tensor->name, type, c->at - 4);
    CSO_TRY(take_u64(c, offset, tensor->name));

    const cso_dtype_info *info = cso_dtype_get(tensor->dtype);
    size_t columns = tensor->shape[dims - 1], rows = 1, elements;
    if (columns % info->block)
        return cso_fail(c->err, CSO_ERR_INPUT, "%s: tensor %s: rows of %zu weights of type %s (expected a multiple of %" PRIu32 ")",
                        c->name, tensor->name, columns, info->name, info->block);
    bool fits = cso_dtype_row_bytes(tensor->dtype, columns, &tensor->row_bytes);
    for (uint32_t i = 0; i + 1 < dims; i++)
        fits = fits && cso_size_mul(rows, tensor->shape[i], &rows);
    if (!fits || !cso_size_mul(rows, tensor->row_bytes, &tensor->size) || !cso_size_mul(rows, columns, &elements))
        return cso_fail(c->err, CSO_ERR_INPUT, "%s: tensor %s: the product of its dimensions overflows (offset %zu)", c->name,
                        tensor->name, begin);
    return CSO_OK;
}

/* A range of the data section. */
typedef struct extent {
    uint64_t begin, end;
    const char *name;
} extent;

static int compare_extents(const void *a, const void *b) {
    const extent *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

/* Finds the tensors' bytes; extents[i].begin is the offset of tensor i. */
static cso_status place_tensors(cso_gguf *gguf, cursor *c, extent *extents, size_t alignment) {
    size_t count = gguf->tensor_count;
    size_t padding = (alignment - c->at % alignment) % alignment, left = c->size - c->at;
    size_t room = left > padding ? left - padding : 0;
    const uint8_t *data = c->data + c->at + (padding < left ? padding : left);
    for (size_t i = 0; i < count; i++) {
        cso_tensor *tensor = &gguf->tensors[i];
        uint64_t offset = extents[i].begin;
        if (offset % alignment)
            return cso_fail(c->err, CSO_ERR_INPUT, "%s: tensor %s: its offset %" PRIu64 " is not a multiple of the alignment %zu",
                            c->name, tensor->name, offset, alignment);
        if (offset > room || tensor->size > room - offset)
            return cso_fail(c->err, CSO_ERR_INPUT,
                            "%s: tensor %s: %zu bytes at offset %" PRIu64 " of the data go past the end of the file (it has %zu)",
                            c->name, tensor->name, tensor->size, offset, room);
        tensor->data = data + offset;
        extents[i].end = offset + tensor->size;
        extents[i].name = tensor->name;
    }
    qsort(extents, count, sizeof *extents, compare_extents);
    uint64_t end = 0;
    const char *before = "";
    for (size_t i = 0; i < count; i++) {
        if (extents[i].begin == extents[i].end)
            continue;
        if (extents[i].begin < end)
            return cso_fail(c->err, CSO_ERR_INPUT, "%s: tensor %s at offset %" PRIu64 " of the data overlaps tensor %s", c->name,
                            extents[i].name, extents[i].begin, before);
        end = extents[i].end;
        before = extents[i].name;
    }
    return CSO_OK;
}

static cso_status parse_tensors(cso_gguf *gguf, cursor *c, size_t count, size_t alignment) {
    size_t capacity = 0;
    extent *extents = NULL;
    cso_status status = CSO_OK;
    for (size_t i = 0; i < count; i++) {
        if (!cso_grow(&gguf->tensors, &gguf->tensor_capacity, gguf->tensor_count + 1, sizeof *gguf->tensors) ||
            !cso_grow(&extents, &capacity, i + 1, sizeof *extents)) {
            status = cso_fail_memory(c->err, c->name);
            goto done;
        }
        cso_tensor *tensor = &gguf->tensors[gguf->tensor_count];
        *tensor = (cso_tensor){0};
        size_t begin = c->at;
        char *name = NULL;
        CSO_TRY_DONE(take_tensor_name(c, &name));
        tensor->name = name; /* from here on freed with gguf */
        size_t number = gguf->tensor_count++;
        bool known;
        if (!cso_name_index_add(&gguf->tensor_index, name, number, &known)) {
            status = cso_fail_memory(c->err, c->name);
            goto done;
        }
        if (known) {
            status = cso_fail(c->err, CSO_ERR_INPUT, "%s: duplicate tensor %s at offset %zu", c->name, name, begin);
            goto done;
        }
        CSO_TRY_DONE(take_tensor(c, tensor, &extents[i].begin));
    }
    if (count)
        status = place_tensors(gguf, c, extents, alignment);
done:
    free(extents);
    return status;
}

cso_status cso_gguf_parse(cso_gguf *gguf, const cso_gguf_part *part, cso_error *err) {
    cursor c = {.data = part->data, .size = part->size, .name = part->name, .err = err};
    char magic[4];
    uint32_t version = 0;
    uint64_t tensors = 0, keys = 0;
    if (!take(&c, magic, sizeof magic))
        return fail_end(&c, "the magic number");
    if (memcmp(magic, "GGUF", 4))
        return cso_fail(err, CSO_ERR_INPUT, "%s: not a GGUF file (expected it to begin with 'GGUF', found '%.4s')", c.name, magic);
    CSO_TRY(take_u32(&c, &version, "the version"));
    if (version && !(version & 0xFFFF))
        return cso_fail(err, CSO_ERR_INPUT, "%s: is a big-endian GGUF file (expected little-endian)", c.name);
    if (version != 2 && version != 3)
        return cso_fail(err, CSO_ERR_INPUT, "%s: GGUF version %" PRIu32 " (expected 2 or 3)", c.name, version);
    CSO_TRY(take_u64(&c, &tensors, "the number of tensors"));
    CSO_TRY(take_u64(&c, &keys, "the number of keys"));
    if (keys > (c.size - c.at) / MIN_KEY_BYTES)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %" PRIu64 " keys at offset 16 (the file has %zu more bytes)", c.name, keys,
                        c.size - c.at);
    if (tensors > (c.size - c.at) / MIN_TENSOR_BYTES)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %" PRIu64 " tensors at offset 8 (the file has %zu more bytes)", c.name, tensors,
                        c.size - c.at);
    size_t alignment = 32;
    CSO_TRY(parse_values(gguf, &c, (size_t)keys));
    CSO_TRY(find_alignment(gguf, &c, &alignment));
    return parse_tensors(gguf, &c, (size_t)tensors, alignment);
}

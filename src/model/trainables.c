/* trainables.c - the kinds of trained arrays; reading and writing arrays by name. */
#include "trainables.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

static const struct {
    const char *part, *suffix;
} kinds[CSO_TRAINABLE_KINDS] = {
    [CSO_LORA_A] = {"lora_A", ".lora_A.weight"},
    [CSO_LORA_B] = {"lora_B", ".lora_B.weight"},
};

const char *cso_trainable_part(cso_trainable_kind kind) {
    return kinds[kind].part;
}

const char *cso_trainable_suffix(cso_trainable_kind kind) {
    return kinds[kind].suffix;
}

const cso_trainable *cso_trainables_at(const cso_trainables *trained, size_t index) {
    for (size_t i = 0; i < trained->count; i++) {
        const cso_trainable *item = &trained->items[i];
        if (index >= item->offset && index - item->offset < cso_trainable_size(item))
            return item;
    }
    return NULL;
}

static cso_status find_tensor(const cso_safetensors *file, const cso_trainable *item, const cso_tensor **found, cso_error *err) {
    const char *path = cso_safetensors_path(file), *name = item->name, *dtype;
    const cso_tensor *tensor = *found = cso_safetensors_find(file, name);
    if (!tensor) {
        const void *data;
        size_t size;
        CSO_TRY(cso_safetensors_raw(file, name, &dtype, &data, &size, err));
        return cso_fail(err, CSO_ERR_INPUT,
                        "%s: tensor %s is of dtype %s or has more than %d dimensions (expected F32, F16 or BF16)", path, name,
                        dtype, CSO_MAX_DIMS);
    }
    if (tensor->n_dims != 2)
        return cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s has %d dimensions (expected 2)", path, name, tensor->n_dims);
    if (tensor->shape[0] != item->rows || tensor->shape[1] != item->columns)
        return cso_fail(err, CSO_ERR_INPUT,
                        "%s: tensor %s has shape (%zu, %zu) (expected (%zu, %zu); is it an adapter of another model?)", path, name,
                        tensor->shape[0], tensor->shape[1], item->rows, item->columns);
    return CSO_OK;
}

cso_status cso_trainables_check(const cso_trainables *trained, const cso_safetensors *file, cso_error *err) {
    const cso_tensor *tensor;
    for (size_t i = 0; i < trained->count; i++)
        CSO_TRY(find_tensor(file, &trained->items[i], &tensor, err));
    return CSO_OK;
}

static cso_status read_item(const cso_trainable *item, const cso_safetensors *file, float *out, cso_error *err) {
    const cso_tensor *tensor;
    CSO_TRY(find_tensor(file, item, &tensor, err));
    for (size_t r = 0; r < item->rows; r++)
        cso_dequantize_row(tensor->dtype, cso_tensor_row(tensor, r), out + r * item->columns, item->columns);
    for (size_t i = 0; i < cso_trainable_size(item); i++)
        if (!isfinite(out[i]))
            return cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s: item %zu is not a finite number", cso_safetensors_path(file),
                            tensor->name, i);
    return CSO_OK;
}

cso_status cso_trainables_read(const cso_trainables *trained, const cso_safetensors *file, float *values, cso_error *err) {
    for (size_t i = 0; i < trained->count; i++)
        CSO_TRY(read_item(&trained->items[i], file, values + trained->items[i].offset, err));
    return CSO_OK;
}

cso_status cso_trainables_write(const cso_trainables *trained, const char *path, cso_error *err) {
    static const char *const metadata[] = {"format", "pt", NULL};
    cso_safetensors_item *tensors = cso_calloc(trained->count, sizeof *tensors);
    if (!tensors)
        return cso_fail_memory(err, "a list of tensors");
    for (size_t i = 0; i < trained->count; i++) {
        const cso_trainable *item = &trained->items[i];
        tensors[i] = (cso_safetensors_item){item->name, trained->params + item->offset, 2, {item->rows, item->columns}};
    }
    cso_status status = cso_safetensors_write(path, tensors, trained->count, metadata, err);
    free(tensors);
    return status;
}

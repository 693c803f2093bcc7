/* fuzz_safetensors.c - what the safetensors reader accepts must be readable to the last byte. */
#include "io/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile uint8_t sink; /* so that reads are not optimized away */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cso_safetensors *file;
    cso_error err = {0};
    cso_status status = cso_safetensors_open_memory(&file, data, size, "fuzz", &err);
    if (status != CSO_OK) {
        if (status != CSO_ERR_INPUT || !err.message[0] || file)
            __builtin_trap();
        return 0;
    }
    cso_safetensors_metadata(file, "format");
    for (size_t i = 0; i < cso_safetensors_count(file); i++) {
        const cso_tensor *tensor = cso_safetensors_at(file, i);
        const char *dtype;
        const void *bytes;
        size_t count;
        if (cso_safetensors_find(file, tensor->name) != tensor || cso_tensor_rows(tensor) * tensor->row_bytes != tensor->size)
            __builtin_trap();
        if (cso_safetensors_raw(file, tensor->name, &dtype, &bytes, &count, &err) != CSO_OK || bytes != tensor->data ||
            count != tensor->size)
            __builtin_trap();
        for (size_t k = 0; k < tensor->size; k++)
            sink ^= ((const uint8_t *)tensor->data)[k];
    }
    cso_safetensors_close(file);
    return 0;
}

/* gemm_weights.c - how the backends read stored weights, and the buffers they convert them into. */
#include "gemm_internal.h"

#include "base/memory.h"
#include "kernels/kernels.h"

#include <stdlib.h>

cso_status cso_gemm_reserve(cso_gemm_buffer *buffer, size_t a, size_t b, size_t size, cso_error *err) {
    size_t bytes;
    if (!cso_size_mul(a, b, &bytes) || !cso_size_mul(bytes, size, &bytes))
        return cso_fail_memory(err, "matrix products");
    if (bytes <= buffer->bytes)
        return CSO_OK;
    free(buffer->data);
    buffer->bytes = 0;
    buffer->data = cso_aligned_alloc(bytes, 1);
    if (!buffer->data)
        return cso_fail_memory(err, "matrix products");
    buffer->bytes = bytes;
    return CSO_OK;
}

bool cso_gemm_in_place(const cso_gemm_weight *w) {
    return w->tensor->dtype == CSO_F32 && !w->tensor->interleaved_head_dim && (uintptr_t)w->tensor->data % _Alignof(float) == 0;
}

void cso_gemm_weights(const cso_kernels *kernels, const cso_gemm_weight *w, size_t row, size_t column, size_t count, float *out) {
    const cso_dtype_info *info = cso_dtype_get(w->tensor->dtype);
    const uint8_t *data = cso_tensor_row(w->tensor, w->row0 + row);
    kernels->dequantize_row[w->tensor->dtype](data + column / info->block * info->bytes, out, count);
}

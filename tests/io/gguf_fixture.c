#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gguf_fixture.h"

#include <stdlib.h>
#include <string.h>

cso_status open_bytes(cso_gguf **gguf, const bytes *b, cso_error *err) {
    return cso_gguf_open_memory(gguf, b->data, b->size, "t.gguf", err);
}

void assert_refused(bytes *b, const char *part) {
    cso_gguf *gguf;
    cso_error err = {0};
    uint8_t *data = bytes_exact(b->data, b->size);
    cso_status status = cso_gguf_open_memory(&gguf, data, b->size, "t.gguf", &err);
    free(data);
    bytes_free(b);
    if (status != CSO_ERR_INPUT || !strstr(err.message, part) || strncmp(err.message, "t.gguf: ", 8)) {
        print_error("status %d, message '%s' (expected '%s' in it)\n", status, err.message, part);
        fail();
    }
    assert_null(gguf);
}

bytes small_file(uint32_t version) {
    bytes b = {0};
    gguf_header(&b, version, 3, 9);
    gguf_key_string(&b, "general.architecture", "llama");
    gguf_key_u32(&b, "llama.block_count", 7);
    gguf_key(&b, "llama.rope.freq_base", CSO_GGUF_FLOAT32);
    float base = 500000.0f;
    bytes_add(&b, &base, 4);
    gguf_key(&b, "a.bool", CSO_GGUF_BOOL);
    bytes_u8(&b, 1);
    gguf_key(&b, "a.negative", CSO_GGUF_INT8);
    bytes_u8(&b, 0xFE);
    gguf_key(&b, "a.large", CSO_GGUF_UINT64);
    bytes_u64(&b, UINT64_MAX);
    gguf_key_array(&b, "tokens", CSO_GGUF_STRING, 3);
    gguf_string(&b, "a");
    gguf_string(&b, "");
    bytes_u64(&b, 3);
    bytes_add(&b, "b\0c", 3);
    gguf_key_array(&b, "types", CSO_GGUF_INT32, 2);
    bytes_u32(&b, 5);
    bytes_u32(&b, UINT32_MAX);
    gguf_key_array(&b, "none", CSO_GGUF_FLOAT64, 0);
    gguf_tensor(&b, "second", 2, (uint64_t[]){32, 2}, Q8_0, 32);
    gguf_tensor(&b, "first", 2, (uint64_t[]){4, 2}, F32, 0);
    gguf_tensor(&b, "empty", 2, (uint64_t[]){4, 0}, F32, 0);
    gguf_pad(&b, 32);
    for (int i = 0; i < 8; i++) {
        float x = (float)i;
        bytes_add(&b, &x, 4);
    }
    bytes_zeros(&b, 68); /* the last tensor's bytes are the last of the file */
    return b;
}

#include "golden.h"

#include "base/file.h"
#include "kernels/dtype.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

const char *golden_path(const char *format, ...) {
    static char paths[4][1024];
    static unsigned next;
    char *path = paths[next++ % 4], name[512];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    snprintf(path, sizeof paths[0], "%s/golden/%s", CSO_TEST_DATA, name);
    if (cso_path_exists(path))
        return path;
    snprintf(path, sizeof paths[0], "%s/goldens/%s", CSO_SHARED_DATA, name);
    if (cso_path_exists(path))
        return path;
    if (cso_path_exists(CSO_SHARED_DATA "/goldens"))
        fail_msg("the fixture %s is neither in tests/golden nor among the large ones", name);
    print_message("skipped: the fixture %s is not here\n", name);
    return NULL;
}

void golden_ok(cso_status status, const cso_error *error) {
    if (status != CSO_OK)
        fail_msg("status %d: %s", status, error->message);
}

cso_safetensors *golden_safetensors(const char *path) {
    cso_safetensors *file;
    cso_error error = {0};
    golden_ok(cso_safetensors_open(&file, path, &error), &error);
    return file;
}

cJSON *golden_json(const char *path) {
    cJSON *value;
    cso_error error = {0};
    golden_ok(cso_json_read(&value, path, (size_t)1 << 30, &error), &error);
    return value;
}

bool golden_has(const cso_safetensors *file, const char *name) {
    const char *dtype;
    const void *data;
    size_t size;
    return cso_safetensors_raw(file, name, &dtype, &data, &size, NULL) == CSO_OK;
}

double *golden_doubles(const cso_safetensors *file, const char *name, size_t *count) {
    const char *dtype;
    const void *data;
    size_t size, item;
    cso_error error = {0};
    golden_ok(cso_safetensors_raw(file, name, &dtype, &data, &size, &error), &error);
    item = strcmp(dtype, "F64") == 0 || strcmp(dtype, "I64") == 0 ? 8 : 4;
    *count = size / item;
    double *out = calloc(*count + 1, sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < *count; i++) {
        const char *at = (const char *)data + i * item;
        if (strcmp(dtype, "F64") == 0) {
            memcpy(&out[i], at, 8);
        } else if (strcmp(dtype, "F32") == 0) {
            float value;
            memcpy(&value, at, 4);
            out[i] = (double)value;
        } else if (strcmp(dtype, "I32") == 0) {
            int32_t value;
            memcpy(&value, at, 4);
            out[i] = value;
        } else if (strcmp(dtype, "I64") == 0) {
            int64_t value;
            memcpy(&value, at, 8);
            out[i] = (double)value;
        } else {
            fail_msg("%s: type %s", name, dtype);
        }
    }
    return out;
}

int32_t *golden_ids(const cJSON *array, size_t *count) {
    assert_true(cJSON_IsArray(array));
    *count = (size_t)cJSON_GetArraySize(array);
    int32_t *ids = calloc(*count + 1, sizeof *ids);
    assert_non_null(ids);
    size_t i = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, array) ids[i++] = (int32_t)item->valuedouble;
    return ids;
}

double golden_relative(const double *a, const double *b, size_t n) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        norm += b[i] * b[i];
    }
    if (!(norm > 0))
        fail_msg("a reference of %zu numbers is all zero", n);
    return sqrt(difference / norm);
}

static cso_status add_conversation(void *context, const cJSON *record, size_t line, cso_error *err) {
    cso_text *text = context;
    const char *before = "{\"messages\": [";
    static const char *const keys[] = {"prompt", "chosen"};
    (void)line;
    (void)err;
    for (int k = 0; k < 2; k++) {
        const cJSON *message;
        cJSON_ArrayForEach(message, cJSON_GetObjectItem(record, keys[k])) {
            char *one = cJSON_PrintUnformatted(message);
            cso_text_format(text, "%s%s", before, one);
            before = ", ";
            free(one);
        }
    }
    cso_text_format(text, "]}\n");
    return CSO_OK;
}

char *golden_conversations(const char *model) {
    cso_text text = {0};
    cso_error err = {0};
    golden_ok(cso_json_each(golden_path("pairs/%s", strcmp(model, "gemma2-tiny") ? "pairs.jsonl" : "pairs_nosystem.jsonl"),
                            add_conversation, &text, &err),
              &err);
    return text.data;
}

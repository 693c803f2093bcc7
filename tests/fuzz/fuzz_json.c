/* fuzz_json.c - JSON values, and the records of data files. What is accepted is written out and must read back to the same
 * text. */
#include "../../src/io/json_each.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_value(cso_text *text, const cJSON *value) {
    if (cJSON_IsString(value)) {
        cso_text_json_string(text, value->valuestring, strlen(value->valuestring));
    } else if (cJSON_IsNumber(value)) {
        cso_text_json_number(text, value->valuedouble);
    } else if (cJSON_IsBool(value) || cJSON_IsNull(value)) {
        cso_text_format(text, "%s", cJSON_IsNull(value) ? "null" : cJSON_IsTrue(value) ? "true" : "false");
    } else {
        bool object = cJSON_IsObject(value);
        cso_text_add(text, object ? "{" : "[", 1);
        for (const cJSON *item = value->child; item; item = item->next) {
            cso_text_add(text, ",", item != value->child);
            if (object) {
                cso_text_json_string(text, item->string, strlen(item->string));
                cso_text_add(text, ":", 1);
            }
            write_value(text, item);
        }
        cso_text_add(text, object ? "}" : "]", 1);
    }
}

static void check_strings(const cJSON *value) {
    if (cJSON_IsString(value)) {
        char *bytes;
        size_t size;
        if (cso_json_bytes(value, &bytes, &size, NULL) != CSO_OK || size > strlen(value->valuestring))
            __builtin_trap();
        cso_text direct = {0}, through = {0};
        cso_text_json_string(&direct, bytes, size);
        cso_text_json_string(&through, value->valuestring, strlen(value->valuestring));
        if (strcmp(direct.data, through.data))
            __builtin_trap();
        free(direct.data);
        free(through.data);
        free(bytes);
    }
    for (const cJSON *item = value->child; item; item = item->next)
        check_strings(item);
}

static void round_trip(const cJSON *value) {
    cso_text once = {0}, twice = {0};
    cJSON *again;
    check_strings(value);
    write_value(&once, value);
    if (cso_json_parse(&again, once.data, once.size, "again", 1, NULL) != CSO_OK)
        __builtin_trap();
    write_value(&twice, again);
    if (strcmp(once.data, twice.data))
        __builtin_trap();
    cJSON_Delete(again);
    free(once.data);
    free(twice.data);
}

static cso_status visit(void *context, const cJSON *record, size_t line, cso_error *err) {
    size_t *last = context;
    if (!cJSON_IsObject(record) || line < *last)
        __builtin_trap();
    *last = line;
    size_t size;
    double number;
    bool flag;
    const char *text;
    cso_json_string(record, "content", "fuzz", &text, err);
    cso_json_number(record, "n", "fuzz", 0, &number, err);
    cso_json_size(record, "n", "fuzz", 0, &size, err);
    cso_json_bool(record, "label", "fuzz", false, &flag, err);
    return CSO_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cJSON *value;
    cso_error err = {0};
    const char *text = (const char *)data;
    if (cso_json_parse(&value, text, size, "fuzz", 1, &err) == CSO_OK)
        round_trip(value);
    else if (err.status != CSO_ERR_INPUT || value)
        __builtin_trap();
    cJSON_Delete(value);
    if (cso_json_parse_integers(&value, text, size, "fuzz", &err) == CSO_OK)
        cJSON_Delete(value);
    static const char *const names[] = {"fuzz.json", "fuzz.jsonl"};
    for (int i = 0; size && i < 2; i++) { /* fmemopen takes no empty buffer */
        FILE *file = fmemopen((void *)(uintptr_t)data, size, "r");
        size_t line = 1;
        if (file) {
            cso_json_each_open(file, names[i], visit, &line, &err);
            fclose(file);
        }
    }
    return 0;
}

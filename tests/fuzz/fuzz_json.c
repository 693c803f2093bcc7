/* fuzz_json.c - JSON values, and the records of data files. What is accepted is written out and must read back to the same
 * text, and a walk over the text must find what the tree has. */
#include "../../src/io/json_each.h"
#include "io/json_walk.h"

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

static void expect_string(cso_json_room *room, const char *string, size_t size, const char *expected) {
    const char *bytes;
    size_t length;
    if (!cso_json_walk_string(room, string, size, &bytes, &length) || length != strlen(expected) || memcmp(bytes, expected, length))
        __builtin_trap();
}

/* A walk over the text finds what the tree has. */
static void check_walk(cso_json_room *room, const cJSON *value, const char *text, size_t size) {
    cso_json_walk walk = cso_json_walk_begin(text, size);
    double number;
    for (const cJSON *item = value->child; item; item = item->next) {
        if (!cso_json_walk_next(&walk))
            __builtin_trap();
        if (item->string)
            expect_string(room, walk.key, walk.key_size, item->string);
        if (cJSON_IsString(item) != (*walk.value == '"') || cJSON_IsNumber(item) != cso_json_walk_number(&walk, &number) ||
            (cJSON_IsNumber(item) && number != item->valuedouble) ||
            walk.items != (cJSON_IsString(item) ? 0 : (size_t)cJSON_GetArraySize(item)))
            __builtin_trap();
        if (cJSON_IsString(item))
            expect_string(room, walk.value, walk.value_size, item->valuestring);
        check_walk(room, item, walk.value, walk.value_size);
    }
    if (cso_json_walk_next(&walk))
        __builtin_trap();
}

/* Large values are left out of the tree and found in the text. */
static void check_large(const cJSON *whole, const char *text, size_t size) {
    cso_json_large large[2] = {{.object = "model", .key = "vocab"}, {.object = "model", .key = "merges"}};
    cso_json_room room = {0};
    cJSON *value;
    if (cso_json_parse_large(&value, text, size, "fuzz", large, 2, NULL) != CSO_OK)
        __builtin_trap();
    for (int i = 0; i < 2; i++) {
        const cJSON *model = cJSON_GetObjectItemCaseSensitive(value, "model");
        const cJSON *there = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(whole, "model"), large[i].key);
        bool inside = cJSON_IsObject(whole) && cJSON_IsObject(model) && there;
        if (inside != (large[i].text != NULL) || (inside && !cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(model, large[i].key))))
            __builtin_trap();
        if (!inside)
            continue;
        if (large[i].items != (cJSON_IsString(there) ? 0 : (size_t)cJSON_GetArraySize(there)))
            __builtin_trap();
        check_walk(&room, there, large[i].text, large[i].size);
    }
    size_t mark = size >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3) ? 3 : 0;
    check_walk(&room, whole, text + mark, size - mark);
    free(room.bytes);
    cJSON_Delete(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    cJSON *value;
    cso_error err = {0};
    const char *text = (const char *)data;
    if (cso_json_parse(&value, text, size, "fuzz", 1, &err) == CSO_OK) {
        round_trip(value);
        check_large(value, text, size);
    } else if (err.status != CSO_ERR_INPUT || value)
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

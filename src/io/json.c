/* json.c - cJSON behind the strict check, and typed reads of an object's members. */
#include "json.h"

#include "base/file.h"
#include "base/memory.h"
#include "json_scan.h"
#include "json_walk.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* cJSON's tree of a checked text that has `zeros` escapes \u0000. */
static cso_status build(cJSON **value, const char *text, size_t size, size_t zeros, const char *place, cso_error *err) {
    char *copy = NULL;
    if (zeros) { /* six bytes \u0000 become two, C0 80; a backslash before the escape's own would be an escaped backslash */
        copy = cso_strndup(text, size);
        if (!copy)
            return cso_fail_memory(err, place);
        size_t out = 0;
        for (size_t in = 0; in < size;) {
            if (cso_json_is_zero_escape(text + in, size - in)) {
                copy[out++] = '\xC0';
                copy[out++] = '\x80';
                in += 6;
            } else {
                size_t length = text[in] == '\\' ? 2 : 1;
                memcpy(copy + out, text + in, length);
                out += length;
                in += length;
            }
        }
        text = copy;
        size = out;
    }
    static pthread_mutex_t parsing =
        PTHREAD_MUTEX_INITIALIZER; /* cJSON writes where an error is to a variable that all threads share */
    pthread_mutex_lock(&parsing);
    *value = cJSON_ParseWithLength(text, size);
    pthread_mutex_unlock(&parsing);
    free(copy);
    return *value ? CSO_OK : cso_fail_memory(err, place); /* the text is well-formed, so nothing else can fail */
}

static void skip_mark(const char **text, size_t *size) {
    if (*size >= 3 && !memcmp(*text, "\xEF\xBB\xBF", 3)) {
        *text += 3;
        *size -= 3;
    }
}

static cso_status parse(cJSON **value, const char *text, size_t size, const char *place, size_t line, bool integers,
                        cso_error *err) {
    size_t zeros;
    *value = NULL;
    skip_mark(&text, &size);
    const cso_json_source source = {text, size, place, line, integers};
    CSO_TRY(cso_json_scan(&source, NULL, 0, &zeros, err));
    return build(value, text, size, zeros, place, err);
}

cso_status cso_json_check_record(const char *text, size_t size, const char *place, size_t line, cso_error *err) {
    size_t zeros;
    skip_mark(&text, &size);
    const cso_json_source source = {text, size, place, line, false};
    CSO_TRY(cso_json_scan(&source, NULL, 0, &zeros, err));
    size_t begin = 0; /* a text that passed is not all white space */
    while (strchr(" \t\r\n", text[begin]))
        begin++;
    return text[begin] == '{' ? CSO_OK
                              : cso_fail(err, CSO_ERR_INPUT, "%s:%zu: expected a record, that is an object {...}", place, line);
}

/* The first large value at or after `from`. */
static const cso_json_large *next_large(const cso_json_large *large, size_t count, const char *from) {
    const cso_json_large *next = NULL;
    for (size_t i = 0; i < count; i++)
        if (large[i].text && large[i].text >= from && (!next || large[i].text < next->text))
            next = &large[i];
    return next;
}

cso_status cso_json_parse_large(cJSON **value, const char *text, size_t size, const char *place, cso_json_large *large,
                                size_t count, cso_error *err) {
    size_t zeros;
    cso_text rest = {0};
    *value = NULL;
    skip_mark(&text, &size);
    const cso_json_source source = {.text = text, .size = size, .place = place, .line = 1};
    CSO_TRY(cso_json_scan(&source, large, count, &zeros, err));
    const char *at = text;
    for (const cso_json_large *next; (next = next_large(large, count, at)); at = next->text + next->size) {
        cso_text_add(&rest, at, (size_t)(next->text - at));
        cso_text_add(&rest, "null", 4);
    }
    cso_text_add(&rest, at, (size_t)(text + size - at));
    cso_status status = rest.failed ? cso_fail_memory(err, place) : build(value, rest.data, rest.size, zeros, place, err);
    free(rest.data);
    return status;
}

cso_status cso_json_parse(cJSON **value, const char *text, size_t size, const char *place, size_t line, cso_error *err) {
    return parse(value, text, size, place, line, false, err);
}

cso_status cso_json_parse_integers(cJSON **value, const char *text, size_t size, const char *place, cso_error *err) {
    return parse(value, text, size, place, 1, true, err);
}

cso_status cso_json_read(cJSON **value, const char *path, size_t max, cso_error *err) {
    *value = NULL;
    char *text;
    size_t size;
    CSO_TRY(cso_read_file(path, max, &text, &size, err));
    cso_status status = cso_json_parse(value, text, size, cso_input_name(path), 1, err);
    free(text);
    return status;
}

/* The member; NULL if it is missing or null. */
static const cJSON *member(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return item && !cJSON_IsNull(item) ? item : NULL;
}

static cso_status fail_type(const char *place, const char *key, const char *expected, cso_error *err) {
    return cso_fail(err, CSO_ERR_INPUT, "%s: %s: expected %s", place, key, expected);
}

cso_status cso_json_string(const cJSON *object, const char *key, const char *place, const char **text, cso_error *err) {
    const cJSON *item = member(object, key);
    if (item && !cJSON_IsString(item))
        return fail_type(place, key, "a string", err);
    *text = item ? item->valuestring : NULL;
    return CSO_OK;
}

cso_status cso_json_number(const cJSON *object, const char *key, const char *place, double fallback, double *number,
                           cso_error *err) {
    const cJSON *item = member(object, key);
    if (item && !cJSON_IsNumber(item))
        return fail_type(place, key, "a number", err);
    *number = item ? item->valuedouble : fallback;
    return CSO_OK;
}

cso_status cso_json_size(const cJSON *object, const char *key, const char *place, size_t fallback, size_t *number, cso_error *err) {
    const cJSON *item = member(object, key);
    if (item && !(cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble <= 0x1p53 &&
                  floor(item->valuedouble) == item->valuedouble))
        return fail_type(place, key, "a whole number from 0 to 2^53", err);
    *number = item ? (size_t)item->valuedouble : fallback;
    return CSO_OK;
}

cso_status cso_json_bool(const cJSON *object, const char *key, const char *place, bool fallback, bool *value, cso_error *err) {
    const cJSON *item = member(object, key);
    if (item && !cJSON_IsBool(item))
        return fail_type(place, key, "true or false", err);
    *value = item ? cJSON_IsTrue(item) : fallback;
    return CSO_OK;
}

cso_status cso_json_bytes(const cJSON *string, char **bytes, size_t *size, cso_error *err) {
    *bytes = NULL;
    *size = 0;
    if (!cJSON_IsString(string))
        return cso_fail(err, CSO_ERR_INPUT, "expected a string");
    const char *text = string->valuestring;
    char *copy = cso_strdup(text);
    if (!copy)
        return cso_fail_memory(err, "a text");
    size_t out = 0;
    for (size_t in = 0; text[in]; in++) {
        copy[out++] = text[in];
        if (text[in] == '\xC0') { /* C0 occurs in C0 80 alone */
            copy[out - 1] = '\0';
            in++;
        }
    }
    copy[out] = '\0';
    *bytes = copy;
    *size = out;
    return CSO_OK;
}

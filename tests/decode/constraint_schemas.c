/* constraint_schemas.c - random schemas, and a validator that knows nothing of the automaton. */
#include "constraint_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const WORDS[] = {
    "a",           "ab", "abc", "score", "why",  "Question", "Questions", "caf\xC3\xA9", "a\"b", "\\", "\xF0\x9F\x98\x80",
    "line\nbreak", "1",  "10",  "nu",    "null", "",         " "};
enum { N_WORDS = sizeof WORDS / sizeof WORDS[0] };

static const char *word(uint32_t *seed) {
    return WORDS[fixture_below(seed, N_WORDS)];
}

static cJSON *random_value(uint32_t *seed, int depth) {
    static const double numbers[] = {0, 1, 10, 100, -1, 0.5, 1e30, 1e-7, 12345678901234};
    cJSON *value;
    switch (fixture_below(seed, depth > 0 ? 6 : 4)) {
    case 0:
        return cJSON_CreateString(word(seed));
    case 1:
        return cJSON_CreateNumber(numbers[fixture_below(seed, 9)]);
    case 2:
        return cJSON_CreateBool(fixture_below(seed, 2));
    case 3:
        return cJSON_CreateNull();
    case 4:
        value = cJSON_CreateArray();
        for (uint32_t n = fixture_below(seed, 3); n; n--)
            cJSON_AddItemToArray(value, random_value(seed, depth - 1));
        return value;
    default:
        value = cJSON_CreateObject();
        for (uint32_t n = fixture_below(seed, 3); n; n--) {
            const char *key = word(seed);
            if (!cJSON_GetObjectItemCaseSensitive(value, key))
                cJSON_AddItemToObject(value, key, random_value(seed, depth - 1));
        }
        return value;
    }
}

static void random_bounds(cJSON *schema, const char *low, const char *high, uint32_t most, uint32_t *seed) {
    uint32_t least = fixture_below(seed, most + 1);
    if (fixture_below(seed, 2))
        cJSON_AddNumberToObject(schema, low, least);
    else
        least = 0;
    if (fixture_below(seed, 2))
        cJSON_AddNumberToObject(schema, high, least + fixture_below(seed, most));
}

static void random_range(cJSON *schema, uint32_t *seed) {
    static const double ends[] = {-1000000, -105, -100, -99, -10, -9,  -1,    -0.5,  0,   1,
                                  4,        9,    10,   11,  99,  100, 109.5, 12345, 1e9, 1e14};
    uint32_t low = fixture_below(seed, 20), high = low + fixture_below(seed, 20 - low);
    bool same = ends[high] - ends[low] < 2;
    if (fixture_below(seed, 3))
        cJSON_AddNumberToObject(schema, !same && fixture_below(seed, 4) == 0 ? "exclusiveMinimum" : "minimum", floor(ends[low]));
    if (fixture_below(seed, 3))
        cJSON_AddNumberToObject(schema, !same && fixture_below(seed, 4) == 0 ? "exclusiveMaximum" : "maximum", ends[high]);
}

static void random_object(cJSON *schema, uint32_t *seed, int depth) {
    cJSON *properties = cJSON_AddObjectToObject(schema, "properties"), *required = cJSON_CreateArray();
    for (uint32_t n = fixture_below(seed, 6); n; n--) {
        const char *key = word(seed);
        if (cJSON_GetObjectItemCaseSensitive(properties, key))
            continue;
        cJSON_AddItemToObject(properties, key, fixture_schema(seed, depth - 1));
        if (fixture_below(seed, 2))
            cJSON_AddItemToArray(required, cJSON_CreateString(key));
    }
    cJSON_AddItemToObject(schema, "required", required);
    if (fixture_below(seed, 2))
        cJSON_AddBoolToObject(schema, "additionalProperties", false);
}

static cJSON *typed(const char *type) {
    cJSON *schema = cJSON_CreateObject();
    cJSON_AddStringToObject(schema, "type", type);
    return schema;
}

static cJSON *random_any(uint32_t *seed, int depth) {
    cJSON *schema = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(schema, "anyOf");
    static const char *const types[] = {"string", "integer", "boolean", "null"};
    for (size_t i = 0; i < 4; i++)
        if (fixture_below(seed, 2) || i == 3)
            cJSON_AddItemToArray(list, typed(types[i]));
    if (fixture_below(seed, 2)) {
        cJSON *object = typed("object");
        random_object(object, seed, depth);
        cJSON_AddItemToArray(list, object);
    }
    return schema;
}

static cJSON *several_types(void) {
    cJSON *schema = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(schema, "type");
    cJSON_AddItemToArray(list, cJSON_CreateString("null"));
    cJSON_AddItemToArray(list, cJSON_CreateString("string"));
    cJSON_AddItemToArray(list, cJSON_CreateString("number"));
    cJSON_AddNumberToObject(schema, "maxLength", 5);
    return schema;
}

cJSON *fixture_schema(uint32_t *seed, int depth) {
    static const char *const types[] = {"boolean", "null", "number", "integer", "string", "array", "object"};
    uint32_t kind = fixture_below(seed, depth > 0 ? 13 : 9);
    cJSON *schema;
    if (kind == 12)
        return random_any(seed, depth);
    if (kind == 8)
        return several_types();
    if (kind == 5 || kind == 6 || kind == 7) {
        schema = cJSON_CreateObject();
        cJSON *values = kind == 5 ? NULL : cJSON_AddArrayToObject(schema, "enum");
        for (uint32_t n = 1 + fixture_below(seed, 5); n && values; n--)
            cJSON_AddItemToArray(values, random_value(seed, 2));
        if (!values)
            cJSON_AddItemToObject(schema, "const", random_value(seed, 2));
        return schema;
    }
    schema = typed(types[kind < 5 ? kind : kind == 9 ? 5 : 6]);
    if (kind == 3)
        random_range(schema, seed);
    if (kind == 4)
        random_bounds(schema, "minLength", "maxLength", 6, seed);
    if (kind == 9) {
        cJSON_AddItemToObject(schema, "items", fixture_schema(seed, depth - 1));
        random_bounds(schema, "minItems", "maxItems", 4, seed);
    }
    if (kind > 9)
        random_object(schema, seed, depth);
    return schema;
}

static double number_of(const cJSON *schema, const char *key, double otherwise) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(schema, key);
    return value ? value->valuedouble : otherwise;
}

static const char *invalid_integer(const cJSON *schema, double number) {
    if (number != floor(number))
        return "not whole";
    if (number < number_of(schema, "minimum", -INFINITY) || number > number_of(schema, "maximum", INFINITY) ||
        number <= number_of(schema, "exclusiveMinimum", -INFINITY) || number >= number_of(schema, "exclusiveMaximum", INFINITY))
        return "out of its range";
    return NULL;
}

static const char *invalid_string(const cJSON *schema, const char *text) {
    double characters = 0;
    for (; *text; text++)
        characters += ((unsigned char)*text & 0xC0) != 0x80;
    return characters < number_of(schema, "minLength", 0) || characters > number_of(schema, "maxLength", INFINITY)
               ? "a string of the wrong length"
               : NULL;
}

static const char *invalid_array(const cJSON *schema, const cJSON *value) {
    double items = cJSON_GetArraySize(value);
    const char *wrong = items < number_of(schema, "minItems", 0) || items > number_of(schema, "maxItems", INFINITY)
                            ? "an array of the wrong length"
                            : NULL;
    for (const cJSON *item = value->child; item && !wrong; item = item->next)
        wrong = fixture_invalid(cJSON_GetObjectItemCaseSensitive(schema, "items"), item);
    return wrong;
}

/* Also that members come in the schema's order, and that there are no others. */
static const char *invalid_object(const cJSON *schema, const cJSON *value) {
    const cJSON *properties = cJSON_GetObjectItemCaseSensitive(schema, "properties");
    const cJSON *property = properties ? properties->child : NULL, *name;
    for (const cJSON *item = value->child; item; item = item->next) {
        while (property && strcmp(property->string, item->string))
            property = property->next;
        if (!property)
            return "a member that is not in the schema, or not in its place";
        const char *wrong = fixture_invalid(property, item);
        if (wrong)
            return wrong;
        property = property->next;
    }
    cJSON_ArrayForEach(
        name,
        cJSON_GetObjectItemCaseSensitive(
            schema, "required")) if (!cJSON_GetObjectItemCaseSensitive(value,
                                                                       name->valuestring)) return "a required member is missing";
    return NULL;
}

static const char *invalid_of_type(const cJSON *schema, const char *type, const cJSON *value) {
    if (!strcmp(type, "object"))
        return cJSON_IsObject(value) ? invalid_object(schema, value) : "not an object";
    if (!strcmp(type, "array"))
        return cJSON_IsArray(value) ? invalid_array(schema, value) : "not an array";
    if (!strcmp(type, "string"))
        return cJSON_IsString(value) ? invalid_string(schema, value->valuestring) : "not a string";
    if (!strcmp(type, "number"))
        return cJSON_IsNumber(value) ? NULL : "not a number";
    if (!strcmp(type, "integer"))
        return cJSON_IsNumber(value) ? invalid_integer(schema, value->valuedouble) : "not an integer";
    return !strcmp(type, "null") ? (cJSON_IsNull(value) ? NULL : "not null") : cJSON_IsBool(value) ? NULL : "not a boolean";
}

const char *fixture_invalid(const cJSON *schema, const cJSON *value) {
    const cJSON *values = cJSON_GetObjectItemCaseSensitive(schema, "enum"), *type, *item;
    const cJSON *constant = cJSON_GetObjectItemCaseSensitive(schema, "const");
    if (constant)
        return cJSON_Compare(constant, value, true) ? NULL : "not the constant";
    cJSON_ArrayForEach(item, values) if (cJSON_Compare(item, value, true)) return NULL;
    if (values)
        return "not in the enum";
    const cJSON *any = cJSON_GetObjectItemCaseSensitive(schema, "anyOf");
    cJSON_ArrayForEach(item, any) if (!fixture_invalid(item, value)) return NULL;
    if (any)
        return "none of anyOf";
    type = cJSON_GetObjectItemCaseSensitive(schema, "type");
    if (cJSON_IsString(type))
        return invalid_of_type(schema, type->valuestring, value);
    const char *wrong = "no type";
    cJSON_ArrayForEach(item, type) if (wrong) wrong = invalid_of_type(schema, item->valuestring, value);
    return wrong;
}

/* constraint_values.c - what a JSON schema says of objects, arrays, strings, integers and fixed values. */
#include "base/memory.h"
#include "constraint_schema.h"
#include "io/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const cJSON *member(const cJSON *schema, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(schema, key);
}

/* A bound of items or characters; where it is missing, *count stays. */
static cso_status read_count(const schema_reader *r, const cJSON *schema, const schema_path *path, const char *key, uint32_t *count,
                             cso_error *err) {
    const schema_path here = {.up = path, .key = key, .depth = path->depth};
    const cJSON *value = member(schema, key);
    if (!value)
        return CSO_OK;
    if (!cJSON_IsNumber(value) || !(value->valuedouble >= 0 && value->valuedouble <= CSO_CONSTRAINT_COUNT) ||
        value->valuedouble != floor(value->valuedouble))
        return schema_fail(r, &here, err, "expected a whole number from 0 to %d", CSO_CONSTRAINT_COUNT);
    *count = (uint32_t)value->valuedouble;
    return CSO_OK;
}

static cso_status read_counts(const schema_reader *r, const cJSON *schema, const schema_path *path, const char *const keys[2],
                              uint32_t node, cso_error *err) {
    uint32_t low = 0, high = UINT32_MAX;
    CSO_TRY(read_count(r, schema, path, keys[0], &low, err));
    CSO_TRY(read_count(r, schema, path, keys[1], &high, err));
    if (low > high)
        return schema_fail(r, path, err, "%s is %u, above %s, which is %u", keys[0], (unsigned)low, keys[1], (unsigned)high);
    r->constraint->nodes[node].low = low;
    r->constraint->nodes[node].high = high;
    return CSO_OK;
}

cso_status schema_read_string(const schema_reader *r, const cJSON *schema, const schema_path *path, uint32_t node, cso_error *err) {
    static const char *const keys[2] = {"minLength", "maxLength"};
    constraint_begin_with(&r->constraint->nodes[node], '"');
    return read_counts(r, schema, path, keys, node, err);
}

cso_status schema_read_array(const schema_reader *r, const cJSON *schema, const schema_path *path, uint32_t node, cso_error *err) {
    static const char *const keys[2] = {"minItems", "maxItems"};
    const schema_path here = {.up = path, .key = "items", .depth = path->depth + 1};
    uint32_t child;
    const cJSON *items = member(schema, "items");
    if (!items)
        return schema_fail(r, path, err, "an array has no items (expected their schema)");
    constraint_begin_with(&r->constraint->nodes[node], '[');
    CSO_TRY(read_counts(r, schema, path, keys, node, err));
    uint32_t *nodes = cso_calloc(1, sizeof *nodes);
    if (!nodes)
        return cso_fail_memory(err, "a constraint");
    r->constraint->nodes[node].nodes = nodes;
    CSO_TRY(schema_read(r, items, &here, &child, err));
    nodes[0] = child;
    return CSO_OK;
}

/* A bound, as the nearest integer inside it; one far outside of +-INTEGER_MOST is cut. */
static cso_status read_bound(const schema_reader *r, const cJSON *schema, const schema_path *path, const char *key, bool low,
                             int64_t *bound, cso_error *err) {
    const schema_path here = {.up = path, .key = key, .depth = path->depth};
    const cJSON *value = member(schema, key);
    if (!value)
        return CSO_OK;
    if (!cJSON_IsNumber(value))
        return schema_fail(r, &here, err, "expected a number");
    double most = 2.0 * INTEGER_MOST, number = value->valuedouble;
    number = number > most ? most : number < -most ? -most : number;
    bool exclusive = key[0] == 'e';
    int64_t whole = (int64_t)(low ? ceil(number) : floor(number));
    if (exclusive && (double)whole == number)
        whole += low ? 1 : -1;
    if (low ? whole > *bound : whole < *bound)
        *bound = whole;
    return CSO_OK;
}

cso_status schema_read_integer(const schema_reader *r, const cJSON *schema, const schema_path *path, uint32_t node,
                               cso_error *err) {
    int64_t least = -INTEGER_MOST, most = INTEGER_MOST;
    CSO_TRY(read_bound(r, schema, path, "minimum", true, &least, err));
    CSO_TRY(read_bound(r, schema, path, "exclusiveMinimum", true, &least, err));
    CSO_TRY(read_bound(r, schema, path, "maximum", false, &most, err));
    CSO_TRY(read_bound(r, schema, path, "exclusiveMaximum", false, &most, err));
    if (least > most)
        return schema_fail(r, path, err, "no integer of at most %d digits is within minimum and maximum", INTEGER_DIGITS);
    constraint_node *n = &r->constraint->nodes[node];
    n->least = least;
    n->most = most;
    if (least < 0)
        constraint_begin_with(n, '-');
    for (uint8_t digit = '0'; digit <= '9' && most >= 0; digit++)
        constraint_begin_with(n, digit);
    return CSO_OK;
}

/* A value on one line without blanks. Recursion is bounded: cso_json_parse has checked the depth. */
static void write_value(cso_text *out, const cJSON *value) {
    if (cJSON_IsString(value)) {
        cso_text_json_string(out, value->valuestring, strlen(value->valuestring));
    } else if (cJSON_IsNumber(value)) {
        cso_text_json_number(out, value->valuedouble);
    } else if (cJSON_IsArray(value) || cJSON_IsObject(value)) {
        bool object = cJSON_IsObject(value);
        cso_text_add(out, object ? "{" : "[", 1);
        for (const cJSON *item = value->child; item; item = item->next) {
            if (item != value->child)
                cso_text_add(out, ",", 1);
            if (object) {
                cso_text_json_string(out, item->string, strlen(item->string));
                cso_text_add(out, ":", 1);
            }
            write_value(out, item);
        }
        cso_text_add(out, object ? "}" : "]", 1);
    } else {
        const char *word = cJSON_IsNull(value) ? "null" : cJSON_IsTrue(value) ? "true" : "false";
        cso_text_add(out, word, strlen(word));
    }
}

/* Texts that are written one after the other. */
typedef struct written_texts {
    cso_text text;
    size_t *begins; /* (count + 1) */
    uint32_t count;
} written_texts;

static cso_status begin_texts(const schema_reader *r, const schema_path *path, const cJSON *list, size_t most, written_texts *w,
                              cso_error *err) {
    size_t count = 0;
    for (const cJSON *item = list; item; item = item->next)
        count++;
    if (count > most)
        return schema_fail(r, path, err, "has %zu members (expected at most %zu)", count, most);
    *w = (written_texts){.begins = cso_calloc(count + 1, sizeof *w->begins)};
    return w->begins ? CSO_OK : cso_fail_memory(err, "a constraint");
}

/* Gives the texts to a node, and frees them. */
static cso_status end_texts(const schema_reader *r, const schema_path *path, written_texts *w, uint32_t node, cso_error *err) {
    char place[SCHEMA_PLACE];
    byte_trie_string *strings = cso_calloc(w->count, sizeof *strings);
    cso_status status = !strings || w->text.failed ? cso_fail_memory(err, "a constraint") : CSO_OK;
    if (status == CSO_OK && w->text.size > CSO_CONSTRAINT_TEXTS)
        status = schema_fail(r, path, err, "has over %d bytes", CSO_CONSTRAINT_TEXTS);
    if (status == CSO_OK) {
        for (uint32_t i = 0; i < w->count; i++)
            strings[i] = (byte_trie_string){w->text.data + w->begins[i], (uint32_t)(w->begins[i + 1] - w->begins[i]), i};
        schema_place(r, path, place);
        status = constraint_set_texts(r->constraint, node, strings, w->count, place, err);
    }
    free(strings);
    free(w->begins);
    free(w->text.data);
    return status;
}

cso_status schema_read_texts(const schema_reader *r, const cJSON *values, bool several, const schema_path *path, uint32_t node,
                             cso_error *err) {
    written_texts w;
    CSO_TRY(begin_texts(r, path, several ? values->child : values, CSO_CONSTRAINT_TEXTS, &w, err));
    for (const cJSON *item = several ? values->child : values; item; item = several ? item->next : NULL) {
        write_value(&w.text, item);
        w.begins[++w.count] = w.text.size;
    }
    return end_texts(r, path, &w, node, err);
}

/* Sets required[i] of the properties that are. */
static cso_status read_required(const schema_reader *r, const cJSON *schema, const schema_path *path, uint32_t count,
                                bool *required, cso_error *err) {
    const schema_path list = {.up = path, .key = "required", .depth = path->depth};
    schema_path here = {.up = &list, .depth = path->depth};
    const cJSON *names = member(schema, "required"), *properties = member(schema, "properties");
    if (names && !cJSON_IsArray(names))
        return schema_fail(r, &list, err, "expected an array of names");
    for (const cJSON *name = names ? names->child : NULL; name; name = name->next, here.index++) {
        if (!cJSON_IsString(name))
            return schema_fail(r, &here, err, "expected a name");
        uint32_t i = 0;
        const cJSON *property = properties ? properties->child : NULL;
        for (; property && strcmp(property->string, name->valuestring); property = property->next)
            i++;
        if (!property || i >= count)
            return schema_fail(r, &here, err, "\"%.100s\" is not among the properties", name->valuestring);
        if (required[i])
            return schema_fail(r, &here, err, "\"%.100s\" is there twice", name->valuestring);
        required[i] = true;
    }
    return CSO_OK;
}

static cso_status set_order(const schema_reader *r, const cJSON *schema, const schema_path *path, uint32_t node, uint32_t count,
                            cso_error *err) {
    bool required[CSO_CONSTRAINT_PROPERTIES] = {false};
    CSO_TRY(read_required(r, schema, path, count, required, err));
    constraint_node *object = &r->constraint->nodes[node];
    object->properties = cso_calloc(count, sizeof *object->properties);
    if (!object->properties)
        return cso_fail_memory(err, "a constraint");
    object->count = count;
    for (uint32_t i = count; i-- > 0;) {
        object->properties[i].last = required[i] ? i : i + 1 < count ? object->properties[i + 1].last : count - 1;
        if (required[i] && !object->n_required)
            object->n_required = i + 1;
    }
    return CSO_OK;
}

static cso_status check_additional(const schema_reader *r, const cJSON *schema, const schema_path *path, cso_error *err) {
    const schema_path here = {.up = path, .key = "additionalProperties", .depth = path->depth};
    const cJSON *value = member(schema, "additionalProperties");
    return !value || cJSON_IsBool(value) ? CSO_OK : schema_fail(r, &here, err, "expected true or false");
}

cso_status schema_read_object(const schema_reader *r, const cJSON *schema, const schema_path *path, uint32_t node, cso_error *err) {
    const schema_path list = {.up = path, .key = "properties", .depth = path->depth + 1};
    const cJSON *properties = member(schema, "properties");
    written_texts w;
    uint32_t child;
    if (properties && !cJSON_IsObject(properties))
        return schema_fail(r, &list, err, "expected an object of schemas");
    const cJSON *first = properties ? properties->child : NULL;
    CSO_TRY(check_additional(r, schema, path, err));
    CSO_TRY(begin_texts(r, &list, first, CSO_CONSTRAINT_PROPERTIES, &w, err));
    for (const cJSON *property = first; property; property = property->next) {
        cso_text_json_string(&w.text, property->string, strlen(property->string));
        cso_text_add(&w.text, ":", 1);
        w.begins[++w.count] = w.text.size;
    }
    uint32_t count = w.count, i = 0;
    CSO_TRY(end_texts(r, &list, &w, node, err));
    memset(r->constraint->nodes[node].begins, 0, sizeof r->constraint->nodes[node].begins); /* of the keys */
    constraint_begin_with(&r->constraint->nodes[node], '{');
    CSO_TRY(set_order(r, schema, path, node, count, err));
    for (const cJSON *property = first; property; property = property->next, i++) {
        const schema_path here = {.up = &list, .key = property->string, .depth = path->depth + 1};
        CSO_TRY(schema_read(r, property, &here, &child, err));
        r->constraint->nodes[node].properties[i].node = child;
    }
    return CSO_OK;
}

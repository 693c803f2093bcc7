/* constraint_schema.c - a JSON schema's keywords, and what it is made of: one type, several, values, or alternatives. */
#include "constraint_schema.h"

#include "base/memory.h"
#include "base/printable.h"
#include "io/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum schema_type {
    TYPE_OBJECT = 1,
    TYPE_ARRAY = 2,
    TYPE_STRING = 4,
    TYPE_NUMBER = 8,
    TYPE_INTEGER = 16,
    TYPE_BOOLEAN = 32,
    TYPE_NULL = 64,
} schema_type;

static const struct {
    const char *name;
    schema_type type;
} TYPES[] = {
    {"object", TYPE_OBJECT},   {"array", TYPE_ARRAY},     {"string", TYPE_STRING}, {"number", TYPE_NUMBER},
    {"integer", TYPE_INTEGER}, {"boolean", TYPE_BOOLEAN}, {"null", TYPE_NULL},
};

typedef enum schema_form { FORM_NONE, FORM_TYPE, FORM_ENUM, FORM_CONST, FORM_ANY, FORM_PART } schema_form;

static const struct {
    const char *name;
    schema_form form;
    unsigned types; /* of FORM_PART: where it belongs */
} KEYWORDS[] = {
    {"type", FORM_TYPE, 0},
    {"enum", FORM_ENUM, 0},
    {"const", FORM_CONST, 0},
    {"anyOf", FORM_ANY, 0},
    {"properties", FORM_PART, TYPE_OBJECT},
    {"required", FORM_PART, TYPE_OBJECT},
    {"additionalProperties", FORM_PART, TYPE_OBJECT},
    {"items", FORM_PART, TYPE_ARRAY},
    {"minItems", FORM_PART, TYPE_ARRAY},
    {"maxItems", FORM_PART, TYPE_ARRAY},
    {"minLength", FORM_PART, TYPE_STRING},
    {"maxLength", FORM_PART, TYPE_STRING},
    {"minimum", FORM_PART, TYPE_INTEGER},
    {"maximum", FORM_PART, TYPE_INTEGER},
    {"exclusiveMinimum", FORM_PART, TYPE_INTEGER},
    {"exclusiveMaximum", FORM_PART, TYPE_INTEGER},
    {"title", FORM_NONE, 0},
    {"description", FORM_NONE, 0},
    {"default", FORM_NONE, 0},
    {"examples", FORM_NONE, 0},
    {"deprecated", FORM_NONE, 0},
    {"readOnly", FORM_NONE, 0},
    {"writeOnly", FORM_NONE, 0},
    {"$schema", FORM_NONE, 0},
    {"$id", FORM_NONE, 0},
    {"$comment", FORM_NONE, 0},
};
enum { N_TYPES = sizeof TYPES / sizeof TYPES[0], N_KEYWORDS = sizeof KEYWORDS / sizeof KEYWORDS[0] };

/* Puts the pointer's steps before text[*at], from the last to the first; false where there is no room. */
static bool put_before(char *text, size_t *at, const char *more, size_t size) {
    if (size > *at)
        return false;
    *at -= size;
    memcpy(text + *at, more, size);
    return true;
}

void schema_place(const schema_reader *r, const schema_path *path, char place[SCHEMA_PLACE]) {
    char steps[256], number[32], safe[SCHEMA_PLACE];
    size_t at = sizeof steps - 1;
    bool fits = true;
    steps[at] = '\0';
    for (const schema_path *p = path; p->up && fits; p = p->up) {
        snprintf(number, sizeof number, "%zu", p->index);
        const char *step = p->key ? p->key : number;
        size_t size = strlen(step);
        fits = put_before(steps, &at, step, size < 60 ? size : 60) && put_before(steps, &at, "/", 1);
    }
    snprintf(place, SCHEMA_PLACE, "%.200s: #%s%s", r->place, fits ? "" : "...", cso_printable(safe, sizeof safe, steps + at));
}

cso_status schema_fail(const schema_reader *r, const schema_path *path, cso_error *err, const char *format, ...) {
    char place[SCHEMA_PLACE], what[512];
    va_list args;
    schema_place(r, path, place);
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return cso_fail(err, CSO_ERR_INPUT, "%s: %s", place, what);
}

/* What a schema's keywords say that it is. */
typedef struct schema_outline {
    unsigned forms; /* bits 1 << schema_form */
    unsigned types;
    const cJSON *type, *values, *constant, *any;
} schema_outline;

static cso_status read_types(const schema_reader *r, const schema_path *path, schema_outline *o, cso_error *err) {
    const schema_path here = {.up = path, .key = "type", .depth = path->depth};
    const cJSON *item = cJSON_IsArray(o->type) ? o->type->child : o->type;
    if (!item)
        return schema_fail(r, &here, err, "is empty");
    for (; item; item = cJSON_IsArray(o->type) ? item->next : NULL) {
        size_t i = 0;
        while (i < N_TYPES && !(cJSON_IsString(item) && !strcmp(item->valuestring, TYPES[i].name)))
            i++;
        if (i == N_TYPES)
            return schema_fail(
                r, &here, err,
                "expected \"object\", \"array\", \"string\", \"number\", \"integer\", \"boolean\" or \"null\", or an "
                "array of them");
        if (o->types & TYPES[i].type)
            return schema_fail(r, &here, err, "\"%s\" is there twice", TYPES[i].name);
        o->types |= TYPES[i].type;
    }
    if ((o->types & TYPE_NUMBER) && (o->types & TYPE_INTEGER))
        return schema_fail(r, &here, err, "\"integer\" beside \"number\" is not supported (a number may be an integer)");
    return CSO_OK;
}

static cso_status read_keyword(const schema_reader *r, const schema_path *path, const cJSON *member, schema_outline *o,
                               cso_error *err) {
    const schema_path here = {.up = path, .key = member->string, .depth = path->depth};
    size_t i = 0;
    while (i < N_KEYWORDS && strcmp(KEYWORDS[i].name, member->string))
        i++;
    if (i == N_KEYWORDS)
        return schema_fail(r, &here, err, "this keyword is not supported");
    o->forms |= 1U << KEYWORDS[i].form;
    if (KEYWORDS[i].form == FORM_TYPE)
        o->type = member;
    else if (KEYWORDS[i].form == FORM_ENUM)
        o->values = member;
    else if (KEYWORDS[i].form == FORM_CONST)
        o->constant = member;
    else if (KEYWORDS[i].form == FORM_ANY)
        o->any = member;
    return CSO_OK;
}

/* Keywords of types that the schema does not have, or beside values and alternatives. */
static cso_status check_parts(const schema_reader *r, const schema_path *path, const cJSON *schema, const schema_outline *o,
                              cso_error *err) {
    bool typed = !o->values && !o->constant && !o->any;
    for (const cJSON *member = schema->child; member; member = member->next) {
        const schema_path here = {.up = path, .key = member->string, .depth = path->depth};
        size_t i = 0;
        while (strcmp(KEYWORDS[i].name, member->string))
            i++;
        if (KEYWORDS[i].form != FORM_PART)
            continue;
        if (!typed)
            return schema_fail(r, &here, err, "is not supported beside %s", o->any ? "anyOf" : o->values ? "enum" : "const");
        if (!(KEYWORDS[i].types & o->types)) {
            size_t type = 0;
            while (!(TYPES[type].type & KEYWORDS[i].types))
                type++;
            return schema_fail(r, &here, err, "is supported for the type \"%s\" alone", TYPES[type].name);
        }
    }
    return CSO_OK;
}

static cso_status read_outline(const schema_reader *r, const schema_path *path, const cJSON *schema, schema_outline *o,
                               cso_error *err) {
    if (!cJSON_IsObject(schema))
        return schema_fail(r, path, err, "expected a schema, that is an object");
    for (const cJSON *member = schema->child; member; member = member->next)
        CSO_TRY(read_keyword(r, path, member, o, err));
    if (o->type)
        CSO_TRY(read_types(r, path, o, err));
    size_t forms = (o->values != NULL) + (o->constant != NULL) + (o->any != NULL);
    if (forms > 1 || (o->any && o->type))
        return schema_fail(r, path, err, "expected one of type, enum, const and anyOf");
    if (!forms && !o->type)
        return schema_fail(r, path, err, "has no type (expected type, enum, const or anyOf)");
    return check_parts(r, path, schema, o, err);
}

static cso_status add_literals(const schema_reader *r, const schema_path *path, schema_type type, uint32_t node, cso_error *err) {
    byte_trie_string words[] = {{"true", 4, 0}, {"false", 5, 1}, {"null", 4, 2}};
    char place[SCHEMA_PLACE];
    schema_place(r, path, place);
    return type == TYPE_NULL ? constraint_set_texts(r->constraint, node, words + 2, 1, place, err)
                             : constraint_set_texts(r->constraint, node, words, 2, place, err);
}

static cso_status add_node(const schema_reader *r, const schema_path *path, constraint_kind kind, uint32_t *node, cso_error *err) {
    if (r->constraint->n_nodes == CSO_CONSTRAINT_NODES)
        return schema_fail(r, path, err, "is one schema too many (expected at most %d)", CSO_CONSTRAINT_NODES);
    return constraint_add_node(r->constraint, kind, node, err);
}

static cso_status read_typed(const schema_reader *r, const cJSON *schema, const schema_path *path, schema_type type, uint32_t *node,
                             cso_error *err) {
    constraint_kind kind = type == TYPE_OBJECT    ? CONSTRAINT_OBJECT
                           : type == TYPE_ARRAY   ? CONSTRAINT_ARRAY
                           : type == TYPE_STRING  ? CONSTRAINT_STRING
                           : type == TYPE_NUMBER  ? CONSTRAINT_NUMBER
                           : type == TYPE_INTEGER ? CONSTRAINT_INTEGER
                                                  : CONSTRAINT_TEXTS;
    CSO_TRY(add_node(r, path, kind, node, err));
    switch (type) {
    case TYPE_OBJECT:
        return schema_read_object(r, schema, path, *node, err);
    case TYPE_ARRAY:
        return schema_read_array(r, schema, path, *node, err);
    case TYPE_STRING:
        return schema_read_string(r, schema, path, *node, err);
    case TYPE_INTEGER:
        return schema_read_integer(r, schema, path, *node, err);
    case TYPE_NUMBER:
        for (const char *byte = "-0123456789"; *byte; byte++)
            constraint_begin_with(&r->constraint->nodes[*node], (uint8_t)*byte);
        return CSO_OK;
    default:
        return add_literals(r, path, type, *node, err);
    }
}

/* Gives an alternative to its node, if it begins with other characters than those before. */
static cso_status add_alternative(const schema_reader *r, const schema_path *path, uint32_t node, uint32_t child, cso_error *err) {
    constraint_node *any = &r->constraint->nodes[node];
    const constraint_node *alternative = &r->constraint->nodes[child];
    for (int byte = 0; byte < 256; byte++)
        if (any->begins[byte / 64] & alternative->begins[byte / 64] & UINT64_C(1) << byte % 64)
            return schema_fail(r, path, err,
                               "begins with '%c' as an alternative before it does (expected values that differ in their first "
                               "character)",
                               byte >= 0x20 && byte < 0x7F ? byte : '?');
    for (int i = 0; i < 4; i++)
        any->begins[i] |= alternative->begins[i];
    any->nodes[any->count++] = child;
    return CSO_OK;
}

static cso_status read_any(const schema_reader *r, const schema_path *path, const schema_outline *o, uint32_t *node,
                           cso_error *err) {
    const schema_path list = {.up = path, .key = "anyOf", .depth = path->depth + 1};
    schema_path here = {.up = &list, .depth = path->depth + 1};
    uint32_t child;
    if (!cJSON_IsArray(o->any) || !o->any->child)
        return schema_fail(r, &list, err, "expected an array of schemas that is not empty");
    CSO_TRY(add_node(r, path, CONSTRAINT_ANY, node, err));
    size_t count = (size_t)cJSON_GetArraySize(o->any);
    uint32_t *nodes = cso_calloc(count, sizeof *nodes);
    if (!nodes)
        return cso_fail_memory(err, "a constraint");
    r->constraint->nodes[*node].nodes = nodes;
    for (const cJSON *item = o->any->child; item; item = item->next, here.index++) {
        CSO_TRY(schema_read(r, item, &here, &child, err));
        CSO_TRY(add_alternative(r, &here, *node, child, err));
    }
    return CSO_OK;
}

static cso_status read_several_types(const schema_reader *r, const cJSON *schema, const schema_path *path, unsigned types,
                                     uint32_t *node, cso_error *err) {
    uint32_t child;
    CSO_TRY(add_node(r, path, CONSTRAINT_ANY, node, err));
    uint32_t *nodes = cso_calloc(N_TYPES, sizeof *nodes);
    if (!nodes)
        return cso_fail_memory(err, "a constraint");
    r->constraint->nodes[*node].nodes = nodes;
    for (size_t i = 0; i < N_TYPES; i++)
        if (types & TYPES[i].type) {
            CSO_TRY(read_typed(r, schema, path, TYPES[i].type, &child, err));
            CSO_TRY(add_alternative(r, path, *node, child, err));
        }
    return CSO_OK;
}

static bool is_of(const cJSON *value, unsigned types) {
    unsigned is = cJSON_IsObject(value)   ? TYPE_OBJECT
                  : cJSON_IsArray(value)  ? TYPE_ARRAY
                  : cJSON_IsString(value) ? TYPE_STRING
                  : cJSON_IsBool(value)   ? TYPE_BOOLEAN
                  : cJSON_IsNull(value)   ? TYPE_NULL
                                          : TYPE_NUMBER;
    if (is == TYPE_NUMBER && value->valuedouble >= -1e300 && value->valuedouble <= 1e300 &&
        (value->valuedouble > 1e18 || value->valuedouble < -1e18 || value->valuedouble == (double)(int64_t)value->valuedouble))
        is |= TYPE_INTEGER;
    return is & types;
}

static cso_status read_values(const schema_reader *r, const schema_path *path, const schema_outline *o, uint32_t *node,
                              cso_error *err) {
    const schema_path list = {.up = path, .key = o->values ? "enum" : "const", .depth = path->depth};
    schema_path here = {.up = &list, .depth = path->depth};
    if (o->values && (!cJSON_IsArray(o->values) || !o->values->child))
        return schema_fail(r, &list, err, "expected an array of values that is not empty");
    for (const cJSON *item = o->values ? o->values->child : o->constant; o->type && item;
         item = o->values ? item->next : NULL, here.index++)
        if (!is_of(item, o->types))
            return schema_fail(r, o->values ? &here : &list, err, "is not of the schema's type");
    CSO_TRY(add_node(r, path, CONSTRAINT_TEXTS, node, err));
    return schema_read_texts(r, o->values ? o->values : o->constant, o->values, &list, *node, err);
}

cso_status schema_read(const schema_reader *r, const cJSON *schema, const schema_path *path, uint32_t *node, cso_error *err) {
    schema_outline outline = {0};
    CSO_TRY(read_outline(r, path, schema, &outline, err));
    bool values = outline.values || outline.constant;
    if (path->depth >= CSO_CONSTRAINT_DEPTH && !values && (outline.any || (outline.types & (TYPE_OBJECT | TYPE_ARRAY))))
        return schema_fail(r, path, err, "is inside %d objects, arrays or anyOf (expected fewer)", CSO_CONSTRAINT_DEPTH);
    if (outline.any)
        return read_any(r, path, &outline, node, err);
    if (values)
        return read_values(r, path, &outline, node, err);
    if (outline.types & (outline.types - 1))
        return read_several_types(r, schema, path, outline.types, node, err);
    return read_typed(r, schema, path, (schema_type)outline.types, node, err);
}

/* What JSON itself is written with must be in the vocabulary. */
static cso_status check_vocabulary(const schema_reader *r, cso_error *err) {
    char ascii[96] = "";
    for (int byte = 0x20; byte < 0x7F; byte++)
        ascii[byte - 0x20] = (char)byte;
    for (const char *byte = ascii; *byte; byte++)
        if (!r->constraint->tokens->bytes[(uint8_t)*byte])
            return cso_fail(err, CSO_ERR_INPUT, "%s: the model's vocabulary has no token for '%c', which JSON needs", r->place,
                            *byte);
    return CSO_OK;
}

cso_status constraint_read_schema(cso_constraint *c, const char *text, size_t size, const char *place, cso_error *err) {
    const schema_reader reader = {c, place};
    const schema_path root = {0};
    cJSON *schema = NULL;
    uint32_t node;
    if (size > CSO_CONSTRAINT_TEXTS)
        return cso_fail(err, CSO_ERR_INPUT, "%s: the schema has %zu bytes (expected at most %d)", place, size,
                        CSO_CONSTRAINT_TEXTS);
    CSO_TRY(check_vocabulary(&reader, err));
    CSO_TRY(cso_json_parse(&schema, text, size, place, 1, err));
    cso_status status = schema_read(&reader, schema, &root, &node, err);
    cJSON_Delete(schema);
    return status;
}

/* tree_file.c - see tree_file.h. */
#include "tree_file.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/option.h"
#include "io/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TREE_FILE_VERSION = 1 };
static const size_t TREE_FILE_MAX = (size_t)256 << 20; /* bytes */

const char *const cso_search_state_words[] = {"complete", "failed", "stopped", NULL};

void cso_search_result_free(cso_search_result *result) {
    free(result->method);
    free(result->mode);
    free(result->scene);
    free(result->description);
    free(result->prompts);
    cso_search_tree_free(&result->tree);
    *result = (cso_search_result){0};
}

static void add_string(cso_text *text, const char *key, const char *value) {
    cso_text_format(text, ",\"%s\":", key);
    if (value)
        cso_text_json_string(text, value, strlen(value));
    else
        cso_text_format(text, "null");
}

static void add_number(cso_text *text, const char *key, double value) {
    cso_text_format(text, ",\"%s\":", key);
    cso_text_json_number(text, value);
}

static const char *bool_word(bool value) {
    return value ? "true" : "false";
}

static void add_node(cso_text *text, const cso_search_tree *tree, size_t index) {
    const cso_search_node *n = &tree->nodes[index];
    cso_text_format(text, "%s\n{\"node\":%zu", index ? "," : "", index);
    if (n->parent == CSO_NO_NODE)
        cso_text_format(text, ",\"parent\":null");
    else
        cso_text_format(text, ",\"parent\":%zu", n->parent);
    add_string(text, "strategy", n->strategy == CSO_NO_NODE ? NULL : tree->strategies[n->strategy]);
    add_number(text, "prior", n->prior);
    add_number(text, "q", n->q);
    cso_text_format(text, ",\"n\":%" PRIu64 ",\"seed\":%" PRIu64, n->n, n->seed);
    cso_text_format(text, ",\"generated\":%s,\"ended\":%s,\"simulated\":%s,\"filled\":%s", bool_word(n->generated),
                    bool_word(n->ended), bool_word(n->simulated), bool_word(n->filled));
    add_string(text, "reply", n->reply);
    add_string(text, "answer", n->answer);
    cso_text_format(text, "}");
}

static void add_head(cso_text *text, const cso_search_result *result) {
    cso_text_format(text, "{\"version\":%d,\"index\":%zu", TREE_FILE_VERSION, result->index);
    add_string(text, "state", cso_search_state_words[result->state]);
    add_string(text, "method", result->method);
    add_string(text, "mode", result->mode);
    cso_text_format(text, ",\"iterations\":%zu", result->iterations);
    add_string(text, "scene", result->scene);
    add_string(text, "description", result->description);
    add_string(text, "prompts", result->prompts);
    cso_text_format(text, ",\"calls\":{");
    for (size_t i = 0; i < CSO_ROLES; i++)
        cso_text_format(text, "%s\"%s\":%zu", i ? "," : "", cso_role_words[i], result->calls[i]);
    cso_text_format(text, "},\"strategies\":[");
    for (size_t i = 0; i < result->tree.strategy_count; i++) {
        cso_text_format(text, "%s", i ? "," : "");
        cso_text_json_string(text, result->tree.strategies[i], strlen(result->tree.strategies[i]));
    }
}

cso_status cso_tree_file_write(const cso_search_result *result, const char *path, cso_error *err) {
    cso_text text = {0};
    add_head(&text, result);
    cso_text_format(&text, "],\"nodes\":[");
    for (size_t i = 0; i < result->tree.count; i++)
        add_node(&text, &result->tree, i);
    cso_text_format(&text, "\n]}\n");
    cso_status status = text.failed ? cso_fail_memory(err, "a tree's file") : cso_save_text(path, text.data, text.size, err);
    free(text.data);
    return status;
}

/* What is read of the file. */
typedef struct reader {
    const char *path;
    cso_search_result *result;
    char place[512];
} reader;

static cso_status fail_key(const reader *r, const char *key, const char *expected, cso_error *err) {
    return cso_fail(err, CSO_ERR_INPUT, "%s: %s: expected %s", r->place, key, expected);
}

static cso_status read_text(const reader *r, const cJSON *object, const char *key, char **text, cso_error *err) {
    const char *value;
    CSO_TRY(cso_json_string(object, key, r->place, &value, err));
    *text = NULL;
    if (!value)
        return CSO_OK;
    *text = cso_strdup(value);
    return *text ? CSO_OK : cso_fail_memory(err, "a tree");
}

/* A text that must be there. */
static cso_status read_word(const reader *r, const cJSON *object, const char *key, char **text, cso_error *err) {
    CSO_TRY(read_text(r, object, key, text, err));
    return *text ? CSO_OK : fail_key(r, key, "a text", err);
}

static cso_status read_flag(const reader *r, const cJSON *object, const char *key, bool *value, cso_error *err) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    *value = cJSON_IsTrue(item);
    return cJSON_IsBool(item) ? CSO_OK : fail_key(r, key, "true or false", err);
}

static cso_status read_double(const reader *r, const cJSON *object, const char *key, double *value, cso_error *err) {
    CSO_TRY(cso_json_number(object, key, r->place, NAN, value, err));
    return isfinite(*value) ? CSO_OK : fail_key(r, key, "a number", err);
}

static cso_status read_count(const reader *r, const cJSON *object, const char *key, size_t *value, cso_error *err) {
    CSO_TRY(cso_json_size(object, key, r->place, SIZE_MAX, value, err));
    return *value != SIZE_MAX ? CSO_OK : fail_key(r, key, "a whole number", err);
}

static cso_status read_strategies(reader *r, const cJSON *root, cso_error *err) {
    const cJSON *array = cJSON_GetObjectItemCaseSensitive(root, "strategies"), *item;
    const char *names[256];
    size_t count = 0;
    if (!cJSON_IsArray(array) || cJSON_GetArraySize(array) > 256)
        return fail_key(r, "strategies", "an array of names", err);
    cJSON_ArrayForEach(item, array) {
        if (!cJSON_IsString(item))
            return fail_key(r, "strategies", "an array of names", err);
        names[count++] = item->valuestring;
    }
    return cso_search_tree_begin(&r->result->tree, names, count, err);
}

static cso_status read_head(reader *r, const cJSON *root, cso_error *err) {
    cso_search_result *result = r->result;
    const cJSON *calls = cJSON_GetObjectItemCaseSensitive(root, "calls");
    char *state = NULL;
    size_t version, word;
    CSO_TRY(read_count(r, root, "version", &version, err));
    if (version != TREE_FILE_VERSION)
        return cso_fail(err, CSO_ERR_INPUT, "%s: is of version %zu (expected %d)", r->path, version, TREE_FILE_VERSION);
    CSO_TRY(read_count(r, root, "index", &result->index, err));
    CSO_TRY(read_count(r, root, "iterations", &result->iterations, err));
    CSO_TRY(read_word(r, root, "state", &state, err));
    bool known = cso_word_find(cso_search_state_words, state, &word);
    free(state);
    if (!known)
        return fail_key(r, "state", "complete, failed or stopped", err);
    result->state = (cso_search_state)word;
    CSO_TRY(read_word(r, root, "method", &result->method, err));
    CSO_TRY(read_word(r, root, "mode", &result->mode, err));
    CSO_TRY(read_word(r, root, "scene", &result->scene, err));
    CSO_TRY(read_word(r, root, "description", &result->description, err));
    CSO_TRY(read_word(r, root, "prompts", &result->prompts, err));
    for (size_t i = 0; i < CSO_ROLES; i++)
        CSO_TRY(read_count(r, calls, cso_role_words[i], &result->calls[i], err));
    return read_strategies(r, root, err);
}

/* The strategy's number; CSO_NO_NODE where there is none, which only the root may have. */
static cso_status read_strategy(const reader *r, const cJSON *object, bool root, size_t *strategy, cso_error *err) {
    const char *name;
    const cso_search_tree *tree = &r->result->tree;
    CSO_TRY(cso_json_string(object, "strategy", r->place, &name, err));
    *strategy = CSO_NO_NODE;
    for (size_t i = 0; name && i < tree->strategy_count; i++)
        if (!strcmp(tree->strategies[i], name))
            *strategy = i;
    if (root ? !!name : *strategy == CSO_NO_NODE)
        return fail_key(r, "strategy", root ? "null" : "one of the strategies", err);
    return CSO_OK;
}

static cso_status read_parent(const reader *r, const cJSON *object, size_t index, size_t *parent, cso_error *err) {
    *parent = CSO_NO_NODE;
    if (!index)
        return cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(object, "parent")) ? CSO_OK : fail_key(r, "parent", "null", err);
    CSO_TRY(read_count(r, object, "parent", parent, err));
    if (*parent >= index)
        return fail_key(r, "parent", "the number of a node before this one", err);
    const cso_search_node *above = &r->result->tree.nodes[*parent];
    return above->generated && !above->ended ? CSO_OK : fail_key(r, "parent", "a node that is generated and has not ended", err);
}

static cso_status read_values(const reader *r, const cJSON *object, cso_search_node *n, cso_error *err) {
    size_t visits, seed;
    CSO_TRY(read_double(r, object, "q", &n->q, err));
    CSO_TRY(read_count(r, object, "n", &visits, err));
    CSO_TRY(read_count(r, object, "seed", &seed, err));
    n->n = visits;
    n->seed = seed;
    CSO_TRY(read_flag(r, object, "generated", &n->generated, err));
    CSO_TRY(read_flag(r, object, "ended", &n->ended, err));
    CSO_TRY(read_flag(r, object, "simulated", &n->simulated, err));
    CSO_TRY(read_flag(r, object, "filled", &n->filled, err));
    CSO_TRY(read_text(r, object, "reply", &n->reply, err));
    CSO_TRY(read_text(r, object, "answer", &n->answer, err));
    if (n->generated != !!n->reply || n->generated != !!n->answer)
        return fail_key(r, "reply", "texts where the node is generated", err);
    return n->ended && !n->generated ? fail_key(r, "ended", "false where the node is not generated", err) : CSO_OK;
}

static cso_status read_node(reader *r, const cJSON *object, size_t index, cso_error *err) {
    size_t parent, strategy, node;
    double prior;
    snprintf(r->place, sizeof r->place, "%.400s: nodes[%zu]", r->path, index);
    if (!cJSON_IsObject(object))
        return cso_fail(err, CSO_ERR_INPUT, "%s is no object", r->place);
    CSO_TRY(read_parent(r, object, index, &parent, err));
    CSO_TRY(read_strategy(r, object, !index, &strategy, err));
    CSO_TRY(read_double(r, object, "prior", &prior, err));
    CSO_TRY(cso_search_tree_add(&r->result->tree, parent, strategy, prior, &node, err));
    return read_values(r, object, &r->result->tree.nodes[node], err);
}

static cso_status read_all(reader *r, const cJSON *root, cso_error *err) {
    const cJSON *nodes, *node;
    size_t index = 0;
    snprintf(r->place, sizeof r->place, "%.500s", r->path);
    if (!cJSON_IsObject(root))
        return cso_fail(err, CSO_ERR_INPUT, "%s: is no tree of cso-search (expected an object)", r->path);
    CSO_TRY(read_head(r, root, err));
    nodes = cJSON_GetObjectItemCaseSensitive(root, "nodes");
    if (!cJSON_IsArray(nodes))
        return fail_key(r, "nodes", "an array", err);
    cJSON_ArrayForEach(node, nodes) CSO_TRY(read_node(r, node, index++, err));
    return index ? CSO_OK : fail_key(r, "nodes", "a root", err);
}

cso_status cso_tree_file_read(cso_search_result *result, const char *path, cso_error *err) {
    reader r = {.path = path, .result = result};
    cJSON *root = NULL;
    *result = (cso_search_result){0};
    CSO_TRY(cso_json_read(&root, path, TREE_FILE_MAX, err));
    cso_status status = read_all(&r, root, err);
    cJSON_Delete(root);
    if (status != CSO_OK)
        cso_search_result_free(result);
    return status;
}

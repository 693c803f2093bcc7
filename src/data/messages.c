/* messages.c - reading chat messages out of records. */
#include "messages.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void message_list_free(message_list *list) {
    for (size_t i = 0; i < list->owned_count; i++)
        free(list->owned[i]);
    free(list->owned);
    free(list->items);
    *list = (message_list){0};
}

cso_status message_list_add(message_list *list, const char *role, const char *content, size_t size, cso_error *err) {
    if (!cso_grow(&list->items, &list->capacity, list->count + 1, sizeof *list->items))
        return cso_fail_memory(err, "messages");
    list->items[list->count++] = (cso_message){role, content, size};
    return CSO_OK;
}

/* Takes text over, also on failure. */
static cso_status own(message_list *list, char *text, cso_error *err) {
    if (!text || !cso_grow(&list->owned, &list->owned_capacity, list->owned_count + 1, sizeof *list->owned)) {
        free(text);
        return cso_fail_memory(err, "messages");
    }
    list->owned[list->owned_count++] = text;
    return CSO_OK;
}

/* A copy of size bytes. */
static cso_status own_copy(message_list *list, const char *text, size_t size, const char **copy, cso_error *err) {
    char *made = cso_calloc(size + 1, 1);
    if (made && size)
        memcpy(made, text, size);
    *copy = made;
    return own(list, made, err);
}

cso_status message_list_copy(message_list *list, const cso_message *message, cso_error *err) {
    const char *role, *content;
    CSO_TRY(own_copy(list, message->role, strlen(message->role), &role, err));
    CSO_TRY(own_copy(list, message->content, message->size, &content, err));
    return message_list_add(list, role, content, message->size, err);
}

cso_status message_list_text(message_list *list, const cJSON *string, const char *place, const char *key, const char **text,
                             size_t *size, cso_error *err) {
    if (!cJSON_IsString(string))
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s %s (expected a string)", place, key, string ? "is no string" : "is missing");
    *text = string->valuestring;
    *size = strlen(string->valuestring);
    if (!memchr(*text, '\xC0', *size)) /* no U+0000 (json.h): the record's own text will do */
        return CSO_OK;
    char *bytes;
    CSO_TRY(cso_json_bytes(string, &bytes, size, err));
    *text = bytes;
    return own(list, bytes, err);
}

cso_status message_list_strategy_text(message_list *list, const char *strategy, const char *content, size_t content_size,
                                      const char **text, size_t *size, cso_error *err) {
    size_t strategy_size = strlen(strategy);
    *size = strategy_size + 3 + content_size;
    char *joined = cso_calloc(*size + 1, 1);
    CSO_TRY(own(list, joined, err));
    joined[0] = '(';
    memcpy(joined + 1, strategy, strategy_size);
    memcpy(joined + 1 + strategy_size, ") ", 2);
    memcpy(joined + 3 + strategy_size, content, content_size);
    *text = joined;
    return CSO_OK;
}

cso_status message_list_read_one(message_list *list, const cJSON *message, const char *place, const char *name, cso_error *err) {
    char key[64];
    const char *role = NULL, *content = NULL;
    size_t role_size, content_size = 0;
    if (!cJSON_IsObject(message))
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s is no object (expected {\"role\", \"content\"})", place, name);
    snprintf(key, sizeof key, "%s.role", name);
    CSO_TRY(message_list_text(list, cJSON_GetObjectItemCaseSensitive(message, "role"), place, key, &role, &role_size, err));
    snprintf(key, sizeof key, "%s.content", name);
    CSO_TRY(
        message_list_text(list, cJSON_GetObjectItemCaseSensitive(message, "content"), place, key, &content, &content_size, err));
    return message_list_add(list, role, content, content_size, err);
}

cso_status message_list_read(message_list *list, const cJSON *array, const char *place, const char *key, bool single,
                             cso_error *err) {
    if (single && cJSON_IsObject(array))
        return message_list_read_one(list, array, place, key, err);
    if (!cJSON_IsArray(array))
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s %s (expected an array of messages)", place, key,
                        array ? "is no array" : "is missing");
    size_t index = 0;
    const cJSON *message;
    cJSON_ArrayForEach(message, array) {
        char name[48];
        snprintf(name, sizeof name, "%s[%zu]", key, index++);
        CSO_TRY(message_list_read_one(list, message, place, name, err));
    }
    return CSO_OK;
}

cso_status message_list_check_roles(const message_list *list, const char *place, const char *key, cso_error *err) {
    static const char *const ROLES[] = {"system", "user", "assistant"};
    for (size_t i = 0; i < list->count; i++) {
        bool known = false;
        for (size_t j = 0; j < sizeof ROLES / sizeof *ROLES; j++)
            known = known || !strcmp(list->items[i].role, ROLES[j]);
        if (!known)
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s[%zu].role: expected system, user or assistant, found \"%.60s\"", place, key,
                            i, list->items[i].role);
    }
    return CSO_OK;
}

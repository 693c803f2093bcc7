/* prompt_turns.c - see prompt_turns.h. */
#include "prompt_turns.h"

#include <stdio.h>
#include <string.h>

cso_status prompt_begin(message_list *list, const char *text, cso_error *err) {
    if (!text || !text[0] || (list->count && !strcmp(list->items[0].role, "system")))
        return CSO_OK;
    CSO_TRY(message_list_add(list, "system", text, strlen(text), err));
    cso_message system = list->items[list->count - 1];
    memmove(list->items + 1, list->items, (list->count - 1) * sizeof *list->items);
    list->items[0] = system;
    return CSO_OK;
}

bool prompt_is_tree(const cJSON *messages) {
    const cJSON *turn;
    cJSON_ArrayForEach(turn, messages) {
        if (cJSON_HasObjectItem(turn, "strategy") || cJSON_HasObjectItem(turn, "negative"))
            return true;
    }
    return false;
}

/* "(Strategy) content", as training has it. */
static cso_status add_reply(message_list *list, const cJSON *turn, const char *place, const char *name, cso_error *err) {
    const char *strategy, *content, *text;
    size_t strategy_size, size;
    char key[64];
    snprintf(key, sizeof key, "%s.content", name);
    CSO_TRY(message_list_text(list, cJSON_GetObjectItemCaseSensitive(turn, "content"), place, key, &content, &size, err));
    snprintf(key, sizeof key, "%s.strategy", name);
    CSO_TRY(
        message_list_text(list, cJSON_GetObjectItemCaseSensitive(turn, "strategy"), place, key, &strategy, &strategy_size, err));
    CSO_TRY(message_list_strategy_text(list, strategy, content, size, &text, &size, err));
    return message_list_add(list, "assistant", text, size, err);
}

cso_status prompt_each_turn(message_list *list, const cJSON *messages, const char *system, const char *place, prompt_visitor visit,
                            void *context, cso_error *err) {
    size_t index = 0;
    const cJSON *turn;
    CSO_TRY(prompt_begin(list, system, err));
    cJSON_ArrayForEach(turn, messages) {
        char name[48], key[64];
        const char *role;
        size_t size;
        bool is_user = index % 2 == 0; /* the two take turns, the user first */
        snprintf(name, sizeof name, "messages[%zu]", index);
        snprintf(key, sizeof key, "%s.role", name);
        if (!cJSON_IsObject(turn))
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s is no object (expected {\"role\", \"content\"})", place, name);
        CSO_TRY(message_list_text(list, cJSON_GetObjectItemCaseSensitive(turn, "role"), place, key, &role, &size, err));
        if (is_user != !strcmp(role, "user") || !strcmp(role, "system"))
            return cso_fail(err, CSO_ERR_INPUT,
                            "%s: %s: expected %s, found \"%.60s\" (user and assistant take turns, the user first)", place, key,
                            is_user ? "user" : "assistant", role);
        if (is_user) {
            CSO_TRY(message_list_read_one(list, turn, place, name, err));
        } else {
            CSO_TRY(visit(context, list->items, list->count, &index, err));
            CSO_TRY(add_reply(list, turn, place, name, err));
        }
        index++;
    }
    return CSO_OK;
}

/* lm_error.c - version, statuses and arguments. */
#include "api.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

_Static_assert((int)CSO_LM_OK == CSO_OK && (int)CSO_LM_ERR_INTERNAL == CSO_ERR_INTERNAL && (int)CSO_LM_ERR_USAGE == CSO_ERR_USAGE &&
                   (int)CSO_LM_ERR_INPUT == CSO_ERR_INPUT && (int)CSO_LM_ERR_SYSTEM == CSO_ERR_SYSTEM &&
                   (int)CSO_LM_ERR_NUMERIC == CSO_ERR_NUMERIC && (int)CSO_LM_STOPPED == CSO_STOPPED,
               "cso.h and base/status.h have the same values");
_Static_assert(sizeof((cso_lm_error *)0)->message >= sizeof((cso_error *)0)->message, "every message fits");

const char *cso_version(void) {
    return CSO_VERSION;
}

cso_lm_status api_result(cso_status status, const cso_error *from, cso_lm_error *to) {
    if (status != CSO_OK && to) {
        to->status = (cso_lm_status)status;
        memcpy(to->message, from->message, sizeof from->message);
    }
    return (cso_lm_status)status;
}

cso_status api_require(const void *argument, const char *name, cso_error *err) {
    return argument ? CSO_OK : cso_fail(err, CSO_ERR_USAGE, "%s is NULL", name);
}

cso_status api_adapter(const cso_lm_worker *worker, const cso_lm_adapter *adapter, const cso_adapter **found, cso_error *err) {
    *found = NULL;
    if (!adapter)
        return CSO_OK;
    if (adapter->model != worker->model)
        return cso_fail(err, CSO_ERR_USAGE, "the adapter was opened for another model than the worker's");
    *found = adapter->adapter;
    return CSO_OK;
}

cso_status api_chat(const cso_lm_tokenizer *tokenizer, const cso_chat_template **chat, cso_error *err) {
    *chat = tokenizer->chat;
    return *chat ? CSO_OK : cso_fail(err, tokenizer->no_chat.status, "%s", tokenizer->no_chat.message);
}

cso_status api_messages(const cso_lm_message *messages, size_t count, cso_message **copy, cso_error *err) {
    *copy = NULL;
    if (count)
        CSO_TRY(api_require(messages, "messages", err));
    for (size_t i = 0; i < count; i++)
        if (!messages[i].role || !messages[i].content)
            return cso_fail(err, CSO_ERR_USAGE, "messages[%zu]: role or content is NULL", i);
    *copy = cso_calloc(count ? count : 1, sizeof **copy);
    if (!*copy)
        return cso_fail_memory(err, "messages");
    for (size_t i = 0; i < count; i++)
        (*copy)[i] = (cso_message){messages[i].role, messages[i].content, strlen(messages[i].content)};
    return CSO_OK;
}

/* conversation.c - records that are one sequence: {"messages"}, of which the assistant's messages count, and {"text"}, of which all
 * does.
 */
#include "pair_source.h"

#include <string.h>

cso_status conversation_sources(const source_request *request, cso_error *err) {
    message_list list = {0};
    pair_source source = {.whole = reply_info("the content of an assistant message")};
    size_t replies = 0;
    cso_status status;
    CSO_TRY_DONE(message_list_read(&list, cJSON_GetObjectItemCaseSensitive(request->record, "messages"), request->place, "messages",
                                   false, err));
    for (size_t i = 0; i < list.count; i++)
        if (!strcmp(list.items[i].role, "assistant")) {
            replies++;
            source.whole.empty |= is_blank(list.items[i].content, list.items[i].size);
        }
    if (!replies) {
        status = cso_fail(err, CSO_ERR_INPUT, "%s: messages has no assistant message to learn from", request->place);
        goto done;
    }
    source.prompt = list.items;
    source.prompt_count = list.count;
    source.dialogue = dialogue_hash(list.items, list.count, NULL);
    status = request->visit(request->context, &source, request->place, err);
done:
    message_list_free(&list);
    return status;
}

cso_status text_sources(const source_request *request, cso_error *err) {
    message_list list = {0};
    cso_message text = {0};
    pair_source source = {.plain = true, .prompt = &text, .prompt_count = 1, .whole = reply_info("the text")};
    cso_status status = message_list_text(&list, cJSON_GetObjectItemCaseSensitive(request->record, "text"), request->place, "text",
                                          &text.content, &text.size, err);
    if (status == CSO_OK) {
        source.whole.empty = is_blank(text.content, text.size);
        source.dialogue = dialogue_hash(&text, 1, NULL);
        status = request->visit(request->context, &source, request->place, err);
    }
    message_list_free(&list);
    return status;
}

/* turn_group.c - see turn_group.h. */
#include "turn_group.h"

#include <stdio.h>
#include <string.h>

void turn_group_free(turn_group *group) {
    message_list_free(&group->prompt);
    message_list_free(&group->texts);
    reply_list_free(&group->list);
    *group = (turn_group){0};
}

/* Equal for the pairs of one turn. */
static text_hash turn_key(const pair_source *pair) {
    cso_digest hash;
    identity_begin(&hash, pair->dialogue);
    digest_messages(&hash, pair->prompt, pair->prompt_count);
    digest_messages(&hash, pair->reply[0].messages, pair->reply[0].count);
    return text_hash_end(&hash);
}

bool turn_group_takes(const turn_group *group, const pair_source *pair) {
    text_hash key = turn_key(pair);
    return group->open && key.low == group->key.low && key.high == group->key.high;
}

static cso_status add_reply(turn_group *group, const source_reply *reply, const char *name, cso_error *err) {
    cso_reply_info info = reply->info;
    bool added;
    snprintf(info.name, sizeof info.name, "%s", name);
    CSO_TRY(message_list_copy(&group->texts, &reply->messages[0], err));
    CSO_TRY(reply_list_add(&group->list, &group->texts.items[group->texts.count - 1], &info, &added, err));
    group->duplicates += !added;
    return CSO_OK;
}

static cso_status open_group(turn_group *group, const pair_source *pair, const char *place, cso_error *err) {
    group->open = true;
    group->key = turn_key(pair);
    group->dialogue = pair->dialogue;
    snprintf(group->place, sizeof group->place, "%s", place);
    for (size_t i = 0; i < pair->prompt_count; i++)
        CSO_TRY(message_list_copy(&group->prompt, &pair->prompt[i], err));
    return add_reply(group, &pair->reply[0], "the chosen reply", err);
}

cso_status turn_group_add(turn_group *group, const pair_source *pair, const char *place, cso_error *err) {
    const cso_message *chosen = pair->reply[0].messages, *rejected = pair->reply[1].messages;
    char name[40];
    for (int i = 0; i < 2; i++)
        if (pair->reply[i].info.empty)
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s is empty", place, pair->reply[i].info.name);
    if (chosen->size == rejected->size && !memcmp(chosen->content, rejected->content, chosen->size))
        return cso_fail(err, CSO_ERR_INPUT, "%s: chosen and rejected are equal", place);
    if (!group->open)
        CSO_TRY(open_group(group, pair, place, err));
    snprintf(name, sizeof name, "the rejected reply of pair %zu", ++group->pairs);
    return add_reply(group, &pair->reply[1], name, err);
}

cso_status turn_group_visit(turn_group *group, pair_source_visitor visit, void *context, size_t *duplicates, cso_error *err) {
    if (!group->open)
        return CSO_OK;
    CSO_TRY(reply_list_rank(&group->list, err));
    pair_source source = {.prompt = group->prompt.items,
                          .prompt_count = group->prompt.count,
                          .n_replies = group->list.count,
                          .reply = group->list.replies,
                          .unknown_strategies = group->list.unknown_strategies,
                          .dialogue = group->dialogue,
                          .has_identity = true};
    source.identity = identity_hash(&source);
    *duplicates += group->duplicates;
    cso_status status = visit(context, &source, group->place, err);
    turn_group_free(group);
    return status;
}

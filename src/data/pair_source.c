/* pair_source.c - what is known of a reply, and what tells dialogues and pairs apart. */
#include "pair_source.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

cso_reply_info reply_info(const char *name) {
    cso_reply_info info = {.q = NAN, .n = NAN};
    snprintf(info.name, sizeof info.name, "%s", name);
    return info;
}

cso_status reply_info_read(cso_reply_info *info, const cJSON *reply, const char *place, const char *name, cso_error *err) {
    static const char *const KEYS[2] = {"q", "n"};
    double *const values[2] = {&info->q, &info->n};
    for (int i = 0; i < 2; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(reply, KEYS[i]);
        if (item && !cJSON_IsNumber(item))
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s.%s is no number", place, name, KEYS[i]);
        if (item)
            *values[i] = item->valuedouble;
    }
    return CSO_OK;
}

bool is_blank(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (text[i] != ' ' && (text[i] < '\t' || text[i] > '\r'))
            return false;
    return true;
}

cso_status esc_texts_read(esc_texts *texts, const cJSON *record, message_list *list, const char *place, cso_error *err) {
    static const char *const KEYS[2] = {"scene", "description"};
    cso_message *const fields[2] = {&texts->scene, &texts->description};
    *texts = (esc_texts){0};
    for (int i = 0; i < 2; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(record, KEYS[i]);
        if (item)
            CSO_TRY(message_list_text(list, item, place, KEYS[i], &fields[i]->content, &fields[i]->size, err));
    }
    return CSO_OK;
}

text_hash dialogue_hash(const cso_message *messages, size_t count, const esc_texts *texts) {
    static const cso_message NOTHING = {0};
    const cso_message *system = &NOTHING, *user = &NOTHING;
    for (size_t i = 0; i < count && !user->content; i++) {
        const char *role = messages[i].role;
        if (!role || !strcmp(role, "user")) /* plain text has no roles */
            user = &messages[i];
        else if (!strcmp(role, "system"))
            system = &messages[i];
    }
    cso_digest hash;
    cso_digest_begin(&hash);
    digest_text(&hash, system->content, system->size);
    digest_text(&hash, texts ? texts->scene.content : NULL, texts ? texts->scene.size : 0);
    digest_text(&hash, texts ? texts->description.content : NULL, texts ? texts->description.size : 0);
    digest_text(&hash, user->content, user->size);
    return text_hash_end(&hash);
}

void identity_begin(cso_digest *hash, text_hash dialogue) {
    cso_digest_begin(hash);
    cso_digest_add(hash, &dialogue, sizeof dialogue);
}

text_hash identity_hash(const pair_source *source) {
    cso_digest hash;
    identity_begin(&hash, source->dialogue);
    digest_messages(&hash, source->prompt, source->prompt_count);
    return identity_end(&hash, source);
}

text_hash identity_end(const cso_digest *prompt, const pair_source *source) {
    cso_digest hash = *prompt;
    for (size_t i = 0; i < source->n_replies; i++)
        digest_messages(&hash, source->reply[i].messages, source->reply[i].count);
    return text_hash_end(&hash);
}

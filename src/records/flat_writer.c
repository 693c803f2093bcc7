/* flat_writer.c - records that are a prompt with replies: ESC-Pro pairs, KTO, preference and list. */
#include "convert_parts.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static void add(cso_text *out, const char *text) {
    cso_text_add(out, text, strlen(text));
}

static void begin_field(cso_text *out, bool *first, const char *key) {
    add(out, *first ? "\"" : ", \"");
    add(out, key);
    add(out, "\": ");
    *first = false;
}

void write_field(cso_text *out, bool *first, const char *key, json_slice value) {
    if (!value.text)
        return;
    begin_field(out, first, key);
    slice_write(out, value);
}

void write_extra(cso_text *out, bool *first, const record_view *view) {
    for (size_t i = 0; i < view->n_extra; i++) {
        add(out, *first ? "" : ", ");
        cso_text_add(out, view->extra[i].key.text, view->extra[i].key.size);
        add(out, ": ");
        slice_write(out, view->extra[i].value);
        *first = false;
    }
}

static void write_message(cso_text *out, const view_message *message) {
    bool first = true;
    if (!message->role.text || message->object.text) {
        slice_write(out, message->role.text ? message->object : message->content);
        return;
    }
    add(out, "{");
    write_field(out, &first, "role", message->role);
    write_field(out, &first, "content", message->content);
    add(out, "}");
}

void write_messages(cso_text *out, const view_message *messages, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (i)
            add(out, ", ");
        write_message(out, &messages[i]);
    }
}

/* A reply as an array of messages; of plain texts the text. */
static void write_reply(cso_text *out, const record_view *view, const view_reply *reply) {
    if (!view->plain)
        add(out, "[");
    write_messages(out, view->messages + reply->first, reply->count);
    if (!view->plain)
        add(out, "]");
}

static void write_prompt(cso_text *out, const record_view *view, size_t count) {
    if (!view->plain)
        add(out, "[");
    write_messages(out, view->path, count);
    if (!view->plain)
        add(out, "]");
}

static void begin(flat_writer *w, const record_view *view, cso_text **out, bool *first) {
    *out = record_begin(w->sink);
    *first = true;
    add(*out, "{");
    if (w->options->to != CSO_FORM_PAIRS && w->options->to != CSO_FORM_KTO)
        return;
    write_field(*out, first, "scene", view->scene);
    write_field(*out, first, "description", view->description);
}

static cso_status end(flat_writer *w, const record_view *view, cso_text *out, cso_error *err) {
    bool first = false, esc = w->options->to == CSO_FORM_PAIRS || w->options->to == CSO_FORM_KTO;
    if (w->options->keep && !esc) {
        write_field(out, &first, "scene", view->scene);
        write_field(out, &first, "description", view->description);
    }
    if (w->options->keep)
        write_field(out, &first, "iter", view->iter);
    write_extra(out, &first, view);
    add(out, "}");
    w->result->written++;
    return record_end(w->sink, err);
}

/* Whether this is new in its dialogue, or need not be. counted: it is lost if it is not. */
static cso_status is_new(flat_writer *w, text_hash key, bool counted, bool *fresh, cso_error *err) {
    size_t number;
    *fresh = true;
    if (w->once && !hash_map_get(&w->seen, key, 0, &number, fresh))
        return cso_fail_memory(err, "the pairs of a dialogue");
    w->result->lost[CSO_LOST_DOUBLES] += counted && !*fresh;
    return CSO_OK;
}

/* Hash of a reply behind a prompt. */
static cso_status reply_hash(flat_writer *w, text_hash prompt, const record_view *view, const view_reply *reply, text_hash *hash,
                             cso_error *err) {
    *hash = prompt;
    for (size_t i = 0; i < reply->count; i++) {
        text_hash message;
        if (!view_message_hash(&view->messages[reply->first + i], &w->room, &message))
            return cso_fail_memory(err, "a record");
        *hash = view_hash_chain(*hash, message);
    }
    return CSO_OK;
}

static cso_status write_pair(flat_writer *w, const record_view *view, const view_turn *turn, const view_reply *good,
                             const view_reply *bad, cso_error *err) {
    text_hash key = {0};
    bool fresh, first;
    cso_text *out;
    if (w->once) {
        CSO_TRY(reply_hash(w, w->chain[turn->prompt], view, good, &key, err));
        CSO_TRY(reply_hash(w, key, view, bad, &key, err));
    }
    CSO_TRY(is_new(w, key, true, &fresh, err));
    if (!fresh)
        return CSO_OK;
    begin(w, view, &out, &first);
    bool esc = w->options->to == CSO_FORM_PAIRS;
    begin_field(out, &first, esc ? "messages" : "prompt");
    write_prompt(out, view, turn->prompt);
    begin_field(out, &first, "chosen");
    if (esc)
        write_messages(out, view->messages + good->first, 1);
    else
        write_reply(out, view, good);
    begin_field(out, &first, esc ? "reject" : "rejected");
    if (esc)
        write_messages(out, view->messages + bad->first, 1);
    else
        write_reply(out, view, bad);
    return end(w, view, out, err);
}

/* A reply with the label false comes once for each preferred reply, as it does in pairs: so nothing of two paths gets lost. */
static cso_status write_label(flat_writer *w, const record_view *view, const view_turn *turn, const view_reply *reply, bool label,
                              cso_error *err) {
    text_hash key = w->chain[turn->prompt];
    bool fresh, first;
    cso_text *out;
    if (!label && turn->good)
        CSO_TRY(reply_hash(w, key, view, view->replies + turn->first, &key, err));
    CSO_TRY(reply_hash(w, key, view, reply, &key, err));
    key.low ^= label; /* a reply may be preferred in one place and not in another */
    CSO_TRY(is_new(w, key, !label, &fresh, err));
    if (!fresh)
        return CSO_OK;
    begin(w, view, &out, &first);
    begin_field(out, &first, view->plain ? "prompt" : "messages");
    if (view->plain) {
        write_prompt(out, view, turn->prompt);
        begin_field(out, &first, "completion");
        write_reply(out, view, reply);
    } else {
        add(out, "[");
        write_messages(out, view->path, turn->prompt);
        add(out, ", ");
        write_messages(out, view->messages + reply->first, reply->count);
        add(out, "]");
    }
    begin_field(out, &first, "label");
    add(out, label ? "true" : "false");
    return end(w, view, out, err);
}

static double rating(const view_reply *reply) {
    return reply->q.text ? strtod(reply->q.text, NULL) : 0; /* the character after the number ends it */
}

/* Best first: the good one, then the bad ones, by q where all of them have it. Insertion sort: there are few, and equal ones stay in
 * their order. */
static bool order_replies(view_reply *replies, size_t count) {
    bool rated = true;
    for (size_t i = 1; i < count; i++)
        rated = rated && replies[i].q.text;
    for (size_t i = 2; rated && i < count; i++) {
        view_reply moved = replies[i];
        size_t at = i;
        for (; at > 1 && rating(&replies[at - 1]) < rating(&moved); at--)
            replies[at] = replies[at - 1];
        replies[at] = moved;
    }
    return rated && replies[0].q.text;
}

static cso_status write_list(flat_writer *w, const record_view *view, const view_turn *turn, const view_reply *good,
                             cso_error *err) {
    size_t count = 1 + turn->bad;
    view_reply *replies = cso_calloc(count, sizeof *replies);
    if (!replies)
        return cso_fail_memory(err, "a list of replies");
    replies[0] = *good;
    memcpy(replies + 1, view->replies + turn->first + turn->good, turn->bad * sizeof *replies);
    bool rated = order_replies(replies, count), first, fresh;
    text_hash key = w->once ? w->chain[turn->prompt] : (text_hash){0};
    cso_text *out;
    cso_status status = CSO_OK;
    for (size_t i = 0; i < count && w->once; i++)
        CSO_TRY_DONE(reply_hash(w, key, view, &replies[i], &key, err));
    CSO_TRY_DONE(is_new(w, key, true, &fresh, err));
    if (!fresh)
        goto done;
    begin(w, view, &out, &first);
    begin_field(out, &first, "prompt");
    write_prompt(out, view, turn->prompt);
    begin_field(out, &first, "completions");
    for (size_t i = 0; i < count; i++) {
        add(out, i ? ", " : "[");
        write_reply(out, view, &replies[i]);
    }
    add(out, "]");
    for (size_t i = 0; rated && i < count; i++) {
        if (!i)
            begin_field(out, &first, "q");
        add(out, i ? ", " : "[");
        cso_text_add(out, replies[i].q.text, replies[i].q.size);
    }
    add(out, rated ? "]" : "");
    for (size_t i = 0; i < count; i++)
        w->result->lost[CSO_LOST_RATINGS] += (!rated && replies[i].q.text) || replies[i].n.text;
    status = end(w, view, out, err);
done:
    free(replies);
    return status;
}

static cso_status write_turn(flat_writer *w, const record_view *view, const view_turn *turn, cso_error *err) {
    const view_reply *good = view->replies + turn->first, *bad = good + turn->good;
    if (w->options->to == CSO_FORM_KTO) {
        for (size_t i = 0; i < turn->good + turn->bad; i++)
            CSO_TRY(write_label(w, view, turn, &good[i], i < turn->good, err));
    } else if (w->options->to == CSO_FORM_LIST) {
        for (size_t i = 0; turn->bad && i < turn->good; i++)
            CSO_TRY(write_list(w, view, turn, &good[i], err));
        return CSO_OK; /* the ratings that are lost are counted there */
    } else {
        for (size_t i = 0; i < turn->good; i++)
            for (size_t k = 0; k < turn->bad; k++)
                CSO_TRY(write_pair(w, view, turn, &good[i], &bad[k], err));
    }
    for (size_t i = 0; i < turn->good + turn->bad; i++)
        w->result->lost[CSO_LOST_RATINGS] += good[i].q.text || good[i].n.text;
    return CSO_OK;
}

static cso_status begin_dialogue(flat_writer *w, const record_view *view, text_hash dialogue, cso_error *err) {
    if (dialogue.low != w->dialogue.low || dialogue.high != w->dialogue.high)
        hash_map_free(&w->seen);
    w->dialogue = dialogue;
    if (!cso_grow(&w->chain, &w->chain_capacity, view->n_path + 1, sizeof *w->chain))
        return cso_fail_memory(err, "a record");
    w->chain[0] = (text_hash){0};
    for (size_t i = 0; i < view->n_path; i++) {
        text_hash message;
        if (!view_message_hash(&view->path[i], &w->room, &message))
            return cso_fail_memory(err, "a record");
        w->chain[i + 1] = view_hash_chain(w->chain[i], message);
    }
    return CSO_OK;
}

/* What of the record is in nothing that was written. */
static void count_lost(flat_writer *w, const record_view *view) {
    size_t *lost = w->result->lost, last = 0;
    bool labels = w->options->to == CSO_FORM_KTO, any = false;
    for (size_t i = 0; i < view->n_turns; i++) {
        const view_turn *turn = &view->turns[i];
        if (!labels && (!turn->good || !turn->bad))
            continue;
        any = true;
        last = turn->prompt + 1;
    }
    if (!any && view->form == CSO_FORM_KTO)
        lost[CSO_LOST_UNPAIRED] += view->n_replies;
    else if (!any)
        lost[CSO_LOST_RECORDS]++;
    else if (view->form == CSO_FORM_TREES)
        lost[CSO_LOST_TAIL] += view->n_path - last;
}

cso_status flat_write(flat_writer *w, const record_view *view, text_hash dialogue, cso_error *err) {
    if (w->once)
        CSO_TRY(begin_dialogue(w, view, dialogue, err));
    for (size_t i = 0; i < view->n_turns; i++)
        CSO_TRY(write_turn(w, view, &view->turns[i], err));
    count_lost(w, view);
    return CSO_OK;
}

void flat_free(flat_writer *w) {
    hash_map_free(&w->seen);
    free(w->chain);
    free(w->room.bytes);
}

/* convert.c - the course of a conversion: records are read, put together where one record of the other form needs several, and written.
 *
 *   trees ------------------> flat_writer: pairs, kto, preference, list; straight to conversations
 *   pairs, preference, list -> flat_writer; gathered by prompt and chosen reply for lists
 *   kto -------> gathered by prompt -> flat_writer
 *   all but trees -> dialogue_joiner: trees, conversations
 */
#include "convert_parts.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/signals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct converter {
    const cso_convert_options *options;
    cso_record_sink *sink;
    cso_convert_result *result;
    const char *path;
    size_t file_records;
    cso_data_form form; /* of the file's records */
    view_reader reader;
    const char *system_text; /* put before trees */
    cso_text system;         /* the same as a JSON string */
    flat_writer flat;
    dialogue_joiner joiner;
    kept_record kept; /* what is gathered */
    bool gathering;
    text_hash gathered, gathered_dialogue; /* of what all its records have in common */
    char place[768];
} converter;

static const char *const LOSSES[CSO_LOSS_KINDS] = {
    [CSO_LOST_SCENE] = "scene and description of %zu records",
    [CSO_LOST_ITER] = "iter of %zu records",
    [CSO_LOST_RATINGS] = "q and n of %zu replies",
    [CSO_LOST_OTHERS] = "%zu replies that were not preferred",
    [CSO_LOST_TAIL] = "%zu messages after the last reply that counts",
    [CSO_LOST_RECORDS] = "%zu records without replies to compare",
    [CSO_LOST_UNPAIRED] = "%zu labeled replies without one of the other label",
    [CSO_LOST_DOUBLES] = "%zu replies that are equal to an earlier one in the same place",
    [CSO_LOST_ORDER] = "the place of %zu pairs, which stand in another order",
    [CSO_LOST_SYSTEM] = ("the system message of %zu dialogues, which is not the one that trees are read under (--strategies, "
                         "--system-prompt)"),
    [CSO_LOST_ROLES] = "%zu roles that are another word for assistant",
    [CSO_LOST_BLANKS] = "whether a blank follows the strategy, in %zu replies",
    [CSO_LOST_MESSAGE_FIELDS] = "%zu fields that have no meaning in the other form",
    [CSO_LOST_FIELDS] = "fields that differ within a dialogue, in %zu turns",
};

void cso_loss_text(cso_loss_kind kind, size_t count, char *text, size_t size) {
    const char *number = strstr(LOSSES[kind], "%zu");
    snprintf(text, size, "%.*s%zu%s", (int)(number - LOSSES[kind]), LOSSES[kind], count, number + 3);
}

/* Puts the system message that trees are read under before a tree's path. */
static cso_status add_system(converter *c, cso_error *err) {
    view_reader *reader = &c->reader;
    record_view *view = &reader->view;
    if (!c->system_text[0])
        return CSO_OK;
    if (!cso_grow(&view->path, &reader->path_capacity, view->n_path + 1, sizeof *view->path))
        return cso_fail_memory(err, c->place);
    memmove(view->path + 1, view->path, view->n_path * sizeof *view->path);
    view->path[0] = (view_message){.role = {VIEW_SYSTEM, sizeof VIEW_SYSTEM - 1}, .content = {c->system.data, c->system.size}};
    view->n_path++;
    for (size_t i = 0; i < view->n_turns; i++)
        view->turns[i].prompt++;
    return CSO_OK;
}

/* What is said once of each record that loses it. */
static void count_losses(converter *c) {
    const record_view *view = &c->reader.view;
    cso_data_form to = c->options->to;
    size_t *lost = c->result->lost;
    bool esc = to == CSO_FORM_TREES || to == CSO_FORM_PAIRS || to == CSO_FORM_KTO;
    lost[CSO_LOST_SCENE] += !esc && !c->options->keep && (view->scene.text || view->description.text);
    lost[CSO_LOST_ITER] += view->iter.text && to != CSO_FORM_TREES && (!c->options->keep || to == CSO_FORM_SFT);
    lost[CSO_LOST_ROLES] += view->renamed_roles;
    lost[CSO_LOST_MESSAGE_FIELDS] += view->lost_fields;
}

static cso_status fail_form(const converter *c, const char *why, cso_error *err) {
    return cso_fail(err, CSO_ERR_INPUT, "%s: %s: cannot become %s (%s)", c->place, view_form_name(c->reader.view.form),
                    cso_data_form_words[c->options->to], why);
}

/* That the record can be one of the other form. */
static cso_status check_form(const converter *c, cso_error *err) {
    const record_view *view = &c->reader.view;
    cso_data_form to = c->options->to;
    if (view->form == CSO_FORM_IDS)
        return fail_form(c, "ids are no text", err);
    if (view->form == CSO_FORM_TEXT && to != CSO_FORM_SFT)
        return fail_form(c, "a text has no replies", err);
    if (view->plain && (to == CSO_FORM_TREES || to == CSO_FORM_PAIRS))
        return fail_form(c, "it has texts, not messages", err);
    if (to == CSO_FORM_PAIRS)
        for (size_t i = 0; i < view->n_replies; i++)
            if (view->replies[i].count != 1)
                return fail_form(c, "a reply has several messages", err);
    return CSO_OK;
}

static cso_status write_joined(converter *c, const record_view *view, text_hash dialogue, cso_error *err) {
    c->joiner.place = c->place;
    return dialogue_add(&c->joiner, view, dialogue, err);
}

static cso_status finish_gathered(converter *c, cso_error *err) {
    if (!c->gathering)
        return CSO_OK;
    c->gathering = false;
    CSO_TRY(kept_finish(&c->kept, err));
    if (c->options->to == CSO_FORM_TREES || c->options->to == CSO_FORM_SFT)
        return write_joined(c, &c->kept.view, c->gathered_dialogue, err);
    return flat_write(&c->flat, &c->kept.view, c->gathered_dialogue, err);
}

/* Gathers records with the same prompt, and of pairs with the same chosen reply. */
static cso_status gather(converter *c, text_hash dialogue, cso_error *err) {
    const record_view *view = &c->reader.view;
    const view_turn *turn = &view->turns[0];
    text_hash key = dialogue, hash;
    for (size_t i = 0; i < view->n_path; i++) {
        if (!view_message_hash(&view->path[i], &c->reader.room, &hash))
            return cso_fail_memory(err, c->place);
        key = view_hash_chain(key, hash);
    }
    for (size_t i = 0; view->form != CSO_FORM_KTO && i < view->replies[0].count; i++) {
        if (!view_message_hash(&view->messages[view->replies[0].first + i], &c->reader.room, &hash))
            return cso_fail_memory(err, c->place);
        key = view_hash_chain(key, hash);
    }
    bool same = c->gathering && key.low == c->gathered.low && key.high == c->gathered.high;
    if (!same) {
        CSO_TRY(finish_gathered(c, err));
        CSO_TRY(kept_begin(&c->kept, view, err));
        c->gathering = true;
        c->gathered = key;
        c->gathered_dialogue = dialogue;
    }
    for (size_t i = 0; i < turn->good + turn->bad; i++) {
        bool good = i < turn->good, added;
        if (same && good && view->form != CSO_FORM_KTO)
            continue; /* it is there */
        CSO_TRY(kept_add_reply(&c->kept, view, &view->replies[turn->first + i], good, &added, err));
        c->result->lost[CSO_LOST_DOUBLES] += !added && view->form != CSO_FORM_KTO; /* two paths have the same bad replies */
    }
    return CSO_OK;
}

/* A record of one sequence as a conversation, or as it is. */
static cso_status write_sequence(converter *c, const record_view *view, cso_error *err) {
    bool first = true;
    const view_reply *reply = view->n_replies ? &view->replies[0] : NULL;
    cso_text *out = record_begin(c->sink);
    cso_text_add(out, "{", 1);
    if (view->plain && reply) {
        write_field(out, &first, "prompt", view->path[0].content);
        write_field(out, &first, "completion", view->messages[reply->first].content);
    } else if (view->plain) {
        write_field(out, &first, "text", view->path[0].content);
    } else {
        cso_text_format(out, "\"messages\": [");
        first = false;
        write_messages(out, view->path, view->n_path);
        if (reply && view->form != CSO_FORM_TREES) {
            cso_text_add(out, ", ", 2);
            write_messages(out, view->messages + reply->first, reply->count);
        }
        cso_text_add(out, "]", 1);
    }
    if (c->options->keep) {
        write_field(out, &first, "scene", view->scene);
        write_field(out, &first, "description", view->description);
    }
    write_extra(out, &first, view);
    cso_text_add(out, "}", 1);
    c->result->written++;
    return record_end(c->sink, err);
}

/* Trees and texts without roles have what a conversation is; other records are put together to whole dialogues. */
static cso_status write_sft(converter *c, text_hash dialogue, cso_error *err) {
    const record_view *view = &c->reader.view;
    if (view->form != CSO_FORM_TREES && !view->plain)
        return view->form == CSO_FORM_KTO ? gather(c, dialogue, err) : write_joined(c, view, dialogue, err);
    for (size_t i = 0; i < view->n_turns; i++)
        c->result->lost[CSO_LOST_OTHERS] += view->turns[i].bad;
    for (size_t i = 0; i < view->n_replies; i++)
        c->result->lost[CSO_LOST_RATINGS] += view->replies[i].q.text || view->replies[i].n.text;
    if (view->plain && view->n_turns && !view->turns[0].good)
        return CSO_OK; /* a text with the label false */
    return write_sequence(c, view, err);
}

/* A conversation's replies are good ones. */
static cso_status add_turns(converter *c, cso_error *err) {
    view_reader *reader = &c->reader;
    record_view *view = &reader->view;
    size_t count = 0;
    for (size_t i = 1; i < view->n_path; i++)
        count += slice_is(view->path[i].role, VIEW_ASSISTANT);
    if (!cso_grow(&view->messages, &reader->message_capacity, count, sizeof *view->messages) ||
        !cso_grow(&view->replies, &reader->reply_capacity, count, sizeof *view->replies) ||
        !cso_grow(&view->turns, &reader->turn_capacity, count, sizeof *view->turns))
        return cso_fail_memory(err, c->place);
    for (size_t i = 1; i < view->n_path; i++) {
        if (!slice_is(view->path[i].role, VIEW_ASSISTANT))
            continue;
        view->messages[view->n_messages] = view->path[i];
        view->replies[view->n_replies] = (view_reply){.first = view->n_messages++, .count = 1};
        view->turns[view->n_turns++] = (view_turn){i, view->n_replies++, 1, 0};
    }
    return CSO_OK;
}

static cso_status convert_record(converter *c, cso_error *err) {
    record_view *view = &c->reader.view;
    cso_data_form to = c->options->to;
    text_hash dialogue;
    CSO_TRY(check_form(c, err));
    count_losses(c);
    if (view->form == CSO_FORM_TREES)
        CSO_TRY(add_system(c, err));
    if (!view_dialogue(&c->reader, true, &dialogue))
        return cso_fail_memory(err, c->place);
    if (to == CSO_FORM_SFT)
        return write_sft(c, dialogue, err);
    if (view->form == CSO_FORM_KTO || (to == CSO_FORM_LIST && (view->form == CSO_FORM_PAIRS || view->form == CSO_FORM_PREFERENCE)))
        return gather(c, dialogue, err);
    if (to == CSO_FORM_TREES)
        return write_joined(c, view, dialogue, err);
    if (view->form == CSO_FORM_SFT)
        CSO_TRY(add_turns(c, err));
    c->flat.once = view->form == CSO_FORM_TREES || to == CSO_FORM_KTO;
    return flat_write(&c->flat, view, dialogue, err);
}

static cso_status visit_text(void *context, const char *text, size_t size, size_t line, cso_error *err) {
    converter *c = context;
    if (cso_signals_stop()) /* a temporary file is to be removed */
        return cso_fail(err, CSO_STOPPED, "stopped");
    CSO_TRY(cso_json_check_record(text, size, c->path, line, err));
    snprintf(c->place, sizeof c->place, "%s:%zu", c->path, line);
    CSO_TRY(view_read(&c->reader, text, size, c->place, err));
    cso_data_form form = c->reader.view.form;
    if (c->file_records && form != c->form)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s in a file of another form (it began with: %s)", c->place, view_form_name(form),
                        view_form_name(c->form));
    if (!c->file_records && form != c->form) /* files of two forms give nothing that belongs together */
        CSO_TRY(finish_gathered(c, err));
    c->form = form;
    c->file_records++;
    c->result->records++;
    if (form == c->options->to) {
        c->result->written++;
        slice_write(record_begin(c->sink), (json_slice){text, size});
        return record_end(c->sink, err);
    }
    return convert_record(c, err);
}

static cso_status read_files(converter *c, const char *const *paths, size_t n_paths, cso_error *err) {
    for (size_t i = 0; i < n_paths; i++) {
        c->path = cso_input_name(paths[i]);
        c->file_records = 0;
        CSO_TRY(cso_json_each_text(paths[i], visit_text, c, err));
        if (!c->file_records)
            return cso_fail(err, CSO_ERR_INPUT, "%s: no records (expected an array or lines of JSON objects)", c->path);
    }
    CSO_TRY(finish_gathered(c, err));
    CSO_TRY(dialogue_finish(&c->joiner, err));
    if (!c->result->written)
        return cso_fail(err, CSO_ERR_INPUT,
                        "%s: none of %zu records has what %s need: a preferred reply and another one to compare it with",
                        c->path ? c->path : "data", c->result->records, cso_data_form_words[c->options->to]);
    return CSO_OK;
}

cso_status cso_convert(const cso_convert_options *options, const char *const *paths, size_t n_paths, cso_record_sink *sink,
                       cso_convert_result *result, cso_error *err) {
    *result = (cso_convert_result){0};
    converter c = {.options = options, .sink = sink, .result = result};
    c.system_text = options->system_prompt ? options->system_prompt : cso_strategies_prompt(options->strategies);
    c.flat = (flat_writer){.options = options, .sink = sink, .result = result};
    c.joiner = (dialogue_joiner){.options = options, .sink = sink, .result = result, .system = c.system_text};
    cso_text_json_string(&c.system, c.system_text, strlen(c.system_text));
    cso_status status = c.system.failed ? cso_fail_memory(err, "the system prompt") : read_files(&c, paths, n_paths, err);
    view_reader_free(&c.reader);
    flat_free(&c.flat);
    dialogue_free(&c.joiner);
    kept_free(&c.kept);
    free(c.system.data);
    return status;
}

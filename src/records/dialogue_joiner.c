/* dialogue_joiner.c - the records of a dialogue, put together again.
 *
 * The messages of all records of a dialogue make a tree: a node for each message after those before it, found by the hash of the whole
 * beginning. A rejected reply is a negative of the node of its chosen one. At the end of the dialogue each way from the root to a leaf
 * is a record, in the order in which the leaves came, as a search tree with several endings gives several ESC-Pro trees.
 */
#include "convert_parts.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { ROOT = 0, NONE = 0 };

typedef struct joined_node {
    text_hash hash; /* of the messages from the root to this one */
    size_t parent;
    view_message message;
    json_slice q, n;
    size_t first_negative, last_negative; /* index + 1 of a negative; 0: none */
    size_t fields;                        /* index of the fields that came with it */
    bool goes_on;                         /* an assistant message comes after it */
} joined_node;

typedef struct joined_negative {
    text_hash hash;
    json_slice content, q, n;
    size_t next, number; /* number: of the record, in the order of the dialogue */
} joined_negative;

/* iter and the fields of no known meaning. */
typedef struct joined_fields {
    text_hash hash;
    record_view view;
} joined_fields;

struct joined_dialogue {
    text_hash hash;
    json_slice scene, description;
    joined_node *nodes;
    size_t n_nodes, node_capacity;
    joined_negative *negatives;
    size_t n_negatives, negative_capacity;
    joined_fields *fields;
    size_t n_fields, fields_capacity;
    size_t *path; /* nodes of a way, from the leaf back */
    size_t path_capacity;
    hash_map index; /* of a node, by its hash */
    cso_arena arena;
    size_t records;
};

bool split_strategy(json_slice content, json_slice *strategy, json_slice *text, bool *blank) {
    json_slice inside = slice_inside(content);
    const char *end = inside.size && inside.text[0] == '(' ? memchr(inside.text, ')', inside.size) : NULL;
    if (!end)
        return false;
    *strategy = (json_slice){inside.text + 1, (size_t)(end - inside.text) - 1};
    *text = (json_slice){end + 1, inside.size - (size_t)(end + 1 - inside.text)};
    *blank = text->size && text->text[0] == ' ';
    if (*blank)
        *text = (json_slice){text->text + 1, text->size - 1};
    return true;
}

static cso_status fail_memory(cso_error *err) {
    return cso_fail_memory(err, "a dialogue");
}

static void clear(struct joined_dialogue *d) {
    for (size_t i = 0; i < d->n_fields; i++)
        free(d->fields[i].view.extra);
    hash_map_free(&d->index);
    cso_arena_reset(&d->arena);
    d->n_nodes = d->n_negatives = d->n_fields = d->records = 0;
}

/* Fields of the record, kept once where records bring the same. */
static cso_status add_fields(struct joined_dialogue *d, const record_view *view, cso_json_room *room, cso_error *err) {
    cso_digest digest;
    cso_digest_begin(&digest);
    if (!slice_digest(&digest, view->iter, room))
        return fail_memory(err);
    for (size_t i = 0; i < view->n_extra; i++) {
        digest_text(&digest, view->extra[i].key.text, view->extra[i].key.size);
        digest_text(&digest, view->extra[i].value.text, view->extra[i].value.size);
    }
    text_hash hash = text_hash_end(&digest);
    const joined_fields *last = d->n_fields ? &d->fields[d->n_fields - 1] : NULL;
    if (last && last->hash.low == hash.low && last->hash.high == hash.high)
        return CSO_OK;
    if (!cso_grow(&d->fields, &d->fields_capacity, d->n_fields + 1, sizeof *d->fields))
        return fail_memory(err);
    joined_fields *fields = &d->fields[d->n_fields];
    *fields = (joined_fields){.hash = hash};
    fields->view.extra = cso_calloc(view->n_extra, sizeof *fields->view.extra);
    if (!fields->view.extra)
        return fail_memory(err);
    d->n_fields++;
    if (!keep_slice(&d->arena, view->iter, &fields->view.iter))
        return fail_memory(err);
    for (size_t i = 0; i < view->n_extra; i++) {
        view_field *to = &fields->view.extra[fields->view.n_extra++];
        if (!keep_slice(&d->arena, view->extra[i].key, &to->key) || !keep_slice(&d->arena, view->extra[i].value, &to->value))
            return fail_memory(err);
    }
    return CSO_OK;
}

/* The node of a message after its parent's. */
static cso_status add_node(dialogue_joiner *j, size_t parent, const view_message *message, size_t *found, cso_error *err) {
    struct joined_dialogue *d = j->dialogue;
    text_hash own;
    bool added;
    if (!view_message_hash(message, &j->room, &own))
        return fail_memory(err);
    text_hash hash = view_hash_chain(d->nodes[parent].hash, own);
    if (!hash_map_get(&d->index, hash, d->n_nodes, found, &added))
        return fail_memory(err);
    if (!added)
        return CSO_OK;
    if (!cso_grow(&d->nodes, &d->node_capacity, d->n_nodes + 1, sizeof *d->nodes))
        return fail_memory(err);
    joined_node *node = &d->nodes[d->n_nodes++];
    *node = (joined_node){.hash = hash, .parent = parent, .fields = d->n_fields - 1};
    for (size_t at = parent; slice_is(message->role, VIEW_ASSISTANT) && !d->nodes[at].goes_on; at = d->nodes[at].parent)
        d->nodes[at].goes_on = true; /* the root's parent is the root */
    return keep_message(&d->arena, message, &node->message) ? CSO_OK : fail_memory(err);
}

/* A tree writes replies with their strategies apart. */
static cso_status check_reply(dialogue_joiner *j, const view_message *message, const char *what, cso_error *err) {
    json_slice strategy, text;
    bool blank;
    const char *bytes;
    size_t size;
    if (j->options->to != CSO_FORM_TREES)
        return CSO_OK;
    if (!split_strategy(message->content, &strategy, &text, &blank))
        return cso_fail(err, CSO_ERR_INPUT,
                        "%s: %s names no strategy (expected \"(Strategy) text\": a tree has one for each reply)", j->place, what);
    j->result->lost[CSO_LOST_BLANKS] += !blank;
    /* strategies are written without escapes, or they are not known */
    bytes = strategy.text;
    size = strategy.size;
    j->result->unknown_strategies += !cso_strategies_find(j->options->strategies, bytes, size);
    return CSO_OK;
}

/* In a tree user and assistant take turns, and the system message is the one that trees are read under. */
static cso_status check_path(dialogue_joiner *j, const record_view *view, cso_error *err) {
    const char *bytes = "";
    size_t size = 0, first = 0;
    if (j->options->to != CSO_FORM_TREES)
        return CSO_OK;
    if (view->n_path && slice_is(view->path[0].role, VIEW_SYSTEM)) {
        first = 1;
        if (!slice_bytes(view->path[0].content, &j->room, &bytes, &size))
            return fail_memory(err);
    }
    if (!j->dialogue->records)
        j->result->lost[CSO_LOST_SYSTEM] += size != strlen(j->system) || memcmp(bytes, j->system, size) != 0;
    for (size_t i = first; i < view->n_path; i++) {
        const char *expected = (i - first) % 2 ? VIEW_ASSISTANT : VIEW_USER;
        if (!slice_is(view->path[i].role, expected))
            return cso_fail(err, CSO_ERR_INPUT,
                            "%s: message %zu: expected %s, found %.*s (in a tree user and assistant take turns, the user first)",
                            j->place, i, expected, (int)view->path[i].role.size, view->path[i].role.text);
    }
    if (view->n_turns && (view->n_path - first) % 2 == 0)
        return cso_fail(err, CSO_ERR_INPUT, "%s: the prompt ends with no user message (a tree's replies follow one)", j->place);
    return CSO_OK;
}

static cso_status add_negative(dialogue_joiner *j, size_t at, const record_view *view, const view_reply *reply, cso_error *err) {
    struct joined_dialogue *d = j->dialogue;
    const view_message *message = &view->messages[reply->first];
    joined_negative negative = {.number = d->records};
    CSO_TRY(check_reply(j, message, "the rejected reply", err));
    if (!view_message_hash(message, &j->room, &negative.hash))
        return fail_memory(err);
    for (size_t i = d->nodes[at].first_negative; i; i = d->negatives[i - 1].next)
        if (d->negatives[i - 1].hash.low == negative.hash.low && d->negatives[i - 1].hash.high == negative.hash.high) {
            j->result->lost[CSO_LOST_DOUBLES]++;
            return CSO_OK;
        }
    if (!keep_slice(&d->arena, message->content, &negative.content) || !keep_slice(&d->arena, reply->q, &negative.q) ||
        !keep_slice(&d->arena, reply->n, &negative.n) ||
        !cso_grow(&d->negatives, &d->negative_capacity, d->n_negatives + 1, sizeof *d->negatives))
        return fail_memory(err);
    d->negatives[d->n_negatives++] = negative;
    joined_node *node = &d->nodes[at];
    if (node->first_negative)
        d->negatives[node->last_negative - 1].next = d->n_negatives;
    else
        node->first_negative = d->n_negatives;
    node->last_negative = d->n_negatives;
    return CSO_OK;
}

static cso_status add_replies(dialogue_joiner *j, size_t prompt, const record_view *view, const view_turn *turn, cso_error *err) {
    const view_reply *good = view->replies + turn->first, *bad = good + turn->good;
    bool tree = j->options->to == CSO_FORM_TREES;
    if (!turn->good)
        j->result->lost[CSO_LOST_UNPAIRED] += turn->bad;
    for (size_t g = 0; g < turn->good; g++) {
        size_t at = prompt;
        if (tree && good[g].count != 1)
            return cso_fail(err, CSO_ERR_INPUT, "%s: a reply of %zu messages (a tree has one message for each)", j->place,
                            good[g].count);
        CSO_TRY(check_reply(j, &view->messages[good[g].first], "the chosen reply", err));
        for (size_t i = 0; i < good[g].count; i++)
            CSO_TRY(add_node(j, at, &view->messages[good[g].first + i], &at, err));
        joined_node *node = &j->dialogue->nodes[at];
        if (tree && !node->q.text && !keep_slice(&j->dialogue->arena, good[g].q, &node->q))
            return fail_memory(err);
        for (size_t b = 0; tree && b < turn->bad; b++) {
            if (bad[b].count != 1)
                return cso_fail(err, CSO_ERR_INPUT, "%s: a reply of %zu messages (a tree has one message for each)", j->place,
                                bad[b].count);
            CSO_TRY(add_negative(j, at, view, &bad[b], err));
        }
        j->result->lost[CSO_LOST_OTHERS] += tree ? 0 : turn->bad;
    }
    return CSO_OK;
}

static cso_status begin_dialogue(dialogue_joiner *j, const record_view *view, text_hash hash, cso_error *err) {
    struct joined_dialogue *d = j->dialogue;
    bool added;
    CSO_TRY(dialogue_finish(j, err));
    if (j->options->to == CSO_FORM_TREES && view->form != CSO_FORM_SFT) {
        if (!hash_set_add(&j->finished, hash, &added))
            return fail_memory(err);
        if (!added)
            return cso_fail(
                err, CSO_ERR_INPUT,
                "%s: its dialogue came before, and another one in between (expected the records of a dialogue side by side: "
                "LC_ALL=C sort FILE > SORTED puts lines in such an order)",
                j->place);
    }
    if (!d)
        d = j->dialogue = cso_calloc(1, sizeof *d);
    if (!d || !cso_grow(&d->nodes, &d->node_capacity, 1, sizeof *d->nodes) || !keep_slice(&d->arena, view->scene, &d->scene) ||
        !keep_slice(&d->arena, view->description, &d->description))
        return fail_memory(err);
    d->hash = hash;
    d->nodes[ROOT] = (joined_node){0};
    d->n_nodes = 1;
    return CSO_OK;
}

cso_status dialogue_add(dialogue_joiner *j, const record_view *view, text_hash hash, cso_error *err) {
    struct joined_dialogue *d = j->dialogue;
    if (!d || !d->n_nodes || view->form == CSO_FORM_SFT /* each is a whole dialogue */ || hash.low != d->hash.low ||
        hash.high != d->hash.high)
        CSO_TRY(begin_dialogue(j, view, hash, err));
    d = j->dialogue;
    CSO_TRY(check_path(j, view, err));
    CSO_TRY(add_fields(d, view, &j->room, err));
    size_t at = ROOT, length = view->n_path;
    for (; !view->n_turns && length && !slice_is(view->path[length - 1].role, VIEW_ASSISTANT); length--)
        j->result->lost[CSO_LOST_TAIL]++;
    for (size_t i = 0; i < length; i++) {
        if (slice_is(view->path[i].role, VIEW_ASSISTANT))
            CSO_TRY(check_reply(j, &view->path[i], "an assistant message", err));
        CSO_TRY(add_node(j, at, &view->path[i], &at, err));
    }
    for (size_t i = 0; i < view->n_turns; i++)
        CSO_TRY(add_replies(j, at, view, &view->turns[i], err));
    d->records++;
    return CSO_OK;
}

static void add(cso_text *out, const char *text) {
    cso_text_add(out, text, strlen(text));
}

static void write_inside(cso_text *out, bool *first, const char *key, json_slice inside) {
    cso_text_format(out, "%s\"%s\": \"", *first ? "" : ", ", key);
    cso_text_add(out, inside.text, inside.size);
    add(out, "\"");
    *first = false;
}

/* content, strategy, q and n of a reply. */
static void write_tree_reply(cso_text *out, bool *first, json_slice content, json_slice q, json_slice n) {
    json_slice strategy, text;
    bool blank;
    split_strategy(content, &strategy, &text, &blank); /* was checked */
    write_inside(out, first, "content", text);
    write_inside(out, first, "strategy", strategy);
    write_field(out, first, "q", q);
    write_field(out, first, "n", n);
}

/* A turn of a tree; *last: the largest number of a negative so far, among those that are not written for the second time. */
static void write_tree_turn(dialogue_joiner *j, cso_text *out, const joined_node *node, size_t *last) {
    struct joined_dialogue *d = j->dialogue;
    bool first = true;
    add(out, "{");
    write_field(out, &first, "role", node->message.role);
    if (slice_is(node->message.role, VIEW_USER)) {
        write_field(out, &first, "content", node->message.content);
        add(out, "}");
        return;
    }
    write_tree_reply(out, &first, node->message.content, node->q, node->n);
    add(out, ", \"negative\": [");
    for (size_t i = node->first_negative; i; i = d->negatives[i - 1].next) {
        joined_negative *negative = &d->negatives[i - 1];
        first = true;
        add(out, i == node->first_negative ? "{" : ", {");
        write_tree_reply(out, &first, negative->content, negative->q, negative->n);
        add(out, "}");
        if (negative->number == SIZE_MAX) /* written before */
            continue;
        j->result->lost[CSO_LOST_ORDER] += negative->number < *last;
        *last = negative->number > *last ? negative->number : *last;
        negative->number = SIZE_MAX;
    }
    add(out, "]}");
}

static void write_way(dialogue_joiner *j, cso_text *out, size_t length, size_t *last) {
    const struct joined_dialogue *d = j->dialogue;
    bool some = false, tree = j->options->to == CSO_FORM_TREES;
    for (size_t i = length; i-- > 0;) {
        const joined_node *node = &d->nodes[d->path[i]];
        if (tree && slice_is(node->message.role, VIEW_SYSTEM))
            continue;
        add(out, some ? ", " : "");
        some = true;
        if (tree)
            write_tree_turn(j, out, node, last);
        else
            write_messages(out, &node->message, 1);
    }
}

/* The record of the way to a leaf. */
static cso_status write_record(dialogue_joiner *j, size_t leaf, size_t *last, cso_error *err) {
    struct joined_dialogue *d = j->dialogue;
    const record_view *fields = &d->fields[d->nodes[leaf].fields].view;
    bool first = true, tree = j->options->to == CSO_FORM_TREES;
    size_t length = 0;
    for (size_t at = leaf; at != ROOT; at = d->nodes[at].parent, length++) {
        if (!cso_grow(&d->path, &d->path_capacity, length + 1, sizeof *d->path))
            return fail_memory(err);
        d->path[length] = at;
        j->result->lost[CSO_LOST_FIELDS] += d->nodes[at].first_negative && d->nodes[at].fields != d->nodes[leaf].fields;
    }
    cso_text *out = record_begin(j->sink);
    add(out, "{");
    if (tree) {
        write_field(out, &first, "description", d->description);
        write_field(out, &first, "scene", d->scene);
        write_field(out, &first, "iter", fields->iter);
    }
    cso_text_format(out, "%s\"messages\": [", first ? "" : ", ");
    first = false;
    write_way(j, out, length, last);
    add(out, "]");
    if (!tree && j->options->keep) {
        write_field(out, &first, "scene", d->scene);
        write_field(out, &first, "description", d->description);
    }
    write_extra(out, &first, fields);
    add(out, "}");
    j->result->written++;
    return record_end(j->sink, err);
}

cso_status dialogue_finish(dialogue_joiner *j, cso_error *err) {
    struct joined_dialogue *d = j->dialogue;
    size_t last = 0;
    for (size_t i = 1; d && i < d->n_nodes; i++)
        if (!d->nodes[i].goes_on && slice_is(d->nodes[i].message.role, VIEW_ASSISTANT))
            CSO_TRY(write_record(j, i, &last, err));
    if (d)
        clear(d);
    return CSO_OK;
}

void dialogue_free(dialogue_joiner *j) {
    struct joined_dialogue *d = j->dialogue;
    if (d) {
        clear(d);
        free(d->nodes);
        free(d->negatives);
        free(d->fields);
        free(d->path);
        cso_arena_free(&d->arena);
        free(d);
    }
    hash_set_free(&j->finished);
    free(j->room.bytes);
}

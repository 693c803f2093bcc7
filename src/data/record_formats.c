/* record_formats.c - the forms of records, one row each, tried in order. A new form is a row and a reader. */
#include "record.h"

#include "pair_source.h"

#include <stdio.h>
#include <string.h>

static bool has(const cJSON *record, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(record, key) != NULL;
}

static bool any_turn_has(const cJSON *record, const char *key) {
    const cJSON *turn;
    cJSON_ArrayForEach(turn, cJSON_GetObjectItemCaseSensitive(record, "messages")) {
        if (cJSON_IsObject(turn) && has(turn, key))
            return true;
    }
    return false;
}

/* Forms of other trainers: ShareGPT's, Alpaca's and their preferences. */
static bool is_chosen(const cJSON *record) {
    return has(record, "chosen") || has(record, "rejected");
}
static bool has_from(const cJSON *record) {
    const cJSON *turns = cJSON_GetObjectItemCaseSensitive(record, "conversations");
    return cJSON_IsArray(turns) && cJSON_IsObject(turns->child) && has(turns->child, "from");
}
static bool is_sharegpt_pair(const cJSON *record) {
    return has_from(record) && is_chosen(record);
}
static bool is_conversations(const cJSON *record) {
    return has(record, "conversations") && !has(record, "messages") && !has(record, "prompt");
}
static bool is_conversations_pair(const cJSON *record) {
    return is_conversations(record) && is_chosen(record);
}
static bool is_alpaca(const cJSON *record) {
    return has(record, "instruction") && has(record, "output") && !has(record, "messages") && !has(record, "prompt");
}
static bool is_alpaca_pair(const cJSON *record) {
    return has(record, "instruction") && is_chosen(record) && !has(record, "messages") && !has(record, "prompt");
}

static bool is_esc_pair(const cJSON *record) {
    return has(record, "reject") || (has(record, "messages") && has(record, "chosen"));
}
static bool is_kto(const cJSON *record) {
    return has(record, "label");
}
static bool is_completion(const cJSON *record) {
    return has(record, "prompt") && has(record, "completion");
}
static bool is_preference(const cJSON *record) {
    return has(record, "chosen") || has(record, "rejected") || has(record, "prompt");
}
static bool is_esc_tree(const cJSON *record) {
    return has(record, "messages") && (has(record, "iter") || any_turn_has(record, "strategy") || any_turn_has(record, "negative"));
}
static bool is_messages(const cJSON *record) {
    return has(record, "messages");
}
static bool is_text(const cJSON *record) {
    return has(record, "text");
}
static bool is_ids(const cJSON *record) {
    return has(record, "ids");
}

typedef struct record_format {
    bool (*matches)(const cJSON *record);
    const char *name;
    cso_record_form form;
    cso_status (*sources)(const source_request *request, cso_error *err); /* NULL: nothing to train on */
    const char *loss; /* not NULL: a known form that this version does not train on; "kto": the loss.type it is for */
    const char *way;  /* not NULL: a known form that is not read, and what to do about it */
} record_format;

/* Commands that make records of this program's forms. */
#define JQ_EACH  "jq -c '(arrays | .[]), objects | "
#define JQ_FILES "' in.json > out.jsonl"
#define JQ_TURN  "{role: ({human: \"user\", gpt: \"assistant\"}[.from] // .from), content: .value}"
#define JQ_ASK   "[{role: \"user\", content: ([.instruction, .input // \"\"] | map(select(. != \"\")) | join(\"\\n\"))}]"

static const record_format FORMATS[] = {
    {is_sharegpt_pair, "ShareGPT pair (conversations, chosen, rejected)", CSO_RECORD_FORM_COUNT, NULL, NULL,
     JQ_EACH "{prompt: [.conversations[] | " JQ_TURN "], chosen: [.chosen | " JQ_TURN "], rejected: [.rejected | " JQ_TURN
             "]}" JQ_FILES},
    {has_from, "ShareGPT record (conversations with from and value)", CSO_RECORD_FORM_COUNT, NULL, NULL,
     JQ_EACH "{messages: ([.system // empty | {role: \"system\", content: .}] + [.conversations[] | " JQ_TURN "])}" JQ_FILES},
    {is_conversations_pair, "pair after a conversation (conversations, chosen, rejected)", CSO_RECORD_FORM_COUNT, NULL, NULL,
     JQ_EACH "{prompt: .conversations, chosen: [.chosen], rejected: [.rejected]}" JQ_FILES},
    {is_conversations, "conversation (conversations)", CSO_RECORD_FORM_COUNT, NULL, NULL,
     JQ_EACH "{messages: .conversations}" JQ_FILES},
    {is_alpaca_pair, "Alpaca pair (instruction, chosen, rejected)", CSO_RECORD_FORM_COUNT, NULL, NULL,
     JQ_EACH "{prompt: " JQ_ASK ", chosen: [{role: \"assistant\", content: .chosen}], rejected: [{role: \"assistant\", content: "
             ".rejected}]}" JQ_FILES},
    {is_alpaca, "Alpaca record (instruction, input, output)", CSO_RECORD_FORM_COUNT, NULL, NULL,
     JQ_EACH "{messages: (" JQ_ASK " + [{role: \"assistant\", content: .output}])}" JQ_FILES},
    {is_esc_pair, "ESC-Pro pair", CSO_RECORD_ESC_PAIR, esc_pair_sources, NULL, NULL},
    {is_kto, "KTO record (with a label)", CSO_RECORD_FORM_COUNT, NULL, "kto", NULL},
    {is_completion, "prompt and completion", CSO_RECORD_FORM_COUNT, NULL, "", NULL},
    {is_preference, "preference record (prompt, chosen, rejected)", CSO_RECORD_PREFERENCE, preference_sources, NULL, NULL},
    {is_esc_tree, "ESC-Pro tree", CSO_RECORD_ESC_TREE, esc_tree_sources, NULL, NULL},
    {is_messages, "conversation (messages)", CSO_RECORD_MESSAGES, conversation_sources, NULL, NULL},
    {is_text, "text", CSO_RECORD_TEXT, text_sources, NULL, NULL},
    {is_ids, "token ids", CSO_RECORD_IDS, NULL, NULL, NULL},
};
enum { FORMAT_COUNT = sizeof FORMATS / sizeof *FORMATS };

const char *cso_record_form_name(cso_record_form form) {
    for (size_t i = 0; i < FORMAT_COUNT; i++)
        if (FORMATS[i].form == form && !FORMATS[i].loss && !FORMATS[i].way)
            return FORMATS[i].name;
    return "unknown form";
}

/* "a, b, c": the keys of a record, for the message about one of no known form. */
static void list_keys(const cJSON *record, char *text, size_t size) {
    size_t used = 0;
    const cJSON *member;
    text[0] = '\0';
    cJSON_ArrayForEach(member, record) {
        if (used >= size)
            return;
        used += (size_t)snprintf(text + used, size - used, "%s%.40s", used ? ", " : "", member->string);
    }
}

cso_status cso_record_detect(const cJSON *record, const char *place, cso_record_form *form, cso_error *err) {
    if (!cJSON_IsObject(record))
        return cso_fail(err, CSO_ERR_INPUT, "%s: the record is no JSON object", place);
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        const record_format *format = &FORMATS[i];
        if (!format->matches(record))
            continue;
        if (format->way)
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s: not a form that is read; this makes one: %s", place, format->name,
                            format->way);
        if (format->loss && *format->loss)
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s: needs loss.type = \"%s\", which this version does not train", place,
                            format->name, format->loss);
        if (format->loss)
            return cso_fail(err, CSO_ERR_INPUT, "%s: %s: not in this version (expected messages)", place, format->name);
        *form = format->form;
        return CSO_OK;
    }
    char keys[200];
    list_keys(record, keys, sizeof keys);
    return cso_fail(err, CSO_ERR_INPUT,
                    "%s: a record of no known form (expected messages, prompt, chosen and rejected, text or ids; found %s)", place,
                    keys[0] ? keys : "no keys");
}

cso_status record_sources(const source_request *request, cso_record_form form, cso_error *err) {
    for (size_t i = 0; i < FORMAT_COUNT; i++)
        if (FORMATS[i].form == form && FORMATS[i].sources)
            return FORMATS[i].sources(request, err);
    return cso_fail(err, CSO_ERR_INTERNAL, "%s: a record of this form (%s) is not for training", request->place,
                    cso_record_form_name(form));
}

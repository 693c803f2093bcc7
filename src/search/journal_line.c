/* journal_line.c - a line of a journal to and from text. */
#include "journal_parts.h"

#include "base/memory.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSION = 1, HEX = CSO_DIGEST_HEX - 1, MAX_TEXT = 400 };

/* A line: the digest of the JSON text, a blank, the JSON text. */
static void add_line(cso_text *line, const cso_text *json) {
    char hex[CSO_DIGEST_HEX];
    if (json->failed) {
        line->failed = true;
        return;
    }
    cso_digest_bytes(json->data, json->size, hex);
    cso_text_format(line, "%s ", hex);
    cso_text_add(line, json->data, json->size);
    cso_text_add(line, "\n", 1);
}

static void add_string(cso_text *json, const char *text) {
    cso_text_json_string(json, text, strlen(text));
}

void journal_print_first(cso_text *line, size_t index, const cso_identity *identity) {
    cso_text json = {0};
    cso_text_format(&json, "{\"version\":%d,\"index\":%zu,\"identity\":{", VERSION, index);
    for (size_t i = 0; i < identity->count; i++) {
        cso_text_format(&json, "%s", i ? "," : "");
        add_string(&json, identity->items[i].key);
        cso_text_add(&json, ":", 1);
        add_string(&json, identity->items[i].value);
    }
    cso_text_format(&json, "}}");
    add_line(line, &json);
    free(json.data);
}

void journal_print_entry(cso_text *line, const cso_journal_entry *entry) {
    cso_text json = {0};
    cso_text_format(&json, "{\"call\":%zu,\"role\":\"%s\",\"question\":\"%s\",\"answer\":", entry->call,
                    cso_role_words[entry->role], entry->question);
    add_string(&json, entry->answer);
    cso_text_format(&json, ",\"prompt_tokens\":%llu,\"completion_tokens\":%llu,\"cut\":%s,\"tries\":%zu,\"cost\":",
                    (unsigned long long)entry->prompt_tokens, (unsigned long long)entry->completion_tokens,
                    entry->cut ? "true" : "false", entry->tries);
    cso_text_json_number(&json, entry->cost);
    cso_text_add(&json, "}", 1);
    add_line(line, &json);
    free(json.data);
}

/* The line is the journal's next one. */
static cso_status fail_damaged(const cso_journal *journal, const char *what, cso_error *err) {
    return cso_fail(err, CSO_ERR_INPUT, "%s:%zu: damaged journal of search %zu: %s; remove the file to search this seed anew",
                    journal->path, journal->lines + 1, journal->index, what);
}

/* A member, which is there and has this type of cJSON's. */
static const cJSON *member(const cJSON *object, const char *key, int type) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return item && (item->type & type) ? item : NULL;
}

static bool read_size(const cJSON *object, const char *key, uint64_t *value) {
    size_t size = 0;
    bool valid = member(object, key, cJSON_Number) && cso_json_size(object, key, "", 0, &size, NULL) == CSO_OK;
    *value = size;
    return valid;
}

static bool is_hex(const char *text, size_t size) {
    return size == HEX && strspn(text, "0123456789abcdef") >= HEX;
}

static bool has_members(const cJSON *object, int count) {
    return cJSON_IsObject(object) && cJSON_GetArraySize(object) == count;
}

/* The identity of the first line; false if it is none. */
static bool read_identity(const cJSON *object, cso_identity *identity) {
    const cJSON *item;
    cJSON_ArrayForEach(item, object) {
        if (!cJSON_IsString(item))
            return false;
        cso_identity_add(identity, item->string, "%s", item->valuestring);
    }
    return !identity->failed[0];
}

static cso_status take_first(cso_journal *journal, const cJSON *object, cso_error *err) {
    uint64_t version, index;
    const cJSON *identity = member(object, "identity", cJSON_Object);
    if (!read_size(object, "version", &version))
        return fail_damaged(journal, "the first line has no version", err);
    if (version != VERSION)
        return cso_fail(err, CSO_ERR_INPUT,
                        "%s:1: a journal of version %llu (expected version %d); remove the file to search this seed anew",
                        journal->path, (unsigned long long)version, VERSION);
    if (!has_members(object, 3) || !read_size(object, "index", &index) || !identity || !read_identity(identity, &journal->identity))
        return fail_damaged(journal, "the first line has not version, index and identity", err);
    if (index != journal->index)
        return fail_damaged(journal, "it is that of another seed", err);
    return CSO_OK;
}

/* An entry of its object; NULL if it is none, or out of memory, which is told apart by *valid. */
static cso_journal_entry *read_entry(const cJSON *object, bool *valid) {
    const cJSON *role = member(object, "role", cJSON_String), *question = member(object, "question", cJSON_String);
    const cJSON *answer = member(object, "answer", cJSON_String), *cost = member(object, "cost", cJSON_Number);
    const cJSON *cut = member(object, "cut", cJSON_True | cJSON_False);
    uint64_t call, prompt_tokens, completion_tokens, tries;
    size_t of = 0;
    bool sizes = read_size(object, "call", &call);
    sizes = read_size(object, "prompt_tokens", &prompt_tokens) && sizes;
    sizes = read_size(object, "completion_tokens", &completion_tokens) && sizes;
    sizes = read_size(object, "tries", &tries) && sizes;
    *valid = sizes && has_members(object, 9) && role && question && answer && cost && cut && cost->valuedouble >= 0;
    while (*valid && of < CSO_ROLES && strcmp(role->valuestring, cso_role_words[of]) != 0)
        of++;
    *valid = *valid && of < CSO_ROLES && is_hex(question->valuestring, strlen(question->valuestring));
    cso_journal_entry *entry = *valid ? cso_calloc(1, sizeof *entry) : NULL;
    if (!entry)
        return NULL;
    *entry = (cso_journal_entry){
        (size_t)call,  (cso_role)of,     "", cso_strdup(answer->valuestring), prompt_tokens, completion_tokens, cJSON_IsTrue(cut),
        (size_t)tries, cost->valuedouble};
    memcpy(entry->question, question->valuestring, HEX);
    if (entry->answer)
        return entry;
    free(entry);
    return NULL;
}

/* What the JSON text of a line is; the entry becomes the journal's. */
static cso_status take_object(cso_journal *journal, const cJSON *object, cso_journal_entry **entry, cso_error *err) {
    bool valid;
    if (!journal->lines)
        return take_first(journal, object, err);
    cso_journal_entry *read = read_entry(object, &valid);
    if (!valid)
        return fail_damaged(journal, "the line is no entry", err);
    if (!read || !journal_insert(journal, read)) {
        if (read)
            journal_free_entry(read);
        return cso_fail_memory(err, journal->path);
    }
    *entry = read;
    return CSO_OK;
}

cso_status journal_take_line(cso_journal *journal, const char *line, size_t size, cso_journal_entry **entry, cso_error *err) {
    char hex[CSO_DIGEST_HEX];
    cJSON *object = NULL;
    cso_error why = {0};
    *entry = NULL;
    if (size < HEX + 2 || line[HEX] != ' ')
        return fail_damaged(journal, "the line has no checksum", err);
    cso_digest_bytes(line + HEX + 1, size - HEX - 1, hex);
    if (memcmp(hex, line, HEX) != 0)
        return fail_damaged(journal, "the line's checksum is another", err);
    cso_status status = cso_json_parse(&object, line + HEX + 1, size - HEX - 1, journal->path, journal->lines + 1, &why);
    if (status == CSO_ERR_INPUT)
        return fail_damaged(journal, "the line is no JSON object", err);
    if (status != CSO_OK)
        return cso_fail(err, status, "%s", why.message);
    status = cJSON_IsObject(object) ? take_object(journal, object, entry, err)
                                    : fail_damaged(journal, "the line is no JSON object", err);
    cJSON_Delete(object);
    journal->lines += status == CSO_OK;
    return status;
}

cso_status journal_take_all(cso_journal *journal, const char *text, size_t size, size_t *valid, cso_error *err) {
    cso_journal_entry *entry;
    *valid = 0;
    for (const char *end; *valid < size && (end = memchr(text + *valid, '\n', size - *valid)); *valid = (size_t)(end - text) + 1)
        CSO_TRY(journal_take_line(journal, text + *valid, (size_t)(end - text) - *valid, &entry, err));
    return CSO_OK;
}

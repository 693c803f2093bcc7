/* strategies_file.c - strategies from a TOML file, and the system prompt made of them. */
#include "strategies.h"

#include "base/did_you_mean.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/printable.h"
#include "base/text.h"
#include "io/json.h"
#include "io/toml.h"
#include "strategies_prompt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILE_BYTES = 1 << 20, MAX_STRATEGIES = 256 };

typedef struct strategies_file {
    cso_strategies set; /* what callers see; first, so that a pointer to it is one to the whole */
    cso_strategy *items;
    cso_toml toml; /* owns the texts */
    cso_text prompt;
} strategies_file;

typedef struct file_reader {
    strategies_file *file;
    const char *path;
    int lines[MAX_STRATEGIES]; /* of each strategy's name */
} file_reader;

void cso_strategies_free(cso_strategies *strategies) {
    strategies_file *file = (strategies_file *)strategies;
    if (!file)
        return;
    cso_toml_free(&file->toml);
    free(file->items);
    free(file->prompt.data);
    free(file);
}

static cso_status fail_unknown(const file_reader *reader, int line, const char *key, cso_error *err) {
    static const char *const TOP[] = {"strategy"}, *const FIELDS[] = {"name", "description"};
    const char *dot = strchr(key, '.');
    bool inside = cso_starts_with(key, "strategy[") && dot;
    if (!inside && (cso_starts_with(key, "strategy.") || !strcmp(key, "strategy")))
        return cso_fail(err, CSO_ERR_USAGE, "%s:%d: strategy: expected tables that begin with [[strategy]]", reader->path, line);
    const char *word = inside ? dot + 1 : key, *near = inside ? cso_did_you_mean(word, FIELDS, 2) : cso_did_you_mean(word, TOP, 1);
    if (near)
        return cso_fail(err, CSO_ERR_USAGE, "%s:%d: unknown key '%.200s' (did you mean '%s'?)", reader->path, line, word, near);
    return cso_fail(err, CSO_ERR_USAGE, "%s:%d: unknown key '%.200s' (expected %s)", reader->path, line, word,
                    inside ? "name and description" : "[[strategy]] tables with name and description");
}

/* A text that stands in one line of a prompt. */
static cso_status check_text(const char *place, const char *key, const char *text, cso_error *err) {
    static const char BLANK[] = " \t";
    size_t size = strlen(text);
    if (!text[strspn(text, BLANK)])
        return cso_fail(err, CSO_ERR_USAGE, "%s: %s is empty", place, key);
    for (size_t at = 0, length; at < size; at += length)
        if (!(length = cso_printable_length(text + at, size - at)))
            return cso_fail(err, CSO_ERR_USAGE, "%s: %s has a line break or another control character (expected one line)", place,
                            key);
    if (strchr(BLANK, text[0]) || strchr(BLANK, text[size - 1]))
        return cso_fail(err, CSO_ERR_USAGE, "%s: %s begins or ends with a blank", place, key);
    return CSO_OK;
}

static cso_status set_field(file_reader *reader, size_t index, const char *field, const cso_toml_entry *entry, cso_error *err) {
    cso_strategy *items = reader->file->items;
    char place[640];
    bool is_name = !strcmp(field, "name");
    if (!is_name && strcmp(field, "description") != 0)
        return fail_unknown(reader, entry->line, entry->key, err);
    snprintf(place, sizeof place, "%.500s:%d", reader->path, entry->line);
    if (entry->type != CSO_TOML_STRING)
        return cso_fail(err, CSO_ERR_USAGE, "%s: %s: expected a string", place, field);
    CSO_TRY(check_text(place, field, entry->string, err));
    if (!is_name) {
        items[index].description = entry->string;
        return CSO_OK;
    }
    if (strchr(entry->string, ')'))
        return cso_fail(err, CSO_ERR_USAGE, "%s: name: \"%.80s\" has a ')', which ends the name in \"(name) reply\"", place,
                        entry->string);
    for (size_t i = 0; i < reader->file->set.count; i++)
        if (items[i].name && !strcmp(items[i].name, entry->string))
            return cso_fail(err, CSO_ERR_USAGE, "%s: name: \"%.80s\" is that of line %d, too", place, entry->string,
                            reader->lines[i]);
    items[index].name = entry->string;
    reader->lines[index] = entry->line;
    return CSO_OK;
}

static cso_status take_entry(file_reader *reader, const cso_toml_entry *entry, cso_error *err) {
    strategies_file *file = reader->file;
    if (!strcmp(entry->key, "strategy") && entry->type == CSO_TOML_TABLES) {
        if (entry->count > MAX_STRATEGIES)
            return cso_fail(err, CSO_ERR_USAGE, "%s:%d: %zu strategies (expected at most %d)", reader->path, entry->line,
                            entry->count, MAX_STRATEGIES);
        file->items = cso_calloc(entry->count, sizeof *file->items);
        file->set.count = entry->count;
        return file->items ? CSO_OK : cso_fail_memory(err, reader->path);
    }
    size_t index;
    int used = 0;
    if (file->items && sscanf(entry->key, "strategy[%zu].%n", &index, &used) == 1 && used && index < file->set.count)
        return set_field(reader, index, entry->key + used, entry, err);
    return fail_unknown(reader, entry->line, entry->key, err);
}

static cso_status check_all(const file_reader *reader, cso_error *err) {
    const strategies_file *file = reader->file;
    if (!file->set.count)
        return cso_fail(err, CSO_ERR_USAGE, "%s: no strategies (expected [[strategy]] tables with name and description)",
                        reader->path);
    for (size_t i = 0; i < file->set.count; i++)
        if (!file->items[i].name || !file->items[i].description)
            return cso_fail(err, CSO_ERR_USAGE, "%s: strategy %zu has no %s", reader->path, i + 1,
                            file->items[i].name ? "description" : "name");
    return CSO_OK;
}

static cso_status make_prompt(strategies_file *file, cso_error *err) {
    cso_text *prompt = &file->prompt;
    cso_text_format(prompt, PROMPT_BEFORE_COUNT "%zu" PROMPT_AFTER_COUNT, file->set.count);
    for (size_t i = 0; i < file->set.count; i++)
        cso_text_format(prompt, PROMPT_ENTRY("%s", "%s"), file->items[i].name, file->items[i].description);
    cso_text_add(prompt, PROMPT_END, sizeof PROMPT_END - 1);
    return prompt->failed ? cso_fail_memory(err, "the system prompt") : CSO_OK;
}

/* Whether an entry is of the [[strategy]] tables, or in their place. */
static bool is_of_strategies(const char *key) {
    return cso_starts_with(key, "strategy") && (!key[8] || key[8] == '.' || key[8] == '[');
}

static cso_status take_all(file_reader *reader, const cso_toml *toml, bool alone, cso_error *err) {
    strategies_file *file = reader->file;
    for (size_t i = 0; i < toml->count; i++)
        if (alone || is_of_strategies(toml->entries[i].key))
            CSO_TRY(take_entry(reader, &toml->entries[i], err));
    if (alone && toml->table_count)
        return cso_fail(err, CSO_ERR_USAGE, "%s: unknown table [%.200s] (expected [[strategy]])", reader->path, toml->tables[0]);
    CSO_TRY(check_all(reader, err));
    CSO_TRY(make_prompt(file, err));
    file->set.items = file->items;
    file->set.system_prompt = file->prompt.data;
    return CSO_OK;
}

static cso_status read_file(file_reader *reader, cso_error *err) {
    cso_toml *toml = &reader->file->toml;
    char *text = NULL;
    size_t size = 0;
    cso_status status = cso_read_file(reader->path, MAX_FILE_BYTES, &text, &size, err);
    if (status == CSO_ERR_INPUT) /* a configuration that cannot be read is a wrong use */
        status = err ? (err->status = CSO_ERR_USAGE) : CSO_ERR_USAGE;
    reader->path = cso_input_name(reader->path);
    if (status == CSO_OK)
        status = cso_toml_parse(toml, text, size, reader->path, err);
    free(text);
    return status == CSO_OK ? take_all(reader, toml, true, err) : status;
}

static cso_status finish(file_reader *reader, cso_strategies **strategies, cso_status status) {
    if (status == CSO_OK)
        *strategies = &reader->file->set;
    else
        cso_strategies_free(&reader->file->set);
    return status;
}

cso_status cso_strategies_read(cso_strategies **strategies, const char *path, cso_error *err) {
    file_reader reader = {.file = cso_calloc(1, sizeof *reader.file), .path = path};
    *strategies = NULL;
    if (!reader.file)
        return cso_fail_memory(err, path);
    return finish(&reader, strategies, read_file(&reader, err));
}

cso_status cso_strategies_take(cso_strategies **strategies, const cso_toml *toml, const char *path, cso_error *err) {
    file_reader reader = {.file = cso_calloc(1, sizeof *reader.file), .path = path};
    *strategies = NULL;
    if (!reader.file)
        return cso_fail_memory(err, path);
    return finish(&reader, strategies, take_all(&reader, toml, false, err));
}

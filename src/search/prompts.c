/* prompts.c - reading the prompts' file. */
#include "prompts_parts.h"

#include "base/did_you_mean.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/printable.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_FILE_BYTES = 1 << 20, MAX_PLACE = 640 };

#define BIT(placeholder) (1U << (placeholder))
/* What a role's texts must have; of each set one, and what they cannot have: a strategy is there for a reply that is asked for. */
static const struct {
    unsigned needs[3], lacks;
} RULES[CSO_ROLES] = {
    [CSO_ROLE_STRATEGY] = {{BIT(PLACE_HISTORY), BIT(PLACE_STRATEGIES)}, BIT(PLACE_STRATEGY) | BIT(PLACE_STRATEGY_DESCRIPTION)},
    [CSO_ROLE_SUPPORTER] = {{BIT(PLACE_HISTORY), BIT(PLACE_STRATEGY)}, 0},
    [CSO_ROLE_SEEKER] = {{BIT(PLACE_HISTORY), BIT(PLACE_SITUATION) | BIT(PLACE_EMOTION)},
                         BIT(PLACE_STRATEGY) | BIT(PLACE_STRATEGY_DESCRIPTION)},
    [CSO_ROLE_JUDGE] = {{BIT(PLACE_HISTORY)}, BIT(PLACE_STRATEGY) | BIT(PLACE_STRATEGY_DESCRIPTION)},
};

/* "greeting" and the eight texts, by their keys. */
enum { KEYS = 1 + 2 * CSO_ROLES };
typedef struct known_keys {
    char text[KEYS][32];
    const char *items[KEYS];
    const char **fields[KEYS]; /* where each goes */
    int lines[KEYS];           /* 0: not given */
} known_keys;

static void list_keys(cso_prompts *prompts, known_keys *keys) {
    *keys = (known_keys){.fields = {&prompts->greeting}};
    snprintf(keys->text[0], sizeof keys->text[0], "greeting");
    for (size_t i = 0; i < CSO_ROLES; i++) {
        snprintf(keys->text[1 + 2 * i], sizeof keys->text[0], "prompt.%s.system", cso_role_words[i]);
        snprintf(keys->text[2 + 2 * i], sizeof keys->text[0], "prompt.%s.user", cso_role_words[i]);
        keys->fields[1 + 2 * i] = &prompts->role[i].system;
        keys->fields[2 + 2 * i] = &prompts->role[i].user;
    }
    for (size_t i = 0; i < KEYS; i++)
        keys->items[i] = keys->text[i];
}

static bool is_of_strategies(const char *key) {
    return cso_starts_with(key, "strategy") && (!key[8] || key[8] == '.' || key[8] == '[');
}

static bool is_blank(const char *text) {
    return !text[strspn(text, " \t\r\n")];
}

static cso_status take_entry(known_keys *keys, const cso_toml_entry *entry, const char *place, cso_error *err) {
    size_t i = 0;
    while (i < KEYS && strcmp(keys->items[i], entry->key) != 0)
        i++;
    if (i == KEYS) {
        const char *near = cso_did_you_mean(entry->key, keys->items, KEYS);
        if (near)
            return cso_fail(err, CSO_ERR_USAGE, "%s: unknown key '%.200s' (did you mean '%s'?)", place, entry->key, near);
        return cso_fail(err, CSO_ERR_USAGE,
                        "%s: unknown key '%.200s' (expected greeting, [[strategy]] tables, [prompt.judge] and so on)", place,
                        entry->key);
    }
    if (entry->type != CSO_TOML_STRING)
        return cso_fail(err, CSO_ERR_USAGE, "%s: %s: expected a string", place, entry->key);
    if (!cso_ends_with(entry->key, ".system") && is_blank(entry->string))
        return cso_fail(err, CSO_ERR_USAGE, "%s: %s is empty", place, entry->key);
    *keys->fields[i] = entry->string;
    keys->lines[i] = entry->line;
    return CSO_OK;
}

/* Names of tables: "prompt" and "prompt.judge", which have no other keys than known ones, may be empty. */
static cso_status check_tables(const cso_prompts *prompts, const char *path, cso_error *err) {
    char text[CSO_ROLES][24];
    const char *names[CSO_ROLES + 1] = {"prompt"};
    for (size_t i = 0; i < CSO_ROLES; i++) {
        snprintf(text[i], sizeof text[i], "prompt.%s", cso_role_words[i]);
        names[i + 1] = text[i];
    }
    for (size_t i = 0; i < prompts->toml.table_count; i++) {
        const char *table = prompts->toml.tables[i];
        size_t k = 0;
        while (k <= CSO_ROLES && strcmp(table, names[k]) != 0)
            k++;
        if (k <= CSO_ROLES || is_of_strategies(table))
            continue;
        const char *near = cso_did_you_mean(table, names, CSO_ROLES + 1);
        return cso_fail(err, CSO_ERR_USAGE, "%s: unknown table [%.200s] (did you mean [%s]?)", path, table,
                        near ? near : "prompt.judge");
    }
    return CSO_OK;
}

/* The first of the set's placeholders. */
static const char *first_of(unsigned set) {
    for (size_t i = 0; i < PLACE_COUNT; i++)
        if (set & BIT(i))
            return prompts_placeholder_words[i];
    return "";
}

static cso_status check_placeholders(const cso_prompts *prompts, const known_keys *keys, size_t role, const char *path,
                                     cso_error *err) {
    unsigned system = prompts_placeholders_in(prompts->role[role].system), user = prompts_placeholders_in(prompts->role[role].user);
    unsigned lacks = (system | user) & RULES[role].lacks;
    int line = keys->lines[(lacks & system ? 1 : 2) + 2 * role];
    if (lacks)
        return cso_fail(err, CSO_ERR_USAGE, "%s:%d: prompt.%s: there is no %s for this role (expected it in prompt.supporter only)",
                        path, line, cso_role_words[role], first_of(lacks));
    for (const unsigned *need = RULES[role].needs; *need; need++)
        if (!((system | user) & *need))
            return cso_fail(err, CSO_ERR_USAGE, "%s:%d: prompt.%s: no %s (expected it in system or user)", path, line,
                            cso_role_words[role], first_of(*need));
    return CSO_OK;
}

/* The greeting stands in one line of a record and of a page. */
static cso_status check_greeting(const cso_prompts *prompts, const known_keys *keys, const char *path, cso_error *err) {
    const char *text = prompts->greeting;
    size_t size = strlen(text);
    for (size_t at = 0, length; at < size; at += length)
        if (!(length = cso_printable_length(text + at, size - at)))
            return cso_fail(err, CSO_ERR_USAGE, "%s:%d: greeting has a line break or another control character (expected one line)",
                            path, keys->lines[0]);
    return CSO_OK;
}

/* Answers name strategies in any case. */
static cso_status check_cases(const cso_strategies *strategies, const char *path, cso_error *err) {
    for (size_t i = 0; i < strategies->count; i++)
        for (size_t k = 0; k < i; k++)
            if (!strcasecmp(strategies->items[i].name, strategies->items[k].name))
                return cso_fail(err, CSO_ERR_USAGE, "%s: strategies %zu and %zu differ in case only: \"%.80s\"", path, k + 1, i + 1,
                                strategies->items[i].name);
    return CSO_OK;
}

static cso_status make_list(cso_prompts *prompts, cso_error *err) {
    cso_text text = {0};
    for (size_t i = 0; i < prompts->strategies->count; i++)
        cso_text_format(&text, "%s- %s: %s", i ? "\n" : "", prompts->strategies->items[i].name,
                        prompts->strategies->items[i].description);
    prompts->list = text.data;
    return text.failed ? cso_fail_memory(err, "the strategies") : CSO_OK;
}

static cso_status take_all(cso_prompts *prompts, const char *path, cso_error *err) {
    known_keys keys;
    list_keys(prompts, &keys);
    for (size_t i = 0; i < prompts->toml.count; i++) {
        const cso_toml_entry *entry = &prompts->toml.entries[i];
        char place[MAX_PLACE];
        snprintf(place, sizeof place, "%.500s:%d", path, entry->line);
        if (!is_of_strategies(entry->key))
            CSO_TRY(take_entry(&keys, entry, place, err));
    }
    CSO_TRY(check_tables(prompts, path, err));
    CSO_TRY(cso_strategies_take(&prompts->owned, &prompts->toml, path, err));
    prompts->strategies = prompts->owned;
    CSO_TRY(check_cases(prompts->owned, path, err));
    for (size_t i = 0; i < KEYS; i++)
        if (!keys.lines[i])
            return cso_fail(err, CSO_ERR_USAGE, "%s: %s is missing", path, keys.items[i]);
    CSO_TRY(check_greeting(prompts, &keys, path, err));
    for (size_t i = 0; i < CSO_ROLES; i++)
        CSO_TRY(check_placeholders(prompts, &keys, i, path, err));
    return make_list(prompts, err);
}

cso_status cso_prompts_read(cso_prompts *prompts, const char *path, cso_error *err) {
    char *text = NULL;
    size_t size = 0;
    *prompts = (cso_prompts){0};
    cso_status status = cso_read_file(path, MAX_FILE_BYTES, &text, &size, err);
    if (status == CSO_ERR_INPUT) /* prompts that cannot be read are a wrong use */
        status = err ? (err->status = CSO_ERR_USAGE) : CSO_ERR_USAGE;
    if (status == CSO_OK) {
        cso_digest_bytes(text, size, prompts->hash);
        status = cso_toml_parse(&prompts->toml, text, size, cso_input_name(path), err);
    }
    free(text);
    if (status == CSO_OK)
        status = take_all(prompts, cso_input_name(path), err);
    if (status != CSO_OK)
        cso_prompts_free(prompts);
    return status;
}

void cso_prompts_free(cso_prompts *prompts) {
    cso_strategies_free(prompts->owned);
    cso_toml_free(&prompts->toml);
    free(prompts->list);
    *prompts = (cso_prompts){0};
}

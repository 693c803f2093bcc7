/* seeds.c - see seeds.h. */
#include "seeds.h"

#include "base/digest.h"
#include "base/memory.h"
#include "io/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct reader {
    cso_seeds *seeds;
    const char *file;
    const char *const *strategies;
    size_t strategy_count;
    char place[512]; /* of the record */
} reader;

static void seed_free(cso_seed *seed) {
    for (size_t i = 0; i < seed->turn_count; i++) {
        free(seed->turns[i].supporter);
        free(seed->turns[i].seeker);
    }
    free(seed->turns);
    free(seed->scene);
    free(seed->description);
    free(seed->opening);
}

void cso_seeds_free(cso_seeds *seeds) {
    for (size_t i = 0; i < seeds->count; i++)
        seed_free(&seeds->items[i]);
    free(seeds->items);
    *seeds = (cso_seeds){0};
}

static cso_status copy_text(const cJSON *object, const char *key, const char *place, char **text, cso_error *err) {
    const char *value;
    CSO_TRY(cso_json_string(object, key, place, &value, err));
    *text = cso_strdup(value ? value : "");
    return *text ? CSO_OK : cso_fail_memory(err, "a seed");
}

/* The content of a message, not blank. */
static cso_status read_content(const cJSON *message, const char *place, char **text, cso_error *err) {
    CSO_TRY(copy_text(message, "content", place, text, err));
    if ((*text)[strspn(*text, " \t\r\n")])
        return CSO_OK;
    free(*text);
    *text = NULL;
    return cso_fail(err, CSO_ERR_INPUT, "%s: content is empty (expected what is said)", place);
}

static cso_status find_strategy(const reader *r, const cJSON *message, const char *place, size_t *strategy, cso_error *err) {
    const char *name;
    CSO_TRY(cso_json_string(message, "strategy", place, &name, err));
    if (!name)
        return cso_fail(err, CSO_ERR_INPUT, "%s: strategy is missing (a golden dialogue names one for each turn of the supporter)",
                        place);
    for (*strategy = 0; *strategy < r->strategy_count; ++*strategy)
        if (!strcasecmp(r->strategies[*strategy], name))
            return CSO_OK;
    return cso_fail(err, CSO_ERR_INPUT, "%s: strategy '%.100s' is none of the prompts' file", place, name);
}

/* A supporter's message begins a turn. */
static cso_status read_supporter(const reader *r, const cJSON *message, const char *place, cso_seed *seed, cso_error *err) {
    cso_seed_turn turn = {0};
    CSO_TRY(find_strategy(r, message, place, &turn.strategy, err));
    CSO_TRY(read_content(message, place, &turn.supporter, err));
    seed->turns[seed->turn_count++] = turn;
    return CSO_OK;
}

/* A seeker's message is the opening, or answers the turn before it. */
static cso_status read_seeker(const cJSON *message, const char *place, cso_seed *seed, cso_error *err) {
    return read_content(message, place, seed->turn_count ? &seed->turns[seed->turn_count - 1].seeker : &seed->opening, err);
}

static cso_status read_message(const reader *r, const cJSON *message, size_t number, cso_seed *seed, cso_error *err) {
    char place[600];
    const char *role;
    snprintf(place, sizeof place, "%s: messages[%zu]", r->place, number);
    if (!cJSON_IsObject(message))
        return cso_fail(err, CSO_ERR_INPUT, "%s is no object (expected {\"role\", \"content\"})", place);
    CSO_TRY(cso_json_string(message, "role", place, &role, err));
    if (!role)
        return cso_fail(err, CSO_ERR_INPUT, "%s: role is missing", place);
    bool seeker = number % 2 == 0;
    if (strcmp(role, seeker ? "user" : "assistant") != 0 && strcmp(role, seeker ? "seeker" : "supporter") != 0)
        return cso_fail(
            err, CSO_ERR_INPUT,
            "%s: role is '%.40s' (expected seeker and supporter, \"user\" and \"assistant\", in turn, the seeker first)", place,
            role);
    return seeker ? read_seeker(message, place, seed, err) : read_supporter(r, message, place, seed, err);
}

static cso_status read_messages(const reader *r, const cJSON *messages, cso_seed *seed, cso_error *err) {
    size_t count = (size_t)cJSON_GetArraySize(messages), number = 0;
    const cJSON *message;
    if (!cJSON_IsArray(messages) || count < 2)
        return cso_fail(err, CSO_ERR_INPUT, "%s: messages: expected an array of at least two messages", r->place);
    if (!(seed->turns = cso_calloc(count, sizeof *seed->turns)))
        return cso_fail_memory(err, "a seed");
    cJSON_ArrayForEach(message, messages) CSO_TRY(read_message(r, message, number++, seed, err));
    cso_seed_turn *last = &seed->turns[seed->turn_count - 1];
    free(last->seeker); /* the talk ends with the supporter */
    last->seeker = NULL;
    return CSO_OK;
}

static void add_text(cso_digest *digest, const char *text) {
    cso_digest_add(digest, text ? text : "", (text ? strlen(text) : 0) + 1);
}

static void make_digest(cso_seed *seed) {
    cso_digest digest;
    cso_digest_begin(&digest);
    add_text(&digest, seed->scene);
    add_text(&digest, seed->description);
    add_text(&digest, seed->opening);
    for (size_t i = 0; i < seed->turn_count; i++) {
        cso_digest_add(&digest, &seed->turns[i].strategy, sizeof seed->turns[i].strategy);
        add_text(&digest, seed->turns[i].supporter);
        add_text(&digest, seed->turns[i].seeker);
    }
    cso_digest_hex(&digest, seed->digest);
}

static cso_status read_seed(const reader *r, const cJSON *record, cso_seed *seed, cso_error *err) {
    const cJSON *messages = cJSON_GetObjectItemCaseSensitive(record, "messages");
    CSO_TRY(copy_text(record, "scene", r->place, &seed->scene, err));
    CSO_TRY(copy_text(record, "description", r->place, &seed->description, err));
    if (messages)
        CSO_TRY(read_messages(r, messages, seed, err));
    else if (!*seed->scene || !*seed->description)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s is missing (a seed has messages, or scene and description)", r->place,
                        *seed->scene ? "description" : "scene");
    make_digest(seed);
    return CSO_OK;
}

static cso_status visit(void *context, const cJSON *record, size_t line, cso_error *err) {
    reader *r = context;
    if (!cso_grow(&r->seeds->items, &r->seeds->capacity, r->seeds->count + 1, sizeof *r->seeds->items))
        return cso_fail_memory(err, "the seeds");
    cso_seed *seed = &r->seeds->items[r->seeds->count++];
    *seed = (cso_seed){.index = r->seeds->count};
    snprintf(r->place, sizeof r->place, "%.400s:%zu", r->file, line);
    return read_seed(r, record, seed, err);
}

cso_status cso_seeds_read(cso_seeds *seeds, const cso_strings *files, const char *const *strategies, size_t count, cso_error *err) {
    reader r = {.seeds = seeds, .strategies = strategies, .strategy_count = count};
    *seeds = (cso_seeds){0};
    cso_status status = CSO_OK;
    for (size_t i = 0; status == CSO_OK && i < files->count; i++) {
        r.file = files->items[i];
        status = cso_json_each(r.file, visit, &r, err);
    }
    if (status == CSO_OK && !seeds->count)
        status = cso_fail(err, CSO_ERR_INPUT, "%s: there are no seeds in it", files->count ? files->items[0] : "search.seeds");
    if (status != CSO_OK)
        cso_seeds_free(seeds);
    return status;
}

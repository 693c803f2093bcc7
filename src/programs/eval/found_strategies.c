/* found_strategies.c - the strategies that data name, as a set (dialogue_turns.h). */
#include "dialogue_turns.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct finder {
    char **names;
    size_t count, capacity;
    const char *path;
} finder;

static cso_status add_name(finder *f, const char *name, cso_error *err) {
    size_t at = 0;
    while (at < f->count && strcmp(f->names[at], name) < 0)
        at++;
    if (at < f->count && !strcmp(f->names[at], name))
        return CSO_OK;
    char *copy = cso_strdup(name);
    if (!copy || !cso_grow(&f->names, &f->capacity, f->count + 1, sizeof *f->names)) {
        free(copy);
        return cso_fail_memory(err, "names of strategies");
    }
    memmove(f->names + at + 1, f->names + at, (f->count++ - at) * sizeof *f->names);
    f->names[at] = copy;
    return CSO_OK;
}

/* A cso_json_visitor. What is no tree is refused when the turns are read. */
static cso_status visit(void *context, const cJSON *record, size_t line, cso_error *err) {
    const cJSON *turn, *messages = cJSON_GetObjectItemCaseSensitive(record, "messages");
    (void)line;
    cJSON_ArrayForEach(turn, messages) {
        const cJSON *strategy = cJSON_GetObjectItemCaseSensitive(turn, "strategy");
        if (cJSON_IsString(strategy))
            CSO_TRY(add_name(context, strategy->valuestring, err));
    }
    return CSO_OK;
}

/* [[strategy]] tables, which are checked and made a set as a file's are. */
static cso_status make_set(const finder *f, found_strategies *found, cso_error *err) {
    cso_text toml = {0};
    for (size_t i = 0; i < f->count; i++) {
        size_t size = strlen(f->names[i]);
        cso_text_format(&toml, "[[strategy]]\nname = ");
        cso_text_json_string(&toml, f->names[i], size);
        cso_text_format(&toml, "\ndescription = ");
        cso_text_json_string(&toml, f->names[i], size);
        cso_text_format(&toml, "\n");
    }
    if (!f->count)
        cso_text_add(&toml, "", 0);
    cso_status status = toml.failed ? cso_fail_memory(err, "names of strategies") : CSO_OK;
    if (status == CSO_OK)
        status = cso_toml_parse(&found->toml, toml.data ? toml.data : "", toml.size, "--strategies names", err);
    if (status == CSO_OK)
        status = cso_strategies_take(&found->set, &found->toml, "--strategies names", err);
    free(toml.data);
    return status;
}

cso_status found_strategies_read(found_strategies *found, const cso_arg_list *files, cso_error *err) {
    finder f = {0};
    cso_status status = CSO_OK;
    *found = (found_strategies){0};
    for (size_t i = 0; status == CSO_OK && i < files->count; i++) {
        f.path = files->items[i];
        status = cso_json_each(f.path, visit, &f, err);
    }
    if (status == CSO_OK)
        status = make_set(&f, found, err);
    for (size_t i = 0; i < f.count; i++)
        free(f.names[i]);
    free(f.names);
    return status;
}

void found_strategies_free(found_strategies *found) {
    cso_strategies_free(found->set);
    cso_toml_free(&found->toml);
    *found = (found_strategies){0};
}

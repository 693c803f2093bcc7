/* eval_systems.c - see eval_systems.h. */
#include "eval_systems.h"

#include "base/did_you_mean.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

/* A word "NAME=PATH" in its parts; size 0: it has no name. */
typedef struct named_path {
    const char *name, *path;
    size_t size;
} named_path;

static bool is_name(const char *text, size_t size) {
    bool good = size && text[0] != '.';
    for (size_t i = 0; i < size; i++)
        good = good && (cso_is_letter_or_digit(text[i]) || strchr("._-", text[i]));
    return good;
}

/* A path may have a "=" of its own. model (NULL: any): what must be before a "/" of the name. */
static named_path split(const char *word, bool with_model) {
    const char *equal = strchr(word, '='), *name = word;
    named_path path = {.path = word};
    const char *slash = equal && with_model ? memchr(word, '/', (size_t)(equal - word)) : NULL;
    if (slash)
        name = slash + 1;
    if (!equal || cso_path_exists(word) || !is_name(name, (size_t)(equal - name)))
        return path;
    return (named_path){.name = name, .size = (size_t)(equal - name), .path = equal + 1};
}

static cso_status add_system(eval_systems *systems, char *name, const char *model, const char *adapter, size_t base,
                             cso_error *err) {
    eval_system *system = &systems->items[systems->count];
    *system = (eval_system){.name = name, .model = model, .adapter = adapter, .base = base};
    if (!name)
        return cso_fail_memory(err, "names");
    systems->count++;
    for (size_t i = 0; i + 1 < systems->count; i++)
        if (!strcmp(systems->items[i].name, name))
            return cso_fail(err, CSO_ERR_USAGE, "two systems are called '%s' (expected NAME=PATH with another name)", name);
    return CSO_OK;
}

/* Whether the adapter's word names this one of several models. */
static bool is_of_model(const char *word, const char *model) {
    size_t size = strlen(model);
    return !strncmp(word, model, size) && word[size] == '/';
}

static cso_status add_adapters(eval_systems *systems, const cso_arg_list *adapters, bool several, size_t base, size_t *used,
                               cso_error *err) {
    const eval_system *model = &systems->items[base];
    for (size_t i = 0; i < adapters->count; i++) {
        const char *word = adapters->items[i];
        if (several && !is_of_model(word, model->name))
            continue;
        named_path part = split(word, several);
        if (several && !part.size)
            return cso_fail(err, CSO_ERR_USAGE, "--adapter: '%.200s' has no name (expected MODEL/NAME=FOLDER)", word);
        char *name = several     ? cso_format("%s/%.*s", model->name, (int)part.size, part.name)
                     : part.size ? cso_strndup(part.name, part.size)
                                 : cso_strdup("adapter");
        CSO_TRY(add_system(systems, name, model->model, part.path, base, err));
        ++*used;
    }
    return CSO_OK;
}

/* DIR/NAME.jsonl, with "+" where the name has "/". */
static cso_status name_files(eval_systems *systems, const char *out, cso_error *err) {
    for (size_t i = 0; out && i < systems->count; i++) {
        char *name = cso_format("%s.jsonl", systems->items[i].name);
        for (char *c = name; c && *c; c++)
            *c = *c == '/' ? '+' : *c;
        systems->items[i].file = name ? cso_path_join(out, name) : NULL;
        free(name);
        if (!systems->items[i].file)
            return cso_fail_memory(err, "names");
    }
    return CSO_OK;
}

cso_status eval_systems_make(eval_systems *systems, const cso_arg_list *models, const cso_arg_list *adapters, const char *out,
                             cso_error *err) {
    bool several = models->count > 1;
    size_t used = 0;
    if (!models->count)
        return cso_fail(err, CSO_ERR_USAGE, "no model is given (expected --model PATH)");
    systems->items = cso_calloc(models->count + adapters->count, sizeof *systems->items);
    if (!systems->items)
        return cso_fail_memory(err, "names");
    for (size_t i = 0; i < models->count; i++) {
        named_path part = split(models->items[i], false);
        size_t base = systems->count;
        if (several && !part.size)
            return cso_fail(err, CSO_ERR_USAGE, "--model: '%.200s' has no name (expected NAME=PATH, as there are several)",
                            models->items[i]);
        CSO_TRY(
            add_system(systems, part.size ? cso_strndup(part.name, part.size) : cso_strdup("base"), part.path, NULL, base, err));
        CSO_TRY(add_adapters(systems, adapters, several, base, &used, err));
    }
    if (used < adapters->count)
        return cso_fail(err, CSO_ERR_USAGE,
                        "--adapter: one is of none of the models (expected MODEL/NAME=FOLDER, as there are several)");
    return name_files(systems, out, err);
}

cso_status eval_systems_find(const eval_systems *systems, const char *name, size_t *index, cso_error *err) {
    const char *names[64];
    size_t count = 0;
    for (*index = 0; *index < systems->count; ++*index) {
        if (!strcmp(systems->items[*index].name, name))
            return CSO_OK;
        if (count < 64)
            names[count++] = systems->items[*index].name;
    }
    const char *near = cso_did_you_mean(name, names, count);
    return cso_fail(err, CSO_ERR_USAGE, "--against: there is no '%.80s' (%s '%s')", name,
                    near ? "did you mean" : "expected one such as", near ? near : names[0]);
}

void eval_systems_free(eval_systems *systems) {
    for (size_t i = 0; i < systems->count; i++) {
        free(systems->items[i].name);
        free(systems->items[i].file);
    }
    free(systems->items);
    *systems = (eval_systems){0};
}

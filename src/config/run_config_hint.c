/* run_config_hint.c - which key was meant by a name that is none. */
#include "config.h"

#include "base/did_you_mean.h"
#include "base/foreign_names.h"

#include <stdio.h>
#include <string.h>

/* "--Learning-Rate" and "learning_rate" are one name, whatever table is before it. */
static bool is_same(const char *asked, const char *key) {
    for (; *asked && *key; asked++, key++)
        if (*asked != *key && !(*asked == '-' && *key == '_') && !(*asked >= 'A' && *asked <= 'Z' && *asked - 'A' + 'a' == *key))
            return false;
    return *asked == *key;
}

static size_t list_keys(const char *names[CSO_RUN_MAX_KEYS]) {
    cso_option_place place;
    size_t count = 0;
    for (; count < CSO_RUN_MAX_KEYS && (place = cso_options_at(&cso_run_options, count)).row; count++)
        names[count] = place.row->name;
    return count;
}

/* "train.learning_rate" for "data.learning_rate", "learning-rate" and "lerning_rate". */
static const char *find_key(const char *name, bool exact) {
    const char *names[CSO_RUN_MAX_KEYS], *table = strrchr(name, '.');
    size_t count = list_keys(names);
    for (size_t i = 0; exact && i < count; i++)
        if (is_same(table ? table + 1 : name, strrchr(names[i], '.') + 1) || is_same(name, names[i]))
            return names[i];
    if (exact)
        return NULL;
    for (size_t i = 0; !table && i < count; i++) /* such a name is compared with keys without their tables */
        names[i] = strrchr(names[i], '.') + 1;
    const char *near = cso_did_you_mean(name, names, count);
    return near && !table ? find_key(near, true) : near;
}

void cso_run_config_hint(const char *name, const char *before, const char *after, bool exact, char *text, size_t size) {
    const char *key = find_key(name, true), *note = NULL;
    const cso_foreign_name *foreign = key ? NULL : cso_foreign_name_find(name);
    if (!key && !foreign && !exact)
        key = find_key(name, false);
    if (!key && !foreign && !exact)
        foreign = cso_foreign_name_near(name);
    if (foreign) {
        key = foreign->ours;
        note = foreign->note;
    }
    text[0] = '\0';
    if (key)
        snprintf(text, size, " (did you mean %s%s%s?)", before, key, after);
    else if (foreign && foreign->option)
        snprintf(text, size, " (no key, but an option of programs: --%s)", foreign->option);
    size_t used = strlen(text);
    if (note)
        snprintf(text + used, size - used, ": %s", note);
}

/* run_config_hint.c - which key was meant by a name that is none. */
#include "run_config_parts.h"

#include "base/foreign_names.h"

#include <stdio.h>
#include <string.h>

void cso_run_config_hint(const char *name, const char *before, const char *after, bool exact, char *text, size_t size) {
    const char *key = config_find_key(&run_config_kind, name, true), *note = NULL;
    const cso_foreign_name *foreign = key ? NULL : cso_foreign_name_find(name);
    if (!key && !foreign && !exact)
        key = config_find_key(&run_config_kind, name, false);
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

/* word_option.c - see word_option.h. */
#include "word_option.h"

#include "base/option.h"

#include <stdio.h>
#include <string.h>

cso_status parse_word(const char *option, const char *text, const char *const *words, int *index, cso_error *err) {
    char known[256] = "";
    size_t found;
    if (cso_word_find(words, text, &found)) {
        *index = (int)found;
        return CSO_OK;
    }
    for (size_t i = 0, used = 0; words[i] && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", words[i]);
    return cso_fail(err, CSO_ERR_USAGE, "%s: must be one of %s, got '%s'", option, known, text);
}

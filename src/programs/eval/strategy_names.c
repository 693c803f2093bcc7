/* strategy_names.c - see strategy_names.h. */
#include "strategy_names.h"

#include "base/memory.h"

#include <string.h>

cso_status strategies_choose(const char *word, cso_strategies **own, const cso_strategies **strategies, cso_error *err) {
    *own = NULL;
    *strategies = cso_strategies_builtin();
    if (!strcmp(word, "esc-pro"))
        return CSO_OK;
    CSO_TRY(cso_strategies_read(own, word, err));
    *strategies = *own;
    return CSO_OK;
}

cso_status strategy_names(const cso_strategies *strategies, const char ***names, cso_error *err) {
    *names = cso_calloc(strategies->count, sizeof **names);
    if (!*names)
        return cso_fail_memory(err, "names of strategies");
    for (size_t i = 0; i < strategies->count; i++)
        (*names)[i] = strategies->items[i].name;
    return CSO_OK;
}

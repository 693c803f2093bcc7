/* change_option.h - another value for any key, by its row. */
#ifndef CSO_TESTS_CHANGE_OPTION_H
#define CSO_TESTS_CHANGE_OPTION_H

#include "train/run_config.h"

/* Stores another value in the field of the key. False for texts and lists, which it leaves alone. */
static inline bool change_option(cso_run_config *config, cso_option_place key) {
    void *field = (char *)config + key.offset;
    switch (key.row->type) {
    case CSO_OPTION_CHOICE:
        *(int *)field = key.row->words[*(int *)field + 1] ? *(int *)field + 1 : 0;
        return true;
    case CSO_OPTION_SIZE:
        ++*(size_t *)field;
        return true;
    case CSO_OPTION_INTEGER:
        ++*(int64_t *)field;
        return true;
    case CSO_OPTION_SEED:
        ++*(uint64_t *)field;
        return true;
    case CSO_OPTION_NUMBER:
        *(double *)field += 0.0625;
        return true;
    case CSO_OPTION_NUMBERS2:
        ((double *)field)[1] -= 0.0625;
        return true;
    case CSO_OPTION_BOOL:
        *(bool *)field = !*(bool *)field;
        return true;
    default:
        return false;
    }
}

#endif

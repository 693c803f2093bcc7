/* change_option.h - another value for any key, by its row. */
#ifndef CSO_TESTS_CHANGE_OPTION_H
#define CSO_TESTS_CHANGE_OPTION_H

#include "train/run_objective.h"

#include <string.h>

/* A key of [loss] that the configured loss ignores: a run with another value of it is refused. */
static inline bool is_ignored_option(const cso_run_config *config, cso_option_place key) {
    cso_objective objective;
    if (strncmp(key.row->name, "loss.", 5) || !key.row->identity || *key.row->identity)
        return false;
    return cso_run_objective(config, &objective, NULL) == CSO_OK &&
           (!cso_objective_uses(&objective, key.row->name) || !strcmp(key.row->name, "loss.f_alpha_divergence_coef"));
}

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
        if (!cso_option_in_range(&key.row->range, *(double *)field))
            *(double *)field -= 0.125;
        return true;
    case CSO_OPTION_NUMBERS2:
    case CSO_OPTION_NUMBERS4:
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

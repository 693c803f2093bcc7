/* strategy_names.h - which strategies there are, as --strategies says. */
#ifndef CSO_STRATEGY_NAMES_H
#define CSO_STRATEGY_NAMES_H

#include "data/strategies.h"

/* word: "esc-pro", or a TOML file. *own: to be freed; NULL for those that are built in. */
cso_status strategies_choose(const char *word, cso_strategies **own, const cso_strategies **strategies, cso_error *err);
/* *names (strategies->count): pointers into the strategies; the caller frees the array. */
cso_status strategy_names(const cso_strategies *strategies, const char ***names, cso_error *err);

#endif

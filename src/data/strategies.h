/* strategies.h - the strategies that replies name: what they are called, what they mean, and the system prompt that lists them.
 *
 * Built in are the eight of ESC-Pro. A TOML file names others (configuration key data.strategies):
 *
 *   [[strategy]]
 *   name = "Question"
 *   description = "Ask for details so that the seeker can say what troubles them."
 */
#ifndef CSO_STRATEGIES_H
#define CSO_STRATEGIES_H

#include "base/status.h"
#include "io/toml.h"

#include <stddef.h>

typedef struct cso_strategy {
    const char *name, *description;
} cso_strategy;

/* Read-only once made. */
typedef struct cso_strategies {
    const cso_strategy *items; /* (count), in the order of the file */
    size_t count;
    const char *system_prompt; /* text put before ESC-Pro trees; adapters are trained under these very words */
} cso_strategies;

/* ESC-Pro's eight in their usual order; static. */
const cso_strategies *cso_strategies_builtin(void);

/* Reads a TOML file. No [[strategy]], an unknown key, an empty or double name, a name with ")", white space at an end or a control
 * character, a file that cannot be read: CSO_ERR_USAGE with "FILE:LINE: ...". */
cso_status cso_strategies_read(cso_strategies **strategies, const char *path, cso_error *err);
/* The same from a parsed file that has other keys and tables too, which are not looked at. The texts stay in toml, which outlives the
 * strategies. path: for messages. */
cso_status cso_strategies_take(cso_strategies **strategies, const cso_toml *toml, const char *path, cso_error *err);
void cso_strategies_free(cso_strategies *strategies); /* of cso_strategies_read; NULL is fine */

/* The name as in items, NULL if there is none such. NULL for strategies: the built-in ones. */
const char *cso_strategies_find(const cso_strategies *strategies, const char *name, size_t size);
/* The strategy of a text "(Strategy) reply", NULL if it names none; *reply is where the reply itself begins. */
const char *cso_strategies_of(const cso_strategies *strategies, const char *text, size_t size, size_t *reply);
/* The system prompt that lists them; NULL for strategies: the built-in ones. */
const char *cso_strategies_prompt(const cso_strategies *strategies);

#endif

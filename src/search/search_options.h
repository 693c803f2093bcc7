/* search_options.h - the options of a search (docs/search-configuration.md), as src/config fills them, and the table of their keys.
 *
 * A new key is a field here, a row in search_options.c and a row in docs/search-configuration.md.
 */
#ifndef CSO_SEARCH_OPTIONS_H
#define CSO_SEARCH_OPTIONS_H

#include "base/identity.h"
#include "base/option.h"
#include "base/status.h"
#include "decode/decoder.h"
#include "endpoint/endpoint.h"
#include "extract.h"
#include "policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum cso_search_mode { CSO_SEARCH_DEFAULT, CSO_SEARCH_PUBLISHED } cso_search_mode;
extern const char *const cso_search_mode_words[]; /* "default", "published", NULL */

typedef enum cso_search_method { CSO_METHOD_MCTS, CSO_METHOD_BEST_OF_N, CSO_METHOD_GREEDY } cso_search_method;
extern const char *const cso_search_method_words[]; /* "mcts", "best-of-n", "greedy", NULL */

typedef enum cso_search_reward { CSO_REWARD_JUDGE, CSO_REWARD_LIKELIHOOD } cso_search_reward;
extern const char *const cso_search_reward_words[]; /* "judge", "likelihood", NULL */

enum {
    CSO_SEARCH_MAX_KEYS = 128,
    CSO_CRITERIA = 4, /* Empathy, Information, Humanoid, Strategies */
    CSO_CALLS_IN_ITERATION =
        22, /* at most, with 4 rounds: 1 scores, 2 generate, 4 x 3 simulated, 5 judged, 2 for the selected node */
};

typedef struct cso_search_options {
    cso_strings seeds;
    char *dir;
    char *prompts; /* path of the prompts' file */
    cso_search_mode mode;
    cso_search_method method;
    size_t iterations_min, iterations_max;
    size_t ended_min, ended_max;
    size_t rounds;
    double c, prior_temperature;
    double reward_weights[CSO_CRITERIA], reward_bias;
    size_t parallel;
    uint64_t seed;
    size_t early_stop; /* iterations without a better path; 0: never */
    cso_search_reward reward;
    bool fill_negatives;
    double max_cost; /* 0: no limit */
    bool html;
    size_t budget;   /* calls of a baseline for a seed; 0: CSO_CALLS_IN_ITERATION x iterations_min */
    char *budget_of; /* folder of a finished search whose calls for the same seed are the budget; "": none */
    size_t turns_max;
    size_t threads;    /* of the own engine; 0: all cores */
    double memory_gib; /* of its keys and values; 0: half of what is free */
} cso_search_options;

/* A role that a model on this machine plays. */
typedef struct cso_own_role {
    char *path;          /* of the model; "": an endpoint plays the role */
    char *adapter;       /* folder; "": none */
    char *tokenizer;     /* "": the model's own */
    char *chat_template; /* "auto" or a name */
    cso_decode_compute compute;
} cso_own_role;

typedef struct cso_search_config {
    char *path;                      /* of the configuration file */
    bool given[CSO_SEARCH_MAX_KEYS]; /* by the number of a key in cso_search_keys: it is in the file or an override */
    cso_search_options search;
    cso_extract_options extract;
    cso_endpoint_options role[CSO_ROLES]; /* temperature, max_tokens, context and max_retries are those of own roles, too */
    cso_own_role own[CSO_ROLES];
} cso_search_config;

/* Every key of a configuration, in the order of config.toml; offsets count from cso_search_config. */
extern const cso_option_set cso_search_keys;

/* What no row can say: bounds that depend on each other, keys that exclude one another. One line, "PATH: ..."; CSO_ERR_USAGE. */
cso_status cso_search_config_check(const cso_search_config *config, cso_error *err);

/* Adds what must stay as it is where the search of a seed goes on: the keys whose rows say so, and `budget`, the calls that a
 * baseline may make for this seed (not for mcts). The models of own roles are not there: the caller knows their contents. The thresholds of [extract] are among them where search.fill_negatives is set: which
 * siblings are filled in then depends on them. Not the prompts ("prompts") and the seed ("seed"), whose contents the caller knows. */
cso_status cso_search_identity(cso_identity *identity, const cso_search_config *config, size_t budget, cso_error *err);

#endif

/* search_options.c - the row of every key of a search's configuration file. docs/search-configuration.md says the same for users; a test
 * compares the two.
 */
#include "search_options.h"

#include "base/digest.h"

#include <stdio.h>
#include <string.h>

/* The row of the key that is called as its field is. */
#define KEY(name, type, range, words, fallback, identity, help)                                                                    \
    { #name, CSO_OPTION_##type, offsetof(cso_search_config, name), CSO_RANGE_##range, words, fallback, identity, 0, help }
#define OWN  CSO_IDENTITY_OWN
#define FREE CSO_IDENTITY_FREE
#define INT  CSO_OPTION_INT32_MAX

/* What values of keys determine: the calls of a baseline, with search.fill_negatives which siblings are filled in, and the contents of
 * a model. */
static const char BUDGET[] = "search.budget", FILLED[] = "filled negatives", MODEL[] = "model";

const char *const cso_search_mode_words[] = {[CSO_SEARCH_DEFAULT] = "default", [CSO_SEARCH_PUBLISHED] = "published", NULL};
const char *const cso_search_method_words[] = {
    [CSO_METHOD_MCTS] = "mcts", [CSO_METHOD_BEST_OF_N] = "best-of-n", [CSO_METHOD_GREEDY] = "greedy", NULL};
const char *const cso_search_reward_words[] = {[CSO_REWARD_JUDGE] = "judge", [CSO_REWARD_LIKELIHOOD] = "likelihood", NULL};

static const cso_option search_rows[] = {
    KEY(search.seeds, PATHS, NOT_EMPTY, NULL, NULL, "seed",
        "seeds: .jsonl, or .json with an array, of golden dialogues (ESC-Pro trees) or {\"scene\", \"description\"}; read in "
        "order"),
    KEY(search.dir, PATH, NOT_EMPTY, NULL, "\"runs/search\"", FREE,
        "the run's folder: journal, trees, esc-pro.jsonl, pages and config.toml"),
    KEY(search.prompts, PATH, NOT_EMPTY, NULL, NULL, "prompts", "a TOML file with the strategies and the roles' texts"),
    KEY(search.mode, CHOICE, ANY, cso_search_mode_words, "\"default\"", OWN,
        "published: the published procedure to the letter; default: with bounded histories, negatives that were visited"),
    KEY(search.method, CHOICE, ANY, cso_search_method_words, "\"mcts\"", OWN,
        "mcts searches; best-of-n plays whole dialogues for the same number of calls and keeps the best; greedy plays one"),
    KEY(search.iterations_min, SIZE, BETWEEN(1, INT), NULL, "100", OWN,
        "a search stops from this iteration on, once search.ended_min nodes have ended"),
    KEY(search.iterations_max, SIZE, BETWEEN(1, INT), NULL, "200", OWN, "it stops at this one in any case"),
    KEY(search.ended_min, SIZE, BETWEEN(0, INT), NULL, "1", OWN, "ended nodes that a search needs to stop at iterations_min"),
    KEY(search.ended_max, SIZE, BETWEEN(1, INT), NULL, "25", OWN, "ended nodes at which it stops whatever the iteration"),
    KEY(search.rounds, SIZE, BETWEEN(0, 1000), NULL, "4", OWN, "rounds that are simulated after a new node"),
    KEY(search.c, NUMBER, BETWEEN(0, 1e6), NULL, "1.0", OWN, "PUCT's constant: how much priors and few visits count beside values"),
    KEY(search.prior_temperature, NUMBER, BETWEEN(1e-3, 1e6), NULL, "5.0", OWN, "priors are softmax(score / prior_temperature)"),
    KEY(search.reward_weights, NUMBERS4, BETWEEN(0, 1e6), NULL, "[0.1, 0.1, 0.1, 0.7]", OWN,
        "weights of the judge's scores: Empathy, Information, Humanoid, Strategies"),
    KEY(search.reward_bias, NUMBER, BETWEEN(-1e6, 1e6), NULL, "-3.0", OWN, "added to the mean of the weighted scores"),
    KEY(search.parallel, SIZE, BETWEEN(1, 1024), NULL, "8", FREE, "searches at once; results do not depend on it"),
    KEY(search.seed, SEED, FROM(0), NULL, "42", OWN, "of what best-of-n draws"),
    KEY(search.early_stop, SIZE, BETWEEN(0, INT), NULL, "0", OWN, "iterations without a better path that end a search; 0: none do"),
    KEY(search.reward, CHOICE, ANY, cso_search_reward_words, "\"judge\"", OWN,
        "judge: the judge's scores; likelihood: how probable replies are under the judge's model, 0 to 4"),
    KEY(search.fill_negatives, BOOL, ANY, NULL, "false", OWN,
        "where a turn of a preferred path has no negative, generate and reward its siblings after the search"),
    KEY(search.max_cost, NUMBER, BETWEEN(0, 1e12), NULL, "0.0", FREE,
        "no request that could make the cost larger, in the currency of the roles' prices; 0: no limit"),
    KEY(search.html, BOOL, ANY, NULL, "false", FREE, "write a page for each dialogue"),
    KEY(search.budget, SIZE, BETWEEN(0, INT), NULL, "0", BUDGET,
        "calls that a baseline may make for a seed; 0: 22 x iterations_min, the most that so many iterations of 4 rounds take"),
    KEY(search.budget_of, PATH, ANY, NULL, "\"\"", BUDGET,
        "folder of a finished search, whose calls for the same seed are the budget"),
    KEY(search.turns_max, SIZE, BETWEEN(1, 1000), NULL, "20", OWN, "the supporter's turns in a dialogue of a baseline"),
    KEY(search.threads, SIZE, BETWEEN(0, 4096), NULL, "0", FREE, "threads of the models on this machine; 0: all cores"),
    KEY(search.memory_gib, NUMBER, BETWEEN(0, 1e6), NULL, "0.0", FREE,
        "GiB for their keys and values; 0: half of the memory that is free"),

    KEY(extract.ended_q_min, NUMBER, BETWEEN(-1e6, 1e6), NULL, "0.5", FILLED, "an end counts from this value on"),
    KEY(extract.ended_n_min, NUMBER, BETWEEN(0, 1e9), NULL, "2", FILLED, "and from this many visits on"),
    KEY(extract.negative_q_max, NUMBER, BETWEEN(-1e6, 1e6), NULL, "0.5", FILLED, "a sibling is a negative up to this value"),
};

/* A key of one role. */
#define ROLE_KEY(role_name, index, field, type, range, fallback, identity, help)                                                   \
    {                                                                                                                              \
        "role." role_name "." #field, CSO_OPTION_##type, offsetof(cso_search_config, role[index].field), CSO_RANGE_##range, NULL,  \
            fallback, identity, 0, help                                                                                            \
    }
#define OWN_KEY(role_name, index, field, type, words, fallback, help)                                                              \
    {                                                                                                                              \
        "role." role_name "." #field, CSO_OPTION_##type, offsetof(cso_search_config, own[index].field), CSO_RANGE_ANY, words,      \
            fallback, MODEL, 0, help                                                                                               \
    }
#define ROLE(name, index)                                                                                                          \
    OWN_KEY(name, index, path, PATH, NULL, "\"\"", "a model on this machine that plays the role, instead of an endpoint"),         \
        OWN_KEY(name, index, adapter, PATH, NULL, "\"\"", "folder of an adapter for it; empty: none"),                             \
        OWN_KEY(name, index, tokenizer, PATH, NULL, "\"\"", "its tokenizer; empty: the model's own"),                              \
        OWN_KEY(name, index, chat_template, STRING, NULL, "\"auto\"", "its chat template"),                                        \
        OWN_KEY(name, index, compute, CHOICE, cso_decode_words, "\"fast\"", "fast: in integers; exact: in f32, as training"),      \
        ROLE_KEY(name, index, endpoint, STRING, ANY, "\"\"", FREE, "base URL of an OpenAI-compatible endpoint: https://HOST/v1"),  \
        ROLE_KEY(name, index, model, STRING, ANY, "\"\"", OWN, "the model, as the endpoint calls it"),                             \
        ROLE_KEY(name, index, api_key_env, STRING, ANY, "\"CSO_API_KEY\"", FREE,                                                   \
                 "the environment variable that has the key; empty: there is none"),                                               \
        ROLE_KEY(name, index, temperature, NUMBER, BETWEEN(0, 100), "1.0", OWN, "of sampling"),                                    \
        ROLE_KEY(name, index, max_tokens, SIZE, BETWEEN(1, INT), "512", OWN, "of an answer"),                                      \
        ROLE_KEY(name, index, context, SIZE, BETWEEN(0, INT), "0", OWN,                                                            \
                 "tokens that the model takes, prompt and answer; 0: not known"),                                                  \
        ROLE_KEY(name, index, max_retries, SIZE, BETWEEN(0, 1000), "5", FREE,                                                      \
                 "further tries of a question that failed or whose answer is not what was asked"),                                 \
        ROLE_KEY(name, index, retry_seconds, NUMBER, BETWEEN(0, 3600), "1.0", FREE,                                                \
                 "the first pause before a further try; it doubles, with jitter, and is at least what Retry-After says"),          \
        ROLE_KEY(name, index, timeout_seconds, NUMBER, BETWEEN(0.001, 86400), "120.0", FREE, "of one request"),                    \
        ROLE_KEY(name, index, max_parallel, SIZE, BETWEEN(1, 1024), "16", FREE, "requests at once"),                               \
        ROLE_KEY(name, index, price_in, NUMBER, BETWEEN(0, 1e9), "0.0", FREE, "of a million prompt tokens"),                       \
        ROLE_KEY(name, index, price_out, NUMBER, BETWEEN(0, 1e9), "0.0", FREE, "of a million tokens of answers")

static const cso_option role_rows[] = {
    ROLE("strategy", CSO_ROLE_STRATEGY),
    ROLE("supporter", CSO_ROLE_SUPPORTER),
    ROLE("seeker", CSO_ROLE_SEEKER),
    ROLE("judge", CSO_ROLE_JUDGE),
};

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))
_Static_assert(COUNT(search_rows) + COUNT(role_rows) <= CSO_SEARCH_MAX_KEYS, "cso_search_config.given");
static const cso_option_list search_list = {search_rows, COUNT(search_rows)}, role_list = {role_rows, COUNT(role_rows)};
static const cso_option_table tables[] = {{&search_list, 0}, {&role_list, 0}};
const cso_option_set cso_search_keys = {tables, COUNT(tables)};

/* A role is played by an endpoint, or by a model on this machine. */
static cso_status check_role(const cso_search_config *config, size_t i, cso_error *err) {
    const cso_endpoint_options *role = &config->role[i];
    const cso_own_role *own = &config->own[i];
    const char *name = cso_role_words[i];
    if (own->path[0] && (role->endpoint[0] || role->model[0]))
        return cso_fail(err, CSO_ERR_USAGE, "%s: role.%s has both path and %s (expected path, or endpoint and model)", config->path,
                        name, role->endpoint[0] ? "endpoint" : "model");
    if (!own->path[0] && (!role->endpoint[0] || !role->model[0]))
        return cso_fail(err, CSO_ERR_USAGE, "%s: role.%s.%s is missing (expected endpoint and model, or the path of a model)",
                        config->path, name, role->endpoint[0] ? "model" : "endpoint");
    if (!own->path[0] && (own->adapter[0] || own->tokenizer[0]))
        return cso_fail(err, CSO_ERR_USAGE, "%s: role.%s.%s needs role.%s.path", config->path, name,
                        own->adapter[0] ? "adapter" : "tokenizer", name);
    if (role->context && role->context <= role->max_tokens)
        return cso_fail(err, CSO_ERR_USAGE,
                        "%s: role.%s.context is %zu, and an answer alone may have max_tokens = %zu (expected more context)",
                        config->path, name, role->context, role->max_tokens);
    return CSO_OK;
}

cso_status cso_search_config_check(const cso_search_config *config, cso_error *err) {
    const cso_search_options *o = &config->search;
    if (o->iterations_max < o->iterations_min)
        return cso_fail(err, CSO_ERR_USAGE, "%s: search.iterations_max is %zu (expected at least search.iterations_min, %zu)",
                        config->path, o->iterations_max, o->iterations_min);
    if (o->ended_max < o->ended_min)
        return cso_fail(err, CSO_ERR_USAGE, "%s: search.ended_max is %zu (expected at least search.ended_min, %zu)", config->path,
                        o->ended_max, o->ended_min);
    if (o->budget && o->budget_of[0])
        return cso_fail(err, CSO_ERR_USAGE, "%s: both search.budget and search.budget_of are set (expected one of them)",
                        config->path);
    double sum = 0;
    for (size_t i = 0; i < CSO_CRITERIA; i++)
        sum += o->reward_weights[i];
    if (sum == 0)
        return cso_fail(err, CSO_ERR_USAGE, "%s: search.reward_weights are all 0 (expected one above 0)", config->path);
    for (size_t i = 0; i < CSO_ROLES; i++)
        CSO_TRY(check_role(config, i, err));
    if (o->reward == CSO_REWARD_LIKELIHOOD && !config->own[CSO_ROLE_JUDGE].path[0])
        return cso_fail(err, CSO_ERR_USAGE,
                        "%s: search.reward is likelihood, and an endpoint has the role of the judge (expected role.judge.path)",
                        config->path);
    return CSO_OK;
}

/* A text that is too long for an identity is there by its hash. */
static void add_option(cso_identity *identity, const cso_option *row, const void *field) {
    char hex[CSO_DIGEST_HEX];
    const char *text = row->type == CSO_OPTION_STRING ? *(char *const *)field : "";
    if (strlen(text) < CSO_IDENTITY_VALUE) {
        cso_identity_add_option(identity, row, field);
        return;
    }
    cso_digest_bytes(text, strlen(text), hex);
    cso_identity_add(identity, row->name, "xxh3-128 %s", hex);
}

cso_status cso_search_identity(cso_identity *identity, const cso_search_config *config, size_t budget, cso_error *err) {
    cso_option_place place;
    for (size_t i = 0; (place = cso_options_at(&cso_search_keys, i)).row; i++) {
        const char *determines = place.row->identity;
        bool filled = determines == FILLED && config->search.fill_negatives;
        if ((determines && !*determines) || filled)
            add_option(identity, place.row, (const char *)config + place.offset);
        else if (!strcmp(place.row->name, BUDGET) && config->search.method != CSO_METHOD_MCTS)
            cso_identity_add(identity, BUDGET, "%zu", budget);
    }
    return cso_identity_check(identity, err);
}

/* searches_one.c - one search of a run: its journal, its calls, its tree's file and its summary. */
#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"
#include "policy_endpoint.h"
#include "searches_parts.h"

#include <stdlib.h>
#include <string.h>

/* What an identity calls the model of an own role. */
static const char *const OWN_KEYS[CSO_ROLES] = {"role.strategy.path", "role.supporter.path", "role.seeker.path", "role.judge.path"};

/* A search of a run on its way. */
typedef struct one {
    cso_searches *all;
    size_t index; /* from 0 */
    const cso_seed *seed;
    bool changed; /* since its journal was made */
    cso_journal *journal;
    cso_policy nobody; /* where nothing is asked: the same questions, no answers */
    cso_caller caller;
    cso_talk talk;
    cso_search_watcher watcher;
    cso_search_observer observer;
    cso_search_result result;
} one;

static void answered(void *context, cso_role role, const cso_answer *answer, bool from_journal) {
    one *o = context;
    search_live *live = &o->all->live[o->index];
    (void)role;
    pthread_mutex_lock(&o->all->mutex);
    live->answers++;
    live->replayed += from_journal;
    live->prompt_tokens += answer->prompt_tokens;
    live->completion_tokens += answer->completion_tokens;
    live->cost += answer->cost;
    live->replayed_cost += from_journal ? answer->cost : 0;
    pthread_mutex_unlock(&o->all->mutex);
}

static void advanced(void *context, const cso_search_result *now) {
    one *o = context;
    cso_search_summary summary;
    if (cso_search_summarize(now, &o->all->options->config->extract, &summary, NULL) != CSO_OK)
        summary.pairs = 0;
    pthread_mutex_lock(&o->all->mutex);
    o->all->live[o->index].iterations = now->iterations;
    o->all->live[o->index].ended = cso_search_tree_ended(&now->tree);
    o->all->live[o->index].pairs = summary.pairs;
    pthread_mutex_unlock(&o->all->mutex);
    cso_search_summary_free(&summary);
}

/* What is asked where nothing may be. */
static cso_status ask_nobody(void *self, const cso_question *questions, size_t count, cso_answer_taker take, void *context,
                             cso_error *err) {
    (void)self, (void)questions, (void)count, (void)take, (void)context;
    return cso_fail(err, CSO_STOPPED, "nothing is asked");
}

static cso_status open_journal(one *o, size_t budget, cso_error *err) {
    const cso_searches_options *options = o->all->options;
    cso_identity identity = {0};
    CSO_TRY(cso_search_identity(&identity, options->config, budget, err));
    cso_identity_add(&identity, "prompts", "%s", options->prompts->hash);
    cso_identity_add(&identity, "seed", "%s", o->seed->digest);
    for (size_t i = 0; i < CSO_ROLES; i++)
        if (options->models[i][0])
            cso_identity_add(&identity, OWN_KEYS[i], "%s", options->models[i]);
    CSO_TRY(cso_identity_check(&identity, err));
    char *folder = cso_path_join(options->config->search.dir, "journal");
    char *path = folder ? cso_journal_path(folder, o->seed->index) : NULL;
    cso_status status = path ? CSO_OK : cso_fail_memory(err, "a path");
    if (status == CSO_OK && !o->all->policy && !cso_path_exists(path))
        status = cso_fail(err, CSO_STOPPED, "it was not begun");
    if (status == CSO_OK)
        status = cso_journal_open(&o->journal, folder, o->seed->index, &identity, err);
    o->changed = status == CSO_ERR_USAGE;
    free(path);
    free(folder);
    return status;
}

/* Calls that a baseline may make for this seed. */
static cso_status find_budget(const one *o, size_t *budget, cso_error *err) {
    const cso_search_options *rules = &o->all->options->config->search;
    *budget = rules->method == CSO_METHOD_GREEDY ? SIZE_MAX
              : rules->budget                    ? rules->budget
                                                 : CSO_CALLS_IN_ITERATION * rules->iterations_min;
    if (rules->method != CSO_METHOD_BEST_OF_N || !*rules->budget_of)
        return CSO_OK;
    cso_search_result other;
    char *path = cso_search_file(rules->budget_of, "trees", o->seed->index, ".json");
    cso_status status = path ? cso_tree_file_read(&other, path, err) : cso_fail_memory(err, "a path");
    free(path);
    if (status != CSO_OK)
        return cso_error_prefix(err, status, "search.budget_of");
    *budget = 0;
    for (size_t i = 0; i < CSO_ROLES; i++)
        *budget += other.calls[i];
    cso_search_result_free(&other);
    return CSO_OK;
}

/* Of all that the search's roles draw. */
static uint64_t seed_of(const one *o) {
    cso_digest digest;
    uint64_t low, high;
    cso_digest_begin(&digest);
    cso_digest_add(&digest, &o->all->options->config->search.seed, sizeof o->all->options->config->search.seed);
    cso_digest_add(&digest, o->seed->digest, strlen(o->seed->digest));
    cso_digest_words(&digest, &low, &high);
    return low;
}

static cso_status search_seed(one *o, cso_error *err) {
    const cso_searches_options *options = o->all->options;
    size_t budget;
    CSO_TRY(find_budget(o, &budget, err));
    CSO_TRY(open_journal(o, budget, err));
    o->watcher = (cso_search_watcher){answered, o};
    o->observer = (cso_search_observer){advanced, o};
    o->nobody = cso_policy_of_endpoints(NULL, options->config->role);
    o->nobody.ask = ask_nobody;
    o->caller = (cso_caller){
        .policy = o->all->policy ? o->all->policy : &o->nobody, .journal = o->journal, .watcher = &o->watcher, .seed = seed_of(o)};
    o->talk = (cso_talk){
        .caller = &o->caller,
        .prompts = options->prompts,
        .situation = o->seed->description,
        .emotion = o->seed->scene,
        .bounded = options->config->search.mode == CSO_SEARCH_DEFAULT,
    };
    const cso_search_plan plan = {&options->config->search, &options->config->extract, budget, &o->observer};
    return cso_search_run(&plan, o->seed, &o->talk, &o->result, err);
}

/* The tree's file, and what the program adds to it. */
static cso_status write_tree(const one *o, cso_error *err) {
    const cso_searches_options *options = o->all->options;
    char *path = cso_search_file(options->config->search.dir, "trees", o->seed->index, ".json");
    cso_extract_mark *marks = cso_calloc(o->result.tree.count, sizeof *marks);
    cso_status status = path && marks ? cso_tree_file_write(&o->result, path, err) : cso_fail_memory(err, "a tree");
    if (status == CSO_OK && options->finished) {
        cso_extract_marks(&o->result, &options->config->extract, marks);
        status = options->finished(options->context, &o->result, marks, err);
    }
    free(path);
    free(marks);
    return status;
}

/* status: of the search itself; err has its message. */
static void keep_summary(one *o, cso_status status, const cso_error *err) {
    cso_search_summary summary = {.begun = true};
    bool whole =
        o->result.tree.count && cso_search_summarize(&o->result, &o->all->options->config->extract, &summary, NULL) == CSO_OK;
    if (!whole && status == CSO_OK)
        status = CSO_ERR_SYSTEM;
    summary.status = status;
    summary.changed = o->changed || o->caller.changed;
    summary.state = status == CSO_OK ? CSO_SEARCH_COMPLETE : status < CSO_STOPPED ? CSO_SEARCH_FAILED : CSO_SEARCH_STOPPED;
    summary.refused = o->caller.refused;
    summary.turns_left_out = o->talk.turns_left_out;
    if (summary.state == CSO_SEARCH_FAILED)
        summary.message = cso_strdup(err->message);
    pthread_mutex_lock(&o->all->mutex);
    o->all->summaries[o->index] = summary;
    pthread_mutex_unlock(&o->all->mutex);
}

void searches_run_one(cso_searches *searches, size_t index) {
    one o = {.all = searches, .index = index, .seed = &searches->options->seeds->items[index]};
    cso_error err = {0}, later = {0};
    cso_status status = search_seed(&o, &err);
    if (o.result.tree.count && (searches->policy || status == CSO_OK)) {
        cso_status written = write_tree(&o, &later);
        if (written != CSO_OK && (status == CSO_OK || status >= CSO_STOPPED)) {
            status = written;
            err = later;
        }
    }
    keep_summary(&o, status, &err);
    cso_journal_close(o.journal);
    cso_search_result_free(&o.result);
}

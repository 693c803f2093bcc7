/* searches.h - all searches of a run, several at once, in a folder from which they go on.
 *
 * RUN/journal/000001.jsonl has what was answered in the search of the first seed, and is all that a search needs to go on: it is
 * played again from there, call by call, without asking anything twice. RUN/trees/000001.json is its tree, written when it ends, however
 * it does. RUN/esc-pro.jsonl has the records of all complete searches, in the order of the seeds. What is written does not depend on how
 * many searches run at once, on the order of answers, or on how often the run was stopped.
 */
#ifndef CSO_SEARCHES_H
#define CSO_SEARCHES_H

#include "base/digest.h"
#include "base/folder_lock.h"
#include "search.h"

#include <stdbool.h>

/* What became of one search. */
typedef struct cso_search_summary {
    bool begun;
    cso_search_state state;
    cso_status status; /* why it failed, and in words */
    bool changed;      /* it failed because its journal belongs to other settings, prompts, seed or program */
    char *message;     /* NULL: it did not fail */
    size_t iterations, nodes, ended, depth;
    size_t records, pairs;
    /* Of the best path: that to the end with the highest q among those that count; where none counts, among those that ended; where none
     * ended, among the last nodes that were visited. */
    double best_q;            /* NAN: there is none */
    size_t turns, strategies; /* the supporter's turns, and how many strategies they use */
    size_t calls[CSO_ROLES], refused, turns_left_out;
    char *text; /* its records, a line each */
    size_t text_size;
} cso_search_summary;

/* The run so far. */
typedef struct cso_searches_stats {
    size_t count, complete, failed, running;
    size_t iterations, ended, records, pairs;
    size_t calls, replayed;                    /* answered calls, and how many of the answers came from the journals */
    uint64_t prompt_tokens, completion_tokens; /* of all, replayed ones too */
    double cost;                               /* the same */
    double replayed_cost;
} cso_searches_stats;

typedef struct cso_searches_options {
    const cso_search_config *config;
    const cso_prompts *prompts;
    const cso_seeds *seeds;
    char models[CSO_ROLES][CSO_DIGEST_HEX]; /* what plays each role on this machine, as a digest; "": an endpoint does */
    /* Called in a search's thread when it ends, with its tree and marks; a failure ends the search as failed. May be NULL. */
    cso_status (*finished)(void *context, const cso_search_result *result, const cso_extract_mark *marks, cso_error *err);
    void *context;
} cso_searches_options;

typedef struct cso_searches cso_searches;

/* Who locks the folder of a run (base/folder_lock.h). */
extern const cso_folder_owner cso_search_owner;

/* Makes and locks the folder. resume false: a folder with journals is CSO_ERR_USAGE. The options outlive the searches. */
cso_status cso_searches_open(cso_searches **searches, const cso_searches_options *options, bool resume, cso_error *err);
void cso_searches_close(cso_searches *searches); /* NULL is fine; waits for its threads */

/* Starts all searches that are not complete, in threads of their own. policy NULL: nothing is asked, and searches go as far as their
 * journals do. */
cso_status cso_searches_start(cso_searches *searches, const cso_policy *policy, cso_error *err);
/* Waits for them, `seconds` at most; true: all have ended. */
bool cso_searches_wait(cso_searches *searches, double seconds);
/* No further search is begun; those that run end when their policy says so. */
void cso_searches_stop(cso_searches *searches);

void cso_searches_stats_get(cso_searches *searches, cso_searches_stats *stats);
/* After the wait: of seed `index`, from 0. */
const cso_search_summary *cso_searches_summary(const cso_searches *searches, size_t index);
/* Writes esc-pro.jsonl. */
cso_status cso_searches_write_records(const cso_searches *searches, cso_error *err);

/* "RUN/trees/000001.json"; the caller frees, NULL if out of memory. */
char *cso_search_file(const char *dir, const char *folder, size_t index, const char *ending);

/* What a result says in a summary, its records included. */
cso_status cso_search_summarize(const cso_search_result *result, const cso_extract_options *options, cso_search_summary *summary,
                                cso_error *err);
void cso_search_summary_free(cso_search_summary *summary); /* takes a zeroed one too */

#endif

/* caller.h - the calls of one search: numbered in the order in which the search makes them, answered from its journal or by the
 * policy, and asked again where an answer is not what was asked.
 */
#ifndef CSO_SEARCH_CALLER_H
#define CSO_SEARCH_CALLER_H

#include "journal.h"
#include "policy.h"

/* Watches a run; called in the threads of the searches. */
typedef struct cso_search_watcher {
    void (*answered)(void *context, cso_role role, const cso_answer *answer, bool from_journal);
    void *context;
} cso_search_watcher;

typedef struct cso_caller {
    const cso_policy *policy;
    cso_journal *journal;              /* NULL: none */
    const cso_search_watcher *watcher; /* NULL: nobody */
    uint64_t seed;                     /* of what is drawn for answers */
    size_t next;                       /* number of the next call */
    size_t calls[CSO_ROLES];           /* made so far, each once however often it was tried */
    size_t refused;                    /* answers that were not what was asked */
    bool changed;                      /* the journal has another question in the place of one */
} cso_caller;

/* Reads an answer into the caller's own variables; false, and why, if it is not what was asked. *err is for lack of memory. */
typedef cso_status (*cso_answer_reader)(void *context, size_t index, const char *text, bool cut, const char **why, cso_error *err);

/* Asks questions (count) at once. read is called with every answer, in any order, the last time for each with one that it took (*why
 * stayed NULL). A question whose answers are refused max_retries + 1 times is CSO_ERR_SYSTEM. */
cso_status cso_caller_ask(cso_caller *caller, const cso_question *questions, size_t count, cso_answer_reader read, void *context,
                          cso_error *err);

#endif

/* scripted.h - searches whose roles a test plays itself. */
#ifndef CSO_TESTS_SCRIPTED_H
#define CSO_TESTS_SCRIPTED_H

#include "search/search.h"

/* Roles; a function of the question, or of how many came before. */
typedef struct scripted {
    char *(*answer)(void *context, const cso_question *question); /* of the taker; NULL: out of memory */
    void *context;
} scripted;

typedef struct scripted_search {
    cso_search_options rules; /* as in tests/golden/search/README.md */
    cso_extract_options extract;
    cso_seed seed;                      /* scene "S", description "D" */
    const cso_prompts *prompts;         /* of scripted_prompts */
    const cso_search_observer *watcher; /* NULL: nobody */
    size_t max_retries;
    size_t context, max_tokens; /* of all roles; context 0: not known */
    scripted roles;
} scripted_search;

/* Prompts with the strategies Ask, Tell and Hold, in a file of the test's folder; fails the test if they cannot be read. */
cso_prompts scripted_prompts(void);
/* With the defaults; roles and what differs are set by the test. */
scripted_search scripted_begin(const cso_prompts *prompts);
/* The result is the caller's to free, whatever is returned. */
cso_status scripted_run(const scripted_search *search, cso_search_result *result, cso_error *err);

#endif

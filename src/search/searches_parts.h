/* searches_parts.h - what the files that run searches share; inside src/search only. */
#ifndef CSO_SEARCHES_PARTS_H
#define CSO_SEARCHES_PARTS_H

#include "searches.h"

#include <pthread.h>

/* A search while it runs, and after. */
typedef struct search_live {
    size_t iterations, ended, pairs;
    size_t answers, replayed;
    uint64_t prompt_tokens, completion_tokens;
    double cost, replayed_cost;
} search_live;

struct cso_searches {
    const cso_searches_options *options;
    const cso_policy *policy; /* NULL: nothing is asked */
    int lock;                 /* descriptor */
    pthread_t *threads;       /* (parallel), thread_count of them run or wait to be joined */
    size_t thread_count;
    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t ended;
    size_t next, running, working; /* the next seed; searches that run; threads that work */
    bool stopping;
    cso_search_summary *summaries; /* (seeds) */
    search_live *live;             /* (seeds) */
};

/* Searches from the seed `index`, from 0, and fills its summary. In a thread of its own. */
void searches_run_one(cso_searches *searches, size_t index);

#endif

/* endpoint_pool.h - the parts of a pool. endpoint.c opens it and asks, endpoint_queue.c holds what waits and counts, endpoint_work.c
 * is the pool's thread.
 *
 * A job is a question on its way. It is in one list at a time: its service's `waiting`, the pool's `running`, or its asking's `done`.
 * All lists and counts belong to whoever holds the lock; transfers and the multi handle belong to the pool's thread alone.
 */
#ifndef CSO_ENDPOINT_POOL_H
#define CSO_ENDPOINT_POOL_H

#include "base/rng.h"
#include "chat_request.h"
#include "endpoint.h"
#include "endpoint_address.h"
#include "secret.h"
#include "transfer.h"

#include <pthread.h>

typedef struct endpoint_job endpoint_job;

typedef struct endpoint_list {
    endpoint_job *first, *last;
} endpoint_list;

typedef struct endpoint_service {
    const cso_endpoint_options *options;
    char *name;
    cso_endpoint_address address;
    char *authorities; /* NULL: the system's */
    cso_secret secret;
    struct curl_slist headers[3]; /* point to the secret's text, so that there is one copy of it */
    cso_transfer_target target;
    endpoint_list waiting; /* in the order in which they were asked */
    size_t running;
    double not_before; /* cso_clock before which nothing is sent */
    size_t refusals;   /* 429 and 503 in a row */
    bool answered;     /* a question, ever */
    bool refused;      /* `error` is what all further questions get */
    cso_error error;
} endpoint_service;

/* One call of cso_endpoint_ask. */
typedef struct endpoint_asking {
    endpoint_job *jobs; /* (count) */
    size_t count;
    size_t open;         /* jobs that wait or run */
    endpoint_list done;  /* answered, not taken */
    pthread_cond_t news; /* something came to `done`, or `open` is 0 */
    bool ended;          /* nothing more is sent for it */
    bool dropped;        /* what runs is to be dropped */
    cso_status status;   /* of the first failure */
    cso_error error;
} endpoint_asking;

struct endpoint_job {
    endpoint_job *previous, *next; /* of the list that it is in */
    endpoint_asking *asking;
    endpoint_service *service;
    size_t index; /* in the asking */
    cso_text request;
    size_t prompt_bytes;
    uint64_t number;     /* counts up in the order of asking */
    double not_before;   /* cso_clock */
    size_t tries_before; /* this asking */
    double reserved;     /* cost that the request that runs may have at most */
    cso_transfer transfer;
    cso_chat_answer answer;
    bool running;
};

struct cso_endpoint_pool {
    endpoint_service *services; /* (count) */
    size_t count;
    CURLM *multi;
    pthread_t thread;
    bool has_thread, has_lock;
    pthread_mutex_t lock;
    endpoint_list running;
    bool stopped, closing;
    uint64_t asked; /* jobs so far */
    cso_rng jitter;
    double max_cost, spent, reserved;
    cso_endpoint_stats stats;
};

/* The pool's thread. */
void *endpoint_work(void *pool);

/* What follows needs the lock. */
void endpoint_list_append(endpoint_list *list, endpoint_job *job);
void endpoint_list_remove(endpoint_list *list, endpoint_job *job);

/* Puts a job among those that wait: in the order of asking. */
void endpoint_queue_job(cso_endpoint_pool *pool, endpoint_job *job);
/* Takes the next job that may be sent now out of its queue; it runs, and what it may cost is reserved. NULL: none, and *seconds is
 * when it is to be asked for again at the latest (a large number: when something has changed). */
endpoint_job *endpoint_queue_next(cso_endpoint_pool *pool, double now, double *seconds);
/* A job that ran is over, whatever came of it. */
void endpoint_queue_leave(cso_endpoint_pool *pool, endpoint_job *job);

/* A job that neither waits nor runs any more, with its answer. */
void endpoint_asking_answered(endpoint_job *job);
/* The same without an answer. */
void endpoint_asking_failed(cso_endpoint_pool *pool, endpoint_job *job, cso_status status, const cso_error *error);
/* Nothing more is sent for the asking. Its first failure counts. */
void endpoint_asking_end(cso_endpoint_pool *pool, endpoint_asking *asking, cso_status status, const cso_error *error);

/* Adds what a request cost; has_prompt, has_completion: what the response said, else it is estimated from the bytes. */
void endpoint_count_cost(cso_endpoint_pool *pool, endpoint_job *job, const cso_chat_response *response, size_t completion_bytes);

#endif

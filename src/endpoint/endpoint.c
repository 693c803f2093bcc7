/* endpoint.c - opening a pool, asking it; see endpoint.h and endpoint_pool.h. */
#include "endpoint_pool.h"

#include "base/clock.h"
#include "base/memory.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_once_t libcurl_once = PTHREAD_ONCE_INIT;
static CURLcode libcurl_code;

static void start_libcurl(void) {
    libcurl_code = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static cso_status open_service(endpoint_service *service, const cso_endpoint_options *options, const char *name, cso_error *err) {
    service->options = options;
    service->name = cso_strdup(name);
    if (!service->name)
        return cso_fail_memory(err, "an endpoint");
    CSO_TRY(cso_endpoint_address_read(&service->address, options->endpoint, name, err));
    service->headers[0] = (struct curl_slist){(char *)(uintptr_t) "Content-Type: application/json", &service->headers[1]};
    service->headers[1] = (struct curl_slist){(char *)(uintptr_t) "Expect:", NULL}; /* no pause before a long body */
    if (options->api_key_env && *options->api_key_env) {
        CSO_TRY(cso_secret_read(&service->secret, options->api_key_env, name, err));
        CSO_TRY(cso_secret_protect(err));
        service->headers[2] = (struct curl_slist){service->secret.header, NULL};
        service->headers[1].next = &service->headers[2];
    }
    const char *authorities = getenv("SSL_CERT_FILE");
    if (authorities && *authorities && !(service->authorities = cso_strdup(authorities)))
        return cso_fail_memory(err, "an endpoint");
    service->target = (cso_transfer_target){.url = service->address.url,
                                            .headers = service->headers,
                                            .authorities = service->authorities,
                                            .loopback = service->address.loopback,
                                            .timeout_seconds = options->timeout_seconds};
    return CSO_OK;
}

/* Signals are for other threads, and a connection that breaks (SIGPIPE) for none. */
static cso_status start_thread(cso_endpoint_pool *pool, cso_error *err) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF};
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&blocked, faults[i]);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    pool->has_thread = pthread_create(&pool->thread, NULL, endpoint_work, pool) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pool->has_thread ? CSO_OK : cso_fail(err, CSO_ERR_SYSTEM, "cannot start a thread for the endpoints");
}

static cso_status open_pool(cso_endpoint_pool *pool, const cso_endpoint_options *options, const char *const *names,
                            cso_error *err) {
    for (size_t i = 0; i < pool->count; i++)
        CSO_TRY(open_service(&pool->services[i], &options[i], names[i], err));
    pool->jitter = cso_rng_make((uint64_t)(cso_clock() * 1e9), (uint64_t)getpid(), 0); /* only pauses depend on it */
    pool->has_lock = pthread_mutex_init(&pool->lock, NULL) == 0;
    pool->multi = curl_multi_init();
    if (!pool->has_lock || !pool->multi)
        return cso_fail_memory(err, "endpoints");
    return start_thread(pool, err);
}

cso_status cso_endpoint_pool_open(cso_endpoint_pool **pool, const cso_endpoint_options *options, const char *const *names,
                                  size_t count, cso_error *err) {
    *pool = NULL;
    pthread_once(&libcurl_once, start_libcurl);
    if (libcurl_code != CURLE_OK)
        return cso_fail(err, CSO_ERR_SYSTEM, "libcurl: %s", curl_easy_strerror(libcurl_code));
    cso_endpoint_pool *p = cso_calloc(1, sizeof *p);
    endpoint_service *services = cso_calloc(count, sizeof *services);
    if (!p || !services) {
        free(p);
        free(services);
        return cso_fail_memory(err, "endpoints");
    }
    p->services = services;
    p->count = count;
    cso_status status = open_pool(p, options, names, err);
    if (status != CSO_OK)
        cso_endpoint_pool_close(p);
    else
        *pool = p;
    return status;
}

void cso_endpoint_pool_close(cso_endpoint_pool *pool) {
    if (!pool)
        return;
    if (pool->has_thread) {
        pthread_mutex_lock(&pool->lock);
        pool->closing = true;
        pthread_mutex_unlock(&pool->lock);
        curl_multi_wakeup(pool->multi);
        pthread_join(pool->thread, NULL);
    }
    curl_multi_cleanup(pool->multi);
    if (pool->has_lock)
        pthread_mutex_destroy(&pool->lock);
    for (size_t i = 0; i < pool->count; i++) {
        cso_secret_wipe(&pool->services[i].secret);
        cso_endpoint_address_free(&pool->services[i].address);
        free(pool->services[i].authorities);
        free(pool->services[i].name);
    }
    free(pool->services);
    free(pool);
}

void cso_endpoint_pool_limit_cost(cso_endpoint_pool *pool, double max_cost, double spent) {
    pthread_mutex_lock(&pool->lock);
    pool->max_cost = max_cost;
    pool->spent = spent;
    pthread_mutex_unlock(&pool->lock);
}

static cso_status make_job(cso_endpoint_pool *pool, endpoint_asking *asking, size_t index, const cso_chat_question *question,
                           cso_error *err) {
    endpoint_job *job = &asking->jobs[index];
    if (question->service >= pool->count)
        return cso_fail(err, CSO_ERR_INTERNAL, "there is no service %zu", question->service);
    endpoint_service *service = &pool->services[question->service];
    job->asking = asking;
    job->service = service;
    job->index = index;
    job->tries_before = question->tries;
    job->prompt_bytes = strlen(question->system) + strlen(question->user);
    if (question->tries > service->options->max_retries)
        return cso_fail(err, CSO_ERR_SYSTEM, "%s: %s: no answer is what was asked for (after %zu requests)", service->name,
                        service->address.base, question->tries);
    return cso_chat_request_write(&job->request, service->options, question->system, question->user, err);
}

/* All jobs into their queues, if there is nothing against it. */
static void enqueue(cso_endpoint_pool *pool, endpoint_asking *asking) {
    const cso_error stopped = {CSO_STOPPED, "stopped"};
    pthread_mutex_lock(&pool->lock);
    if (pool->stopped)
        endpoint_asking_end(pool, asking, CSO_STOPPED, &stopped);
    for (size_t i = 0; i < asking->count; i++)
        if (asking->jobs[i].service->refused)
            endpoint_asking_end(pool, asking, CSO_ERR_USAGE, &asking->jobs[i].service->error);
    for (size_t i = 0; i < asking->count && !asking->ended; i++) {
        asking->jobs[i].number = pool->asked++;
        endpoint_queue_job(pool, &asking->jobs[i]);
        asking->open++;
    }
    pthread_mutex_unlock(&pool->lock);
    curl_multi_wakeup(pool->multi);
}

/* The next answer, NULL when none is to come. */
static endpoint_job *next_answer(cso_endpoint_pool *pool, endpoint_asking *asking) {
    pthread_mutex_lock(&pool->lock);
    while (!asking->done.first && asking->open)
        pthread_cond_wait(&asking->news, &pool->lock);
    endpoint_job *job = asking->done.first;
    if (job)
        endpoint_list_remove(&asking->done, job);
    pthread_mutex_unlock(&pool->lock);
    return job;
}

/* The taker failed. */
static void drop(cso_endpoint_pool *pool, endpoint_asking *asking, cso_status status, const cso_error *error) {
    pthread_mutex_lock(&pool->lock);
    asking->dropped = true;
    endpoint_asking_end(pool, asking, status, error);
    pthread_mutex_unlock(&pool->lock);
    curl_multi_wakeup(pool->multi);
}

static void take_answers(cso_endpoint_pool *pool, endpoint_asking *asking, cso_chat_taker take, void *context) {
    for (endpoint_job *job; (job = next_answer(pool, asking));) {
        cso_error error = {0};
        if (asking->dropped) {
            free(job->answer.text);
            continue;
        }
        cso_status status = take(context, job->index, &job->answer, &error);
        if (status != CSO_OK)
            drop(pool, asking, status, &error);
    }
}

cso_status cso_endpoint_ask(cso_endpoint_pool *pool, const cso_chat_question *questions, size_t count, cso_chat_taker take,
                            void *context, cso_error *err) {
    endpoint_asking asking = {.jobs = cso_calloc(count, sizeof *asking.jobs), .count = count};
    cso_status status = CSO_OK;
    if (!asking.jobs)
        return cso_fail_memory(err, "questions");
    pthread_cond_init(&asking.news, NULL);
    for (size_t i = 0; i < count; i++)
        CSO_TRY_DONE(make_job(pool, &asking, i, &questions[i], err));
    enqueue(pool, &asking);
    take_answers(pool, &asking, take, context);
    status = asking.status;
    if (status != CSO_OK && err)
        *err = asking.error;
done:
    for (size_t i = 0; i < count; i++)
        free(asking.jobs[i].request.data);
    pthread_cond_destroy(&asking.news);
    free(asking.jobs);
    return status;
}

void cso_endpoint_pool_stop(cso_endpoint_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    pool->stopped = true;
    pthread_mutex_unlock(&pool->lock);
    curl_multi_wakeup(pool->multi);
}

void cso_endpoint_pool_stats(cso_endpoint_pool *pool, cso_endpoint_stats *stats) {
    pthread_mutex_lock(&pool->lock);
    *stats = pool->stats;
    pthread_mutex_unlock(&pool->lock);
}

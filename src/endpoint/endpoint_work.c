/* endpoint_work.c - the pool's thread: starts what may be sent, moves bytes, judges what came and decides what becomes of it; see
 * endpoint_pool.h. */
#include "endpoint_pool.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What came of a request. */
typedef struct outcome {
    cso_verdict verdict;
    cso_chat_response response;
    cso_transfer_result transfer;
    size_t completion_bytes; /* for an estimate */
    bool paid;               /* the endpoint worked, so that it counts */
    char problem[CSO_SECRET_TEXT];
} outcome;

static void read_response(endpoint_job *job, outcome *o) {
    const cso_transfer *t = &job->transfer;
    cso_error error = {0};
    if (cso_chat_response_read(&o->response, o->transfer.status, t->body, t->size, &error) != CSO_OK) {
        o->verdict = CSO_VERDICT_FAILED;
        snprintf(o->problem, sizeof o->problem, "%s", error.message);
        return;
    }
    bool success = cso_retry_verdict(o->transfer.status) == CSO_VERDICT_ANSWER;
    o->verdict = o->response.verdict;
    o->paid = success && (!o->response.lying || o->response.has_prompt_tokens || o->response.has_completion_tokens);
    o->completion_bytes = o->response.text ? strlen(o->response.text) : o->response.lying ? 0 : t->size;
    snprintf(o->problem, sizeof o->problem, "%s", o->response.problem);
    if (o->verdict == CSO_VERDICT_ANSWER && cso_secret_in(&job->service->secret, o->response.text)) {
        o->verdict = CSO_VERDICT_AGAIN;
        snprintf(o->problem, sizeof o->problem, "the answer has the key in it");
    }
}

static void judge(endpoint_job *job, CURLcode code, outcome *o) {
    *o = (outcome){0};
    cso_transfer_judge(&job->transfer, code, &o->transfer);
    o->verdict = o->transfer.verdict;
    snprintf(o->problem, sizeof o->problem, "%s", o->transfer.problem);
    if (o->verdict == CSO_VERDICT_ANSWER)
        read_response(job, o);
    cso_secret_redact(&job->service->secret, o->problem);
}

static void end_transfer(cso_endpoint_pool *pool, endpoint_job *job) {
    curl_multi_remove_handle(pool->multi, job->transfer.easy);
    cso_transfer_end(&job->transfer);
}

/* Another try after its pause; false: there is none. */
static bool try_again(cso_endpoint_pool *pool, endpoint_job *job, outcome *o) {
    endpoint_service *service = job->service;
    double pause, random = (double)cso_rng_float(&pool->jitter), now = cso_clock();
    size_t used = strlen(o->problem);
    if (!cso_retry_pause(service->options->retry_seconds, job->answer.tries, o->transfer.retry_after, random, &pause)) {
        snprintf(o->problem + used, sizeof o->problem - used, "; Retry-After is %g s (at most %d are waited): try again later",
                 o->transfer.retry_after, CSO_RETRY_MAX_AFTER);
        return false;
    }
    if ((o->transfer.status == 429 || o->transfer.status == 503) && ++service->refusals > 1)
        service->not_before = fmax(service->not_before, now + pause); /* it means all of us */
    if (job->asking->ended || job->tries_before + job->answer.tries > service->options->max_retries)
        return false;
    job->not_before = now + pause;
    endpoint_queue_job(pool, job);
    return true;
}

/* All questions to a service fail from now on. */
static void refuse_service(cso_endpoint_pool *pool, endpoint_service *service, const cso_error *error) {
    service->refused = true;
    service->error = *error;
    while (service->waiting.first)
        endpoint_asking_end(pool, service->waiting.first->asking, error->status, error);
}

static void fail_job(cso_endpoint_pool *pool, endpoint_job *job, const outcome *o) {
    endpoint_service *service = job->service;
    size_t requests = job->tries_before + job->answer.tries;
    bool refused = o->verdict == CSO_VERDICT_REFUSED || (o->verdict == CSO_VERDICT_FORBIDDEN && !service->answered);
    cso_status status = refused ? CSO_ERR_USAGE : CSO_ERR_SYSTEM;
    char after[48] = "";
    cso_error error = {0};
    if (requests > 1)
        snprintf(after, sizeof after, " (after %zu requests)", requests);
    cso_fail(&error, status, "%s: %s: %.600s%s", service->name, service->address.base, o->problem, after);
    endpoint_asking_failed(pool, job, status, &error);
    if (refused)
        refuse_service(pool, service, &error);
}

/* Decides what becomes of a job whose request ended. Needs the lock. */
static void settle(cso_endpoint_pool *pool, endpoint_job *job, outcome *o) {
    if (o->paid)
        endpoint_count_cost(pool, job, &o->response, o->completion_bytes);
    else if (o->transfer.verdict != CSO_VERDICT_ANSWER && o->transfer.sent)
        pool->stats.unknown_cost += job->reserved;
    endpoint_queue_leave(pool, job);
    if (o->verdict == CSO_VERDICT_ANSWER) {
        job->service->answered = true;
        job->service->refusals = 0;
        job->answer.text = o->response.text;
        job->answer.cut = o->response.cut;
        o->response.text = NULL;
        endpoint_asking_answered(job);
    } else if (o->verdict != CSO_VERDICT_AGAIN || !try_again(pool, job, o)) {
        fail_job(pool, job, o);
    }
}

/* A request that ended with the code. */
static void finish(cso_endpoint_pool *pool, endpoint_job *job, CURLcode code) {
    outcome o;
    judge(job, code, &o);
    end_transfer(pool, job);
    pthread_mutex_lock(&pool->lock);
    settle(pool, job, &o);
    pthread_mutex_unlock(&pool->lock);
    free(o.response.text);
}

/* libcurl itself failed us, before the request was sent or after. */
static void finish_without_libcurl(cso_endpoint_pool *pool, endpoint_job *job, bool sent, const char *why) {
    outcome o = {.verdict = CSO_VERDICT_FAILED, .transfer = {.verdict = CSO_VERDICT_FAILED, .sent = sent}};
    snprintf(o.problem, sizeof o.problem, "%s", why);
    end_transfer(pool, job);
    pthread_mutex_lock(&pool->lock);
    settle(pool, job, &o);
    pthread_mutex_unlock(&pool->lock);
}

static void send_request(cso_endpoint_pool *pool, endpoint_job *job) {
    const cso_text *request = &job->request;
    cso_error error = {0};
    CURLMcode code = CURLM_OK;
    if (cso_transfer_begin(&job->transfer, &job->service->target, request->data, request->size, job, &error) == CSO_OK)
        code = curl_multi_add_handle(pool->multi, job->transfer.easy);
    if (!job->transfer.easy || code != CURLM_OK)
        finish_without_libcurl(pool, job, false, code == CURLM_OK ? error.message : curl_multi_strerror(code));
}

/* Sends all that may be sent; seconds until the next may. */
static double send_requests(cso_endpoint_pool *pool) {
    double seconds;
    for (;;) {
        pthread_mutex_lock(&pool->lock);
        endpoint_job *job = endpoint_queue_next(pool, cso_clock(), &seconds);
        pthread_mutex_unlock(&pool->lock);
        if (!job)
            return seconds;
        send_request(pool, job);
    }
}

/* Drops transfers without waiting for anything. Needs the lock. */
static void drop_running(cso_endpoint_pool *pool) {
    const cso_error stopped = {CSO_STOPPED, "stopped"};
    for (endpoint_job *job = pool->running.first, *next; job; job = next) {
        next = job->next;
        if (!pool->stopped && !job->asking->dropped)
            continue;
#if LIBCURL_VERSION_NUM >= 0x075700
        curl_easy_setopt(job->transfer.easy, CURLOPT_QUICK_EXIT, 1L); /* not even for a resolver's thread */
#endif
        cso_transfer_result result;
        cso_transfer_judge(&job->transfer, CURLE_ABORTED_BY_CALLBACK, &result);
        pool->stats.unknown_cost += result.sent ? job->reserved : 0;
        end_transfer(pool, job);
        endpoint_queue_leave(pool, job);
        endpoint_asking_failed(pool, job, CSO_STOPPED, &stopped);
    }
    for (size_t i = 0; i < pool->count && pool->stopped; i++)
        while (pool->services[i].waiting.first)
            endpoint_asking_end(pool, pool->services[i].waiting.first->asking, CSO_STOPPED, &stopped);
}

/* False: the pool closes. */
static bool obey(cso_endpoint_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    drop_running(pool);
    bool open = !pool->closing;
    pthread_mutex_unlock(&pool->lock);
    return open;
}

/* Handles the requests that ended; whether there were any. */
static bool collect(cso_endpoint_pool *pool) {
    int left;
    bool any = false;
    for (CURLMsg *message; (message = curl_multi_info_read(pool->multi, &left)); any = true) {
        char *owner = NULL;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &owner);
        finish(pool, (endpoint_job *)(void *)owner, code);
    }
    return any;
}

static void fail_all(cso_endpoint_pool *pool, const char *why) {
    while (pool->running.first)
        finish_without_libcurl(pool, pool->running.first, true, why);
}

void *endpoint_work(void *context) {
    cso_endpoint_pool *pool = context;
    while (obey(pool)) {
        int running;
        double seconds = send_requests(pool);
        CURLMcode code = curl_multi_perform(pool->multi, &running);
        if (!collect(pool) && code == CURLM_OK)
            code = curl_multi_poll(pool->multi, NULL, 0, (int)ceil(fmin(seconds, 1000) * 1000), NULL);
        if (code != CURLM_OK) {
            fail_all(pool, curl_multi_strerror(code));
            nanosleep(&(struct timespec){0, 10000000}, NULL); /* whatever it is, do not spin */
        }
    }
    return NULL;
}

/* endpoint_queue.c - what waits, what it may cost, and what an asking hears of it; see endpoint_pool.h. */
#include "endpoint_pool.h"

#include "base/clock.h"

#include <math.h>
#include <string.h>

void endpoint_list_append(endpoint_list *list, endpoint_job *job) {
    job->previous = list->last;
    job->next = NULL;
    if (list->last)
        list->last->next = job;
    else
        list->first = job;
    list->last = job;
}

void endpoint_list_remove(endpoint_list *list, endpoint_job *job) {
    if (job->previous)
        job->previous->next = job->next;
    else
        list->first = job->next;
    if (job->next)
        job->next->previous = job->previous;
    else
        list->last = job->previous;
    job->previous = job->next = NULL;
}

static void insert_before(endpoint_list *list, endpoint_job *later, endpoint_job *job) {
    job->previous = later->previous;
    job->next = later;
    if (later->previous)
        later->previous->next = job;
    else
        list->first = job;
    later->previous = job;
}

void endpoint_queue_job(cso_endpoint_pool *pool, endpoint_job *job) {
    endpoint_list *waiting = &job->service->waiting;
    endpoint_job *later = waiting->last && waiting->last->number > job->number ? waiting->first : NULL;
    while (later && later->number < job->number)
        later = later->next;
    if (later)
        insert_before(waiting, later, job);
    else
        endpoint_list_append(waiting, job);
    pool->stats.waiting++;
}

static void leave_queue(cso_endpoint_pool *pool, endpoint_job *job) {
    endpoint_list_remove(&job->service->waiting, job);
    pool->stats.waiting--;
}

static double price(const cso_endpoint_options *options, double prompt_tokens, double completion_tokens) {
    return (prompt_tokens * options->price_in + completion_tokens * options->price_out) / 1e6;
}

/* What a request may cost at most. */
static double highest_price(const endpoint_job *job) {
    const cso_endpoint_options *options = job->service->options;
    return price(options, ceil((double)job->prompt_bytes / 3), (double)options->max_tokens);
}

static double known_cost(const cso_endpoint_pool *pool) {
    return pool->spent + pool->stats.cost + pool->stats.unknown_cost;
}

/* Whether the limit allows a request; false: not now, or, where nothing that runs can change that, never (the job then fails). */
static bool can_pay(cso_endpoint_pool *pool, endpoint_job *job) {
    double limit = pool->max_cost, highest = highest_price(job), known = known_cost(pool);
    if (limit <= 0 || highest <= 0 || known + pool->reserved + highest <= limit)
        return true;
    if (known + highest <= limit)
        return false;
    cso_error error = {0};
    cso_fail(&error, CSO_ERR_SYSTEM, "%s: max_cost %g would be exceeded: %g are spent, and the next request may cost %g",
             job->service->name, limit, known, highest);
    pool->stats.cost_reached = true;
    leave_queue(pool, job);
    endpoint_asking_failed(pool, job, CSO_ERR_SYSTEM, &error);
    return false;
}

/* The first of a service's jobs whose pause is over. */
static endpoint_job *first_ready(endpoint_service *service, double now, double *seconds) {
    if (service->running >= (service->options->max_parallel ? service->options->max_parallel : 1))
        return NULL;
    if (service->not_before > now) {
        if (service->waiting.first)
            *seconds = fmin(*seconds, service->not_before - now);
        return NULL;
    }
    for (endpoint_job *job = service->waiting.first; job; job = job->next) {
        if (job->not_before <= now)
            return job;
        *seconds = fmin(*seconds, job->not_before - now);
    }
    return NULL;
}

static void start(cso_endpoint_pool *pool, endpoint_job *job) {
    leave_queue(pool, job);
    endpoint_list_append(&pool->running, job);
    job->running = true;
    job->service->running++;
    pool->stats.running++;
    pool->stats.requests++;
    pool->stats.retries += job->answer.tries > 0;
    job->answer.tries++;
    job->reserved = highest_price(job);
    pool->reserved += job->reserved;
}

endpoint_job *endpoint_queue_next(cso_endpoint_pool *pool, double now, double *seconds) {
    *seconds = 3600;
    for (size_t i = 0; i < pool->count; i++) {
        endpoint_service *service = &pool->services[i];
        for (endpoint_job *job; (job = first_ready(service, now, seconds));) {
            size_t waiting = pool->stats.waiting;
            if (can_pay(pool, job)) {
                start(pool, job);
                return job;
            }
            if (pool->stats.waiting == waiting) /* the answer to one that runs decides */
                break;
        }
    }
    return NULL;
}

void endpoint_queue_leave(cso_endpoint_pool *pool, endpoint_job *job) {
    endpoint_list_remove(&pool->running, job);
    job->running = false;
    job->service->running--;
    pool->stats.running--;
    pool->reserved = pool->stats.running ? pool->reserved - job->reserved : 0; /* no rest of rounding */
}

static void close_job(endpoint_asking *asking) {
    asking->open--;
    pthread_cond_signal(&asking->news);
}

void endpoint_asking_answered(endpoint_job *job) {
    endpoint_list_append(&job->asking->done, job);
    close_job(job->asking);
}

void endpoint_asking_failed(cso_endpoint_pool *pool, endpoint_job *job, cso_status status, const cso_error *error) {
    endpoint_asking_end(pool, job->asking, status, error);
    close_job(job->asking);
}

void endpoint_asking_end(cso_endpoint_pool *pool, endpoint_asking *asking, cso_status status, const cso_error *error) {
    if (asking->status == CSO_OK) {
        asking->status = status;
        asking->error = *error;
    }
    if (asking->ended)
        return;
    asking->ended = true;
    for (size_t i = 0; i < pool->count; i++)
        for (endpoint_job *job = pool->services[i].waiting.first, *next; job; job = next) {
            next = job->next;
            if (job->asking != asking)
                continue;
            leave_queue(pool, job);
            close_job(asking);
        }
}

static uint64_t estimate(size_t bytes) {
    return (bytes + 3) / 4;
}

void endpoint_count_cost(cso_endpoint_pool *pool, endpoint_job *job, const cso_chat_response *response, size_t completion_bytes) {
    cso_chat_answer *answer = &job->answer;
    const cso_endpoint_options *options = job->service->options;
    answer->prompt_tokens = response->has_prompt_tokens ? response->prompt_tokens : estimate(job->prompt_bytes);
    answer->completion_tokens = response->has_completion_tokens ? response->completion_tokens : estimate(completion_bytes);
    answer->estimated = !response->has_prompt_tokens || !response->has_completion_tokens;
    double cost = price(options, (double)answer->prompt_tokens, (double)answer->completion_tokens);
    answer->cost += cost;
    pool->stats.cost += cost;
    pool->stats.prompt_tokens += answer->prompt_tokens;
    pool->stats.completion_tokens += answer->completion_tokens;
}

/* engine_serve.c - the policy's thread.
 *
 * The models take turns, a step each: a step carries all replies of a model one token further, so that none waits for the replies of
 * another one to end. What is to be scored goes before a model's step.
 */
#include "base/clock.h"
#include "base/memory.h"
#include "engine_parts.h"

#include <stdlib.h>

enum { DEFAULT_LEAVES = 64, MOST_SCORED = 64, MOST_SCORED_TOKENS = 512 };

void engine_list_add(engine_list *list, engine_job *job) {
    job->previous = list->last;
    job->next = NULL;
    *(list->last ? &list->last->next : &list->first) = job;
    list->last = job;
}

void engine_list_remove(engine_list *list, engine_job *job) {
    *(job->previous ? &job->previous->next : &list->first) = job->next;
    *(job->next ? &job->next->previous : &list->last) = job->previous;
    job->previous = job->next = NULL;
}

static void drop_waiting(engine_list *list, engine_asking *asking) {
    for (engine_job *job = list->first, *next; job; job = next) {
        next = job->next;
        if (job->asking == asking) {
            engine_list_remove(list, job);
            asking->open--;
        }
    }
}

void engine_asking_fail(cso_policy_engine *engine, engine_asking *asking, cso_status status, const cso_error *error) {
    if (!asking->dropped) {
        asking->dropped = true;
        asking->status = status;
        asking->error = *error;
    }
    for (size_t i = 0; i < engine->n_models; i++) {
        drop_waiting(&engine->models[i].waiting, asking);
        drop_waiting(&engine->models[i].scoring, asking);
    }
    pthread_cond_signal(&asking->news);
}

/* With the lock held: a job that ran is over, with an answer, or without one because it was dropped. */
static void end_job(engine_model *model, engine_job *job) {
    cso_policy_engine *engine = model->engine;
    engine_asking *asking = job->asking;
    engine_list_remove(&model->running, job);
    engine->running--;
    if (!asking->dropped) {
        engine->answers++;
        engine->prompt_tokens += job->answer.prompt_tokens;
        engine->completion_tokens += job->answer.completion_tokens;
        engine_list_add(&asking->done, job);
    }
    asking->open--;
    pthread_cond_signal(&asking->news); /* the asking is gone once the lock is free */
}

/* With the lock held: begins the first job of a list. */
static engine_job *begin_job(engine_model *model, engine_list *list) {
    engine_job *job = list->first;
    engine_list_remove(list, job);
    engine_list_add(&model->running, job);
    model->engine->running++;
    return job;
}

/* ---- replies ---- */

static cso_status next_request(void *context, const cso_request **request, cso_error *err) {
    engine_model *model = context;
    (void)err;
    pthread_mutex_lock(&model->engine->lock);
    *request = model->waiting.first ? &begin_job(model, &model->waiting)->request : NULL;
    pthread_mutex_unlock(&model->engine->lock);
    return CSO_OK;
}

static cso_status on_token(void *context, const cso_reply_token *token, bool *stop, cso_error *err) {
    engine_model *model = context;
    const engine_job *job = token->request->owner;
    (void)err;
    pthread_mutex_lock(&model->engine->lock);
    *stop = job->asking->dropped;
    pthread_mutex_unlock(&model->engine->lock);
    return CSO_OK;
}

static cso_status on_finished(void *context, const cso_reply *reply, cso_error *err) {
    engine_model *model = context;
    engine_job *job = reply->request->owner;
    CSO_TRY(engine_job_answer(job, reply, err));
    pthread_mutex_lock(&model->engine->lock);
    end_job(model, job);
    pthread_mutex_unlock(&model->engine->lock);
    return CSO_OK;
}

static cso_status step_replies(engine_model *model, cso_error *err) {
    size_t live;
    const cso_generate_options options = {
        .tokenizer = model->tokenizer,
        .leaves = model->engine->options.leaves ? model->engine->options.leaves : DEFAULT_LEAVES,
        .context = model,
        .next = next_request,
        .token = on_token,
        .finished = on_finished,
    };
    if (!model->generator)
        CSO_TRY(cso_generator_create(&model->generator, model->decoder, &options, err));
    return cso_generator_step(model->generator, &live, err);
}

/* ---- scores ---- */

/* Takes what waits, as much as one batch is for. */
static size_t begin_scoring(engine_model *model, engine_job **jobs, cso_choice_set *sets) {
    size_t n = 0, tokens = 0;
    pthread_mutex_lock(&model->engine->lock);
    while (model->scoring.first && n < MOST_SCORED && (!n || tokens + model->scoring.first->reply.count <= MOST_SCORED_TOKENS)) {
        engine_job *job = jobs[n] = begin_job(model, &model->scoring);
        tokens += job->reply.count;
        sets[n++] = (cso_choice_set){.adapter = job->role->player->adapter,
                                     .prompt = job->prompt.ids,
                                     .n_prompt = job->prompt.count,
                                     .choices = &job->reply,
                                     .n = 1};
    }
    pthread_mutex_unlock(&model->engine->lock);
    return n;
}

static cso_status score_waiting(engine_model *model, cso_error *err) {
    engine_job *jobs[MOST_SCORED];
    cso_choice_set sets[MOST_SCORED];
    size_t n = begin_scoring(model, jobs, sets);
    if (n)
        CSO_TRY(cso_choices_score(model->decoder, sets, n, err));
    for (size_t i = 0; i < n; i++)
        CSO_TRY(engine_job_score(jobs[i], err));
    pthread_mutex_lock(&model->engine->lock);
    for (size_t i = 0; i < n; i++)
        end_job(model, jobs[i]);
    pthread_mutex_unlock(&model->engine->lock);
    return CSO_OK;
}

/* ---- the loop ---- */

/* All that ask this model get the status. */
static void fail_model(engine_model *model, cso_status status, const cso_error *error) {
    engine_list *lists[] = {&model->running, &model->waiting, &model->scoring};
    cso_generator_free(model->generator);
    model->generator = NULL;
    pthread_mutex_lock(&model->engine->lock);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (engine_job *job; (job = lists[i]->first);) {
            engine_asking_fail(model->engine, job->asking, status, error);
            if (lists[i] == &model->running)
                end_job(model, job);
        }
    pthread_mutex_unlock(&model->engine->lock);
}

static void step_model(engine_model *model) {
    cso_error error = {0};
    double begin = cso_clock();
    cso_status status = score_waiting(model, &error);
    if (status == CSO_OK)
        status = step_replies(model, &error);
    cso_decode_counts counts = cso_decoder_counts(model->decoder);
    pthread_mutex_lock(&model->engine->lock);
    model->counts = counts;
    model->engine->seconds += cso_clock() - begin;
    pthread_mutex_unlock(&model->engine->lock);
    if (status != CSO_OK)
        fail_model(model, status, &error);
}

static bool has_work(const engine_model *model) {
    return model->waiting.first || model->scoring.first || model->running.first;
}

/* Waits for work; which models have some. False: it closes. */
static bool wait_for_work(cso_policy_engine *engine, bool *stopped, bool work[CSO_ROLES]) {
    bool any = false;
    pthread_mutex_lock(&engine->lock);
    for (;;) {
        for (size_t i = 0; i < engine->n_models; i++)
            any |= work[i] = has_work(&engine->models[i]);
        if (any || engine->closing)
            break;
        pthread_cond_wait(&engine->work, &engine->lock);
    }
    *stopped = engine->stopped;
    pthread_mutex_unlock(&engine->lock);
    return any || !engine->closing;
}

void *engine_serve(void *context) {
    cso_policy_engine *engine = context;
    const cso_error stop = {CSO_STOPPED, "stopped"};
    bool stopped, work[CSO_ROLES];
    while (wait_for_work(engine, &stopped, work))
        for (size_t i = 0; i < engine->n_models; i++) {
            if (work[i] && stopped)
                fail_model(&engine->models[i], CSO_STOPPED, &stop);
            else if (work[i])
                step_model(&engine->models[i]);
        }
    for (size_t i = 0; i < engine->n_models; i++) {
        cso_generator_free(engine->models[i].generator);
        engine->models[i].generator = NULL;
    }
    return NULL;
}

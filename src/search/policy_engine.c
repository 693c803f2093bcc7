/* policy_engine.c - opening a policy on the own engine, and asking it. */
#include "policy_engine.h"

#include "base/memory.h"
#include "engine_parts.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* ---- open ---- */

/* The model of a player, a new one where no role before has the same. */
static engine_model *find_model(cso_policy_engine *engine, const cso_engine_player *player) {
    for (size_t i = 0; i < engine->n_models; i++) {
        engine_model *m = &engine->models[i];
        if (m->model == player->model && m->tokenizer == player->tokenizer && m->chat_template == player->chat_template &&
            m->compute == player->compute)
            return m;
    }
    engine_model *m = &engine->models[engine->n_models++];
    *m = (engine_model){
        .model = player->model,
        .tokenizer = player->tokenizer,
        .chat_template = player->chat_template,
        .compute = player->compute,
        .stops = {cso_chat_end_of_turn(player->chat_template, player->tokenizer), cso_tokenizer_eos(player->tokenizer)},
        .engine = engine};
    return m;
}

static cso_status open_role(cso_policy_engine *engine, cso_role which, cso_error *err) {
    static const char *const NAMES[] = {[CSO_ROLE_STRATEGY] = "role.strategy",
                                        [CSO_ROLE_SUPPORTER] = "role.supporter",
                                        [CSO_ROLE_SEEKER] = "role.seeker",
                                        [CSO_ROLE_JUDGE] = "role.judge"};
    engine_role *role = &engine->roles[which];
    role->name = NAMES[which];
    role->player = &engine->options.players[which];
    if (!role->player->model)
        return CSO_OK;
    engine_model *model = role->model = find_model(engine, role->player);
    role->context = role->player->context ? role->player->context : model->model->hparams.max_positions;
    if (role->player->temperature != 0 && !(role->player->temperature >= 1e-6))
        return cso_fail(err, CSO_ERR_USAGE, "role.%s.temperature is %g (expected 0, or 1e-6 at least)", cso_role_words[which],
                        role->player->temperature);
    if (role->player->max_tokens == 0 || role->player->max_tokens >= role->context)
        return cso_fail(err, CSO_ERR_USAGE, "role.%s.max_tokens is %zu (expected at least 1, and less than the context of %zu)",
                        cso_role_words[which], role->player->max_tokens, role->context);
    if (!model->trie)
        CSO_TRY(cso_token_trie_create(&model->trie, model->tokenizer, model->stops, 2, err));
    return engine_forms_make(role, which, engine->options.strategies, err);
}

/* Of a token's keys and values. */
static size_t token_bytes(const engine_model *model) {
    const cso_hparams *h = &model->model->hparams;
    return 2 * h->n_layers * h->n_kv_heads * h->head_dim * (model->compute == CSO_DECODE_FAST ? 2 : sizeof(float));
}

/* Each model has memory for as many tokens as the others. */
static cso_status open_decoders(cso_policy_engine *engine, cso_error *err) {
    size_t all = 0;
    for (size_t i = 0; i < engine->n_models; i++)
        all += token_bytes(&engine->models[i]);
    for (size_t i = 0; i < engine->n_models; i++) {
        engine_model *model = &engine->models[i];
        double part = (double)token_bytes(model) / (double)all;
        model->memory = (size_t)((double)engine->memory * part);
        const cso_decoder_options options = {.compute = model->compute, .memory = model->memory ? model->memory : 1};
        CSO_TRY(cso_decoder_create(&model->decoder, engine->ctx, model->model, &options, err));
    }
    return CSO_OK;
}

/* Signals are for other threads. */
static cso_status start_thread(cso_policy_engine *engine, cso_error *err) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGPROF};
    sigset_t blocked, before;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&blocked, faults[i]);
    engine->has_lock = pthread_mutex_init(&engine->lock, NULL) == 0;
    engine->has_work = pthread_cond_init(&engine->work, NULL) == 0;
    if (!engine->has_lock || !engine->has_work)
        return cso_fail_memory(err, "a policy");
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    engine->has_thread = pthread_create(&engine->thread, NULL, engine_serve, engine) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return engine->has_thread ? CSO_OK : cso_fail(err, CSO_ERR_SYSTEM, "cannot start a thread for the roles");
}

static cso_status open_engine(cso_policy_engine *engine, cso_error *err) {
    for (cso_role role = 0; role < CSO_ROLES; role++)
        CSO_TRY(open_role(engine, role, err));
    CSO_TRY(open_decoders(engine, err));
    return start_thread(engine, err);
}

cso_status cso_policy_engine_open(cso_policy_engine **made, cso_context *ctx, const cso_engine_options *options, cso_error *err) {
    cso_policy_engine *engine = *made = cso_calloc(1, sizeof *engine);
    if (!engine)
        return cso_fail_memory(err, "a policy");
    engine->options = *options;
    engine->ctx = ctx;
    engine->memory = options->memory ? options->memory : cso_memory_available() / 2;
    cso_status status = open_engine(engine, err);
    if (status != CSO_OK) {
        cso_policy_engine_close(engine);
        *made = NULL;
    }
    return status;
}

void cso_policy_engine_close(cso_policy_engine *engine) {
    if (!engine)
        return;
    if (engine->has_thread) {
        pthread_mutex_lock(&engine->lock);
        engine->closing = true;
        pthread_cond_signal(&engine->work);
        pthread_mutex_unlock(&engine->lock);
        pthread_join(engine->thread, NULL);
    }
    for (size_t i = 0; i < CSO_ROLES; i++)
        engine_forms_free(&engine->roles[i]);
    for (size_t i = 0; i < engine->n_models; i++) {
        cso_decoder_free(engine->models[i].decoder);
        cso_token_trie_free(engine->models[i].trie);
    }
    if (engine->has_work)
        pthread_cond_destroy(&engine->work);
    if (engine->has_lock)
        pthread_mutex_destroy(&engine->lock);
    free(engine);
}

/* ---- ask ---- */

static cso_status make_jobs(cso_policy_engine *engine, engine_asking *asking, const cso_question *questions, cso_error *err) {
    for (size_t i = 0; i < asking->count; i++) {
        engine_job *job = &asking->jobs[i];
        job->asking = asking;
        job->index = i;
        CSO_TRY(engine_job_make(job, &engine->roles[questions[i].role], &questions[i], err));
    }
    return CSO_OK;
}

static void enqueue(cso_policy_engine *engine, engine_asking *asking) {
    const cso_error stopped = {CSO_STOPPED, "stopped"};
    pthread_mutex_lock(&engine->lock);
    if (engine->stopped)
        engine_asking_fail(engine, asking, CSO_STOPPED, &stopped);
    for (size_t i = 0; i < asking->count && !engine->stopped; i++) {
        engine_job *job = &asking->jobs[i];
        engine_list_add(job->scored ? &job->role->model->scoring : &job->role->model->waiting, job);
        asking->open++;
    }
    pthread_cond_signal(&engine->work);
    pthread_mutex_unlock(&engine->lock);
}

/* The next answer; NULL: none is to come, and no job of the asking runs any more. */
static engine_job *next_answer(cso_policy_engine *engine, engine_asking *asking) {
    pthread_mutex_lock(&engine->lock);
    while (!asking->done.first && asking->open)
        pthread_cond_wait(&asking->news, &engine->lock);
    engine_job *job = asking->done.first;
    if (job)
        engine_list_remove(&asking->done, job);
    pthread_mutex_unlock(&engine->lock);
    return job;
}

/* Answers that were there before a failure are taken all the same, unless it was the taker that failed. */
static void take_answers(cso_policy_engine *engine, engine_asking *asking, cso_answer_taker take, void *context) {
    bool taking = true;
    for (engine_job *job; (job = next_answer(engine, asking));) {
        cso_error error = {0};
        cso_status status = taking ? take(context, job->index, &job->answer, &error) : CSO_OK;
        if (taking)
            job->answer.text = NULL; /* the taker's */
        if (status == CSO_OK)
            continue;
        taking = false;
        pthread_mutex_lock(&engine->lock);
        engine_asking_fail(engine, asking, status, &error);
        pthread_mutex_unlock(&engine->lock);
    }
}

static cso_status ask(void *self, const cso_question *questions, size_t count, cso_answer_taker take, void *context,
                      cso_error *err) {
    cso_policy_engine *engine = self;
    engine_asking asking = {.jobs = cso_calloc(count, sizeof *asking.jobs), .count = count};
    if (!asking.jobs)
        return cso_fail_memory(err, "questions");
    pthread_cond_init(&asking.news, NULL);
    cso_status status = make_jobs(engine, &asking, questions, err);
    if (status == CSO_OK) {
        enqueue(engine, &asking);
        take_answers(engine, &asking, take, context);
        status = asking.status;
        if (status != CSO_OK && err)
            *err = asking.error;
    }
    for (size_t i = 0; i < count; i++)
        engine_job_free(&asking.jobs[i]);
    pthread_cond_destroy(&asking.news);
    free(asking.jobs);
    return status;
}

void cso_policy_engine_stop(cso_policy_engine *engine) {
    pthread_mutex_lock(&engine->lock);
    engine->stopped = true;
    pthread_cond_signal(&engine->work);
    pthread_mutex_unlock(&engine->lock);
}

static size_t list_length(const engine_list *list) {
    size_t length = 0;
    for (const engine_job *job = list->first; job; job = job->next)
        length++;
    return length;
}

void cso_policy_engine_stats(cso_policy_engine *engine, cso_engine_stats *stats) {
    pthread_mutex_lock(&engine->lock);
    *stats = (cso_engine_stats){.answers = engine->answers,
                                .running = engine->running,
                                .prompt_tokens = engine->prompt_tokens,
                                .completion_tokens = engine->completion_tokens,
                                .memory = engine->memory,
                                .seconds = engine->seconds};
    for (size_t i = 0; i < engine->n_models; i++) {
        const engine_model *model = &engine->models[i];
        stats->waiting += list_length(&model->waiting) + list_length(&model->scoring);
        stats->computed_tokens += model->counts.computed;
        stats->reused_tokens += model->counts.fed > model->counts.computed ? model->counts.fed - model->counts.computed : 0;
        stats->bytes += model->counts.bytes;
        stats->most_bytes += model->counts.most_bytes;
    }
    pthread_mutex_unlock(&engine->lock);
}

cso_policy cso_policy_of_engine(cso_policy_engine *engine) {
    cso_policy policy = {.ask = ask, .self = engine};
    for (size_t i = 0; i < CSO_ROLES; i++) {
        const engine_role *role = &engine->roles[i];
        if (!role->model)
            continue;
        policy.max_retries[i] = role->player->max_retries;
        policy.context[i] = role->context;
        policy.max_tokens[i] = role->player->max_tokens;
        policy.scores[i] = true;
    }
    return policy;
}

/* generate.c - the loop that makes replies.
 *
 * A request becomes a job. Its prompt and prefix are fed to one session, the job's base, whose logits give each of the replies its
 * first token; there each reply forks a session of its own. A step has three parts: the model computes all logits; tokens are chosen, a
 * task for each reply; replies take their tokens, one after the other, with the caller's functions.
 */
#include "generate_parts.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_LEAVES = 16, MOST_REPLIES = 1 << 16 };

struct cso_generator {
    cso_decoder *decoder;
    cso_generate_options given;
    const cso_generate_options *options; /* given */
    size_t vocab, rows;                  /* ids below it are chosen; length of a row of logits */
    cso_sampler *samplers;               /* (threads) */
    size_t threads;
    size_t leaves, live;
    cso_unfinished *places; /* (leaves), of which `live` are taken */
    cso_feed *feeds;        /* (leaves) of the current step */
    size_t n_feeds;
    cso_job *filling; /* the job whose replies have not all begun; NULL: none */
};
typedef struct cso_generator generator;

static size_t generator_vocab(const cso_generate_options *options, const cso_decoder *decoder) {
    size_t rows = cso_decoder_model(decoder)->hparams.vocab;
    size_t vocab = options->vocab ? options->vocab : options->tokenizer ? cso_tokenizer_vocab(options->tokenizer) : rows;
    return vocab < rows ? vocab : rows;
}

/* The constraint's state after the ids of a prefix. */
static cso_status follow_prefix(const cso_constraint *constraint, const int32_t *ids, size_t n, cso_constraint_state *state,
                                cso_error *err) {
    *state = cso_constraint_start(constraint);
    for (size_t i = 0; i < n; i++)
        if (!cso_constraint_advance(constraint, state, ids[i]))
            return cso_fail(err, CSO_ERR_USAGE, "the prefix does not satisfy the constraint (token %zu of it)", i + 1);
    return CSO_OK;
}

static cso_status check_prefix(const cso_request *request, const cso_tokenizer *tokenizer, cso_error *err) {
    cso_constraint_state state;
    cso_ids ids = {0};
    if (!request->constraint || !request->prefix)
        return CSO_OK;
    cso_status status = cso_tokenizer_encode(tokenizer, request->prefix, strlen(request->prefix), false, &ids, err);
    if (status == CSO_OK)
        status = follow_prefix(request->constraint, ids.ids, ids.count, &state, err);
    free(ids.ids);
    return status;
}

cso_status cso_request_check(const cso_request *request, const cso_generate_options *options, const cso_decoder *decoder,
                             cso_error *err) {
    if (!request->n_prompt)
        return cso_fail(err, CSO_ERR_USAGE, "the prompt has no tokens");
    if (request->n >= MOST_REPLIES || request->sequence >> 40)
        return cso_fail(err, CSO_ERR_USAGE,
                        "%zu replies are too many, or the sequence number is too high (expected below %d and 2^40)", request->n,
                        (int)MOST_REPLIES);
    for (size_t i = 0; i < request->n_prompt; i++)
        if (request->prompt[i] < 0 || (size_t)request->prompt[i] >= cso_decoder_model(decoder)->hparams.vocab)
            return cso_fail(err, CSO_ERR_INPUT, "token id %d is not in the model's vocabulary of %zu", request->prompt[i],
                            cso_decoder_model(decoder)->hparams.vocab);
    if (!options->tokenizer && ((request->prefix && *request->prefix) || request->n_stop_texts || request->constraint))
        return cso_fail(err, CSO_ERR_USAGE, "a prefix, stop texts and a constraint need a tokenizer");
    if (request->jump && (request->logps || request->n_top))
        return cso_fail(err, CSO_ERR_USAGE, "text that is fed without asking the model has no log-probabilities");
    for (size_t i = 0; i < request->n_stop_texts; i++)
        if (!*request->stop_texts[i])
            return cso_fail(err, CSO_ERR_USAGE, "a stop text must not be empty");
    CSO_TRY(check_prefix(request, options->tokenizer, err));
    return cso_sampling_check(&request->sampling, generator_vocab(options, decoder), err);
}

/* ---- jobs ---- */

static void free_job(cso_job *job) {
    if (!job)
        return;
    cso_session_drop(job->base);
    cso_stop_texts_close(&job->stops);
    free(job->start);
    free(job);
}

static cso_status encode_start(cso_job *job, const cso_tokenizer *tokenizer, cso_error *err) {
    const cso_request *request = job->request;
    cso_ids start = {0};
    cso_status status = cso_ids_add(&start, request->prompt, request->n_prompt, err);
    if (status == CSO_OK && request->prefix)
        status = cso_tokenizer_encode(tokenizer, request->prefix, strlen(request->prefix), false, &start, err);
    job->start = start.ids;
    job->n_forced = start.count - request->n_prompt;
    return status;
}

static cso_status open_job(generator *g, const cso_request *request, cso_error *err) {
    CSO_TRY(cso_request_check(request, g->options, g->decoder, err));
    cso_job *job = g->filling = cso_calloc(1, sizeof *job);
    if (!job)
        return cso_fail_memory(err, "a request");
    job->request = request;
    job->n = request->n ? request->n : 1;
    CSO_TRY(encode_start(job, g->options->tokenizer, err));
    if (request->constraint)
        CSO_TRY(follow_prefix(request->constraint, job->start + request->n_prompt, job->n_forced, &job->state, err));
    CSO_TRY(cso_stop_texts_open(&job->stops, request->stop_texts, request->n_stop_texts, err));
    return cso_session_open(&job->base, g->decoder, request->adapter, err);
}

/* Puts the request's name before an error about it. */
static cso_status about(const cso_request *request, cso_status status, cso_error *err) {
    return status == CSO_OK || !request->name ? status : cso_error_prefix(err, status, "%s", request->name);
}

/* At least those of the tokenizer, which a constraint fills, and of the rows, which the sampler reads. */
static size_t mask_words(const generator *g) {
    size_t vocab = g->options->tokenizer ? cso_tokenizer_vocab(g->options->tokenizer) : 0;
    return (vocab > g->rows ? vocab : g->rows) / 64 + 1;
}

/* New replies take the free places. */
static cso_status begin_replies(generator *g, cso_error *err) {
    while (g->live < g->leaves) {
        if (!g->filling) {
            const cso_request *request = NULL;
            CSO_TRY(g->options->next(g->options->context, &request, err));
            if (!request)
                return CSO_OK;
            CSO_TRY(about(request, open_job(g, request, err), err));
        }
        cso_job *job = g->filling;
        CSO_TRY(cso_unfinished_begin(&g->places[g->live], job, mask_words(g), err));
        g->live++;
        if (++job->begun == job->n)
            g->filling = NULL;
    }
    return CSO_OK;
}

/* ---- a step ---- */

/* The base is fed with its first replies, and again, with nothing, for those that come later. */
static void feed_base(generator *g, cso_job *job) {
    const cso_request *request = job->request;
    size_t have = cso_session_length(job->base), all = request->n_prompt + job->n_forced;
    bool scored = request->logps || request->n_top;
    job->feed = g->n_feeds;
    g->feeds[g->n_feeds++] = (cso_feed){
        .session = job->base, .ids = job->start + have, .count = all - have, .n_logits = 1 + (scored ? job->n_forced : 0)};
}

/* New replies of a job are neighbours at the end of the places. */
static void plan_feeds(generator *g) {
    const cso_job *fed = NULL;
    g->n_feeds = 0;
    for (size_t i = 0; i < g->live; i++) {
        cso_unfinished *u = &g->places[i];
        if (u->session) {
            u->feed = g->n_feeds;
            g->feeds[g->n_feeds++] =
                (cso_feed){.session = u->session, .ids = u->ids + u->n_ids - u->n_new, .count = u->n_new, .n_logits = 1};
            continue;
        }
        if (u->job != fed)
            feed_base(g, u->job);
        fed = u->job;
        u->feed = u->job->feed;
    }
}

static bool is_stop(int32_t id, const cso_request *request) {
    for (size_t i = 0; i < request->n_stops; i++)
        if (request->stops[i] == id)
            return true;
    return false;
}

static void end(cso_unfinished *u, cso_finish finish) {
    u->ended = true;
    u->finish = finish;
}

/* What a new reply begins with. Rows: after the prompt, and after each token of the prefix. */
static cso_status add_prefix(generator *g, cso_unfinished *u, const float *rows, cso_error *err) {
    const cso_job *job = u->job;
    bool scored = job->request->logps || job->request->n_top;
    for (size_t i = 0; i < job->n_forced; i++)
        CSO_TRY(cso_unfinished_add(u, g->decoder, rows + (scored ? i * g->rows : 0), g->vocab,
                                   job->start[job->request->n_prompt + i], err));
    return CSO_OK;
}

/* Whether no token may be added. */
static bool ends_here(cso_unfinished *u) {
    const cso_request *request = u->job->request;
    if (u->mask && cso_constraint_ends(request->constraint, &u->state))
        end(u, CSO_FINISH_STOP);
    else if (u->n_ids - u->job->n_forced >= request->max_tokens)
        end(u, CSO_FINISH_LENGTH);
    return u->ended;
}

/* The model chose an id: it ends the reply, or its free text, or is added. */
static cso_status take_choice(generator *g, cso_unfinished *u, const float *logits, int32_t id, cso_error *err) {
    const cso_request *request = u->job->request;
    bool stop = is_stop(id, request), may_end = !u->mask || cso_constraint_complete(request->constraint, &u->state);
    if (stop && may_end) {
        end(u, CSO_FINISH_STOP);
        return CSO_OK;
    }
    if (u->mask && !cso_constraint_advance(request->constraint, &u->state, id))
        return cso_fail(err, CSO_ERR_INTERNAL, "the constraint refuses token %d, which its mask has", id);
    return stop ? CSO_OK : cso_unfinished_add(u, g->decoder, logits, g->vocab, id, err);
}

static cso_status choose(generator *g, cso_unfinished *u, cso_sampler *sampler, cso_error *err) {
    const cso_job *job = u->job;
    const cso_request *request = job->request;
    const cso_feed *feed = &g->feeds[u->feed];
    const float *logits = feed->logits + (feed->n_logits - 1) * g->rows;
    int32_t id;
    if (!u->session)
        CSO_TRY(add_prefix(g, u, feed->logits, err));
    size_t before = u->n_ids;
    if (ends_here(u))
        return CSO_OK;
    if (u->mask)
        CSO_TRY(cso_constraint_mask(request->constraint, &u->state, u->mask, err));
    const cso_sampling_place place = {.logits = logits,
                                      .prompt = request->prompt,
                                      .n_prompt = request->n_prompt,
                                      .reply = u->ids,
                                      .n_reply = u->n_ids,
                                      .allowed = u->mask,
                                      .sequence = request->sequence << 16 | u->number};
    CSO_TRY(cso_sampler_choose(sampler, &request->sampling, &place, &id, err));
    CSO_TRY(take_choice(g, u, logits, id, err));
    if (!u->ended && !ends_here(u) && u->mask && request->jump) {
        CSO_TRY(cso_unfinished_jump(u, g->decoder, g->options->tokenizer, g->vocab, err));
        ends_here(u);
    }
    u->n_new = u->n_ids - before;
    return CSO_OK;
}

static void choose_one(void *context, size_t index, int thread) {
    generator *g = context;
    cso_unfinished *u = &g->places[index];
    u->status = choose(g, u, &g->samplers[thread], &u->err);
}

/* The last place moves to the one that is free now. */
static void leave_place(generator *g, size_t place) {
    cso_job *job = g->places[place].job;
    cso_unfinished_free(&g->places[place]);
    g->places[place] = g->places[--g->live];
    if (++job->finished == job->n)
        free_job(job);
}

/* After the choice: tells the caller, and gives a new reply a session of its own. */
static cso_status take_token(generator *g, size_t place, cso_error *err) {
    cso_unfinished *u = &g->places[place];
    cso_job *job = u->job;
    if (u->status != CSO_OK) {
        if (err)
            *err = u->err;
        return about(job->request, u->status, err);
    }
    if (!u->session)
        CSO_TRY(cso_session_fork(&u->session, job->base, cso_session_length(job->base), err));
    CSO_TRY(cso_unfinished_tell(u, g->options, err));
    if (!u->ended)
        return CSO_OK;
    CSO_TRY(cso_unfinished_finish(u, g->options, err));
    leave_place(g, place);
    return CSO_OK;
}

static cso_status open_generator(generator *g, cso_error *err) {
    g->places = cso_calloc(g->leaves, sizeof *g->places);
    g->feeds = cso_calloc(g->leaves, sizeof *g->feeds);
    g->samplers = cso_calloc(g->threads, sizeof *g->samplers);
    if (!g->places || !g->feeds || !g->samplers)
        return cso_fail_memory(err, "replies");
    for (size_t i = 0; i < g->threads; i++)
        CSO_TRY(cso_sampler_init(&g->samplers[i], cso_decoder_context(g->decoder)->kernels, g->vocab, err));
    return CSO_OK;
}

cso_status cso_generator_create(cso_generator **made, cso_decoder *decoder, const cso_generate_options *options, cso_error *err) {
    cso_generator *g = *made = cso_calloc(1, sizeof *g);
    if (!g)
        return cso_fail_memory(err, "replies");
    g->decoder = decoder;
    g->given = *options;
    g->options = &g->given;
    g->vocab = generator_vocab(options, decoder);
    g->rows = cso_decoder_model(decoder)->hparams.vocab;
    g->threads = (size_t)cso_pool_threads(cso_decoder_context(decoder)->pool);
    g->leaves = options->leaves ? options->leaves : DEFAULT_LEAVES;
    cso_status status = open_generator(g, err);
    if (status != CSO_OK) {
        cso_generator_free(g);
        *made = NULL;
    }
    return status;
}

void cso_generator_free(cso_generator *g) {
    if (!g)
        return;
    if (g->filling && g->filling->begun == g->filling->finished)
        free_job(g->filling);
    else if (g->filling)
        g->filling->n = g->filling->begun; /* the last of its places frees it */
    while (g->places && g->live)
        leave_place(g, g->live - 1);
    for (size_t i = 0; g->samplers && i < g->threads; i++)
        cso_sampler_free(&g->samplers[i]);
    free(g->samplers);
    free(g->places);
    free(g->feeds);
    free(g);
}

cso_status cso_generator_step(cso_generator *g, size_t *live, cso_error *err) {
    CSO_TRY(begin_replies(g, err));
    *live = g->live;
    if (!g->live)
        return CSO_OK;
    plan_feeds(g);
    CSO_TRY(cso_decode_step(g->decoder, g->feeds, g->n_feeds, err));
    cso_parallel_for(cso_decoder_context(g->decoder)->pool, g->live, choose_one, g);
    for (size_t i = g->live; i-- > 0;) /* from the end, so that the one that moves is done */
        CSO_TRY(take_token(g, i, err));
    return CSO_OK;
}

cso_status cso_generate(cso_decoder *decoder, const cso_generate_options *options, cso_error *err) {
    cso_generator *g;
    size_t live = 1;
    CSO_TRY(cso_generator_create(&g, decoder, options, err));
    cso_status status = CSO_OK;
    while (status == CSO_OK && live)
        status = cso_generator_step(g, &live, err);
    cso_generator_free(g);
    return status;
}

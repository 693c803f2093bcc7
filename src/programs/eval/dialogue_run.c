/* dialogue_run.c - see dialogue_run.h.
 *
 * One cso_generate makes all replies. When it asks for the next prompt, the turns of that dialogue are scored first: their keys and
 * values are there when the replies begin.
 */
#include "dialogue_run.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/memory.h"
#include "base/signals.h"
#include "decode/generate.h"
#include "prediction_line.h"
#include "programs/common/amounts.h"
#include "programs/common/busy_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a turn needs until its line is written. */
typedef struct turn_work {
    cso_request request;
    turn_scores scores;
    bool scored;
} turn_work;

typedef struct run_state {
    const dialogue_job *job;
    turn_work *work; /* (turns) */
    line_store *store;
    reply_origin origin; /* model, adapter and options */
    int32_t stops[2];
    size_t next;
    busy_line line;
} run_state;

static cso_status set_options_origin(run_state *r, cso_error *err) {
    const dialogue_job *job = r->job;
    const run_options *o = job->options;
    cso_text text = {0};
    reply_origin_model(&r->origin, job->model, job->adapter, o->compute);
    cso_text_format(&text, "dialogues %zu %zu %.17g %.17g", o->max_tokens, o->temperature > 0 ? o->seed : 0, o->temperature,
                    o->top_p);
    for (size_t i = 0; i < job->strategies->count; i++)
        cso_text_format(&text, "\n%s", job->strategies->items[i].name);
    if (!text.failed)
        reply_digest(text.data, text.size, r->origin.options);
    bool failed = text.failed;
    free(text.data);
    return failed ? cso_fail_memory(err, "a prediction") : CSO_OK;
}

/* The prompt's digest is of the worse replies, too: their log-probabilities are in the line. */
static void set_prompt_origin(const dialogue_turn *t, reply_origin *origin) {
    cso_digest digest;
    char hex[CSO_DIGEST_HEX];
    cso_digest_begin(&digest);
    cso_digest_add(&digest, t->prompt.ids, t->prompt.count * sizeof *t->prompt.ids);
    for (size_t i = 0; i < t->n_replies; i++) {
        const cso_ids *ids = &t->replies[i].ids;
        cso_digest_add(&digest, &ids->count, sizeof ids->count);
        cso_digest_add(&digest, ids->ids, ids->count * sizeof *ids->ids);
    }
    cso_digest_hex(&digest, hex);
    memcpy(origin->prompt, hex, REPLY_DIGEST - 1);
    origin->prompt[REPLY_DIGEST - 1] = '\0';
}

/* A reply_expected. */
static cso_status expect(void *context, size_t position, reply_key *key, reply_origin *origin, cso_error *err) {
    const run_state *r = context;
    const dialogue_turn *t = &r->job->turns->items[position];
    (void)err;
    *key = (reply_key){t->index, t->turn, 0};
    if (origin) {
        *origin = r->origin;
        set_prompt_origin(t, origin);
    }
    return CSO_OK;
}

static cso_status stop_if_asked(cso_error *err) {
    return cso_signals_stop() ? cso_fail(err, CSO_STOPPED, "stopped by signal %d", cso_signals_stop()) : CSO_OK;
}

/* Scores the turns of this dialogue from `next` on that are not done. */
static cso_status score_ahead(run_state *r, cso_error *err) {
    const dialogue_job *job = r->job;
    size_t count =
        turn_scores_batch(job->turns->items + r->next, job->turns->count - r->next, job->names, job->model->model->hparams.vocab);
    size_t wanted = 0;
    const dialogue_turn **turns = cso_calloc(count, sizeof *turns);
    turn_scores *scores = cso_calloc(count, sizeof *scores);
    cso_status status = turns && scores ? CSO_OK : cso_fail_memory(err, "turns");
    for (size_t i = r->next; status == CSO_OK && i < r->next + count; i++)
        if (!line_store_has(r->store, i))
            turns[wanted++] = &job->turns->items[i];
    if (status == CSO_OK)
        status = turn_scores_compute(job->decoder, job->adapter, turns, wanted, job->names, scores, err);
    for (size_t k = 0; scores && k < wanted; k++) {
        turn_work *work = &r->work[turns[k] - job->turns->items];
        work->scores = scores[k];
        work->scored = true;
    }
    free(turns);
    free(scores);
    return status;
}

static void set_request(run_state *r, size_t position) {
    const dialogue_job *job = r->job;
    const run_options *o = job->options;
    const dialogue_turn *t = &job->turns->items[position];
    r->work[position].request = (cso_request){
        .name = t->place,
        .owner = &r->work[position],
        .adapter = job->adapter,
        .prompt = t->prompt.ids,
        .n_prompt = t->prompt.count,
        .sampling = {.temperature = o->temperature, .top_p = o->top_p, .seed = o->seed},
        .sequence = reply_sequence(&t->prompt),
        .max_tokens = o->max_tokens,
        .stops = r->stops,
        .n_stops = 2,
    };
}

static cso_status next_request(void *context, const cso_request **request, cso_error *err) {
    run_state *r = context;
    CSO_TRY(stop_if_asked(err));
    *request = NULL;
    while (r->next < r->job->turns->count && line_store_has(r->store, r->next))
        r->next++;
    if (r->next == r->job->turns->count)
        return CSO_OK;
    if (!r->work[r->next].scored)
        CSO_TRY(score_ahead(r, err));
    set_request(r, r->next);
    *request = &r->work[r->next++].request;
    return CSO_OK;
}

static cso_status take_token(void *context, const cso_reply_token *token, bool *stop, cso_error *err) {
    run_state *r = context;
    (void)stop;
    r->line.work += token->id >= 0;
    return stop_if_asked(err);
}

static cso_status take_reply(void *context, const cso_reply *reply, cso_error *err) {
    run_state *r = context;
    turn_work *work = reply->request->owner;
    size_t position = (size_t)(work - r->work);
    reply_origin origin;
    reply_key key;
    cso_text line = {0};
    CSO_TRY(expect(r, position, &key, &origin, err));
    cso_status status =
        prediction_line_add(&line, &r->job->turns->items[position], r->job->strategies, reply, &work->scores, &origin, err);
    turn_scores_free(&work->scores);
    if (status != CSO_OK) {
        free(line.data);
        return status;
    }
    r->line.done++;
    return line_store_add(r->store, position, line.data, line.size, err);
}

/* What was done, for the one who waits for it. */
static void tell(const run_state *r, cso_decode_counts before, double seconds) {
    cso_decode_counts counts = cso_decoder_counts(r->job->decoder);
    char replies[AMOUNT_TEXT], written[AMOUNT_TEXT], computed[AMOUNT_TEXT], time[AMOUNT_TEXT];
    fprintf(stderr, "%s: %s replies of %s tokens, %s tokens computed, %s\n", r->job->name, grouped_text(r->line.done, replies),
            grouped_text(r->line.work, written), grouped_text(counts.computed - before.computed, computed),
            duration_text(seconds, time));
}

static cso_status make_replies(run_state *r, cso_error *err) {
    const dialogue_job *job = r->job;
    const cso_generate_options options = {.tokenizer = job->model->tokenizer,
                                          .leaves = job->options->leaves,
                                          .context = r,
                                          .next = next_request,
                                          .token = take_token,
                                          .finished = take_reply};
    cso_decode_counts before = cso_decoder_counts(job->decoder);
    double began = cso_clock();
    cso_signals_step(0, "replies that are not written yet are lost");
    busy_line_start(&r->line, cso_decoder_context(job->decoder)->pool, job->name, "replies", false);
    r->line.most = job->turns->count - line_store_count(r->store);
    r->line.work_unit = "tokens";
    cso_status status = cso_generate(job->decoder, &options, err);
    busy_line_end(&r->line);
    if (status == CSO_OK)
        tell(r, before, cso_clock() - began);
    cso_status ended = line_store_end(r->store, status == CSO_OK ? err : NULL); /* also of a run that failed */
    return status == CSO_OK ? ended : status;
}

cso_status dialogue_run(const dialogue_job *job, const char *path, line_store **store, cso_error *err) {
    size_t count = job->turns->count;
    run_state r = {.job = job, .work = cso_calloc(count, sizeof *r.work)};
    r.stops[0] = cso_chat_end_of_turn(job->model->chat, job->model->tokenizer);
    r.stops[1] = cso_tokenizer_eos(job->model->tokenizer);
    cso_status status = r.work ? set_options_origin(&r, err) : cso_fail_memory(err, "turns");
    if (status == CSO_OK)
        status = line_store_open(&r.store, path, count, expect, &r, err);
    if (status == CSO_OK)
        status = line_store_count(r.store) < count ? make_replies(&r, err) : line_store_end(r.store, err);
    for (size_t i = 0; r.work && i < count; i++)
        turn_scores_free(&r.work[i].scores);
    free(r.work);
    *store = r.store;
    return status;
}

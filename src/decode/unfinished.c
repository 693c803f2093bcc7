/* unfinished.c - one reply that is being made: its tokens, its text, and what its caller is told. */
#include "generate_parts.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const cso_finish_words[] = {"stop", "length", "cancelled", NULL};

cso_status cso_unfinished_begin(cso_unfinished *u, cso_job *job, size_t mask_words, cso_error *err) {
    bool constrained = job->request->constraint;
    *u = (cso_unfinished){.job = job, .number = job->begun, .state = job->state};
    if (constrained)
        u->mask = cso_calloc(mask_words, sizeof *u->mask);
    u->stop_states = cso_calloc(job->stops.n, sizeof *u->stop_states);
    if ((constrained && !u->mask) || !u->stop_states || !cso_grow(&u->text, &u->text_capacity, 1, 1)) {
        cso_unfinished_free(u);
        return cso_fail_memory(err, "a reply");
    }
    *u->text = '\0';
    return CSO_OK;
}

void cso_unfinished_free(cso_unfinished *u) {
    cso_session_drop(u->session);
    free(u->ids);
    free(u->logps);
    free(u->top);
    cso_token_stream_free(&u->stream);
    free(u->mask);
    free(u->stop_states);
    free(u->text);
    *u = (cso_unfinished){0};
}

cso_status cso_unfinished_add(cso_unfinished *u, const cso_decoder *decoder, const float *logits, size_t vocab, int32_t id,
                              cso_error *err) {
    const cso_request *request = u->job->request;
    bool logps = request->logps || request->n_top;
    if (!cso_grow(&u->ids, &u->ids_capacity, u->n_ids + 1, sizeof *u->ids) ||
        (logps && !cso_grow(&u->logps, &u->logps_capacity, u->n_ids + 1, sizeof *u->logps)) ||
        !cso_grow(&u->top, &u->top_capacity, (u->n_ids + 1) * request->n_top, sizeof *u->top))
        return cso_fail_memory(err, "a reply");
    if (logps)
        u->logps[u->n_ids] = cso_logits_logp(decoder, logits, id);
    if (request->n_top)
        cso_top_alternatives(cso_decoder_context(decoder)->kernels, logits, cso_decoder_model(decoder)->hparams.vocab, vocab,
                             u->top + u->n_ids * request->n_top, request->n_top);
    u->ids[u->n_ids++] = id;
    return CSO_OK;
}

static cso_status add_text(cso_unfinished *u, const char *text, size_t size, cso_error *err) {
    if (!cso_grow(&u->text, &u->text_capacity, u->size + size + 1, 1))
        return cso_fail_memory(err, "a reply");
    if (size)
        memcpy(u->text + u->size, text, size);
    u->size += size;
    u->text[u->size] = '\0';
    return CSO_OK;
}

/* The stream's text, which ends the reply where a stop text is complete. */
static cso_status add_chosen_text(cso_unfinished *u, cso_error *err) {
    size_t before = u->size, end, length;
    CSO_TRY(add_text(u, u->stream.text, u->stream.size, err));
    if (!cso_stop_texts_find(&u->job->stops, u->stop_states, u->stream.text, u->stream.size, &end, &length))
        return CSO_OK;
    u->size = before + end - length;
    u->text[u->size] = '\0';
    u->stopped = u->ended = true;
    u->finish = CSO_FINISH_STOP;
    return CSO_OK;
}

/* The text of a token. *held: how much of the end may belong to a stop text. */
static cso_status add_token_text(cso_unfinished *u, const cso_tokenizer *tokenizer, int32_t id, bool forced, size_t *held,
                                 cso_error *err) {
    CSO_TRY(cso_token_stream_feed(&u->stream, tokenizer, id, err));
    if (forced)
        return add_text(u, u->stream.text, u->stream.size, err);
    CSO_TRY(add_chosen_text(u, err));
    *held = u->stopped ? 0 : cso_stop_texts_held(&u->job->stops, u->stop_states);
    return CSO_OK;
}

/* Gives the caller a token, and the text up to `end`. */
static cso_status tell(cso_unfinished *u, const cso_generate_options *options, cso_reply_token *token, size_t end, bool *stop,
                       cso_error *err) {
    char behind = u->text[end];
    if (!options->token)
        return CSO_OK;
    token->request = u->job->request;
    token->number = u->number;
    token->text = u->text + u->shown;
    token->size = end - u->shown;
    u->shown = end;
    u->text[end] = '\0';
    cso_status status = options->token(options->context, token, stop, err);
    u->text[end] = behind;
    return status;
}

cso_status cso_unfinished_tell(cso_unfinished *u, const cso_generate_options *options, cso_error *err) {
    const cso_request *request = u->job->request;
    bool stop = false;
    while (u->told < u->n_ids && !stop) {
        size_t index = u->told++, held = 0;
        bool forced = index < u->job->n_forced;
        if (options->tokenizer)
            CSO_TRY(add_token_text(u, options->tokenizer, u->ids[index], forced, &held, err));
        cso_reply_token token = {.id = u->ids[index],
                                 .forced = forced,
                                 .logp = u->logps ? u->logps[index] : NAN,
                                 .top = request->n_top ? u->top + index * request->n_top : NULL};
        CSO_TRY(tell(u, options, &token, u->size - held, &stop, err));
    }
    if (stop && (!u->ended || u->told < u->n_ids)) {
        u->ended = true;
        u->finish = CSO_FINISH_CANCELLED;
        u->n_ids = u->told;
    }
    return CSO_OK;
}

cso_status cso_unfinished_finish(cso_unfinished *u, const cso_generate_options *options, cso_error *err) {
    const cso_job *job = u->job;
    if (options->tokenizer && !u->stopped) { /* bytes of a character that was not finished */
        CSO_TRY(cso_token_stream_flush(&u->stream, err));
        CSO_TRY(add_chosen_text(u, err));
    }
    if (u->shown < u->size) {
        cso_reply_token rest = {.id = -1, .logp = NAN};
        bool stop = false;
        CSO_TRY(tell(u, options, &rest, u->size, &stop, err));
    }
    const cso_reply reply = {.request = job->request,
                             .number = u->number,
                             .ids = u->ids,
                             .n_ids = u->n_ids,
                             .n_forced = job->n_forced < u->n_ids ? job->n_forced : u->n_ids,
                             .text = u->text,
                             .size = u->size,
                             .finish = u->finish,
                             .logps = u->logps,
                             .top = job->request->n_top ? u->top : NULL};
    return options->finished ? options->finished(options->context, &reply, err) : CSO_OK;
}

/* generate_batch.c - see generate_batch.h. */
#include "generate_batch.h"

#include "base/signals.h"
#include "programs/common/busy_line.h"
#include "programs/common/reply_file.h"
#include "reply_line.h"
#include "reply_request.h"
#include "row_scores.h"

#include <stdlib.h>
#include <string.h>

typedef struct batch {
    generate_session *session;
    const prompt_rows *rows;
    reply_file *file;
    row_scores *scores;
    bool origins;        /* lines say what replies were made of */
    reply_origin common; /* model and adapter */
    size_t next_row;
    reply_request *open;     /* of which replies are being made */
    reply_request *finished; /* freed when the decoder asks for the next one */
    busy_line line;
} batch;

static cso_status row_origin(const batch *b, const prompt_row *row, reply_origin *origin, cso_error *err) {
    cso_text options = {0};
    reply_options_text(row->options, &options);
    for (size_t i = 0; row->options->strategy_probabilities && i < b->session->strategies->count; i++)
        cso_text_add(&options, b->session->strategies->items[i].name, strlen(b->session->strategies->items[i].name) + 1);
    *origin = b->common;
    reply_digest(row->ids.ids, row->ids.count * sizeof *row->ids.ids, origin->prompt);
    reply_digest(options.data, options.size, origin->options);
    bool failed = options.failed;
    free(options.data);
    return failed ? cso_fail_memory(err, "a prompt") : CSO_OK;
}

/* A reply_expected. */
static cso_status expect(void *context, size_t position, reply_key *key, reply_origin *origin, cso_error *err) {
    const batch *b = context;
    const prompt_row *row = prompt_rows_of_reply(b->rows, position);
    *key = (reply_key){row->index, row->turn, position - row->first};
    return origin ? row_origin(b, row, origin, err) : CSO_OK;
}

static void free_list(reply_request **list) {
    while (*list) {
        reply_request *next = (*list)->next;
        reply_request_free(*list);
        *list = next;
    }
}

/* A row_is_done_fn. */
static bool row_is_done(const void *context, const prompt_row *row) {
    const batch *b = context;
    for (size_t i = 0; i < row->options->n; i++)
        if (!reply_file_has(b->file, row->first + i))
            return false;
    return true;
}

static cso_status stop_if_asked(cso_error *err) {
    return cso_signals_stop() ? cso_fail(err, CSO_STOPPED, "stopped by signal %d", cso_signals_stop()) : CSO_OK;
}

static cso_status next_request(void *context, const cso_request **request, cso_error *err) {
    batch *b = context;
    CSO_TRY(stop_if_asked(err));
    free_list(&b->finished);
    *request = NULL;
    while (b->next_row < b->rows->count && row_is_done(b, &b->rows->items[b->next_row]))
        b->next_row++;
    if (b->next_row == b->rows->count)
        return CSO_OK;
    reply_request *made;
    CSO_TRY(row_scores_make(b->scores, b->next_row, err));
    CSO_TRY(reply_request_create(&made, b->session, &b->rows->items[b->next_row++], err));
    made->next = b->open;
    b->open = made;
    *request = &made->request;
    return CSO_OK;
}

static cso_status take_token(void *context, const cso_reply_token *token, bool *stop, cso_error *err) {
    batch *b = context;
    (void)stop;
    b->line.work += token->id >= 0 && !token->forced;
    return stop_if_asked(err);
}

static void close_request(batch *b, reply_request *request) {
    reply_request **at = &b->open;
    while (*at != request)
        at = &(*at)->next;
    *at = request->next;
    request->next = b->finished;
    b->finished = request;
}

static cso_status take_reply(void *context, const cso_reply *reply, cso_error *err) {
    batch *b = context;
    reply_request *request = reply->request->owner;
    size_t position = request->row->first + reply->number;
    reply_origin origin;
    cso_text line = {0};
    cso_status status = CSO_OK;
    if (!reply_file_has(b->file, position)) {
        const reply_line_parts parts = {b->session->base.tokenizer, request->row, b->session->strategies,
                                        row_scores_of(b->scores, request->row), b->origins ? &origin : NULL};
        if (b->origins)
            CSO_TRY(row_origin(b, request->row, &origin, err));
        status = reply_line_add(&line, &parts, reply, err);
    }
    if (!--request->left) {
        row_scores_drop(b->scores, request->row);
        close_request(b, request);
    }
    if (!line.data)
        return status;
    if (status != CSO_OK) {
        free(line.data);
        return status;
    }
    b->line.done++;
    busy_line_hide(&b->line);
    return reply_file_add(b->file, position, line.data, line.size, err);
}

/* What is wrong with a row's options, before any reply is made. */
static cso_status check_rows(const batch *b, const cso_generate_options *options, cso_error *err) {
    for (size_t i = 0; i < b->rows->count; i++) {
        const prompt_row *row = &b->rows->items[i];
        reply_request *request;
        CSO_TRY(reply_request_create(&request, b->session, row, err));
        cso_status status = cso_request_check(&request->request, options, b->session->decoder, err);
        reply_request_free(request);
        if (status != CSO_OK)
            cso_error_prefix(err, status, "%s", row->place);
        if (status == CSO_ERR_USAGE && row->options != b->session->defaults)
            status = CSO_ERR_INPUT;
        CSO_TRY(status);
    }
    return CSO_OK;
}

static cso_status run(batch *b, const char *out, cso_error *err) {
    generate_session *s = b->session;
    cso_generate_options options = generate_session_options(s);
    options.context = b;
    options.next = next_request;
    options.token = take_token;
    options.finished = take_reply;
    CSO_TRY(check_rows(b, &options, err));
    if (out)
        reply_origin_model(&b->common, &s->base, s->adapter, s->arguments->compute);
    CSO_TRY(reply_file_open(&b->file, out, b->rows->replies, expect, b, err));
    size_t kept = reply_file_count(b->file);
    if (kept == b->rows->replies)
        return reply_file_end(b->file, err);
    CSO_TRY(row_scores_open(&b->scores, s, b->rows, row_is_done, b, err));
    cso_signals_step(0, "replies that are not written yet are lost");
    busy_line_start(&b->line, s->ctx->pool, "generating", "replies", false);
    b->line.most = b->rows->replies - kept;
    b->line.work_unit = "tokens";
    cso_status status = cso_generate(s->decoder, &options, err);
    busy_line_end(&b->line);
    cso_status ended = reply_file_end(b->file, status == CSO_OK ? err : NULL); /* also of a run that failed */
    return status == CSO_OK ? ended : status;
}

cso_status generate_batch(generate_session *session, const prompt_rows *rows, const char *out, cso_error *err) {
    batch b = {.session = session, .rows = rows, .origins = out != NULL};
    cso_status status = run(&b, out, err);
    free_list(&b.finished);
    free_list(&b.open);
    row_scores_close(b.scores);
    reply_file_close(b.file);
    return status;
}

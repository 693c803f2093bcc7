#include "generate.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

enum { DEFAULT_LEAVES = 16 };

/* Replies that are being made, a place each. */
typedef struct greedy {
    cso_decoder *decoder;
    const cso_generation *list;
    size_t n, begun; /* replies of the list; those that were begun */
    const cso_generate_options *options;
    size_t vocab;
    size_t live;     /* of the following arrays */
    cso_feed *feeds; /* what the next step does */
    size_t *which;   /* of the list */
    size_t *made;    /* tokens of the reply so far */
    int32_t *last;   /* its last token */
} greedy;

static int32_t most_probable(const float *logits, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (logits[i] > logits[best])
            best = i;
    return (int32_t)best;
}

static bool is_stop(int32_t id, const cso_generate_options *options) {
    for (size_t i = 0; i < options->n_stops; i++)
        if (options->stops[i] == id)
            return true;
    return false;
}

/* New replies take the free places. */
static cso_status begin_replies(greedy *g, size_t places, cso_error *err) {
    for (; g->live < places && g->begun < g->n; g->begun++) {
        const cso_generation *reply = &g->list[g->begun];
        cso_session *session;
        CSO_TRY(cso_session_open(&session, g->decoder, reply->adapter, err));
        g->feeds[g->live] = (cso_feed){.session = session, .ids = reply->prompt, .count = reply->n_prompt, .n_logits = 1};
        g->which[g->live] = g->begun;
        g->made[g->live++] = 0;
    }
    return CSO_OK;
}

/* The last place moves to the one that is free now. */
static void end_reply(greedy *g, size_t place) {
    size_t last = --g->live;
    cso_session_drop(g->feeds[place].session);
    g->feeds[place] = g->feeds[last];
    g->which[place] = g->which[last];
    g->made[place] = g->made[last];
    g->last[place] = g->last[last];
}

/* Takes a token from the logits of the last step. */
static cso_status take_token(greedy *g, size_t place, bool *ended, cso_error *err) {
    const cso_generate_options *options = g->options;
    const float *logits = g->feeds[place].logits;
    cso_ids *reply = g->list[g->which[place]].reply;
    int32_t id = most_probable(logits, g->vocab);
    if (!isfinite(logits[id]))
        return cso_fail(err, CSO_ERR_NUMERIC, "the logits after %zu tokens are not finite",
                        cso_session_length(g->feeds[place].session));
    *ended = true;
    if (is_stop(id, options))
        return CSO_OK;
    if (!cso_grow(&reply->ids, &reply->capacity, reply->count + 1, sizeof *reply->ids))
        return cso_fail_memory(err, "a reply");
    reply->ids[reply->count++] = g->last[place] = id;
    bool stop = false;
    if (options->token)
        CSO_TRY(options->token(options->context, g->which[place], id, &stop, err));
    *ended = stop || ++g->made[place] == options->max_tokens;
    g->feeds[place].count = 1;
    return CSO_OK;
}

static cso_status make_replies(greedy *g, size_t places, cso_error *err) {
    for (;;) {
        CSO_TRY(begin_replies(g, places, err));
        if (!g->live)
            return CSO_OK;
        for (size_t i = 0; i < g->live; i++)
            if (g->made[i])
                g->feeds[i].ids = &g->last[i];
        CSO_TRY(cso_decode_step(g->decoder, g->feeds, g->live, err));
        for (size_t i = g->live; i-- > 0;) { /* from the end, so that the one that moves is done */
            bool ended = false;
            CSO_TRY(take_token(g, i, &ended, err));
            if (ended)
                end_reply(g, i);
        }
    }
}

cso_status cso_generate_greedy(cso_decoder *decoder, const cso_generation *list, size_t n, const cso_generate_options *options,
                               cso_error *err) {
    size_t places = options->leaves ? options->leaves : DEFAULT_LEAVES, rows = cso_decoder_model(decoder)->hparams.vocab;
    places = places < n ? places : n;
    greedy g = {.decoder = decoder,
                .list = list,
                .n = options->max_tokens ? n : 0,
                .options = options,
                .vocab = options->vocab && options->vocab < rows ? options->vocab : rows,
                .feeds = cso_calloc(places, sizeof *g.feeds),
                .which = cso_calloc(places, sizeof *g.which),
                .made = cso_calloc(places, sizeof *g.made),
                .last = cso_calloc(places, sizeof *g.last)};
    cso_status status = g.feeds && g.which && g.made && g.last ? make_replies(&g, places, err) : cso_fail_memory(err, "replies");
    for (size_t i = 0; i < g.live; i++)
        cso_session_drop(g.feeds[i].session);
    free(g.feeds);
    free(g.which);
    free(g.made);
    free(g.last);
    return status;
}

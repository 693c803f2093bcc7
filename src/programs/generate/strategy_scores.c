/* strategy_scores.c - see strategy_scores.h. */
#include "strategy_scores.h"

#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cso_status strategy_scores(const generate_session *s, const cso_ids *prompt, double *probabilities, cso_error *err) {
    size_t n = s->strategies->count, V = s->base.model->hparams.vocab;
    double best = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) {
        char text[512];
        cso_ids ids = {0};
        snprintf(text, sizeof text, "(%s)", s->strategies->items[i].name);
        CSO_TRY(cso_ids_add(&ids, prompt->ids, prompt->count, err));
        CSO_TRY(cso_tokenizer_encode(s->base.tokenizer, text, strlen(text), false, &ids, err));
        cso_session *session;
        CSO_TRY(cso_session_open(&session, s->decoder, s->adapter, err));
        cso_feed feed = {.session = session, .ids = ids.ids, .count = ids.count, .n_logits = ids.count - prompt->count + 1};
        CSO_TRY(cso_decode_step(s->decoder, &feed, 1, err));
        probabilities[i] = 0;
        for (size_t k = 0; k + 1 < feed.n_logits; k++)
            probabilities[i] += cso_logits_logp(s->decoder, feed.logits + k * V, ids.ids[prompt->count + k]);
        cso_session_drop(session);
        free(ids.ids);
        best = probabilities[i] > best ? probabilities[i] : best;
    }
    for (size_t i = 0; i < n; i++)
        sum += probabilities[i] = exp(probabilities[i] - best);
    for (size_t i = 0; i < n; i++)
        probabilities[i] /= sum;
    return CSO_OK;
}

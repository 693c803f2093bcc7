/* turn_scores.c - see turn_scores.h. */
#include "turn_scores.h"

#include "base/memory.h"
#include "decode/choices.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LOGIT_BYTES = 128 << 20, MOST_TURNS = 64 };

void turn_scores_free(turn_scores *scores) {
    free(scores->probabilities);
    free(scores->logps);
    *scores = (turn_scores){0};
}

size_t turn_scores_batch(const dialogue_turn *turns, size_t count, const name_ids *names, size_t vocab) {
    size_t rows = 0, n = 0;
    for (; n < count && n < MOST_TURNS; n++) {
        const dialogue_turn *t = &turns[n];
        rows += name_ids_tokens(names);
        for (size_t i = 0; i < t->n_replies; i++)
            rows += t->replies[i].ids.count - t->start;
        if (n && (t->index != turns[0].index || rows > MOST_LOGIT_BYTES / sizeof(float) / vocab))
            break;
    }
    return n;
}

/* The work on one call. */
typedef struct scoring {
    cso_decoder *decoder;
    const cso_adapter *adapter;
    const dialogue_turn *const *turns; /* (count) */
    size_t count;
    const name_ids *names;
    turn_scores *scores;
    cso_session **sessions; /* (count) prompt and reference */
    cso_feed *feeds;        /* (count) */
    cso_choice_set *sets;   /* (2 count) names, worse replies */
    cso_choice *choices;    /* of all sets */
    size_t n_sets, n_choices;
} scoring;

/* The reference of each turn: rows from that before its first token on. */
static cso_status score_references(scoring *s, cso_error *err) {
    size_t vocab = cso_decoder_model(s->decoder)->hparams.vocab;
    for (size_t i = 0; i < s->count; i++) {
        const dialogue_turn *t = s->turns[i];
        const cso_ids *ids = &t->replies[0].ids;
        CSO_TRY(cso_session_open(&s->sessions[i], s->decoder, s->adapter, err));
        s->feeds[i] =
            (cso_feed){.session = s->sessions[i], .ids = ids->ids, .count = ids->count - 1, .n_logits = ids->count - t->start};
    }
    CSO_TRY(cso_decode_step(s->decoder, s->feeds, s->count, err));
    for (size_t i = 0; i < s->count; i++) {
        const dialogue_turn *t = s->turns[i];
        const cso_ids *ids = &t->replies[0].ids;
        double logp = 0;
        for (size_t k = t->start; k < ids->count; k++)
            logp += cso_logits_logp(s->decoder, s->feeds[i].logits + (k - t->start) * vocab, ids->ids[k]);
        if (!isfinite(logp))
            return cso_fail(err, CSO_ERR_NUMERIC, "%s: the log-probability of messages[%zu] is not finite", t->place, t->turn);
        s->scores[i].logps[0] = logp;
    }
    return CSO_OK;
}

/* The names behind the prompt, and the worse replies where all replies begin. */
static void plan_sets(scoring *s, const dialogue_turn *t) {
    cso_choice *first = s->choices + s->n_choices;
    for (size_t k = 0; k < s->names->count; k++)
        first[k] = (cso_choice){.ids = s->names->items[k].ids, .count = s->names->items[k].count};
    s->n_choices += s->names->count;
    s->sets[s->n_sets++] = (cso_choice_set){
        .adapter = s->adapter, .prompt = t->prompt.ids, .n_prompt = t->prompt.count, .choices = first, .n = s->names->count};
    if (t->n_replies < 2)
        return;
    first = s->choices + s->n_choices;
    for (size_t k = 1; k < t->n_replies; k++)
        first[k - 1] = (cso_choice){.ids = t->replies[k].ids.ids + t->start, .count = t->replies[k].ids.count - t->start};
    s->n_choices += t->n_replies - 1;
    s->sets[s->n_sets++] = (cso_choice_set){
        .adapter = s->adapter, .prompt = t->prompt.ids, .n_prompt = t->start, .choices = first, .n = t->n_replies - 1};
}

static cso_status score_branches(scoring *s, cso_error *err) {
    for (size_t i = 0; i < s->count; i++)
        plan_sets(s, s->turns[i]);
    cso_status status = cso_choices_score(s->decoder, s->sets, s->n_sets, err);
    if (status != CSO_OK)
        return cso_error_prefix(err, status, "%s", s->turns[0]->place);
    const cso_choice *choice = s->choices;
    for (size_t i = 0; i < s->count; i++) {
        for (size_t k = 0; k < s->names->count; k++)
            s->scores[i].probabilities[k] = (choice++)->probability;
        for (size_t k = 1; k < s->turns[i]->n_replies; k++)
            s->scores[i].logps[k] = (choice++)->logp;
    }
    return CSO_OK;
}

static cso_status allocate(scoring *s, cso_error *err) {
    size_t choices = 0;
    bool there = true;
    for (size_t i = 0; i < s->count; i++) {
        choices += s->names->count + s->turns[i]->n_replies;
        s->scores[i].probabilities = cso_calloc(s->names->count, sizeof(double));
        s->scores[i].logps = cso_calloc(s->turns[i]->n_replies, sizeof(double));
        there = there && s->scores[i].probabilities && s->scores[i].logps;
    }
    s->sessions = cso_calloc(s->count, sizeof *s->sessions);
    s->feeds = cso_calloc(s->count, sizeof *s->feeds);
    s->sets = cso_calloc(2 * s->count, sizeof *s->sets);
    s->choices = cso_calloc(choices, sizeof *s->choices);
    return there && s->sessions && s->feeds && s->sets && s->choices ? CSO_OK : cso_fail_memory(err, "turns");
}

cso_status turn_scores_compute(cso_decoder *decoder, const cso_adapter *adapter, const dialogue_turn *const *turns, size_t count,
                               const name_ids *names, turn_scores *scores, cso_error *err) {
    scoring s = {.decoder = decoder, .adapter = adapter, .turns = turns, .count = count, .names = names, .scores = scores};
    cso_status status = allocate(&s, err);
    if (status == CSO_OK)
        status = score_references(&s, err);
    if (status == CSO_OK)
        status = score_branches(&s, err);
    for (size_t i = 0; s.sessions && i < count; i++)
        cso_session_drop(s.sessions[i]);
    free(s.sessions);
    free(s.feeds);
    free(s.sets);
    free(s.choices);
    return status;
}

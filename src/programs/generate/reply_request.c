/* reply_request.c - see reply_request.h. */
#include "reply_request.h"

#include "base/memory.h"
#include "programs/common/reply_origin.h"

#include <stdlib.h>
#include <string.h>

static cso_sampling sampling_of(const reply_options *o) {
    return (cso_sampling){.temperature = o->temperature,
                          .top_k = o->top_k,
                          .top_p = o->top_p,
                          .min_p = o->min_p,
                          .repetition_penalty = o->repetition_penalty,
                          .presence_penalty = o->presence_penalty,
                          .frequency_penalty = o->frequency_penalty,
                          .seed = o->seed};
}

/* "(STRATEGY) PREFIX": without the blank where nothing follows, because in training the next word begins with it. */
static cso_status set_prefix(reply_request *r, const reply_options *o, cso_error *err) {
    const char *prefix = o->prefix ? o->prefix : "";
    if (o->strategy)
        r->prefix = cso_format("(%s)%s%s", o->strategy, prefix[0] ? " " : "", prefix);
    else if (prefix[0])
        r->prefix = cso_strdup(prefix);
    if (!r->prefix && (o->strategy || prefix[0]))
        return cso_fail_memory(err, "a prompt");
    r->request.prefix = r->prefix;
    return CSO_OK;
}

static cso_status set_bias(reply_request *r, const bias_list *list, cso_error *err) {
    if (!list->count)
        return CSO_OK;
    r->bias = cso_calloc(list->count, sizeof *r->bias);
    if (!r->bias)
        return cso_fail_memory(err, "a prompt");
    for (size_t i = 0; i < list->count; i++)
        r->bias[i] = (cso_logit_bias){(int32_t)list->items[i].id, (float)list->items[i].bias};
    r->request.sampling.bias = r->bias;
    r->request.sampling.n_bias = list->count;
    return CSO_OK;
}

static cso_status fill(reply_request *r, const generate_session *s, const prompt_row *row, cso_error *err) {
    const reply_options *o = row->options;
    r->row = row;
    r->constraints = s->constraints;
    r->left = o->n;
    r->stops[0] = cso_chat_end_of_turn(s->base.chat, s->base.tokenizer);
    r->stops[1] = cso_tokenizer_eos(s->base.tokenizer);
    r->request = (cso_request){.name = row->place,
                               .owner = r,
                               .adapter = s->adapter,
                               .prompt = row->ids.ids,
                               .n_prompt = row->ids.count,
                               .sampling = sampling_of(o),
                               .sequence = reply_sequence(&row->ids),
                               .n = o->n,
                               .max_tokens = o->max_tokens,
                               .stops = r->stops,
                               .n_stops = 2,
                               .stop_texts = (const char *const *)o->stop.items,
                               .n_stop_texts = o->stop.count,
                               .logps = o->logprobs,
                               .n_top = o->alternatives};
    CSO_TRY(reply_constraints_get(s->constraints, o, row->place, &r->request.constraint, err));
    CSO_TRY(set_prefix(r, o, err));
    return set_bias(r, &o->logit_bias, err);
}

cso_status reply_request_create(reply_request **request, const generate_session *s, const prompt_row *row, cso_error *err) {
    reply_request *r = *request = cso_calloc(1, sizeof *r);
    if (!r)
        return cso_fail_memory(err, "a prompt");
    cso_status status = fill(r, s, row, err);
    if (status != CSO_OK) {
        reply_request_free(r);
        *request = NULL;
    }
    return status;
}

void reply_request_free(reply_request *r) {
    if (!r)
        return;
    reply_constraints_give_back(r->constraints, r->request.constraint);
    free(r->prefix);
    free(r->bias);
    free(r);
}

/* generate_jump.c - text that must come next, without asking the model. */
#include "generate_parts.h"

#include <stdlib.h>

enum { LONGEST_JUMP = 512 };

/* Whether the constraint takes the ids, below vocab: it does not where they write other bytes than the text, as for bytes that are not
 * whole characters. *state: behind them. */
static bool take_all(const cso_constraint *constraint, cso_constraint_state *state, const cso_ids *ids, size_t vocab) {
    for (size_t i = 0; i < ids->count; i++)
        if ((size_t)ids->ids[i] >= vocab || !cso_constraint_advance(constraint, state, ids->ids[i]))
            return false;
    return true;
}

cso_status cso_unfinished_jump(cso_unfinished *u, const cso_decoder *decoder, const cso_tokenizer *tokenizer, size_t vocab,
                               cso_error *err) {
    const cso_request *request = u->job->request;
    const cso_constraint *constraint = request->constraint;
    size_t left = request->max_tokens - (u->n_ids - u->job->n_forced);
    cso_constraint_state state = u->state;
    char text[LONGEST_JUMP];
    cso_ids ids = {0};
    size_t size = cso_constraint_forced(constraint, &state, text, sizeof text);
    if (!size)
        return CSO_OK;
    cso_status status = cso_tokenizer_encode(tokenizer, text, size, false, &ids, err);
    ids.count = ids.count < left ? ids.count : left;
    if (status == CSO_OK && take_all(constraint, &state, &ids, vocab)) {
        u->state = state;
        for (size_t i = 0; status == CSO_OK && i < ids.count; i++)
            status = cso_unfinished_add(u, decoder, NULL, vocab, ids.ids[i], err);
    }
    free(ids.ids);
    return status;
}

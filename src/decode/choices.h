/* choices.h - how probable each of some continuations is: alternatives after one beginning, exactly, in two steps.
 *
 * The first step computes the beginning and what all choices begin with, the second the rest; a row of logits that several choices need
 * is computed once. A choice's log-probability is the sum over its tokens, each given all tokens before it; with an exact decoder
 * it equals that of score.h up to rounding.
 */
#ifndef CSO_CHOICES_H
#define CSO_CHOICES_H

#include "base/status.h"
#include "decoder.h"

#include <stddef.h>
#include <stdint.h>

typedef struct cso_choice {
    const int32_t *ids; /* (count > 0) */
    size_t count;
    double logp;        /* result: natural logarithm, by the model's own distribution */
    double probability; /* result: exp(logp) as a part of the sum over all choices of the set */
} cso_choice;

/* Alternatives after one beginning: the session's tokens, then the prompt's, one at least. */
typedef struct cso_choice_set {
    const cso_session *session; /* stays as it is; NULL: the beginning is the prompt alone */
    const cso_adapter *adapter; /* where there is no session; NULL: the base model */
    const int32_t *prompt;      /* (n_prompt) */
    size_t n_prompt;
    cso_choice *choices; /* (n > 0) */
    size_t n;
} cso_choice_set;

/* Several sets at once. The steps need memory for a row of logits for each token of the choices. Errors: CSO_ERR_USAGE (a set without
 * a beginning or choices, or an empty choice), CSO_ERR_INPUT (ids), CSO_ERR_SYSTEM (memory), CSO_ERR_NUMERIC (logits that are NaN). */
cso_status cso_choices_score(cso_decoder *decoder, const cso_choice_set *sets, size_t n, cso_error *err);

#endif

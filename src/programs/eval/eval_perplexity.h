/* eval_perplexity.h - cso-eval perplexity: how well a model predicts a text, as it decodes. */
#ifndef CSO_EVAL_PERPLEXITY_H
#define CSO_EVAL_PERPLEXITY_H

#include "api/open_model.h"
#include "decode/decoder.h"

#include <stdio.h>

typedef struct perplexity_options {
    const char *file; /* plain text; "-": standard input */
    size_t window;    /* tokens that are computed as one sequence, > 1 */
    cso_decode_compute compute;
} perplexity_options;

/* Cuts the text's tokens into windows, each behind BOS where the tokenizer adds one; the last may be shorter. Of every token after
 * a window's first the log-probability is taken: perplexity = exp(-mean). One object goes to out:
 * {"perplexity", "nll" (-mean, in nats), "tokens", "windows"}. adapter NULL: the base model. */
cso_status print_perplexity(FILE *out, const perplexity_options *options, const opened_model *base, cso_context *ctx,
                            const cso_adapter *adapter, cso_error *err);

#endif

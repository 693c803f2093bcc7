#include "eval_perplexity.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "programs/common/busy_line.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TEXT = 1 << 30 };

/* A text that is read, and what is summed up over its windows. */
typedef struct reading {
    const perplexity_options *options;
    const opened_model *base;
    const cso_adapter *adapter;
    cso_decoder *decoder;
    int32_t *window; /* (options->window) */
    double nll;
    size_t tokens, windows;
} reading;

/* The window holds `count` tokens, BOS included. */
static cso_status add_window(reading *r, size_t count, cso_error *err) {
    cso_session *session;
    size_t vocab = cso_decoder_model(r->decoder)->hparams.vocab;
    CSO_TRY(cso_session_open(&session, r->decoder, r->adapter, err));
    cso_feed feed = {.session = session, .ids = r->window, .count = count, .n_logits = count};
    cso_status status = cso_decode_step(r->decoder, &feed, 1, err);
    for (size_t i = 0; status == CSO_OK && i + 1 < count; i++) {
        double logp = cso_logits_logp(r->decoder, feed.logits + i * vocab, r->window[i + 1]);
        if (!isfinite(logp))
            status =
                cso_fail(err, CSO_ERR_NUMERIC, "the log-probability of token %zu of window %zu is not finite", i + 1, r->windows);
        r->nll -= logp;
    }
    r->tokens += count - 1;
    r->windows++;
    cso_session_drop(session);
    return status;
}

static cso_status add_windows(reading *r, const cso_ids *ids, cso_error *err) {
    const cso_tokenizer *tokenizer = r->base->tokenizer;
    size_t head = cso_tokenizer_adds_bos(tokenizer) ? 1 : 0, room = r->options->window - head;
    busy_line line;
    cso_status status = CSO_OK;
    r->window[0] = cso_tokenizer_bos(tokenizer);
    busy_line_start(&line, cso_decoder_context(r->decoder)->pool, "reading", "tokens", false);
    line.most = ids->count;
    for (size_t at = 0; status == CSO_OK && at < ids->count; at += room) {
        size_t count = ids->count - at < room ? ids->count - at : room;
        memcpy(r->window + head, ids->ids + at, count * sizeof *r->window);
        if (head + count > 1)
            status = add_window(r, head + count, err);
        line.done = at + count;
    }
    busy_line_end(&line);
    return status;
}

static cso_status read_text(reading *r, cso_error *err) {
    char *text = NULL;
    cso_ids ids = {0};
    size_t size;
    cso_status status;
    CSO_TRY_DONE(cso_read_file(r->options->file, MOST_TEXT, &text, &size, err));
    CSO_TRY_DONE(cso_tokenizer_encode(r->base->tokenizer, text, size, false, &ids, err));
    r->window = cso_calloc(r->options->window, sizeof *r->window);
    status = r->window ? add_windows(r, &ids, err) : cso_fail_memory(err, "a window");
    if (status == CSO_OK && !r->tokens)
        status = cso_fail(err, CSO_ERR_INPUT, "%s: %zu tokens are too few (expected a text)", cso_input_name(r->options->file),
                          ids.count);
done:
    free(r->window);
    free(ids.ids);
    free(text);
    return status;
}

cso_status print_perplexity(FILE *out, const perplexity_options *options, const opened_model *base, cso_context *ctx,
                            const cso_adapter *adapter, cso_error *err) {
    const cso_decoder_options decoding = {.compute = options->compute};
    reading r = {.options = options, .base = base, .adapter = adapter};
    CSO_TRY(cso_decoder_create(&r.decoder, ctx, base->model, &decoding, err));
    cso_status status = read_text(&r, err);
    cso_decoder_free(r.decoder);
    CSO_TRY(status);
    double nll = r.nll / (double)r.tokens;
    if (fprintf(out, "{\"perplexity\": %.6g, \"nll\": %.6g, \"tokens\": %zu, \"windows\": %zu}\n", exp(nll), nll, r.tokens,
                r.windows) < 0)
        return cso_fail_errno(err, "write", "standard output");
    return CSO_OK;
}

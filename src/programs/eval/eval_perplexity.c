#include "eval_perplexity.h"

#include "base/file.h"
#include "base/text.h"
#include "programs/common/busy_line.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TEXT = 1 << 30 };

/* What is summed up over the windows. */
typedef struct sums {
    double nll;
    size_t tokens, windows;
} sums;

/* ids (count) are a window, BOS included. */
static cso_status add_window(cso_decoder *decoder, const cso_adapter *adapter, const int32_t *ids, size_t count, sums *sum,
                             cso_error *err) {
    cso_session *session;
    size_t vocab = cso_decoder_model(decoder)->hparams.vocab;
    CSO_TRY(cso_session_open(&session, decoder, adapter, err));
    cso_feed feed = {.session = session, .ids = ids, .count = count, .n_logits = count};
    cso_status status = cso_decode_step(decoder, &feed, 1, err);
    for (size_t i = 0; status == CSO_OK && i + 1 < count; i++) {
        double logp = cso_logits_logp(decoder, feed.logits + i * vocab, ids[i + 1]);
        if (!isfinite(logp))
            status =
                cso_fail(err, CSO_ERR_NUMERIC, "the log-probability of token %zu of window %zu is not finite", i + 1, sum->windows);
        sum->nll -= logp;
    }
    sum->tokens += count - 1;
    sum->windows++;
    cso_session_drop(session);
    return status;
}

/* window (most + 1): room for one. */
static cso_status add_windows(const perplexity_options *options, const opened_model *base, cso_decoder *decoder,
                              const cso_adapter *adapter, const cso_ids *ids, int32_t *window, sums *sum, cso_error *err) {
    size_t head = cso_tokenizer_adds_bos(base->tokenizer) ? 1 : 0, room = options->window - head;
    busy_line line;
    cso_status status = CSO_OK;
    window[0] = cso_tokenizer_bos(base->tokenizer);
    busy_line_start(&line, cso_decoder_context(decoder)->pool, "reading", "tokens", false);
    line.most = ids->count;
    for (size_t at = 0; status == CSO_OK && at < ids->count; at += room) {
        size_t count = ids->count - at < room ? ids->count - at : room;
        memcpy(window + head, ids->ids + at, count * sizeof *window);
        if (head + count > 1)
            status = add_window(decoder, adapter, window, head + count, sum, err);
        line.done = at + count;
    }
    busy_line_end(&line);
    return status;
}

static cso_status measure(const perplexity_options *options, const opened_model *base, cso_decoder *decoder,
                          const cso_adapter *adapter, sums *sum, cso_error *err) {
    char *text = NULL;
    cso_ids ids = {0};
    int32_t *window = NULL;
    size_t size;
    cso_status status;
    CSO_TRY_DONE(cso_read_file(options->file, MOST_TEXT, &text, &size, err));
    CSO_TRY_DONE(cso_tokenizer_encode(base->tokenizer, text, size, false, &ids, err));
    window = calloc(options->window, sizeof *window);
    status = window ? add_windows(options, base, decoder, adapter, &ids, window, sum, err) : cso_fail_memory(err, "a window");
    if (status == CSO_OK && !sum->tokens)
        status =
            cso_fail(err, CSO_ERR_INPUT, "%s: %zu tokens are too few (expected a text)", cso_input_name(options->file), ids.count);
done:
    free(window);
    free(ids.ids);
    free(text);
    return status;
}

cso_status print_perplexity(FILE *out, const perplexity_options *options, const opened_model *base, cso_context *ctx,
                            const cso_adapter *adapter, cso_error *err) {
    const cso_decoder_options decoding = {.compute = options->compute};
    cso_decoder *decoder;
    sums sum = {0};
    CSO_TRY(cso_decoder_create(&decoder, ctx, base->model, &decoding, err));
    cso_status status = measure(options, base, decoder, adapter, &sum, err);
    cso_decoder_free(decoder);
    CSO_TRY(status);
    double nll = sum.nll / (double)sum.tokens;
    if (fprintf(out, "{\"perplexity\": %.6g, \"nll\": %.6g, \"tokens\": %zu, \"windows\": %zu}\n", exp(nll), nll, sum.tokens,
                sum.windows) < 0)
        return cso_fail_errno(err, "write", "standard output");
    return CSO_OK;
}

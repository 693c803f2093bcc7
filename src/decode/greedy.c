#include "generate.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

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

cso_status cso_generate_greedy(cso_engine *engine, const cso_adapter *adapter, const int32_t *prompt, size_t n_prompt,
                               const cso_generate_options *options, cso_ids *reply, cso_error *err) {
    size_t rows = cso_engine_vocab(engine), vocab = options->vocab && options->vocab < rows ? options->vocab : rows;
    float *logits = cso_aligned_alloc(rows, sizeof *logits);
    if (!logits)
        return cso_fail_memory(err, "logits");
    cso_status status;
    CSO_TRY_DONE(cso_engine_begin(engine, n_prompt + options->max_tokens, err));
    CSO_TRY_DONE(cso_engine_feed(engine, adapter, prompt, n_prompt, logits, err));
    bool stop = false;
    for (size_t i = 0; i < options->max_tokens && !stop; i++) {
        int32_t id = most_probable(logits, vocab);
        if (!isfinite(logits[id])) {
            status = cso_fail(err, CSO_ERR_NUMERIC, "the logits after %zu tokens are not finite", n_prompt + i);
            goto done;
        }
        if (is_stop(id, options))
            break;
        if (!cso_grow(&reply->ids, &reply->capacity, reply->count + 1, sizeof *reply->ids)) {
            status = cso_fail_memory(err, "a reply");
            goto done;
        }
        reply->ids[reply->count++] = id;
        if (options->token)
            CSO_TRY_DONE(options->token(options->context, id, &stop, err));
        if (i + 1 < options->max_tokens && !stop)
            CSO_TRY_DONE(cso_engine_feed(engine, adapter, &id, 1, logits, err));
    }
done:
    free(logits);
    return status;
}

/* decoder.c - see decoder.h. */
#include "decode_state.h"

#include "base/memory.h"

#include <stdlib.h>

enum { DEFAULT_BATCH = 256 };

cso_status cso_decoder_create(cso_decoder **decoder, cso_context *ctx, const cso_model *model, const cso_decoder_options *options,
                              cso_error *err) {
    cso_decoder *d = *decoder = cso_calloc(1, sizeof *d);
    cso_status status = CSO_OK;
    if (!d)
        return cso_fail_memory(err, "a decoder");
    d->ctx = ctx;
    d->model = model;
    d->batch = options->batch ? options->batch : DEFAULT_BATCH;
    cso_kv_tree_init(&d->tree, model, options->compute == CSO_DECODE_FAST,
                     options->memory ? options->memory : cso_memory_available() / 2);
    d->rows = cso_calloc(d->batch, sizeof *d->rows);
    status =
        d->rows ? cso_decode_products_create(&d->products, ctx, model, options->compute, err) : cso_fail_memory(err, "a decoder");
    if (status != CSO_OK) {
        cso_decoder_free(d);
        *decoder = NULL;
    }
    return status;
}

void cso_decoder_free(cso_decoder *decoder) {
    if (!decoder)
        return;
    cso_kv_tree_free(&decoder->tree);
    cso_decode_products_free(decoder->products);
    free(decoder->rows);
    free(decoder->buffers.block);
    free(decoder->low_rank);
    free(decoder->partials);
    free(decoder->rope);
    free(decoder->logits);
    free(decoder);
}

cso_context *cso_decoder_context(const cso_decoder *decoder) {
    return decoder->ctx;
}

const cso_model *cso_decoder_model(const cso_decoder *decoder) {
    return decoder->model;
}

void cso_decoder_forget(cso_decoder *decoder, const cso_adapter *adapter) {
    cso_kv_forget(&decoder->tree, adapter);
}

cso_decode_counts cso_decoder_counts(const cso_decoder *decoder) {
    cso_decode_counts counts = decoder->counts;
    counts.evicted = decoder->tree.evicted;
    counts.bytes = decoder->tree.bytes;
    counts.most_bytes = decoder->tree.most_bytes;
    return counts;
}

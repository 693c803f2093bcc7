/* open_model.c - see open_model.h. */
#include "open_model.h"

#include "base/hub.h"
#include "base/memory.h"

/* The least memory for activations, however little the machine reports free. */
static const size_t LEAST_MEMORY = (size_t)256 << 20;

cso_status open_model(opened_model *opened, const char *path, const char *tokenizer, const char *chat_template, cso_error *err) {
    cso_status status;
    *opened = (opened_model){0};
    CSO_TRY_DONE(cso_hub_hint(cso_model_open(&opened->model, path, err), path, CSO_HUB_MODEL, err));
    const cso_weights *weights = opened->model->weights;
    if (tokenizer && *tokenizer)
        CSO_TRY_DONE(cso_hub_hint(cso_tokenizer_open(&opened->tokenizer, tokenizer, err), tokenizer, CSO_HUB_MODEL, err));
    else if (weights->gguf)
        CSO_TRY_DONE(cso_tokenizer_from_gguf(&opened->tokenizer, weights->gguf, path, err));
    else
        CSO_TRY_DONE(cso_tokenizer_open(&opened->tokenizer, weights->folder, err));
    if (cso_tokenizer_vocab(opened->tokenizer) > opened->model->hparams.vocab) {
        status = cso_fail(err, CSO_ERR_INPUT, "%s: the tokenizer has %zu tokens, the model only %zu (do they belong together?)",
                          tokenizer && *tokenizer ? tokenizer : path, cso_tokenizer_vocab(opened->tokenizer),
                          opened->model->hparams.vocab);
        goto done;
    }
    if (chat_template)
        CSO_TRY_DONE(cso_chat_template_get(&opened->chat, chat_template, opened->tokenizer,
                                           tokenizer && *tokenizer ? tokenizer : path, err));
done:
    if (status != CSO_OK)
        close_model(opened);
    return status;
}

cso_status opened_model_adapter(cso_adapter **adapter, const opened_model *base, const char *folder, cso_error *err) {
    return cso_hub_hint(cso_adapter_read(adapter, base->model, folder, err), folder, CSO_HUB_MODEL, err);
}

void close_model(opened_model *opened) {
    cso_tokenizer_free(opened->tokenizer);
    cso_model_free(opened->model);
    *opened = (opened_model){0};
}

size_t opened_model_bytes(const opened_model *opened) {
    size_t bytes = 0;
    for (size_t i = 0; i < cso_weights_count(opened->model->weights); i++)
        bytes += cso_weights_at(opened->model->weights, i)->size;
    return bytes;
}

size_t memory_budget(const opened_model *opened, double gib) {
    if (gib > 0)
        return (size_t)(gib * 1024 * 1024 * 1024);
    /* The weights are mapped, not allocated, but a pass that must reread them from disk would be very slow. */
    size_t available = cso_memory_available() / 10 * 8, weights = opened_model_bytes(opened);
    return available > weights + LEAST_MEMORY ? available - weights : LEAST_MEMORY;
}

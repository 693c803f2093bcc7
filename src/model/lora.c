/* lora.c - an adapter's layout in one flat array, the table of its arrays, and the values of a new adapter. */
#include "adapter_outline.h"

#include "base/digest.h"
#include "base/memory.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "base_model.model.model.layers."

/* Gives the factors of modules first .. last, which have one input, their places: every A, then every B. */
static void place(cso_adapter *adapter, cso_lora_slot *slots, cso_module first, cso_module last) {
    for (cso_module m = first; m <= last; m++) {
        slots[m].a = adapter->n_params;
        adapter->n_params += adapter->options.rank * slots[m].in;
    }
    for (cso_module m = first; m <= last; m++) {
        slots[m].b = adapter->n_params;
        adapter->n_params += adapter->options.rank * slots[m].out;
    }
}

static void lay_out_slots(cso_adapter *adapter, const cso_model *model, const bool *adapted) {
    for (size_t layer = 0; layer < adapter->n_layers; layer++) {
        cso_lora_slot *slots = &adapter->slots[layer * CSO_MODULE_COUNT];
        for (cso_module m = 0; m < CSO_MODULE_COUNT; m++)
            if (adapted ? adapted[layer * CSO_MODULE_COUNT + m] : adapter->options.targets[m])
                slots[m] = (cso_lora_slot){.in = cso_module_in(model, m), .out = cso_module_out(model, m)};
        place(adapter, slots, CSO_Q_PROJ, CSO_V_PROJ);
        place(adapter, slots, CSO_O_PROJ, CSO_O_PROJ);
        place(adapter, slots, CSO_GATE_PROJ, CSO_UP_PROJ);
        place(adapter, slots, CSO_DOWN_PROJ, CSO_DOWN_PROJ);
    }
}

static void add_trainable(cso_adapter *adapter, size_t slot, cso_trainable item) {
    size_t layer = slot / CSO_MODULE_COUNT;
    cso_module module = (cso_module)(slot % CSO_MODULE_COUNT);
    item.group = slot;
    snprintf(item.place, sizeof item.place, "layer %zu %s", layer, cso_module_name(module));
    snprintf(item.name, sizeof item.name, PREFIX "%zu.%s%s", layer, cso_module_path(module), cso_trainable_suffix(item.kind));
    adapter->trained[adapter->n_trained++] = item;
}

static void list_trainables(cso_adapter *adapter) {
    size_t rank = adapter->options.rank;
    for (size_t i = 0; i < adapter->n_layers * CSO_MODULE_COUNT; i++) {
        const cso_lora_slot *s = &adapter->slots[i];
        if (!s->in)
            continue;
        add_trainable(adapter, i, (cso_trainable){.kind = CSO_LORA_A, .rows = rank, .columns = s->in, .offset = s->a});
        add_trainable(adapter, i, (cso_trainable){.kind = CSO_LORA_B, .rows = s->out, .columns = rank, .offset = s->b});
    }
}

cso_status cso_adapter_outline(cso_adapter **adapter, const cso_model *model, const cso_lora_options *options, const bool *adapted,
                               cso_error *err) {
    cso_adapter *a = *adapter = cso_calloc(1, sizeof *a);
    if (!a)
        return cso_fail_memory(err, "an adapter");
    a->options = *options;
    a->scale = (float)(options->alpha / (options->rslora ? sqrt((double)options->rank) : (double)options->rank));
    a->n_layers = model->hparams.n_layers;
    size_t slots = a->n_layers * CSO_MODULE_COUNT;
    a->slots = cso_calloc(slots, sizeof *a->slots);
    a->trained = cso_calloc(slots * 2, sizeof *a->trained);
    a->base = cso_strdup(model->weights->path);
    if (!a->slots || !a->trained || !a->base) {
        cso_adapter_free(a);
        *adapter = NULL;
        return cso_fail_memory(err, "an adapter");
    }
    lay_out_slots(a, model, adapted);
    list_trainables(a);
    return CSO_OK;
}

cso_status cso_adapter_allocate(cso_adapter *adapter, cso_error *err) {
    if (!(adapter->params = cso_calloc(adapter->n_params, sizeof *adapter->params)))
        return cso_fail_memory(err, "an adapter's parameters");
    return CSO_OK;
}

cso_status cso_adapter_check(const cso_model *model, const cso_lora_options *options, cso_error *err) {
    size_t targets = 0;
    for (cso_module m = 0; m < CSO_MODULE_COUNT; m++)
        targets += options->targets[m];
    if (targets == 0)
        return cso_fail(err, CSO_ERR_USAGE,
                        "lora.targets is empty (expected at least one of q_proj, k_proj, v_proj, o_proj, gate_proj, "
                        "up_proj, down_proj)");
    if (options->rank == 0 || options->rank > model->hparams.hidden)
        return cso_fail(err, CSO_ERR_USAGE, "lora.rank is %zu (expected 1 to the hidden size, %zu)", options->rank,
                        model->hparams.hidden);
    if (!(isfinite(options->alpha) && options->alpha != 0))
        return cso_fail(err, CSO_ERR_USAGE, "lora.alpha is %g (expected a number other than 0)", options->alpha);
    if (!(options->dropout >= 0 && options->dropout < 1))
        return cso_fail(err, CSO_ERR_USAGE, "lora.dropout is %g (expected 0 up to, not including, 1)", options->dropout);
    return CSO_OK;
}

/* A uniform in +-1/sqrt(in), B zero. Each A draws its own stream, so what a slot gets does not depend on the others. */
static void initialize(cso_adapter *adapter, uint64_t seed) {
    for (size_t i = 0; i < adapter->n_layers * CSO_MODULE_COUNT; i++) {
        const cso_lora_slot *slot = &adapter->slots[i];
        if (!slot->in)
            continue;
        cso_rng rng = cso_rng_make(seed, CSO_STREAM_LORA, i);
        float bound = 1.0F / sqrtf((float)slot->in);
        for (size_t j = 0; j < adapter->options.rank * slot->in; j++)
            adapter->params[slot->a + j] = (2 * cso_rng_float(&rng) - 1) * bound;
    }
}

cso_status cso_adapter_create(cso_adapter **adapter, const cso_model *model, const cso_lora_options *options, uint64_t seed,
                              cso_error *err) {
    *adapter = NULL;
    cso_adapter *fresh;
    CSO_TRY(cso_adapter_check(model, options, err));
    CSO_TRY(cso_adapter_outline(&fresh, model, options, NULL, err));
    cso_status status = cso_adapter_allocate(fresh, err);
    if (status != CSO_OK) {
        cso_adapter_free(fresh);
        return status;
    }
    initialize(fresh, seed);
    *adapter = fresh;
    return CSO_OK;
}

cso_status cso_adapter_copy(cso_adapter **copy, const cso_adapter *adapter, cso_error *err) {
    *copy = NULL;
    cso_adapter *c = cso_calloc(1, sizeof *c);
    if (!c)
        return cso_fail_memory(err, "a copy of an adapter");
    *c = *adapter;
    size_t slots = adapter->n_layers * CSO_MODULE_COUNT;
    c->slots = cso_calloc(slots, sizeof *c->slots);
    c->trained = cso_calloc(slots * 2, sizeof *c->trained);
    c->params = cso_calloc(adapter->n_params, sizeof *c->params);
    c->base = cso_strdup(adapter->base);
    if (!c->slots || !c->trained || !c->params || !c->base) {
        cso_adapter_free(c);
        return cso_fail_memory(err, "a copy of an adapter");
    }
    memcpy(c->slots, adapter->slots, slots * sizeof *c->slots);
    memcpy(c->trained, adapter->trained, adapter->n_trained * sizeof *c->trained);
    memcpy(c->params, adapter->params, adapter->n_params * sizeof *c->params);
    *copy = c;
    return CSO_OK;
}

cso_status cso_adapter_set_base(cso_adapter *adapter, const char *name, cso_error *err) {
    char *copy = cso_strdup(name);
    if (!copy)
        return cso_fail_memory(err, "the model's name");
    free(adapter->base);
    adapter->base = copy;
    return CSO_OK;
}

void cso_adapter_free(cso_adapter *adapter) {
    if (!adapter)
        return;
    free(adapter->slots);
    free(adapter->trained);
    free(adapter->params);
    free(adapter->base);
    free(adapter);
}

void cso_adapter_fingerprint(const cso_adapter *adapter, char hex[33]) {
    cso_digest digest;
    cso_digest_begin(&digest);
    double numbers[2] = {(double)adapter->options.rank, (double)adapter->scale};
    cso_digest_add(&digest, numbers, sizeof numbers);
    for (int m = 0; m < CSO_MODULE_COUNT; m++) {
        unsigned char target = adapter->options.targets[m];
        cso_digest_add(&digest, &target, 1);
    }
    /* Where layers differ, parameters alone do not say whose they are. */
    for (size_t i = 0; i < adapter->n_layers * CSO_MODULE_COUNT; i++)
        if (adapter->options.targets[i % CSO_MODULE_COUNT] && !adapter->slots[i].in)
            cso_digest_add(&digest, &i, sizeof i);
    cso_digest_add(&digest, adapter->params, adapter->n_params * sizeof *adapter->params);
    cso_digest_hex(&digest, hex);
}

/* additions.c - the kinds of adapters, and no adapter. */
#include "addition.h"

static const cso_addition *const additions[CSO_ADAPTER_KINDS] = {[CSO_ADAPTER_LORA] = &cso_add_lora};

const cso_addition cso_add_nothing = {.weights = cso_stored_weights};

const cso_addition *cso_addition_of(const cso_adapter *adapter) {
    return adapter ? additions[adapter->kind] : &cso_add_nothing;
}

cso_projection cso_stored_weights(const cso_engine *engine, const cso_linear *linear, int j) {
    const cso_layer *layer = &engine->model->layers[linear->layer];
    cso_module module = linear->first + (cso_module)j;
    return (cso_projection){&layer->linear[module], layer->bias[module]};
}

void cso_addition_measure(const cso_adapter *adapter, bool backward, cso_shape *shape) {
    const cso_addition *adds = cso_addition_of(adapter);
    shape->rank = 0;
    shape->dropout = false;
    if (adds->measure)
        adds->measure(adapter, backward, shape);
}

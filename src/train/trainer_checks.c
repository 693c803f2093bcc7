/* trainer_checks.c - guards: gradients that are no numbers, and gradients that never arrive. */
#include "trainer_parts.h"

#include <math.h>
#include <stdio.h>

/* A weight this small may leave no trace in f32 gradients. */
static const double WEIGHT_THAT_COUNTS = 1e-12;

static bool all_zero(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (x[i] != 0)
            return false;
    return true;
}

static bool all_finite(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

cso_status trainer_check_reached(trainer *t, const cso_batch_result *result, cso_error *err) {
    const cso_adapter *adapter = t->job->adapter;
    if (t->reached || !(result->largest_weight > WEIGHT_THAT_COUNTS))
        return CSO_OK;
    for (size_t layer = 0; layer < adapter->n_layers; layer++)
        for (int m = 0; m < CSO_MODULE_COUNT; m++) {
            const cso_lora_slot *slot = cso_adapter_slot(adapter, layer, (cso_module)m);
            size_t rank = adapter->options.rank;
            /* Either may be zero rightly: A's while B is zero, and the other way round. */
            if (slot->in && all_zero(t->grads + slot->a, rank * slot->in) && all_zero(t->grads + slot->b, rank * slot->out))
                return cso_fail(err, CSO_ERR_INTERNAL, "step %zu: no gradient reaches the adapter of layer %zu, %s",
                                t->state.step + 1, layer, cso_module_name((cso_module)m));
        }
    t->reached = true;
    return CSO_OK;
}

cso_status trainer_check_finite(const trainer *t, double norm, const size_t *pairs, size_t n, cso_error *err) {
    const cso_adapter *adapter = t->job->adapter;
    char records[200] = "";
    int used = 0;
    if (isfinite(norm))
        return CSO_OK;
    for (size_t i = 0; i < n && used >= 0 && used < (int)sizeof records - 30; i++)
        used += snprintf(records + used, sizeof records - (size_t)used, "%s%zu", i ? ", " : "",
                         t->job->train->pairs[pairs[i]].record + 1);
    for (size_t layer = 0; layer < adapter->n_layers; layer++)
        for (int m = 0; m < CSO_MODULE_COUNT; m++) {
            const cso_lora_slot *slot = cso_adapter_slot(adapter, layer, (cso_module)m);
            size_t rank = adapter->options.rank;
            if (slot->in && !(all_finite(t->grads + slot->a, rank * slot->in) && all_finite(t->grads + slot->b, rank * slot->out)))
                return cso_fail(err, CSO_ERR_NUMERIC, "the gradient of layer %zu, %s is no finite number (records %s)", layer,
                                cso_module_name((cso_module)m), records);
        }
    return cso_fail(err, CSO_ERR_NUMERIC, "the norm of the gradient is %f (records %s)", norm, records);
}

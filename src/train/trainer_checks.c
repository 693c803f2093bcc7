/* trainer_checks.c - guards: numbers that are none, and gradients that never arrive. */
#include "trainer_parts.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>

/* A weight this small may leave no trace in f32 gradients. */
static const double WEIGHT_THAT_COUNTS = 1e-12;

static bool all_zero(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (x[i] != 0)
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

/* The matrix that parameter i belongs to: "layer 3 q_proj lora_A". */
static void name_matrix(const cso_adapter *adapter, size_t i, char *name, size_t size) {
    snprintf(name, size, "parameter %zu", i);
    for (size_t layer = 0; layer < adapter->n_layers; layer++)
        for (int m = 0; m < CSO_MODULE_COUNT; m++) {
            const cso_lora_slot *slot = cso_adapter_slot(adapter, layer, (cso_module)m);
            size_t in_a = i - slot->a, in_b = i - slot->b; /* huge where i comes before */
            bool a = in_a < adapter->options.rank * slot->in, b = in_b < adapter->options.rank * slot->out;
            if (a || b)
                snprintf(name, size, "layer %zu %s lora_%c", layer, cso_module_name((cso_module)m), a ? 'A' : 'B');
        }
}

/* "record 7", or "records 3, 4, 7", as many as fit. */
static void name_records(const trainer *t, const size_t *pairs, size_t n, char *text, size_t size) {
    size_t used = (size_t)snprintf(text, size, n == 1 ? "record " : "records "), last = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        size_t record = t->job->train->pairs[pairs[i]].record;
        if (record == last) /* the pairs of a dialogue's tree come from one */
            continue;
        if (size - used < 32) {
            snprintf(text + used, size - used, ", ...");
            return;
        }
        used += (size_t)snprintf(text + used, size - used, "%s%zu", last == SIZE_MAX ? "" : ", ", record + 1);
        last = record;
    }
}

static size_t first_not_finite(const float *x, size_t n) {
    size_t i = 0;
    while (i < n && isfinite(x[i]))
        i++;
    return i;
}

cso_status trainer_check_gradient(const trainer *t, double norm, const size_t *pairs, size_t n, cso_error *err) {
    char records[120], matrix[80];
    if (isfinite(norm))
        return CSO_OK;
    size_t i = first_not_finite(t->grads, t->adamw.n);
    name_records(t, pairs, n, records, sizeof records);
    if (i == t->adamw.n)
        return cso_fail(err, CSO_ERR_NUMERIC, "the norm of the gradient is %f (%s)", norm, records);
    name_matrix(t->job->adapter, i, matrix, sizeof matrix);
    return cso_fail(err, CSO_ERR_NUMERIC, "%s: a gradient is %f (%s)", matrix, t->grads[i], records);
}

cso_status trainer_check_update(const trainer *t, double scale, double rate, const size_t *pairs, size_t n, cso_error *err) {
    char records[120], matrix[80];
    size_t i = cso_adamw_overflow(&t->adamw, cso_engine_context(t->job->engine), t->job->adapter->params, t->grads, scale, rate);
    if (i == t->adamw.n)
        return CSO_OK;
    name_records(t, pairs, n, records, sizeof records);
    name_matrix(t->job->adapter, i, matrix, sizeof matrix);
    return cso_fail(err, CSO_ERR_NUMERIC, "%s: an update with gradient %g and learning rate %g is too large for f32 (%s)", matrix,
                    t->grads[i] * scale, rate, records);
}

cso_status trainer_check_state(const trainer *t, cso_error *err) {
    const float *const states[] = {t->job->adapter->params, t->adamw.m, t->adamw.v};
    static const char *const names[] = {"a parameter", "a first moment", "a second moment"};
    for (int k = 0; k < 3; k++) {
        size_t i = first_not_finite(states[k], t->adamw.n);
        char matrix[80];
        if (i == t->adamw.n)
            continue;
        name_matrix(t->job->adapter, i, matrix, sizeof matrix);
        return cso_fail(err, CSO_ERR_NUMERIC, "%s: %s is %f; no checkpoint is made of that", matrix, names[k], states[k][i]);
    }
    return CSO_OK;
}

/* trainer_checks.c - guards: NaN/Inf values, and parameters that get no gradient. */
#include "trainer_parts.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>

/* Below this weight a gradient may be zero in f32. */
static const double WEIGHT_THAT_COUNTS = 1e-12;

static bool all_zero(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (x[i] != 0)
            return false;
    return true;
}

cso_status trainer_check_reached(trainer *t, const cso_batch_result *result, cso_error *err) {
    const cso_trainables *trained = &t->adamw.trained;
    if (t->reached || !(result->largest_weight > WEIGHT_THAT_COUNTS))
        return CSO_OK;
    for (size_t first = 0, end; first < trained->count; first = end) {
        bool zero = true; /* in all arrays of the group: LoRA's A has no gradient while B is zero, and vice versa */
        for (end = first; end < trained->count && trained->items[end].group == trained->items[first].group; end++)
            zero = zero && all_zero(t->grads + trained->items[end].offset, cso_trainable_size(&trained->items[end]));
        if (zero)
            return cso_fail(err, CSO_ERR_NUMERIC, "no gradient reaches %s (expected a model whose numbers let one through)",
                            trained->items[first].place);
    }
    t->reached = true;
    return CSO_OK;
}

/* The array that parameter i belongs to: "layer 3 q_proj lora_A". */
static void name_array(const trainer *t, size_t i, char *name, size_t size) {
    const cso_trainable *item = cso_trainables_at(&t->adamw.trained, i);
    snprintf(name, size, "%s %s", item ? item->place : "parameter", item ? cso_trainable_part(item->kind) : "(unknown)");
}

/* "record 7", or "records 3, 4, 7", as many as fit. */
static void name_records(const trainer *t, const size_t *examples, size_t n, char *text, size_t size) {
    size_t used = (size_t)snprintf(text, size, n == 1 ? "record " : "records "), last = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        size_t record = t->job->train->examples[examples[i]].record;
        if (record == last) /* all examples of an ESC-Pro tree are of one record */
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

cso_status trainer_check_gradient(const trainer *t, double norm, const size_t *examples, size_t n, cso_error *err) {
    char records[120], array[80];
    if (isfinite(norm))
        return CSO_OK;
    size_t i = first_not_finite(t->grads, t->adamw.n);
    name_records(t, examples, n, records, sizeof records);
    if (i == t->adamw.n)
        return cso_fail(err, CSO_ERR_NUMERIC, "the norm of the gradient is %f (%s)", norm, records);
    name_array(t, i, array, sizeof array);
    return cso_fail(err, CSO_ERR_NUMERIC, "%s: a gradient is %f (%s)", array, t->grads[i], records);
}

cso_status trainer_check_update(const trainer *t, double scale, double rate, const size_t *examples, size_t n, cso_error *err) {
    char records[120], array[80];
    size_t i = cso_adamw_overflow(&t->adamw, cso_engine_context(t->job->engine), t->grads, scale, rate);
    if (i == t->adamw.n)
        return CSO_OK;
    name_records(t, examples, n, records, sizeof records);
    name_array(t, i, array, sizeof array);
    return cso_fail(err, CSO_ERR_NUMERIC, "%s: an update with gradient %g and learning rate %g is too large for f32 (%s)", array,
                    t->grads[i] * scale, rate, records);
}

cso_status trainer_check_state(const trainer *t, cso_error *err) {
    const float *const states[] = {t->adamw.trained.params, t->adamw.m, t->adamw.v};
    static const char *const names[] = {"a parameter", "a first moment", "a second moment"};
    for (int k = 0; k < 3; k++) {
        size_t i = first_not_finite(states[k], t->adamw.n);
        char array[80];
        if (i == t->adamw.n)
            continue;
        name_array(t, i, array, sizeof array);
        return cso_fail(err, CSO_ERR_NUMERIC, "%s: %s is %f; no checkpoint is made of that", array, names[k], states[k][i]);
    }
    return CSO_OK;
}

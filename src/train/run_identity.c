/* run_identity.c - the identity of a run, from the rows of its keys.
 *
 * A key whose row says CSO_IDENTITY_OWN is there with its value. What is no plain key has a row in special_rows below: fingerprints
 * of the model, the data and the adapters, and the [lora] values, which with lora.init = folder are the adapter's, not the
 * configuration's. All that remains may change at resume.
 */
#include "run_identity.h"

#include "base/text.h"
#include "kernels/kernels.h"

#include <stdio.h>
#include <string.h>

static void add_model(cso_identity *id, const cso_train_job *job) {
    char hex[33];
    cso_weights_fingerprint(job->model->weights, hex);
    cso_identity_add(id, "model", "%s", hex);
}

static void add_train_data(cso_identity *id, const cso_train_job *job) {
    cso_identity_add(id, "data.train", "%s", job->train->fingerprint);
}

static void add_eval_data(cso_identity *id, const cso_train_job *job) {
    cso_identity_add(id, "data.eval", "%s", job->eval ? job->eval->fingerprint : "none");
}

static void add_adapter(cso_identity *id, const cso_train_job *job) {
    const cso_lora_options *lora = &job->adapter->options;
    char number[CSO_NUMBER_TEXT], hex[33], targets[CSO_IDENTITY_VALUE] = "";
    for (size_t m = 0, used = 0; m < CSO_MODULE_COUNT; m++)
        if (lora->targets[m])
            used += (size_t)snprintf(targets + used, sizeof targets - used, "%s%s", used ? "," : "", cso_module_words[m]);
    cso_identity_add(id, "lora.rank", "%zu", lora->rank);
    cso_number_text(number, lora->alpha, 6);
    cso_identity_add(id, "lora.alpha", "%s", number);
    cso_number_text(number, lora->dropout, 6);
    cso_identity_add(id, "lora.dropout", "%s", number);
    cso_identity_add(id, "lora.rslora", "%s", lora->rslora ? "true" : "false");
    cso_identity_add(id, "lora.targets", "%s", targets);
    cso_adapter_fingerprint(job->adapter, hex);
    cso_identity_add(id, "lora.init", "%s", hex);
}

static void add_loss(cso_identity *id, const cso_train_job *job) {
    cso_identity_add(id, "loss.type", "%s", job->objective->text); /* one loss may have several names */
}

static void add_reference(cso_identity *id, const cso_train_job *job) {
    char hex[33] = "base";
    if (job->reference)
        cso_adapter_fingerprint(job->reference, hex);
    cso_identity_add(id, "loss.reference", "%s", hex);
}

/* What comes in where the key's row stands in the table of keys: the order of an identity is that of the keys. */
static const struct special_row {
    const char *key;
    void (*add)(cso_identity *id, const cso_train_job *job);
} special_rows[] = {
    {"model.path", add_model},  {"data.train", add_train_data}, {"data.eval", add_eval_data},
    {"lora.rank", add_adapter}, {"loss.type", add_loss},        {"loss.reference", add_reference},
};

static const struct special_row *find_special(const char *key) {
    for (size_t i = 0; i < sizeof special_rows / sizeof *special_rows; i++)
        if (!strcmp(special_rows[i].key, key))
            return &special_rows[i];
    return NULL;
}

static const void *field_of(const cso_run_config *config, cso_option_place place) {
    return (const char *)config + place.offset;
}

/* A late key (CSO_OPTION_LATE) that has its default. Only the losses' options have any. */
static bool is_left_out(const cso_run_config *config, cso_option_place place) {
    return place.row->flags & CSO_OPTION_LATE && !cso_loss_option_is_set(place.row, &config->loss.options);
}

cso_status run_identity_make(cso_identity *id, const cso_train_job *job, cso_error *err) {
    cso_option_place place;
    *id = (cso_identity){0};
    for (size_t i = 0; (place = cso_options_at(&cso_run_options, i)).row; i++) {
        const struct special_row *special = find_special(place.row->name);
        if (special)
            special->add(id, job);
        else if (place.row->identity && !strcmp(place.row->identity, CSO_IDENTITY_OWN) && !is_left_out(job->config, place))
            cso_identity_add_option(id, place.row, field_of(job->config, place));
    }
    return cso_identity_check(id, err);
}

cso_status run_course_make(cso_identity *course, const cso_train_job *job, size_t total_steps, cso_error *err) {
    cso_option_place place;
    *course = (cso_identity){0};
    cso_identity_add(course, "the number of steps", "%zu", total_steps);
    for (size_t i = 0; (place = cso_options_at(&cso_run_options, i)).row; i++)
        if (place.row->flags & CSO_OPTION_RANKS)
            cso_identity_add_option(course, place.row, field_of(job->config, place));
    add_eval_data(course, job);
    cso_identity_add(course, "the kernels' instruction set (CSO_KERNELS)", "%s", cso_engine_context(job->engine)->kernels->name);
    return cso_identity_check(course, err);
}

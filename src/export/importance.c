/* importance.c - importances of a model's matrices, and collecting them. */
#include "importance_parts.h"

#include "base/memory.h"
#include "model/family.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cso_status importance_create(cso_importance **importance, const cso_model *model, cso_error *err) {
    cso_importance *made = *importance = cso_calloc(1, sizeof *made);
    if (!made)
        return cso_fail_memory(err, "an importance matrix");
    made->n_layers = model->hparams.n_layers;
    made->entries = cso_calloc(made->n_layers * CSO_MODULE_COUNT, sizeof *made->entries);
    if (!made->entries) {
        cso_importance_free(made);
        *importance = NULL;
        return cso_fail_memory(err, "an importance matrix");
    }
    for (size_t i = 0; i < made->n_layers * CSO_MODULE_COUNT; i++)
        made->entries[i].columns = cso_module_in(model, (cso_module)(i % CSO_MODULE_COUNT));
    return CSO_OK;
}

void cso_importance_free(cso_importance *importance) {
    if (!importance)
        return;
    for (size_t i = 0; importance->entries && i < importance->n_layers * CSO_MODULE_COUNT; i++) {
        free(importance->entries[i].mean);
        free(importance->entries[i].sum);
    }
    free(importance->entries);
    free(importance);
}

static importance_entry *entry_of(const cso_importance *importance, size_t layer, cso_module module) {
    return &importance->entries[layer * CSO_MODULE_COUNT + module];
}

const float *cso_importance_of(const cso_importance *importance, size_t layer, cso_module module) {
    const importance_entry *entry = entry_of(importance, layer, module);
    for (size_t i = 0; entry->mean && i < entry->columns; i++)
        if (entry->mean[i] > 0)
            return entry->mean;
    return NULL;
}

size_t cso_importance_known(const cso_importance *importance, size_t *of) {
    size_t known = 0;
    *of = importance->n_layers * CSO_MODULE_COUNT;
    for (size_t i = 0; i < *of; i++)
        known += importance->entries[i].mean != NULL;
    return known;
}

cso_status importance_set(importance_entry *entry, const float *sum, double factor, const char *path, const char *name,
                          cso_error *err) {
    if (!entry->mean)
        entry->mean = cso_calloc(entry->columns, sizeof *entry->mean);
    if (!entry->mean)
        return cso_fail_memory(err, "an importance matrix");
    for (size_t i = 0; i < entry->columns; i++) {
        entry->mean[i] = (float)((double)sum[i] * factor);
        if (!(entry->mean[i] >= 0 && isfinite(entry->mean[i])))
            return cso_fail(err, CSO_ERR_INPUT, "%s: importance %zu of %s is %g (expected a number that is not negative)", path, i,
                            name, (double)entry->mean[i]);
    }
    return CSO_OK;
}

importance_entry *importance_named(cso_importance *importance, const char *name) {
    char known[64];
    unsigned layer;
    int read = 0;
    if (sscanf(name, "blk.%9u.%n", &layer, &read) != 1 || !read || layer >= importance->n_layers)
        return NULL;
    for (int module = 0; module < CSO_MODULE_COUNT; module++) {
        snprintf(known, sizeof known, "blk.%u.%s.weight", layer, cso_module_gguf((cso_module)module));
        if (!strcmp(known, name))
            return entry_of(importance, layer, (cso_module)module);
    }
    return NULL;
}

/* ---- collecting ---- */

/* The engine tells of its inputs: the projections that read them share the sums of the first. */
static void add_input(void *context, size_t layer, cso_module first, int count, const float *x, size_t m) {
    const cso_importance *importance = context;
    importance_entry *entry = entry_of(importance, layer, first);
    (void)count;
    for (size_t row = 0; row < m; row++)
        for (size_t i = 0; i < entry->columns; i++)
            entry->sum[i] += (double)x[row * entry->columns + i] * (double)x[row * entry->columns + i];
    entry->rows += m;
}

/* The first projection that reads the same input. */
static cso_module first_with_input(cso_module module) {
    return module == CSO_K_PROJ || module == CSO_V_PROJ ? CSO_Q_PROJ : module == CSO_UP_PROJ ? CSO_GATE_PROJ : module;
}

static cso_status make_sums(cso_importance *importance, cso_error *err) {
    for (size_t i = 0; i < importance->n_layers * CSO_MODULE_COUNT; i++) {
        importance_entry *entry = &importance->entries[i];
        entry->sum = cso_calloc(entry->columns, sizeof *entry->sum);
        if (!entry->sum)
            return cso_fail_memory(err, "an importance matrix");
    }
    return CSO_OK;
}

static cso_status make_means(cso_importance *importance, cso_error *err) {
    for (size_t layer = 0; layer < importance->n_layers; layer++)
        for (int module = 0; module < CSO_MODULE_COUNT; module++) {
            importance_entry *entry = entry_of(importance, layer, (cso_module)module);
            const importance_entry *from = entry_of(importance, layer, first_with_input((cso_module)module));
            entry->mean = from->rows ? cso_calloc(entry->columns, sizeof *entry->mean) : NULL;
            if (from->rows && !entry->mean)
                return cso_fail_memory(err, "an importance matrix");
            for (size_t i = 0; from->rows && i < entry->columns; i++)
                entry->mean[i] = (float)(from->sum[i] / (double)from->rows);
        }
    return CSO_OK;
}

static cso_status ignore_scores(void *context, const cso_score_item *item, cso_error *err) {
    (void)context;
    (void)item;
    (void)err;
    return CSO_OK;
}

cso_status cso_importance_collect(cso_importance **importance, const cso_score_job *job, const char *path, cso_error *err) {
    cso_score_job pass = *job;
    if (!pass.visit)
        pass.visit = ignore_scores;
    CSO_TRY(importance_create(importance, cso_engine_model(job->engine), err));
    cso_status status = make_sums(*importance, err);
    cso_engine_watch(job->engine, (cso_engine_watcher){add_input, *importance});
    if (status == CSO_OK)
        status = cso_score_file(&pass, path, NULL, err);
    cso_engine_watch(job->engine, (cso_engine_watcher){0});
    if (status == CSO_OK)
        status = make_means(*importance, err);
    if (status != CSO_OK) {
        cso_importance_free(*importance);
        *importance = NULL;
    }
    return status;
}

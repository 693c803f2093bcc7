/* importance_parts.h - what the files of importance matrices share; inside src/export only. */
#ifndef CSO_IMPORTANCE_PARTS_H
#define CSO_IMPORTANCE_PARTS_H

#include "importance.h"

/* One matrix. */
typedef struct importance_entry {
    float *mean; /* (columns); NULL: not known */
    double *sum; /* (columns) of squares, while they are collected */
    size_t rows; /* that were summed */
    size_t columns;
} importance_entry;

struct cso_importance {
    size_t n_layers;
    importance_entry *entries; /* (n_layers, CSO_MODULE_COUNT) */
};

/* Nothing is known. */
cso_status importance_create(cso_importance **importance, const cso_model *model, cso_error *err);
/* Sets an entry to sum[i] * factor, which are checked; name is for messages, with the file's. */
cso_status importance_set(importance_entry *entry, const float *sum, double factor, const char *path, const char *name,
                          cso_error *err);
/* The entry of GGUF's tensor name "blk.3.attn_q.weight"; NULL: none of the model's projections. */
importance_entry *importance_named(cso_importance *importance, const char *name);

#endif

/* importance.h - importance matrices: how much an error of each weight counts when a model is quantized.
 *
 * The importance of column i of a matrix is the mean square of the i-th number that it is multiplied with. It is made by one pass of
 * the engine over texts or records, or read from a file of llama.cpp's llama-imatrix: GGUF (general.type "imatrix", a tensor
 * NAME.in_sum2 of sums of squares and NAME.counts for each matrix), or its older binary form (int32 little-endian: entries; for each the
 * length of its name, the name, calls, values, and so many f32: sums of means over calls).
 */
#ifndef CSO_IMPORTANCE_H
#define CSO_IMPORTANCE_H

#include "base/status.h"
#include "model/model.h"
#include "score/score.h"

#include <stddef.h>

typedef struct cso_importance cso_importance;

/* From a file. Errors: CSO_ERR_INPUT: neither form, a damaged file, an entry of another size than the model's matrix, a number that is
 * negative or not finite, no entry of the model's matrices. Entries of other names are ignored. */
cso_status cso_importance_read(cso_importance **importance, const cso_model *model, const char *path, cso_error *err);
/* From the records of a file, or of "-" (any form of docs/data.md), as the job's engine and adapter see them; its `visit` may be NULL.
 * Errors: as cso_score_file. */
cso_status cso_importance_collect(cso_importance **importance, const cso_score_job *job, const char *path, cso_error *err);
void cso_importance_free(cso_importance *importance); /* NULL is fine */

/* (columns) of a layer's projection; NULL: not known, or all zeros. */
const float *cso_importance_of(const cso_importance *importance, size_t layer, cso_module module);
/* Projections whose importances are known, of how many. */
size_t cso_importance_known(const cso_importance *importance, size_t *of);

#endif

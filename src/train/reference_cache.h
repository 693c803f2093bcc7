/* reference_cache.h - the reference policy's log-probabilities, computed once.
 *
 * In memory for every example of a data set, filled as the steps meet them; on disk under a key that names everything the numbers
 * depend on. File: "CSOREF01", the key (32 hex digits), the number of examples (u64), an f64 for each sequence (NaN: not known
 * yet), XXH3-128 of all before; little-endian.
 */
#ifndef CSO_REFERENCE_CACHE_H
#define CSO_REFERENCE_CACHE_H

#include "base/status.h"
#include "comm/comm.h"
#include "data/dataset.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct cso_reference_cache {
    const cso_dataset *data;
    double *logps; /* (data->n_sequences) NaN: not known yet */
    char key[33];
    char *path;   /* folder/<key>.bin; NULL: only in memory */
    bool changed; /* since it was read or saved */
} cso_reference_cache;

/* parts: the texts whose fingerprint is the key (model, reference adapter, data, compute). folder NULL: only in memory. A file
 * that is damaged or not of this key is no error: it is ignored, and warning (status and message) says so; else its status is
 * CSO_OK. The same where folder is a link: the cache is only in memory then. */
cso_status cso_reference_cache_open(cso_reference_cache *cache, const char *folder, const char *const *parts, size_t part_count,
                                    const cso_dataset *data, cso_error *warning, cso_error *err);
void cso_reference_cache_free(cso_reference_cache *cache);

/* Of an example: the log-probabilities of its sequences, and whether all are known. */
const double *cso_reference_cache_get(const cso_reference_cache *cache, size_t example);
bool cso_reference_cache_has(const cso_reference_cache *cache, size_t example);
void cso_reference_cache_put(cso_reference_cache *cache, size_t example, const double *logps);
/* All processes get the values that owner[i] has of examples[i] (NULL: example i), where it has them. A value never changes within
 * a run, but where it was made twice, the owner's counts. block: zeros, to work in, as many as cso_reference_cache_block says. */
void cso_reference_cache_share(cso_reference_cache *cache, cso_comm *comm, const size_t *examples, const int *owner, size_t n,
                               double *block);
size_t cso_reference_cache_block(const cso_dataset *data, const size_t *examples, size_t n);
/* Writes the file, whole, if something changed. Makes its folder, but none above. */
cso_status cso_reference_cache_save(cso_reference_cache *cache, cso_error *err);
/* Whether a file is a reference cache of the key that it is named by, and whole: CSO_ERR_INPUT if not. */
cso_status cso_reference_cache_check(const char *path, cso_error *err);

#endif

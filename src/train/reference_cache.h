/* reference_cache.h - what the reference policy thinks of each pair, computed once.
 *
 * In memory for every pair of a data set, filled as pairs are met; on disk under a key that names everything the numbers
 * depend on. File: "CSOREF01", the key (32 hex digits), the number of pairs (u64), two f64 for each pair (NaN: not
 * known yet), XXH3-128 of all before; little-endian.
 */
#ifndef CSO_REFERENCE_CACHE_H
#define CSO_REFERENCE_CACHE_H

#include "base/status.h"
#include "comm/comm.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct cso_reference_cache {
    size_t n;           /* pairs */
    double (*logps)[2]; /* (n) of chosen and rejected; NaN: not known yet */
    char key[33];
    char *path;   /* folder/<key>.bin; NULL: only in memory */
    bool changed; /* since it was read or saved */
} cso_reference_cache;

/* parts: the texts whose fingerprint is the key (model, reference adapter, data, compute). folder NULL: only in memory. A file
 * that is damaged or not of this key is no error: it is ignored, and warning (status and message) says so; else its status is
 * CSO_OK. */
cso_status cso_reference_cache_open(cso_reference_cache *cache, const char *folder, const char *const *parts, size_t part_count,
                                    size_t n_pairs, cso_error *warning, cso_error *err);
void cso_reference_cache_free(cso_reference_cache *cache);

bool cso_reference_cache_has(const cso_reference_cache *cache, size_t pair);
void cso_reference_cache_put(cso_reference_cache *cache, size_t pair, double chosen, double rejected);
/* All processes get the values that owner[i] has of pairs[i] (NULL: pair i), where it has them. A value never changes within a
 * run, but where it was made twice, the owner's counts. block (n, CSO_REFERENCE_VALUES): zeros, to work in. */
enum { CSO_REFERENCE_VALUES = 3 };
void cso_reference_cache_share(cso_reference_cache *cache, cso_comm *comm, const size_t *pairs, const int *owner, size_t n,
                               double *block);
/* Writes the file, whole, if something changed. */
cso_status cso_reference_cache_save(cso_reference_cache *cache, cso_error *err);

#endif

/* reference_cache.c - see reference_cache.h. */
#include "reference_cache.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAGIC = 8, KEY = 32, HEADER = MAGIC + KEY + 8, CHECK = 16 };
static const char magic[MAGIC + 1] = "CSOREF01";

static cso_status make_key(char key[33], const char *const *parts, size_t count, cso_error *err) {
    char *all = NULL;
    size_t size = 0, capacity = 0;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(parts[i]) + 1; /* with the zero, which separates */
        if (!cso_grow(&all, &capacity, size + length, 1)) {
            free(all);
            return cso_fail_memory(err, "the reference cache's key");
        }
        memcpy(all + size, parts[i], length);
        size += length;
    }
    cso_digest_bytes(all, size, key);
    free(all);
    return CSO_OK;
}

/* The file's bytes up to the checksum: HEADER + 8 for each sequence, and room for the checksum. The caller frees. */
static uint8_t *make_bytes(const cso_reference_cache *cache, size_t *size) {
    uint64_t n = cache->data->count;
    size_t value_bytes = cache->data->n_sequences * sizeof *cache->logps;
    uint8_t *bytes = cso_calloc(1, HEADER + value_bytes + CHECK);
    if (!bytes)
        return NULL;
    memcpy(bytes, magic, MAGIC);
    memcpy(bytes + MAGIC, cache->key, KEY);
    memcpy(bytes + MAGIC + KEY, &n, sizeof n);
    memcpy(bytes + HEADER, cache->logps, value_bytes);
    *size = HEADER + value_bytes;
    return bytes;
}

static void make_check(uint8_t check[CHECK], const void *bytes, size_t size) {
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, size));
    memcpy(check, canonical.digest, CHECK);
}

cso_status cso_reference_cache_check(const char *path, cso_error *err) {
    cso_map map = {0};
    uint8_t check[CHECK];
    const char *name = cso_path_name(path);
    CSO_TRY(cso_map_open(&map, path, err));
    bool sound = map.size >= HEADER + CHECK && !memcmp(map.data, magic, MAGIC) && strlen(name) == KEY + strlen(".bin") &&
                 cso_ends_with(name, ".bin") && !memcmp(map.data + MAGIC, name, KEY);
    if (sound) {
        make_check(check, map.data, map.size - CHECK);
        sound = !memcmp(check, map.data + map.size - CHECK, CHECK);
    }
    cso_map_close(&map);
    return sound ? CSO_OK : cso_fail(err, CSO_ERR_INPUT, "%s: damaged (its checksum differs)", path);
}

static cso_status read_file(cso_reference_cache *cache, cso_error *warning, cso_error *err) {
    cso_map map = {0};
    uint8_t check[CHECK];
    size_t size;
    if (!cso_path_exists(cache->path) || cso_map_open(&map, cache->path, warning) != CSO_OK)
        return CSO_OK;
    uint8_t *expected = make_bytes(cache, &size);
    if (!expected) {
        cso_map_close(&map);
        return cso_fail_memory(err, "the reference cache");
    }
    if (map.size != size + CHECK || memcmp(map.data, expected, HEADER) != 0) {
        cso_fail(warning, CSO_ERR_INPUT, "%s: not this run's reference cache; it is ignored and computed again", cache->path);
    } else {
        make_check(check, map.data, size);
        if (memcmp(check, map.data + size, CHECK) != 0)
            cso_fail(warning, CSO_ERR_INPUT, "%s: damaged (its checksum differs); it is ignored and computed again", cache->path);
        else
            memcpy(cache->logps, map.data + HEADER, size - HEADER);
    }
    free(expected);
    cso_map_close(&map);
    return CSO_OK;
}

cso_status cso_reference_cache_open(cso_reference_cache *cache, const char *folder, const char *const *parts, size_t part_count,
                                    const cso_dataset *data, cso_error *warning, cso_error *err) {
    cso_status status;
    *cache = (cso_reference_cache){.data = data, .logps = cso_calloc(data->n_sequences, sizeof *cache->logps)};
    *warning = (cso_error){.status = CSO_OK};
    if (!cache->logps)
        return cso_fail_memory(err, "the reference's log-probabilities");
    for (size_t s = 0; s < data->n_sequences; s++)
        cache->logps[s] = NAN;
    CSO_TRY_DONE(make_key(cache->key, parts, part_count, err));
    if (folder && cso_path_is_link(folder)) {
        cso_fail(warning, CSO_ERR_INPUT, "%s: is a link, which is not followed (expected a folder); it is neither read nor written",
                 folder);
    } else if (folder) {
        char name[40];
        snprintf(name, sizeof name, "%s.bin", cache->key);
        cache->path = cso_path_join(folder, name);
        if (!cache->path) {
            status = cso_fail_memory(err, "the reference cache");
            goto done;
        }
        status = read_file(cache, warning, err);
    }
done:
    if (status != CSO_OK)
        cso_reference_cache_free(cache);
    return status;
}

void cso_reference_cache_free(cso_reference_cache *cache) {
    free(cache->logps);
    free(cache->path);
    *cache = (cso_reference_cache){0};
}

const double *cso_reference_cache_get(const cso_reference_cache *cache, size_t example) {
    return cache->logps + cache->data->examples[example].first;
}

bool cso_reference_cache_has(const cso_reference_cache *cache, size_t example) {
    const double *logps = cso_reference_cache_get(cache, example);
    for (size_t k = 0; k < cache->data->examples[example].n; k++)
        if (isnan(logps[k]))
            return false;
    return true;
}

void cso_reference_cache_put(cso_reference_cache *cache, size_t example, const double *logps) {
    const cso_example *e = &cache->data->examples[example];
    memcpy(cache->logps + e->first, logps, e->n * sizeof *logps);
    cache->changed = true;
}

size_t cso_reference_cache_block(const cso_dataset *data, const size_t *examples, size_t n) {
    size_t count = n;
    for (size_t i = 0; i < n; i++)
        count += data->examples[examples ? examples[i] : i].n;
    return count;
}

/* Sums are exact: only the owner's terms are not zero. Each example has its values and a last one, 1 where the owner knows them. */
void cso_reference_cache_share(cso_reference_cache *cache, cso_comm *comm, const size_t *examples, const int *owner, size_t n,
                               double *block) {
    if (cso_comm_size(comm) == 1)
        return;
    double *one = block;
    for (size_t i = 0; i < n; i++) {
        size_t example = examples ? examples[i] : i, values = cache->data->examples[example].n;
        if (owner[i] == cso_comm_rank(comm) && cso_reference_cache_has(cache, example)) {
            memcpy(one, cso_reference_cache_get(cache, example), values * sizeof *one);
            one[values] = 1;
        }
        one += values + 1;
    }
    cso_comm_sum_f64(comm, block, (size_t)(one - block));
    one = block;
    for (size_t i = 0; i < n; i++) {
        size_t example = examples ? examples[i] : i, values = cache->data->examples[example].n;
        if (one[values] > 0 && memcmp(one, cso_reference_cache_get(cache, example), values * sizeof *one) != 0)
            cso_reference_cache_put(cache, example, one);
        one += values + 1;
    }
}

cso_status cso_reference_cache_save(cso_reference_cache *cache, cso_error *err) {
    uint8_t *bytes = NULL;
    size_t size;
    cso_status status;
    if (!cache->path || !cache->changed)
        return CSO_OK;
    char *folder = cso_path_folder(cache->path);
    if (!folder || !(bytes = make_bytes(cache, &size))) {
        status = cso_fail_memory(err, "the reference cache");
        goto done;
    }
    make_check(bytes + size, bytes, size);
    CSO_TRY_DONE(cso_make_folder(folder, err)); /* not those above it: a run's folder that was moved is not made again */
    CSO_TRY_DONE(cso_save_text(cache->path, (const char *)bytes, size + CHECK, err));
    cache->changed = false;
done:
    free(folder);
    free(bytes);
    return status;
}

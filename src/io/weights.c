/* weights.c - finding a model's files and putting their tensors into one list. */
#include "weights.h"

#include "base/digest.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "name_index.h"
#include "safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CONFIG = 16 * 1048576, MAX_INDEX = 64 * 1048576 };

struct cso_weights_files {
    cso_gguf *gguf;
    cJSON *config, *map; /* map: the parsed index, which owns the shards' names */
    cso_safetensors **shards;
    size_t shard_count, shard_capacity;
    const cso_tensor **tensors;
    size_t tensor_count, tensor_capacity;
    cso_name_index index;
};

void cso_weights_close(cso_weights *weights) {
    if (!weights)
        return;
    struct cso_weights_files *files = weights->files;
    if (files) {
        cso_gguf_close(files->gguf);
        for (size_t i = 0; i < files->shard_count; i++)
            cso_safetensors_close(files->shards[i]);
        cJSON_Delete(files->config);
        cJSON_Delete(files->map);
        cso_name_index_free(&files->index);
        free(files->shards);
        free(files->tensors);
        free(files);
    }
    free(weights->path);
    free(weights->folder);
    free(weights);
}

static cso_status add_tensor(struct cso_weights_files *files, const cso_tensor *tensor, cso_error *err) {
    bool known = false;
    if (!cso_grow(&files->tensors, &files->tensor_capacity, files->tensor_count + 1, sizeof *files->tensors) ||
        !cso_name_index_add(&files->index, tensor->name, files->tensor_count, &known))
        return cso_fail_memory(err, "the list of tensors");
    if (known) /* the readers refuse duplicates within a file, and the index names each tensor once */
        return cso_fail(err, CSO_ERR_INTERNAL, "tensor %s is listed twice", tensor->name);
    files->tensors[files->tensor_count++] = tensor;
    return CSO_OK;
}

static cso_status add_shard(struct cso_weights_files *files, const char *path, cso_error *err) {
    if (!cso_grow(&files->shards, &files->shard_capacity, files->shard_count + 1, sizeof *files->shards))
        return cso_fail_memory(err, path);
    CSO_TRY(cso_safetensors_open(&files->shards[files->shard_count], path, err));
    files->shard_count++;
    return CSO_OK;
}

static cso_status open_gguf(cso_weights *weights, const char *path, cso_error *err) {
    struct cso_weights_files *files = weights->files;
    weights->format = CSO_WEIGHTS_GGUF;
    CSO_TRY(cso_gguf_open(&files->gguf, path, err));
    weights->gguf = files->gguf;
    for (size_t i = 0; i < cso_gguf_tensor_count(files->gguf); i++)
        CSO_TRY(add_tensor(files, cso_gguf_tensor_at(files->gguf, i), err));
    return CSO_OK;
}

static cso_status read_config(cso_weights *weights, cso_error *err) {
    char *path = cso_path_join(weights->folder, "config.json");
    if (!path)
        return cso_fail_memory(err, "a path");
    cso_status status;
    if (!cso_path_exists(path)) {
        status = cso_fail(err, CSO_ERR_INPUT, "%s: is missing (a safetensors model needs its config.json)", path);
        goto done;
    }
    CSO_TRY_DONE(cso_json_read(&weights->files->config, path, MAX_CONFIG, err));
    if (!cJSON_IsObject(weights->files->config))
        status = cso_fail(err, CSO_ERR_INPUT, "%s: expected an object", path);
    weights->config = weights->files->config;
done:
    free(path);
    return status;
}

static cso_status open_single(cso_weights *weights, const char *path, cso_error *err) {
    struct cso_weights_files *files = weights->files;
    CSO_TRY(read_config(weights, err));
    CSO_TRY(add_shard(files, path, err));
    for (size_t i = 0; i < cso_safetensors_count(files->shards[0]); i++)
        CSO_TRY(add_tensor(files, cso_safetensors_at(files->shards[0], i), err));
    return CSO_OK;
}

/* The index names files beside it; a name with a folder in it could lead anywhere. (A file may well be a symbolic link, as in
 * Hugging Face's cache.) */
static bool is_plain_name(const char *name) {
    return *name && *name != '.' && !strchr(name, '/') && !strchr(name, '\\');
}

/* model.safetensors.index.json: {"weight_map": {tensor: file, ...}}. The index decides which file has a tensor; tensors that it
 * does not name are omitted. */
static cso_status open_sharded(cso_weights *weights, const char *index_path, cso_error *err) {
    struct cso_weights_files *files = weights->files;
    CSO_TRY(read_config(weights, err));
    CSO_TRY(cso_json_read(&files->map, index_path, MAX_INDEX, err));
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(files->map, "weight_map"), *item;
    if (!cJSON_IsObject(map))
        return cso_fail(err, CSO_ERR_INPUT, "%s: weight_map: expected an object", index_path);
    cso_name_index opened = {0};
    cso_status status = CSO_OK;
    cJSON_ArrayForEach(item, map) {
        const char *name = cJSON_GetStringValue(item);
        if (!name || !is_plain_name(name)) {
            status = cso_fail(err, CSO_ERR_INPUT, "%s: weight_map: %s: '%s' (expected the name of a file beside the index)",
                              index_path, item->string, name ? name : "not a string");
            goto done;
        }
        size_t shard = files->shard_count;
        bool known;
        if (!cso_name_index_find(&opened, name, &shard)) {
            char *path = cso_path_join(weights->folder, name);
            if (!path || !cso_name_index_add(&opened, name, shard, &known))
                status = cso_fail_memory(err, index_path);
            else if (!cso_path_exists(path))
                status = cso_fail(err, CSO_ERR_INPUT, "%s: shard %s is missing", index_path, name);
            else
                status = add_shard(files, path, err);
            free(path);
            if (status != CSO_OK)
                goto done;
        }
        const cso_tensor *tensor = cso_safetensors_find(files->shards[shard], item->string);
        const char *dtype;
        const void *data;
        size_t size;
        if (tensor)
            status = add_tensor(files, tensor, err);
        else /* an integer tensor exists, though it is not listed */
            status = cso_safetensors_raw(files->shards[shard], item->string, &dtype, &data, &size, err);
        if (status != CSO_OK)
            goto done;
    }
done:
    cso_name_index_free(&opened);
    return status;
}

static cso_status open_folder(cso_weights *weights, const char *folder, cso_error *err) {
    char *single = cso_path_join(folder, "model.safetensors"), *index = cso_path_join(folder, "model.safetensors.index.json");
    char *gguf = NULL;
    cso_status status;
    if (!single || !index)
        status = cso_fail_memory(err, folder);
    else if (cso_path_exists(single)) /* with both, transformers takes the single file too */
        status = open_single(weights, single, err);
    else if (cso_path_exists(index))
        status = open_sharded(weights, index, err);
    else if ((status = cso_gguf_find_in(folder, &gguf, err)) == CSO_OK)
        status =
            gguf ? open_gguf(weights, gguf, err)
                 : cso_fail(err, CSO_ERR_INPUT,
                            "%s: has no model (expected model.safetensors, model.safetensors.index.json or a .gguf file)", folder);
    free(single);
    free(index);
    free(gguf);
    return status;
}

/* A file is GGUF by its first bytes or its name, otherwise safetensors by its name. */
static cso_status open_file(cso_weights *weights, const char *path, cso_error *err) {
    cso_map map;
    CSO_TRY(cso_map_open(&map, path, err));
    bool gguf = cso_ends_with(path, ".gguf") || (map.size >= 4 && !memcmp(map.data, "GGUF", 4));
    cso_map_close(&map);
    if (gguf)
        return open_gguf(weights, path, err);
    if (cso_ends_with(path, ".safetensors"))
        return open_single(weights, path, err);
    if (cso_ends_with(path, ".safetensors.index.json"))
        return open_sharded(weights, path, err);
    return cso_fail(err, CSO_ERR_INPUT, "%s: not a model (expected a .gguf or .safetensors file, or a folder)", path);
}

cso_status cso_weights_open(cso_weights **result, const char *path, cso_error *err) {
    *result = NULL;
    cso_weights *weights = cso_calloc(1, sizeof *weights);
    if (!weights)
        return cso_fail_memory(err, path);
    cso_status status;
    bool folder = cso_path_is_folder(path);
    weights->files = cso_calloc(1, sizeof *weights->files);
    weights->path = cso_strdup(path);
    weights->folder = folder ? cso_strdup(path) : cso_path_folder(path);
    if (!weights->files || !weights->path || !weights->folder)
        status = cso_fail_memory(err, path);
    else
        status = folder ? open_folder(weights, path, err) : open_file(weights, path, err);
    if (status == CSO_OK)
        *result = weights;
    else
        cso_weights_close(weights);
    return status;
}

size_t cso_weights_count(const cso_weights *weights) {
    return weights->files->tensor_count;
}

const cso_tensor *cso_weights_at(const cso_weights *weights, size_t index) {
    return weights->files->tensors[index];
}

const cso_tensor *cso_weights_find(const cso_weights *weights, const char *name) {
    size_t number;
    return cso_name_index_find(&weights->files->index, name, &number) ? weights->files->tensors[number] : NULL;
}

/* "(2, 3)" */
static void format_shape(char *out, size_t room, int n_dims, const size_t *shape) {
    size_t used = (size_t)snprintf(out, room, "(");
    for (int i = 0; i < n_dims && used < room; i++)
        used += (size_t)snprintf(out + used, room - used, "%s%zu", i ? ", " : "", shape[i]);
    if (used < room)
        snprintf(out + used, room - used, ")");
}

/* The file that a tensor of the list is in, by where its bytes are. */
static const char *path_of(const cso_weights *weights, const char *name) {
    const struct cso_weights_files *files = weights->files;
    if (files->gguf)
        return cso_gguf_path(files->gguf);
    const cso_tensor *tensor = cso_weights_find(weights, name);
    for (size_t i = 0; tensor && i < files->shard_count; i++)
        if (cso_safetensors_find(files->shards[i], name) == tensor)
            return cso_safetensors_path(files->shards[i]);
    return files->shard_count == 1 ? cso_safetensors_path(files->shards[0]) : weights->path;
}

cso_status cso_weights_require(const cso_weights *weights, const char *name, int n_dims, const size_t *shape, cso_tensor *tensor,
                               cso_error *err) {
    const cso_tensor *found = cso_weights_find(weights, name);
    if (!found) {
        const char *dtype;
        const void *data;
        size_t size;
        for (size_t i = 0; i < weights->files->shard_count; i++)
            if (cso_safetensors_raw(weights->files->shards[i], name, &dtype, &data, &size, NULL) == CSO_OK)
                return cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s is of dtype %s (expected F32, F16 or BF16)",
                                cso_safetensors_path(weights->files->shards[i]), name, dtype);
        return cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s is missing", path_of(weights, name), name);
    }
    if (found->n_dims != n_dims || (n_dims && memcmp(found->shape, shape, (size_t)n_dims * sizeof *shape))) {
        char has[96], expected[96];
        format_shape(has, sizeof has, found->n_dims, found->shape);
        format_shape(expected, sizeof expected, n_dims, shape);
        return cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s has shape %s (expected %s)", path_of(weights, name), name, has,
                        expected);
    }
    *tensor = *found;
    return CSO_OK;
}

static void hash_size(cso_digest *digest, size_t number) {
    uint64_t value = number;
    cso_digest_add(digest, &value, sizeof value);
}

static void hash_bytes(cso_digest *digest, const void *bytes, size_t size) {
    hash_size(digest, size);
    cso_digest_add(digest, bytes, size);
}

/* Sixteen samples of 64 bytes, evenly spread with both ends included; a small tensor as a whole. */
static void hash_sample(cso_digest *digest, const uint8_t *data, size_t size) {
    enum { PIECE = 64, PIECES = 16 };
    if (size <= PIECE * PIECES) {
        hash_bytes(digest, data, size);
        return;
    }
    for (size_t i = 0; i < PIECES; i++)
        cso_digest_add(digest, data + (size - PIECE) / (PIECES - 1) * i, PIECE);
    cso_digest_add(digest, data + size - PIECE, PIECE);
}

void cso_weights_fingerprint(const cso_weights *weights, char hex[33]) {
    cso_digest digest;
    cso_digest_begin(&digest);
    if (weights->gguf) {
        for (size_t i = 0; i < cso_gguf_value_count(weights->gguf); i++) {
            const cso_gguf_value *value = cso_gguf_value_at(weights->gguf, i);
            hash_bytes(&digest, value->key, strlen(value->key));
            hash_size(&digest, value->type);
            hash_bytes(&digest, value->data, value->size);
        }
    }
    char *config = weights->config ? cJSON_PrintUnformatted(weights->config) : NULL;
    if (config)
        hash_bytes(&digest, config, strlen(config));
    cJSON_free(config);
    hash_size(&digest, cso_weights_count(weights));
    for (size_t i = 0; i < cso_weights_count(weights); i++) {
        const cso_tensor *tensor = cso_weights_at(weights, i);
        hash_bytes(&digest, tensor->name, strlen(tensor->name));
        hash_size(&digest, tensor->dtype);
        hash_bytes(&digest, tensor->shape, (size_t)tensor->n_dims * sizeof tensor->shape[0]);
        hash_size(&digest, tensor->size);
        hash_sample(&digest, tensor->data, tensor->size);
    }
    cso_digest_hex(&digest, hex);
}

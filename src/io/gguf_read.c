/* gguf_read.c - opening and closing GGUF models of one or more files.
 *
 * A split model's parts are called NAME-00001-of-00003.gguf. Each is a complete GGUF file with the keys split.no (from 0),
 * split.count and split.tensors.count (of all parts); the model's own keys are in the first.
 */
#include "gguf.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "gguf_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Frees keys, tensors and tables, and leaves the parts. */
static void free_contents(cso_gguf *gguf) {
    for (size_t i = 0; i < gguf->value_count; i++)
        free((char *)(uintptr_t)gguf->values[i].key);
    for (size_t i = 0; i < gguf->tensor_count; i++)
        free((char *)(uintptr_t)gguf->tensors[i].name);
    free(gguf->values);
    free(gguf->tensors);
    cso_name_index_free(&gguf->value_index);
    cso_name_index_free(&gguf->tensor_index);
}

void cso_gguf_close(cso_gguf *gguf) {
    if (!gguf)
        return;
    free_contents(gguf);
    for (size_t i = 0; i < gguf->part_count; i++) {
        cso_map_close(&gguf->parts[i].map);
        free(gguf->parts[i].name);
    }
    free(gguf->parts);
    free(gguf);
}

/* A gguf with room for its first part, whose name is set. */
static cso_gguf *make(const char *name) {
    cso_gguf *gguf = cso_calloc(1, sizeof *gguf);
    if (!gguf)
        return NULL;
    gguf->parts = cso_calloc(1, sizeof *gguf->parts);
    if (gguf->parts) {
        gguf->part_count = 1;
        gguf->parts[0].name = cso_strdup(name);
    }
    if (!gguf->parts || !gguf->parts[0].name) {
        cso_gguf_close(gguf);
        return NULL;
    }
    return gguf;
}

static cso_status map_part(cso_gguf_part *part, cso_error *err) {
    CSO_TRY(cso_map_open(&part->map, part->name, err));
    part->data = part->map.data;
    part->size = part->map.size;
    return CSO_OK;
}

/* The length of the path before "-00001-of-00003.gguf" with these numbers; false: it has another ending. */
static bool split_prefix(const char *path, size_t number, size_t count, size_t *length) {
    char ending[64];
    snprintf(ending, sizeof ending, "-%05zu-of-%05zu.gguf", number, count);
    size_t all = strlen(path), tail = strlen(ending);
    if (all < tail || strcmp(path + all - tail, ending))
        return false;
    *length = all - tail;
    return true;
}

bool cso_gguf_is_later_part(const char *name) {
    size_t length = strlen(name), tail = strlen("-00001-of-00002.gguf");
    return length > tail && name[length - tail] == '-' && !memcmp(name + length - 14, "-of-", 4) &&
           memcmp(name + length - tail, "-00001-", 7) != 0;
}

cso_status cso_gguf_find_in(const char *folder, char **path, cso_error *err) {
    cso_names names;
    cso_status status = CSO_OK;
    const char *found = NULL;
    *path = NULL;
    CSO_TRY(cso_folder_list(folder, true, &names, err));
    for (size_t i = 0; status == CSO_OK && i < names.count; i++) {
        const char *name = names.items[i];
        if (name[0] == '.' || !cso_ends_with(name, ".gguf") || cso_gguf_is_later_part(name))
            continue;
        if (found)
            status =
                cso_fail(err, CSO_ERR_INPUT, "%s: has several .gguf files, %s and %s among them (expected one of them as the path)",
                         folder, found, name);
        found = name;
    }
    if (status == CSO_OK && found && !(*path = cso_path_join(folder, found)))
        status = cso_fail_memory(err, folder);
    cso_names_free(&names);
    return status;
}

/* Reads part `number` (from 0) and moves its tensors over. */
static cso_status add_part(cso_gguf *gguf, size_t number, size_t count, cso_error *err) {
    cso_gguf_part *part = &gguf->parts[number];
    cso_gguf single = {0};
    size_t its_number = 0, its_count = 0;
    CSO_TRY(map_part(part, err));
    single.parts = part;
    single.part_count = 1;
    cso_status status;
    CSO_TRY_DONE(cso_gguf_parse(&single, part, err));
    CSO_TRY_DONE(cso_gguf_get_size(&single, "split.no", &its_number, NULL, err));
    CSO_TRY_DONE(cso_gguf_get_size(&single, "split.count", &its_count, NULL, err));
    if (its_number != number || its_count != count) {
        status = cso_fail(err, CSO_ERR_INPUT, "%s: says it is part %zu of %zu (split.no, split.count; expected part %zu of %zu)",
                          part->name, its_number + 1, its_count, number + 1, count);
        goto done;
    }
    for (size_t i = 0; i < single.tensor_count; i++) {
        bool known;
        if (!cso_grow(&gguf->tensors, &gguf->tensor_capacity, gguf->tensor_count + 1, sizeof *gguf->tensors) ||
            !cso_name_index_add(&gguf->tensor_index, single.tensors[i].name, gguf->tensor_count, &known)) {
            status = cso_fail_memory(err, part->name);
            goto done;
        }
        if (known) {
            status = cso_fail(err, CSO_ERR_INPUT, "%s: tensor %s is in an earlier part too", part->name, single.tensors[i].name);
            goto done;
        }
        gguf->tensors[gguf->tensor_count++] = single.tensors[i];
        single.tensors[i].name = NULL; /* moved */
    }
done:
    free_contents(&single);
    return status;
}

/* The other parts of a model whose first part is read. */
static cso_status open_parts(cso_gguf *gguf, const char *path, cso_error *err) {
    size_t count = 1, number = 0, total = 0, length;
    bool has_total;
    bool found;
    CSO_TRY(cso_gguf_get_size(gguf, "split.count", &count, &found, err));
    if (!found || count <= 1)
        return CSO_OK;
    CSO_TRY(cso_gguf_get_size(gguf, "split.no", &number, NULL, err));
    if (count > 99999 || number >= count)
        return cso_fail(err, CSO_ERR_INPUT, "%s: says it is part %zu of %zu (split.no, split.count)", path, number + 1, count);
    if (!split_prefix(path, number + 1, count, &length))
        return cso_fail(err, CSO_ERR_INPUT, "%s: is part %zu of %zu of a model (expected a name that ends in -%05zu-of-%05zu.gguf)",
                        path, number + 1, count, number + 1, count);
    if (number)
        return cso_fail(err, CSO_ERR_INPUT, "%s: is part %zu of %zu of a model (expected the first, %.*s-00001-of-%05zu.gguf)",
                        path, number + 1, count, (int)length, path, count);
    CSO_TRY(cso_gguf_get_size(gguf, "split.tensors.count", &total, &has_total, err));
    for (size_t i = 1; i < count; i++) { /* one by one: the files may not exist */
        size_t capacity = gguf->part_count;
        if (!cso_grow(&gguf->parts, &capacity, i + 1, sizeof *gguf->parts))
            return cso_fail_memory(err, path);
        cso_gguf_part *part = &gguf->parts[i];
        *part = (cso_gguf_part){0};
        gguf->part_count = i + 1;
        if (!(part->name = cso_format("%.*s-%05zu-of-%05zu.gguf", (int)length, path, i + 1, count)))
            return cso_fail_memory(err, path);
        CSO_TRY(add_part(gguf, i, count, err));
    }
    if (has_total && total != gguf->tensor_count)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %zu tensors in all parts (expected %zu by split.tensors.count)", path,
                        gguf->tensor_count, total);
    return CSO_OK;
}

cso_status cso_gguf_open(cso_gguf **result, const char *path, cso_error *err) {
    *result = NULL;
    cso_gguf *gguf = make(path);
    if (!gguf)
        return cso_fail_memory(err, path);
    cso_status status = map_part(&gguf->parts[0], err);
    if (status == CSO_OK)
        status = cso_gguf_parse(gguf, &gguf->parts[0], err);
    if (status == CSO_OK)
        status = open_parts(gguf, path, err);
    if (status == CSO_OK)
        *result = gguf;
    else
        cso_gguf_close(gguf);
    return status;
}

cso_status cso_gguf_open_memory(cso_gguf **result, const void *data, size_t size, const char *name, cso_error *err) {
    *result = NULL;
    cso_gguf *gguf = make(name);
    if (!gguf)
        return cso_fail_memory(err, name);
    gguf->parts[0].data = data;
    gguf->parts[0].size = size;
    size_t count = 1;
    bool found;
    cso_status status = cso_gguf_parse(gguf, &gguf->parts[0], err);
    if (status == CSO_OK)
        status = cso_gguf_get_size(gguf, "split.count", &count, &found, err);
    if (status == CSO_OK && count > 1)
        status = cso_fail(err, CSO_ERR_INPUT, "%s: is one of %zu parts of a model", name, count);
    if (status == CSO_OK)
        *result = gguf;
    else
        cso_gguf_close(gguf);
    return status;
}

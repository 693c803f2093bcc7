/* hub.c - see hub.h. */
#include "hub.h"

#include "file.h"
#include "memory.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char ADDRESS[] = "huggingface.co/";

/* The length of one part of an id: letters, digits and ". - _", not a dot first; 0: it is none. */
static size_t part_length(const char *text) {
    size_t n = 0;
    while (isalnum((unsigned char)text[n]) || (n && text[n] && strchr("._-", text[n])))
        n++;
    return n;
}

/* "meta-llama/Llama-3.1-8B" at the end of a path; NULL: it does not end so. */
static const char *last_two(const char *path) {
    const char *name = strrchr(path, '/'), *owner = name;
    if (!name || name == path)
        return NULL;
    while (owner > path && owner[-1] != '/')
        owner--;
    size_t length = part_length(owner);
    return length && owner + length == name && part_length(name + 1) && !name[1 + part_length(name + 1)] ? owner : NULL;
}

/* Names of files, and folders that are called so everywhere, are no ids. */
static bool is_local(const char *id) {
    static const char *const ENDINGS[] = {".gguf", ".safetensors", ".json", ".jsonl", ".model", ".bin",    ".pt",
                                          ".gz",   ".zip",         ".csv",  ".tsv",   ".txt",   ".parquet"};
    static const char *const FOLDERS[] = {"models/",      "model/",  "data/",    "datasets/", "runs/", "adapters/",
                                          "checkpoints/", "output/", "outputs/", "weights/",  "tmp/",  "home/"};
    size_t length = strlen(id);
    for (size_t i = 0; i < sizeof ENDINGS / sizeof *ENDINGS; i++) {
        size_t ending = strlen(ENDINGS[i]);
        if (length > ending && !strcasecmp(id + length - ending, ENDINGS[i]))
            return true;
    }
    for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++)
        if (!strncasecmp(id, FOLDERS[i], strlen(FOLDERS[i])))
            return true;
    return false;
}

/* The folder of the owner's name is there: then a file in it was meant. */
static bool has_folder(const char *path) {
    char *folder = cso_path_folder(path);
    bool there = !folder || cso_path_exists(folder);
    free(folder);
    return there;
}

/* In an address "datasets/" may stand before the id, and "/tree/main" and the like behind it. */
static const char *id_of_address(const char *path, size_t *length) {
    const char *id = strstr(path, ADDRESS);
    if (!id)
        return NULL;
    id += strlen(ADDRESS);
    if (!strncmp(id, "datasets/", 9))
        id += 9;
    size_t owner = part_length(id), name = owner && id[owner] == '/' ? part_length(id + owner + 1) : 0;
    *length = owner + 1 + name;
    return name ? id : NULL;
}

cso_status cso_hub_hint(cso_status status, const char *path, cso_hub_kind kind, cso_error *err) {
    size_t length = 0;
    if (status != CSO_ERR_INPUT || cso_path_exists(path))
        return status;
    const char *id = id_of_address(path, &length);
    if (!id && (id = last_two(path))) {
        length = strlen(id);
        if (is_local(id) || has_folder(path))
            return status;
    }
    if (!id || length > 200)
        return status;
    char copy[201];
    snprintf(copy, sizeof copy, "%.*s", (int)length, id);
    const char *name = strchr(copy, '/') + 1;
    if (kind == CSO_HUB_DATA)
        return cso_fail(
            err, status,
            "%s: there is no such file. If the Hugging Face hub's data set is meant: hf download --repo-type dataset %s "
            "--local-dir data/%s, and then name a file in it",
            path, copy, name);
    return cso_fail(err, status,
                    "%s: there is no such file or folder. If the Hugging Face hub's model is meant: hf download %s --local-dir "
                    "models/%s, and then give that folder (older tools: huggingface-cli download)",
                    path, copy, name);
}

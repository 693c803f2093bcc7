/* hub.c - see hub.h. */
#include "hub.h"

#include "file.h"
#include "memory.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The rules of huggingface_hub's validate_repo_id, with an owner. */
bool cso_is_hub_id(const char *text) {
    size_t size = strlen(text), slashes = 0;
    for (size_t i = 0; i < size; i++) {
        bool edge = i == 0 || i + 1 == size || text[i - 1] == '/' || text[i + 1] == '/';
        if (text[i] == '/')
            slashes++;
        else if (!cso_is_letter_or_digit(text[i]) && (edge ? text[i] != '_' : !strchr("._-", text[i])))
            return false;
    }
    return size && size < CSO_HUB_ID_BYTES && slashes == 1 && text[0] != '/' && text[size - 1] != '/' && !strstr(text, "--") &&
           !strstr(text, "..") && !cso_ends_with(text, ".git");
}

/* The id at the beginning of what follows the hub's name in an address. */
static bool read_path(const char *text, size_t size, char id[CSO_HUB_ID_BYTES]) {
    size_t end = 0, slashes = 0;
    for (; end < size && text[end] != '?' && text[end] != '#' && !(slashes == 1 && text[end] == '/'); end++)
        slashes += text[end] == '/';
    if (end >= CSO_HUB_ID_BYTES || memchr(text, 0, end))
        return false;
    snprintf(id, CSO_HUB_ID_BYTES, "%.*s", (int)end, text);
    return cso_is_hub_id(id);
}

static bool skip(const char *beginning, const char **text, size_t *size) {
    size_t length = strlen(beginning);
    if (*size < length || memcmp(*text, beginning, length) != 0)
        return false;
    *text += length;
    *size -= length;
    return true;
}

static bool skip_host(const char **text, size_t *size) {
    return skip("huggingface.co/", text, size) || skip("hf.co/", text, size);
}

bool cso_hub_read_id(const char *text, size_t size, char id[CSO_HUB_ID_BYTES]) {
    const char *path = text;
    size_t left = size;
    (void)(skip("https://", &path, &left) || skip("http://", &path, &left));
    if (skip_host(&path, &left))
        return !skip("datasets/", &path, &left) && !skip("spaces/", &path, &left) && read_path(path, left, id);
    if (!size || size >= CSO_HUB_ID_BYTES || memchr(text, 0, size))
        return false;
    snprintf(id, CSO_HUB_ID_BYTES, "%.*s", (int)size, text);
    return cso_is_hub_id(id);
}

/* "meta-llama/Llama-3.1-8B" at the end of a path; NULL: it does not end so. */
static const char *last_two(const char *path) {
    const char *name = strrchr(path, '/'), *owner = name;
    if (!name || name == path)
        return NULL;
    while (owner > path && owner[-1] != '/')
        owner--;
    return cso_is_hub_id(owner) ? owner : NULL;
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

/* An address anywhere in a path: one in a configuration was joined to its folder. */
static bool find_address(const char *path, char id[CSO_HUB_ID_BYTES]) {
    for (const char *at = path; at; at = strchr(at, '/')) {
        at += *at == '/';
        size_t size = strlen(at);
        const char *rest = at;
        if (!skip_host(&rest, &size))
            continue;
        skip("datasets/", &rest, &size);
        return read_path(rest, size, id);
    }
    return false;
}

cso_status cso_hub_hint(cso_status status, const char *path, cso_hub_kind kind, cso_error *err) {
    char id[CSO_HUB_ID_BYTES];
    if (status != CSO_ERR_INPUT || cso_path_exists(path))
        return status;
    if (!find_address(path, id)) {
        const char *end = last_two(path);
        if (!end || is_local(end) || has_folder(path))
            return status;
        snprintf(id, sizeof id, "%s", end);
    }
    const char *name = strchr(id, '/') + 1;
    if (kind == CSO_HUB_DATA)
        return cso_fail(
            err, status,
            "%s: there is no such file. If the Hugging Face hub's data set is meant: hf download --repo-type dataset %s "
            "--local-dir data/%s, and then name a file in it",
            path, id, name);
    return cso_fail(err, status,
                    "%s: there is no such file or folder. If the Hugging Face hub's model is meant: hf download %s --local-dir "
                    "models/%s, and then give that folder (older tools: huggingface-cli download)",
                    path, id, name);
}

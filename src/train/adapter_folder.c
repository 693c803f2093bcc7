/* adapter_folder.c - see adapter_folder.h. */
#include "adapter_folder.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_TOKENIZER_BYTES = 1 << 28 }; /* of one file: what the tokenizer's reader takes */

static const char *const tokenizer_files[] = {
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "vocab.json",
    "merges.txt",
    NULL,
};

static bool is_file(const char *folder, const char *name) {
    struct stat info;
    char *path = cso_path_join(folder, name);
    bool found = path && stat(path, &info) == 0 && S_ISREG(info.st_mode);
    free(path);
    return found;
}

static bool has_tokenizer_files(const char *folder) {
    for (size_t i = 0; tokenizer_files[i]; i++)
        if (is_file(folder, tokenizer_files[i]))
            return true;
    return false;
}

/* The folder with the files of the tokenizer that the run uses; *folder is NULL if it is in a GGUF. The caller frees. */
static cso_status find_tokenizer(const cso_train_job *job, char **folder, cso_error *err) {
    const char *path = job->config->model.tokenizer;
    const cso_weights *weights = job->model->weights;
    *folder = NULL;
    if (path && *path && cso_path_is_folder(path))
        *folder = cso_strdup(path);
    else if (path && *path && (cso_ends_with(path, ".json") || cso_ends_with(path, ".model")))
        *folder = cso_path_folder(path);
    else if ((!path || !*path) && !weights->gguf)
        *folder = cso_strdup(weights->folder);
    else
        return CSO_OK;
    return *folder ? CSO_OK : cso_fail_memory(err, "a path");
}

static void warn(const cso_train_job *job, const char *text) {
    if (job->observer.warning)
        job->observer.warning(job->observer.context, text);
}

/* Copies a file; one that cannot be read is left out. */
static cso_status copy(const cso_train_job *job, const char *from, const char *to, const char *name, cso_error *err) {
    char *source = cso_path_join(from, name), *target = cso_path_join(to, name), *text = NULL;
    size_t size;
    cso_error why;
    cso_status status = source && target ? CSO_OK : cso_fail_memory(err, "a path");
    if (status == CSO_OK && cso_read_file(source, MAX_TOKENIZER_BYTES, &text, &size, &why) != CSO_OK)
        warn(job, why.message);
    else if (status == CSO_OK)
        status = cso_save_text(target, text, size, err);
    free(text);
    free(source);
    free(target);
    return status;
}

static cso_status copy_tokenizer(const cso_train_job *job, const char *folder, cso_error *err) {
    char *from = NULL;
    cso_status status = CSO_OK;
    CSO_TRY(find_tokenizer(job, &from, err));
    for (size_t i = 0; from && tokenizer_files[i] && status == CSO_OK; i++)
        if (is_file(from, tokenizer_files[i]))
            status = copy(job, from, folder, tokenizer_files[i], err);
    free(from);
    return status;
}

static cso_status write_card(const cso_train_job *job, const cso_adapter_origin *origin, const char *folder, cso_error *err) {
    cso_text card = {0};
    char *path = cso_path_join(folder, "README.md");
    cso_model_card(&card, job, origin, has_tokenizer_files(folder));
    cso_status status = path && !card.failed ? cso_save_text(path, card.data, card.size, err) : cso_fail_memory(err, "README.md");
    free(card.data);
    free(path);
    return status;
}

cso_status cso_adapter_folder_write(const cso_train_job *job, const cso_adapter_origin *origin, const char *folder,
                                    cso_error *err) {
    CSO_TRY(cso_adapter_write(job->adapter, folder, err));
    CSO_TRY(copy_tokenizer(job, folder, err));
    return write_card(job, origin, folder, err);
}

/* data_source.c - opening the tokenizer and the template that the options of cso-data name. */
#include "data_command.h"

#include "base/file.h"
#include "base/hub.h"
#include "base/memory.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static cso_status open_tokenizer(data_source *source, cso_error *err) {
    if (source->tokenizer_path)
        return cso_tokenizer_open(&source->tokenizer, source->tokenizer_path, err);
    if (!cso_ends_with(source->model, ".safetensors"))
        return cso_tokenizer_open(&source->tokenizer, source->model, err);
    char *folder = cso_path_folder(source->model); /* weights alone: the tokenizer is beside them */
    if (!folder)
        return cso_fail_memory(err, "a path");
    cso_status status = cso_tokenizer_open(&source->tokenizer, folder, err);
    free(folder);
    return status;
}

/* Files with the texts that go before trees. */
static cso_status read_prompts(data_source *source, cso_error *err) {
    size_t size;
    if (source->system_prompt_path)
        CSO_TRY(cso_read_file(source->system_prompt_path, MAX_PROMPT_BYTES, &source->system_prompt, &size, err));
    return source->strategies_path ? cso_strategies_read(&source->strategies, source->strategies_path, err) : CSO_OK;
}

cso_status data_source_open(data_source *source, cso_error *err) {
    if (!source->model && !source->tokenizer_path)
        return cso_fail(err, CSO_ERR_USAGE, "--model PATH or --tokenizer PATH is needed");
    if (source->model && source->tokenizer_path)
        return cso_fail(err, CSO_ERR_USAGE, "--model and --tokenizer exclude each other");
    CSO_TRY(read_prompts(source, err));
    const char *path = source->model ? source->model : source->tokenizer_path;
    CSO_TRY(cso_hub_hint(open_tokenizer(source, err), path, CSO_HUB_MODEL, err));
    if (source->chat_template && strcmp(source->chat_template, "auto")) /* a wrong name is wrong usage, whatever the records are */
        return data_source_chat(source, err);
    return CSO_OK;
}

cso_status data_source_open_any(data_source *source, cso_error *err) {
    if (!source->model && !source->tokenizer_path)
        return read_prompts(source, err);
    CSO_TRY(data_source_open(source, err));
    return data_source_chat(source, err);
}

cso_status data_source_chat(data_source *source, cso_error *err) {
    if (source->chat)
        return CSO_OK;
    const char *place = source->model ? source->model : source->tokenizer_path;
    return cso_chat_template_get(&source->chat, source->chat_template ? source->chat_template : "auto", source->tokenizer, place,
                                 err);
}

void data_source_close(data_source *source) {
    cso_tokenizer_free(source->tokenizer);
    free(source->system_prompt);
    cso_strategies_free(source->strategies);
}

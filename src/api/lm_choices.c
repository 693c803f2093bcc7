/* lm_choices.c - how probable texts are. */
#include "api.h"

#include "base/memory.h"
#include "decode/choices.h"

#include <stdlib.h>
#include <string.h>

static cso_status encode(const cso_lm_worker *worker, const cso_lm_choice *texts, size_t n, cso_ids *ids, cso_choice *choices,
                         cso_error *err) {
    for (size_t i = 0; i < n; i++) {
        CSO_TRY(api_require(texts[i].text, "a choice's text", err));
        if (!*texts[i].text)
            return cso_fail(err, CSO_ERR_USAGE, "choices[%zu]: the text is empty", i);
        CSO_TRY(
            cso_tokenizer_encode(worker->model->tokenizer.tokenizer, texts[i].text, strlen(texts[i].text), false, &ids[i], err));
        choices[i] = (cso_choice){.ids = ids[i].ids, .count = ids[i].count};
    }
    return CSO_OK;
}

cso_status api_choices(cso_lm_worker *worker, cso_choice_set set, cso_lm_choice *texts, size_t n, cso_error *err) {
    cso_ids *ids = NULL;
    cso_choice *choices = NULL;
    cso_status status;
    CSO_TRY(api_require(texts, "choices", err));
    ids = cso_calloc(n, sizeof *ids);
    choices = cso_calloc(n, sizeof *choices);
    if (!ids || !choices) {
        status = cso_fail_memory(err, "choices");
        goto done;
    }
    CSO_TRY_DONE(encode(worker, texts, n, ids, choices, err));
    set.choices = choices;
    set.n = n;
    worker->steps++;
    CSO_TRY_DONE(cso_choices_score(worker->decoder, &set, 1, err));
    for (size_t i = 0; i < n; i++) {
        texts[i].logp = choices[i].logp;
        texts[i].probability = choices[i].probability;
    }
done:
    for (size_t i = 0; ids && i < n; i++)
        free(ids[i].ids);
    free(ids);
    free(choices);
    return status;
}

cso_lm_status cso_lm_choices(cso_lm_worker *worker, const cso_lm_adapter *adapter, const int32_t *ids, size_t count,
                             cso_lm_choice *choices, size_t n, cso_lm_error *error) {
    cso_error err = {0};
    cso_status status;
    cso_choice_set set = {.prompt = ids, .n_prompt = count};
    CSO_TRY_DONE(api_require(worker, "worker", &err));
    CSO_TRY_DONE(api_require(ids, "ids", &err));
    CSO_TRY_DONE(api_adapter(worker, adapter, &set.adapter, &err));
    CSO_TRY_DONE(api_decoder(worker, &err));
    status = api_choices(worker, set, choices, n, &err);
    api_forget(worker, set.adapter);
done:
    return api_result(status, &err, error);
}

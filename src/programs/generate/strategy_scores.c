/* strategy_scores.c - see strategy_scores.h. */
#include "strategy_scores.h"

#include "base/memory.h"
#include "decode/choices.h"

#include <stdlib.h>
#include <string.h>

/* "(NAME)" as a choice; its ids are to be freed. */
static cso_status name_choice(const cso_tokenizer *tokenizer, const char *name, cso_choice *choice, cso_error *err) {
    cso_ids ids = {0};
    char *text = cso_format("(%s)", name);
    cso_status status = text ? cso_tokenizer_encode(tokenizer, text, strlen(text), false, &ids, err) : cso_fail_memory(err, name);
    free(text);
    *choice = (cso_choice){.ids = ids.ids, .count = ids.count};
    return status;
}

cso_status strategy_scores(const generate_session *s, const cso_ids *prompt, double *probabilities, cso_error *err) {
    size_t n = s->strategies->count;
    cso_choice *choices = cso_calloc(n, sizeof *choices);
    const cso_choice_set set = {
        .adapter = s->adapter, .prompt = prompt->ids, .n_prompt = prompt->count, .choices = choices, .n = n};
    cso_status status = choices ? CSO_OK : cso_fail_memory(err, "strategies");
    for (size_t i = 0; status == CSO_OK && i < n; i++)
        status = name_choice(s->base.tokenizer, s->strategies->items[i].name, &choices[i], err);
    if (status == CSO_OK)
        status = cso_choices_score(s->decoder, &set, 1, err);
    for (size_t i = 0; choices && i < n; i++) {
        probabilities[i] = choices[i].probability;
        free((int32_t *)choices[i].ids);
    }
    free(choices);
    return status;
}

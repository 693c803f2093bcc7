/* strategy_scores.c - see strategy_scores.h. */
#include "strategy_scores.h"

#include "base/memory.h"
#include "decode/choices.h"

#include <stdlib.h>
#include <string.h>

/* The ids of "(NAME)" for each strategy. */
typedef struct name_ids {
    cso_ids *items; /* (count) */
    size_t count;
} name_ids;

static void name_ids_free(name_ids *names) {
    for (size_t i = 0; names->items && i < names->count; i++)
        free(names->items[i].ids);
    free(names->items);
}

static cso_status name_ids_make(name_ids *names, const generate_session *s, cso_error *err) {
    *names = (name_ids){cso_calloc(s->strategies->count, sizeof *names->items), s->strategies->count};
    cso_status status = names->items ? CSO_OK : cso_fail_memory(err, "strategies");
    for (size_t i = 0; status == CSO_OK && i < names->count; i++) {
        char *text = cso_format("(%s)", s->strategies->items[i].name);
        status = text ? cso_tokenizer_encode(s->base.tokenizer, text, strlen(text), false, &names->items[i], err)
                      : cso_fail_memory(err, "strategies");
        free(text);
    }
    if (status != CSO_OK)
        name_ids_free(names);
    return status;
}

cso_status strategy_tokens(const generate_session *s, size_t *tokens, cso_error *err) {
    name_ids names;
    *tokens = 0;
    CSO_TRY(name_ids_make(&names, s, err));
    for (size_t i = 0; i < names.count; i++)
        *tokens += names.items[i].count;
    name_ids_free(&names);
    return CSO_OK;
}

/* choices (n, names->count). */
static cso_status score(const generate_session *s, const name_ids *names, const cso_ids *const *prompts, cso_choice_set *sets,
                        cso_choice *choices, size_t n, cso_error *err) {
    for (size_t i = 0; i < n; i++) {
        cso_choice *own = choices + i * names->count;
        for (size_t k = 0; k < names->count; k++)
            own[k] = (cso_choice){.ids = names->items[k].ids, .count = names->items[k].count};
        sets[i] = (cso_choice_set){
            .adapter = s->adapter, .prompt = prompts[i]->ids, .n_prompt = prompts[i]->count, .choices = own, .n = names->count};
    }
    return cso_choices_score(s->decoder, sets, n, err);
}

cso_status strategy_scores(const generate_session *s, const cso_ids *const *prompts, size_t n, double *probabilities,
                           cso_error *err) {
    name_ids names;
    CSO_TRY(name_ids_make(&names, s, err));
    cso_choice_set *sets = cso_calloc(n, sizeof *sets);
    cso_choice *choices = cso_calloc(n * names.count, sizeof *choices);
    cso_status status = sets && choices ? score(s, &names, prompts, sets, choices, n, err) : cso_fail_memory(err, "strategies");
    for (size_t i = 0; status == CSO_OK && i < n * names.count; i++)
        probabilities[i] = choices[i].probability;
    free(sets);
    free(choices);
    name_ids_free(&names);
    return status;
}

/* strategy_scores.c - see strategy_scores.h. */
#include "strategy_scores.h"

#include "base/memory.h"
#include "decode/choices.h"
#include "programs/common/name_ids.h"

#include <stdlib.h>
#include <string.h>

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
    name_ids names = {0};
    cso_choice_set *sets = cso_calloc(n, sizeof *sets);
    cso_choice *choices = cso_calloc(n * s->strategies->count, sizeof *choices);
    cso_status status =
        sets && choices ? name_ids_make(&names, s->strategies, s->base.tokenizer, err) : cso_fail_memory(err, "strategies");
    if (status == CSO_OK)
        status = score(s, &names, prompts, sets, choices, n, err);
    for (size_t i = 0; status == CSO_OK && i < n * names.count; i++)
        probabilities[i] = choices[i].probability;
    free(sets);
    free(choices);
    name_ids_free(&names);
    return status;
}

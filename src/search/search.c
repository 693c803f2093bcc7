/* search.c - see search.h. */
#include "search_parts.h"

#include "base/memory.h"

#include <string.h>

static cso_status begin_result(search *s, cso_error *err) {
    const cso_prompts *prompts = s->talk->prompts;
    cso_search_result *r = s->result;
    *r = (cso_search_result){.index = s->seed->index, .state = CSO_SEARCH_STOPPED};
    r->method = cso_strdup(cso_search_method_words[s->rules->method]);
    r->mode = cso_strdup(cso_search_mode_words[s->rules->mode]);
    r->scene = cso_strdup(s->seed->scene);
    r->description = cso_strdup(s->seed->description);
    r->prompts = cso_strdup(prompts->hash);
    if (!r->method || !r->mode || !r->scene || !r->description || !r->prompts)
        return cso_fail_memory(err, "a search");
    const char *names[CSO_MAX_STRATEGIES];
    size_t count = prompts->strategies->count;
    for (size_t i = 0; i < count; i++)
        names[i] = prompts->strategies->items[i].name;
    return cso_search_tree_begin(&r->tree, names, count, err);
}

cso_status cso_search_run(const cso_search_plan *plan, const cso_seed *seed, cso_talk *talk, cso_search_result *result,
                          cso_error *err) {
    static cso_status (*const methods[])(search * s, cso_error * err) = {
        [CSO_METHOD_MCTS] = search_mcts, [CSO_METHOD_BEST_OF_N] = search_best_of_n, [CSO_METHOD_GREEDY] = search_greedy};
    search s = {plan->rules, plan, seed, talk, result, &result->tree};
    cso_status status = begin_result(&s, err);
    if (status == CSO_OK)
        status = search_plant(&s, err);
    if (status == CSO_OK)
        status = methods[plan->rules->method](&s, err);
    memcpy(result->calls, talk->caller->calls, sizeof result->calls);
    if (status == CSO_OK)
        result->state = CSO_SEARCH_COMPLETE;
    else if (status < CSO_STOPPED)
        result->state = CSO_SEARCH_FAILED;
    return status;
}

/* An iteration: 2 to generate the selected node, 1 to expand, 2 for the child, and each round 3; all of these turns are judged. */
size_t cso_search_most_calls(const cso_search_options *rules, size_t iterations, size_t golden_turns) {
    size_t each = 2 + 1 + 2 + 3 * rules->rounds + 1 + rules->rounds;
    return (golden_turns ? golden_turns : 1) + iterations * each;
}

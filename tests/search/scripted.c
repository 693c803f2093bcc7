#include "scripted.h"

#include "../test_folder.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char PROMPTS[] = "greeting = \"Hi.\"\n"
                              "[[strategy]]\nname = \"Ask\"\ndescription = \"To know.\"\n"
                              "[[strategy]]\nname = \"Tell\"\ndescription = \"Facts.\"\n"
                              "[[strategy]]\nname = \"Hold\"\ndescription = \"Be there.\"\n"
                              "[prompt.strategy]\nsystem = \"{strategies}\"\nuser = \"{history}\"\n"
                              "[prompt.supporter]\nsystem = \"\"\nuser = \"{strategy}|{history}\"\n"
                              "[prompt.seeker]\nsystem = \"{situation} {emotion}\"\nuser = \"{history}\"\n"
                              "[prompt.judge]\nsystem = \"\"\nuser = \"{history}\"\n";

cso_prompts scripted_prompts(void) {
    cso_prompts prompts;
    cso_error err = {0};
    save_in_folder("prompts.toml", PROMPTS);
    if (cso_prompts_read(&prompts, in_folder("prompts.toml"), &err) != CSO_OK)
        fail_msg("%s", err.message);
    return prompts;
}

scripted_search scripted_begin(const cso_prompts *prompts) {
    static char scene[] = "S", description[] = "D";
    return (scripted_search){
        .rules = {.iterations_min = 1,
                  .iterations_max = 1,
                  .ended_min = 1,
                  .ended_max = 25,
                  .rounds = 1,
                  .c = 1,
                  .prior_temperature = 1.4426950408889634, /* 1 / ln 2 */
                  .reward_weights = {0.1, 0.1, 0.1, 0.7},
                  .reward_bias = -3,
                  .turns_max = 20},
        .extract = {.ended_q_min = 0.5, .ended_n_min = 2, .negative_q_max = 0.5},
        .seed = {.index = 1, .scene = scene, .description = description},
        .prompts = prompts,
    };
}

static cso_status ask(void *self, const cso_question *questions, size_t count, cso_answer_taker take, void *context,
                      cso_error *err) {
    const scripted *roles = self;
    for (size_t i = 0; i < count; i++) {
        cso_answer answer = {.text = roles->answer(roles->context, &questions[i]), .tries = 1};
        if (!answer.text)
            return cso_fail_memory(err, "an answer");
        CSO_TRY(take(context, i, &answer, err));
    }
    return CSO_OK;
}

cso_status scripted_run(const scripted_search *search, cso_search_result *result, cso_error *err) {
    scripted roles = search->roles;
    cso_policy policy = {.ask = ask, .self = &roles};
    for (size_t i = 0; i < CSO_ROLES; i++) {
        policy.max_retries[i] = search->max_retries;
        policy.context[i] = search->context;
        policy.max_tokens[i] = search->max_tokens;
    }
    cso_caller caller = {.policy = &policy};
    cso_talk talk = {.caller = &caller,
                     .prompts = search->prompts,
                     .situation = search->seed.description,
                     .emotion = search->seed.scene,
                     .bounded = search->rules.mode == CSO_SEARCH_DEFAULT};
    const cso_search_plan plan = {&search->rules, &search->extract, SIZE_MAX, search->watcher};
    return cso_search_run(&plan, &search->seed, &talk, result, err);
}

/* choices.c - how probable each strategy is as the next turn's, and replies that begin with the most probable: choices MODEL MESSAGE
 *
 *     cc choices.c -o choices $(pkg-config --cflags --libs cso)
 */
#include <cso.h>

#include <stdio.h>

enum { STRATEGIES = 8 };

static const char *const names[STRATEGIES] = {"[Question]",
                                              "[Restatement or Paraphrasing]",
                                              "[Reflection of Feelings]",
                                              "[Self-disclosure]",
                                              "[Affirmation and Reassurance]",
                                              "[Suggestions]",
                                              "[Information]",
                                              "[Others]"};

static bool print_reply(void *context, const cso_lm_made *reply) {
    (void)context;
    printf("%zu: %s%s\n", reply->number + 1, reply->text, reply->finish == CSO_LM_FINISH_LENGTH ? " ..." : "");
    return true; /* false would stop here */
}

/* Three replies, each with draws of its own. The same seed gives the same replies again. */
static cso_lm_status print_replies(cso_lm_worker *worker, const cso_lm_ids *prompt, const char *prefix, cso_lm_error *error) {
    const char *const stops[] = {"\n\n"};
    const cso_lm_prompt prompts[] = {{prompt->ids, prompt->count}};
    cso_lm_generate_options options = {.max_tokens = 48, .n = 3, .prefix = prefix, .made = print_reply};
    options.sampling.temperature = 0.8;
    options.sampling.top_p = 0.95;
    options.sampling.seed = 1;
    options.stop_texts = stops;
    options.n_stop_texts = 1;
    return cso_lm_generate(worker, prompts, 1, &options, error);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: choices MODEL MESSAGE\n");
        return CSO_LM_ERR_USAGE;
    }
    cso_lm *model = NULL;
    cso_lm_worker *worker = NULL;
    cso_lm_ids prompt = {0};
    cso_lm_error error = {0};
    cso_lm_choice choices[STRATEGIES];
    size_t best = 0;
    for (size_t i = 0; i < STRATEGIES; i++)
        choices[i] = (cso_lm_choice){.text = names[i]};

    const cso_lm_message messages[] = {{"user", argv[2]}};
    cso_lm_status status = cso_lm_open(&model, argv[1], NULL, &error);
    if (status == CSO_LM_OK)
        status = cso_lm_worker_create(&worker, model, NULL, &error);
    if (status == CSO_LM_OK)
        status = cso_lm_render_ids(cso_lm_get_tokenizer(model), messages, 1, true, false, &prompt, &error);
    if (status == CSO_LM_OK)
        status = cso_lm_choices(worker, NULL, prompt.ids, prompt.count, choices, STRATEGIES, &error);
    for (size_t i = 0; status == CSO_LM_OK && i < STRATEGIES; i++) {
        printf("%6.2f %%  %s\n", 100 * choices[i].probability, choices[i].text);
        best = choices[i].probability > choices[best].probability ? i : best;
    }
    if (status == CSO_LM_OK)
        status = print_replies(worker, &prompt, names[best], &error);
    if (status != CSO_LM_OK)
        fprintf(stderr, "choices: %s\n", error.message);
    cso_lm_ids_free(&prompt);
    cso_lm_worker_free(worker);
    cso_lm_close(model);
    return (int)status;
}

/* generate.c - a reply to one message, printed as it is made: generate MODEL MESSAGE [ADAPTER]
 *
 *     cc generate.c -o generate $(pkg-config --cflags --libs cso)
 */
#include <cso.h>

#include <stdio.h>

/* Called for each token. Text may be empty: some characters take several tokens. */
static bool print_token(void *context, const cso_lm_token *token) {
    (void)context;
    fwrite(token->text, 1, token->size, stdout);
    fflush(stdout);
    return true; /* false would end the reply here */
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "usage: generate MODEL MESSAGE [ADAPTER]\n");
        return CSO_LM_ERR_USAGE;
    }
    cso_lm *model = NULL;
    cso_lm_adapter *adapter = NULL;
    cso_lm_worker *worker = NULL;
    cso_lm_text reply = {0};
    cso_lm_error error = {0};

    /* The weights are mapped, so opening is quick. A worker has the working memory and its threads. */
    cso_lm_status status = cso_lm_open(&model, argv[1], NULL, &error);
    if (status == CSO_LM_OK && argc > 3)
        status = cso_lm_adapter_open(&adapter, model, argv[3], &error);
    if (status == CSO_LM_OK)
        status = cso_lm_worker_create(&worker, model, NULL, &error);
    if (status == CSO_LM_OK) {
        const cso_lm_message messages[] = {{"user", argv[2]}};
        const cso_lm_generate_options options = {.adapter = adapter, .max_tokens = 64, .callback = print_token};
        status = cso_lm_reply(worker, messages, 1, &options, &reply, &error);
        putchar('\n');
    }
    if (status != CSO_LM_OK)
        fprintf(stderr, "generate: %s\n", error.message);

    /* Everything takes NULL. Workers and adapters go before their model. */
    cso_lm_text_free(&reply);
    cso_lm_worker_free(worker);
    cso_lm_adapter_close(adapter);
    cso_lm_close(model);
    return (int)status;
}

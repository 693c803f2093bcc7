#include "api_fixture.h"

#include "../golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

void api_ok(cso_lm_status status, const cso_lm_error *error) {
    if (status != CSO_LM_OK)
        fail_msg("status %d: %s", (int)status, error->message);
}

void api_fails(cso_lm_status status, const cso_lm_error *error, cso_lm_status expected, const char *message) {
    assert_string_equal(error->message, message);
    assert_int_equal(status, expected);
    assert_int_equal(error->status, expected);
}

void api_open(api_fixture *f) {
    cso_lm_error error = {0};
    const cso_lm_options options = {.chat_template = "llama3"};
    *f = (api_fixture){0};
    api_ok(cso_lm_open(&f->model, API_MODEL, &options, &error), &error);
    api_ok(cso_lm_adapter_open(&f->adapter, f->model, API_ADAPTER, &error), &error);
    api_ok(cso_lm_worker_create(&f->worker, f->model, &(cso_lm_worker_options){.threads = 2}, &error), &error);
}

void api_close(api_fixture *f) {
    cso_lm_worker_free(f->worker);
    cso_lm_adapter_close(f->adapter);
    cso_lm_close(f->model);
}

bool api_keep_score(void *context, const cso_lm_score *score) {
    api_scores *s = context;
    s->counts[s->items++] = score->count;
    for (size_t i = 0; i < score->count; i++) {
        const cso_lm_logps *logps = &score->logps[i];
        if (s->sequences == 64 || s->tokens + logps->count > 4096)
            return false;
        memcpy(s->token_logps + s->tokens, logps->token_logps, logps->count * sizeof *logps->token_logps);
        s->tokens += logps->count;
        s->n_tokens[s->sequences] = logps->count;
        s->logp[s->sequences++] = logps->logp;
    }
    return !s->stop_after || s->items < s->stop_after;
}

const char *api_config(const char *dir) {
    static char path[256];
    char root[512];
    assert_non_null(getcwd(root, sizeof root));
    snprintf(path, sizeof path, "%s/c.toml", dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "[model]\npath = \"%s/" API_MODEL "\"\nchat_template = \"llama3\"\n"
            "[data]\ntrain = [\"%s/" API_PAIRS "\"]\neval = [\"%s/" API_PAIRS "\"]\nparse_special = true\n"
            "[lora]\nrank = 4\ndropout = 0.1\n"
            "[train]\nmax_steps = 6\nbatch_size = 4\nlearning_rate = 1e-3\nmemory_gib = 1.0\n"
            "[checkpoint]\ndir = \"%s/run\"\n"
            "[log]\neval_every_steps = 3\n",
            root, root, root, dir);
    assert_int_equal(fclose(file), 0);
    return path;
}

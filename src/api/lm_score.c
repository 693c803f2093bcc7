/* lm_score.c - log-probabilities of ids, texts, pairs and files. */
#include "api.h"

#include "base/memory.h"
#include "io/json.h"
#include "score/score.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is to be scored, of one of four kinds. */
typedef struct request {
    cso_lm_worker *worker;
    const cso_lm_score_options *options;
    const cso_lm_sequence *sequences; /* NULL: the others */
    size_t n_sequences;
    const char *text, *path;
    size_t text_size;
    const cJSON *pair;
    cso_lm_logps *logps; /* of one result */
    size_t capacity;
} request;

static cso_status visit(void *context, const cso_score_item *item, cso_error *err) {
    request *r = context;
    const cso_lm_score_options *options = r->options;
    if (!cso_grow(&r->logps, &r->capacity, item->count, sizeof *r->logps))
        return cso_fail_memory(err, "a result");
    for (size_t i = 0; i < item->count; i++)
        r->logps[i] = (cso_lm_logps){item->sequence[i].logp, item->sequence[i].token_logps, item->sequence[i].n_tokens};
    const cso_lm_score score = {item->count, r->logps};
    return options->callback(options->context, &score) ? CSO_OK
                                                       : cso_fail(err, CSO_STOPPED, "the callback has stopped the scoring");
}

static cso_status make_job(request *r, cso_score_job *job, cso_error *err) {
    const cso_lm_score_options *options = r->options;
    CSO_TRY(api_require(r->worker, "worker", err));
    CSO_TRY(api_require(options, "options", err));
    if (!options->callback)
        return cso_fail(err, CSO_ERR_USAGE, "options->callback is NULL");
    const cso_lm *model = r->worker->model;
    *job = (cso_score_job){
        .engine = r->worker->engine,
        .tokenizer = model->base.tokenizer,
        .chat_template = model->chat_template,
        .place = model->path,
        .max_length = options->max_length && options->max_length < INT32_MAX ? options->max_length : INT32_MAX,
        .parse_special = options->parse_special,
        .visit = visit,
        .context = r,
    };
    return api_adapter(r->worker, options->adapter, &job->adapter, err);
}

static cso_status add_sequences(cso_scorer *scorer, const request *r, cso_error *err) {
    char place[64];
    for (size_t i = 0; i < r->n_sequences; i++) {
        const cso_lm_sequence *sequence = &r->sequences[i];
        snprintf(place, sizeof place, "sequence %zu", i + 1);
        CSO_TRY(api_require(sequence->ids || !sequence->count ? sequence : NULL, place, err));
        CSO_TRY(cso_scorer_add_ids(scorer, sequence->ids, sequence->count, sequence->start, place, err));
    }
    return CSO_OK;
}

static cso_status score(request *r, cso_error *err) {
    cso_score_job job;
    cso_scorer *scorer = NULL;
    cso_status status;
    CSO_TRY(make_job(r, &job, err));
    if (r->path) {
        status = cso_score_file(&job, r->path, NULL, err);
        goto done;
    }
    CSO_TRY(cso_scorer_create(&scorer, &job, err));
    if (r->sequences)
        CSO_TRY_DONE(add_sequences(scorer, r, err));
    else if (r->text)
        CSO_TRY_DONE(cso_scorer_add_text(scorer, r->text, r->text_size, "the text", err));
    else if (r->pair)
        CSO_TRY_DONE(cso_scorer_add_record(scorer, r->pair, "the pair", err));
    status = cso_scorer_flush(scorer, err);
done:
    cso_scorer_free(scorer);
    free(r->logps);
    return status;
}

cso_lm_status cso_lm_score_ids(cso_lm_worker *worker, const cso_lm_sequence *sequences, size_t n,
                               const cso_lm_score_options *options, cso_lm_error *error) {
    cso_error err = {0};
    request r = {.worker = worker, .options = options, .sequences = sequences, .n_sequences = n};
    cso_status status = n ? api_require(sequences, "sequences", &err) : CSO_OK;
    return api_result(status == CSO_OK ? score(&r, &err) : status, &err, error);
}

cso_lm_status cso_lm_score_text(cso_lm_worker *worker, const char *text, size_t size, const cso_lm_score_options *options,
                                cso_lm_error *error) {
    cso_error err = {0};
    request r = {.worker = worker, .options = options, .text = size ? text : "", .text_size = size};
    cso_status status = api_require(r.text, "text", &err);
    return api_result(status == CSO_OK ? score(&r, &err) : status, &err, error);
}

cso_lm_status cso_lm_score_file(cso_lm_worker *worker, const char *path, const cso_lm_score_options *options, cso_lm_error *error) {
    cso_error err = {0};
    request r = {.worker = worker, .options = options, .path = path};
    cso_status status = api_require(path, "path", &err);
    return api_result(status == CSO_OK ? score(&r, &err) : status, &err, error);
}

static bool add_message(cJSON *list, const char *role, const char *content) {
    cJSON *message = cJSON_CreateObject();
    return message && cJSON_AddItemToArray(list, message) && cJSON_AddStringToObject(message, "role", role) &&
           cJSON_AddStringToObject(message, "content", content);
}

/* The preference record that a file would hold, so that its rules are those of training. */
static cJSON *make_pair(const cso_lm_message *prompt, size_t count, const char *const replies[2]) {
    static const char *const keys[2] = {"chosen", "rejected"};
    cJSON *record = cJSON_CreateObject(), *list = record ? cJSON_AddArrayToObject(record, "prompt") : NULL;
    bool made = list != NULL;
    for (size_t i = 0; made && i < count; i++)
        made = add_message(list, prompt[i].role, prompt[i].content);
    for (size_t side = 0; made && side < 2; side++)
        made = (list = cJSON_AddArrayToObject(record, keys[side])) && add_message(list, "assistant", replies[side]);
    if (!made) {
        cJSON_Delete(record);
        return NULL;
    }
    return record;
}

cso_lm_status cso_lm_score_pair(cso_lm_worker *worker, const cso_lm_message *prompt, size_t count, const char *chosen,
                                const char *rejected, const cso_lm_score_options *options, cso_lm_error *error) {
    cso_error err = {0};
    cso_message *checked = NULL;
    cJSON *record = NULL;
    cso_status status;
    CSO_TRY_DONE(api_messages(prompt, count, &checked, &err));
    free(checked);
    CSO_TRY_DONE(api_require(chosen, "chosen", &err));
    CSO_TRY_DONE(api_require(rejected, "rejected", &err));
    record = make_pair(prompt, count, (const char *const[2]){chosen, rejected});
    if (!record) {
        status = cso_fail_memory(&err, "a pair");
        goto done;
    }
    request r = {.worker = worker, .options = options, .pair = record};
    status = score(&r, &err);
done:
    cJSON_Delete(record);
    return api_result(status, &err, error);
}

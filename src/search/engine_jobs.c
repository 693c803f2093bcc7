/* engine_jobs.c - questions to requests, and replies to answers. */
#include "base/memory.h"
#include "engine_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cso_status check_length(const engine_job *job, cso_role role, size_t answer, cso_error *err) {
    if (job->prompt.count + answer <= job->role->context)
        return CSO_OK;
    return cso_fail(err, CSO_ERR_USAGE,
                    "role.%s: the question has %zu tokens, and its answer may have %zu (expected at most %zu together, the role's "
                    "context)",
                    cso_role_words[role], job->prompt.count, answer, job->role->context);
}

static cso_status render(engine_job *job, const cso_message *messages, size_t count, bool answer, cso_ids *ids, cso_error *err) {
    const engine_model *model = job->role->model;
    const cso_chat_request request = {.messages = messages, .count = count, .add_generation_prompt = answer};
    return cso_chat_render(model->chat_template, model->tokenizer, &request, ids, NULL, NULL, err);
}

/* System message (none if it is empty) and user message. */
static cso_status make_request(engine_job *job, const cso_question *question, cso_error *err) {
    const engine_role *role = job->role;
    const cso_message messages[] = {{"system", question->system, strlen(question->system)},
                                    {"user", question->user, strlen(question->user)}};
    size_t skipped = *question->system ? 0 : 1;
    CSO_TRY(render(job, messages + skipped, 2 - skipped, true, &job->prompt, err));
    CSO_TRY(check_length(job, question->role, role->player->max_tokens, err));
    job->request = (cso_request){
        .name = role->name,
        .owner = job,
        .adapter = role->player->adapter,
        .prompt = job->prompt.ids,
        .n_prompt = job->prompt.count,
        .sampling = {.temperature = role->player->temperature, .seed = question->seed},
        .max_tokens = role->player->max_tokens,
        .stops = role->model->stops,
        .n_stops = 2,
        .prefix = role->prefix,
        .constraint = question->opening && role->opening ? role->opening : role->constraint,
        .jump = true,
    };
    return CSO_OK;
}

/* The reply's tokens are those that training counts for a pair: what the rendering with the reply has more than that with the
 * generation prompt, from where the two part. */
static cso_status split_reply(engine_job *job, const cso_message *messages, size_t n, cso_error *err) {
    cso_ids prompt = {0};
    size_t same = 0;
    cso_status status = render(job, messages, n, true, &prompt, err);
    if (status == CSO_OK)
        status = render(job, messages, n + 1, false, &job->prompt, err);
    if (status == CSO_OK) {
        while (same < prompt.count && same < job->prompt.count && prompt.ids[same] == job->prompt.ids[same])
            same++;
        job->reply = (cso_choice){.ids = job->prompt.ids + same, .count = job->prompt.count - same};
        job->prompt.count = same;
    }
    free(prompt.ids);
    return status;
}

static cso_status make_scored(engine_job *job, const cso_question *question, cso_error *err) {
    size_t n = question->n_messages;
    job->scored = true;
    cso_message *messages = cso_calloc(n + 1, sizeof *messages);
    if (!messages)
        return cso_fail_memory(err, "a question");
    if (n)
        memcpy(messages, question->messages, n * sizeof *messages);
    messages[n] = (cso_message){"assistant", question->reply, strlen(question->reply)};
    cso_status status = split_reply(job, messages, n, err);
    free(messages);
    CSO_TRY(status);
    if (!job->reply.count || !job->prompt.count)
        return cso_fail(err, CSO_ERR_INPUT, "role.%s: a reply without tokens, or without a prompt, cannot be scored",
                        cso_role_words[question->role]);
    return check_length(job, question->role, job->reply.count, err);
}

cso_status engine_job_make(engine_job *job, engine_role *role, const cso_question *question, cso_error *err) {
    job->role = role;
    if (!role->model)
        return cso_fail(err, CSO_ERR_INTERNAL, "role.%s is not played by this policy", cso_role_words[question->role]);
    return question->reply ? make_scored(job, question, err) : make_request(job, question, err);
}

void engine_job_free(engine_job *job) {
    free(job->prompt.ids);
    free(job->answer.text);
}

cso_status engine_job_answer(engine_job *job, const cso_reply *reply, cso_error *err) {
    bool cut = reply->finish == CSO_FINISH_LENGTH, line = job->role->line;
    size_t size = reply->size;
    while (size && reply->text[size - 1] == '\n')
        size--;
    char *text = cso_strndup(reply->text, size);
    if (!text)
        return cso_fail_memory(err, "an answer");
    if (cut && line)
        engine_cut_line(text);
    job->answer = (cso_answer){
        .text = text, .prompt_tokens = job->prompt.count, .completion_tokens = reply->n_ids, .cut = cut && !line, .tries = 1};
    return CSO_OK;
}

cso_status engine_job_score(engine_job *job, cso_error *err) {
    char text[40];
    snprintf(text, sizeof text, "%.17g", job->reply.logp / (double)job->reply.count);
    job->answer = (cso_answer){
        .text = cso_strdup(text), .prompt_tokens = job->prompt.count, .completion_tokens = job->reply.count, .tries = 1};
    return job->answer.text ? CSO_OK : cso_fail_memory(err, "an answer");
}

/* engine_parts.h - the parts of a policy on the own engine. policy_engine.c opens it and asks, engine_forms.c makes the roles'
 * constraints, engine_jobs.c makes requests of questions and answers of replies, engine_serve.c is the policy's thread.
 *
 * A job is a question on its way. It is in one list at a time: its model's `waiting` or `running`, or its asking's `done`. All lists and
 * counts belong to whoever holds the lock; decoders and generators belong to the policy's thread alone.
 */
#ifndef CSO_ENGINE_PARTS_H
#define CSO_ENGINE_PARTS_H

#include "decode/choices.h"
#include "decode/constraint.h"
#include "decode/generate.h"
#include "policy_engine.h"

#include <pthread.h>
#include <stdbool.h>

typedef struct engine_job engine_job;

typedef struct engine_list {
    engine_job *first, *last;
} engine_list;

/* What roles share that have model, tokenizer, template and arithmetic in common. */
typedef struct engine_model {
    const cso_model *model;
    const cso_tokenizer *tokenizer;
    const cso_chat_template *chat_template;
    cso_decode_compute compute;
    int32_t stops[2]; /* the end of a turn, and of a text */
    cso_token_trie *trie;
    cso_decoder *decoder;
    cso_generator *generator; /* NULL: none is at work */
    size_t memory;            /* of keys and values */
    engine_list waiting;      /* to be answered, in the order in which they were asked */
    engine_list scoring;      /* to be scored */
    engine_list running;
    cso_decode_counts counts; /* after the last step */
    cso_policy_engine *engine;
} engine_model;

/* One role. */
typedef struct engine_role {
    const char *name; /* "role.judge" */
    const cso_engine_player *player;
    engine_model *model;        /* NULL: the role is not played here */
    cso_constraint *constraint; /* of its answers */
    cso_constraint *opening;    /* of the seeker's first words; NULL for other roles */
    const char *prefix;         /* that its answers begin with; NULL: nothing */
    size_t context;             /* tokens that the model takes */
    bool line;                  /* an answer is a line, and may be cut at the end of a sentence */
} engine_role;

/* One call of the policy's ask. */
typedef struct engine_asking {
    engine_job *jobs; /* (count) */
    size_t count;
    size_t open;         /* jobs that wait or run */
    engine_list done;    /* answered, not taken */
    pthread_cond_t news; /* something came to `done`, or `open` is 0 */
    bool dropped;        /* what runs is to end */
    cso_status status;   /* of the first failure */
    cso_error error;
} engine_asking;

struct engine_job {
    engine_job *previous, *next; /* of the list that it is in */
    engine_asking *asking;
    engine_role *role;
    size_t index; /* in the asking */
    cso_ids prompt;
    cso_request request;
    bool scored;
    cso_choice reply; /* where it is scored; its ids are among `prompt`'s memory */
    cso_answer answer;
};

struct cso_policy_engine {
    cso_engine_options options;
    engine_role roles[CSO_ROLES];
    engine_model models[CSO_ROLES]; /* (n_models) */
    size_t n_models, memory;
    cso_context *ctx;
    pthread_t thread;
    bool has_thread, has_lock, has_work;
    pthread_mutex_t lock;
    pthread_cond_t work; /* something waits, or it closes */
    bool stopped, closing;
    size_t answers, running;
    uint64_t prompt_tokens, completion_tokens;
    double seconds;
};

/* ---- engine_forms.c ---- */

/* The constraints of a role whose model has a trie. Errors: CSO_ERR_USAGE (max_tokens is too small for its form), CSO_ERR_INPUT,
 * CSO_ERR_SYSTEM. */
cso_status engine_forms_make(engine_role *role, cso_role which, const cso_strategies *strategies, cso_error *err);
void engine_forms_free(engine_role *role);
/* Cuts a line that became too long: behind its last whole sentence, or else its last whole word, or not at all. */
void engine_cut_line(char *text);

/* ---- engine_jobs.c ---- */

/* Makes a job of a question; free it whatever is returned. Errors: CSO_ERR_USAGE (it does not fit in the model), CSO_ERR_INPUT,
 * CSO_ERR_SYSTEM. */
cso_status engine_job_make(engine_job *job, engine_role *role, const cso_question *question, cso_error *err);
void engine_job_free(engine_job *job);
/* The job's answer, from a reply or a score. Errors: CSO_ERR_SYSTEM (memory). */
cso_status engine_job_answer(engine_job *job, const cso_reply *reply, cso_error *err);
cso_status engine_job_score(engine_job *job, cso_error *err);

/* ---- engine_serve.c ---- */

void *engine_serve(void *engine);
void engine_list_add(engine_list *list, engine_job *job);
void engine_list_remove(engine_list *list, engine_job *job);
/* With the lock held: the asking has failed, and its jobs that wait are taken out. */
void engine_asking_fail(cso_policy_engine *engine, engine_asking *asking, cso_status status, const cso_error *error);

#endif

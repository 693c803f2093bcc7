/* policy.h - who answers the questions of a search: the four roles behind one function. */
#ifndef CSO_POLICY_H
#define CSO_POLICY_H

#include "base/status.h"
#include "text/chat.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum cso_role { CSO_ROLE_STRATEGY, CSO_ROLE_SUPPORTER, CSO_ROLE_SEEKER, CSO_ROLE_JUDGE, CSO_ROLES } cso_role;
extern const char *const cso_role_words[]; /* "strategy", "supporter", "seeker", "judge", NULL */

typedef struct cso_question {
    cso_role role;
    const char *system, *user;
    bool opening; /* of the seeker, whose answer cannot be the end of the talk */
    size_t tries; /* that were made for it before */
    uint64_t
        seed; /* of what is drawn for the answer, where the role draws itself: a function of the search, the call and the refusals */
    /* Where `reply` is not NULL it is scored, not answered: the answer's text is the mean natural logarithm of its tokens' probabilities
     * ("%.17g") as the assistant's next message after `messages` (n_messages). The question's texts are then for the journal alone. */
    const cso_message *messages;
    size_t n_messages;
    const char *reply;
} cso_question;

typedef struct cso_answer {
    char *text; /* of the taker, who frees it */
    uint64_t prompt_tokens, completion_tokens;
    bool cut;     /* it ends because it became too long */
    size_t tries; /* that it took */
    double cost;
} cso_answer;

/* Takes an answer in the asking thread, once for each question, in the order in which they come. */
typedef cso_status (*cso_answer_taker)(void *context, size_t index, cso_answer *answer, cso_error *err);

typedef struct cso_policy {
    /* Asks questions (count) at once and returns when all are answered and taken, or one cannot be. Threads may ask at the same
     * time. CSO_STOPPED: the run is to end. */
    cso_status (*ask)(void *self, const cso_question *questions, size_t count, cso_answer_taker take, void *context,
                      cso_error *err);
    void *self;
    size_t max_retries[CSO_ROLES]; /* further tries of one question */
    size_t context[CSO_ROLES];     /* tokens of prompt and answer that a role takes, 0: not known */
    size_t max_tokens[CSO_ROLES];  /* of an answer */
    bool scores[CSO_ROLES];        /* whether the role can score a reply */
} cso_policy;

#endif

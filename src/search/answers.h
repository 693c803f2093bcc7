/* answers.h - what the roles' answers say: scores, levels, replies, and the mark that ends a talk. */
#ifndef CSO_ANSWERS_H
#define CSO_ANSWERS_H

#include "base/status.h"
#include "search_options.h"

#include <stdbool.h>
#include <stddef.h>

enum { CSO_MAX_STRATEGIES = 64 };

/* The strategy role's answer: strategies in the order in which it names them. */
typedef struct cso_scores {
    size_t count;
    size_t strategy[CSO_MAX_STRATEGIES]; /* in the names given */
    double score[CSO_MAX_STRATEGIES];    /* 0 to 10 */
} cso_scores;

/* Each reads a text and is false if it is not what was asked; why is one line for messages, about the form alone (no text of the
 * answer). */

/* The last JSON object of the text, in backticks or not; names without regard to case, unknown ones are ignored. Not an answer: no such
 * object, no known name, a value outside 0 to 10, a strategy twice. Out of memory: false, and *why is NULL. */
bool cso_answer_scores(const char *text, const char *const *names, size_t count, cso_scores *scores, const char **why);
/* Four lines "1: 3" to "4: 2", with or without words around ("1. Empathy: 3"); each a whole number from 0 to 4. */
bool cso_answer_levels(const char *text, double levels[CSO_CRITERIA], const char **why);
/* A reply: trimmed, without a leading label ("supporter:") and surrounding quotation marks. *reply is the caller's to free, NULL if
 * out of memory; an empty one is not an answer. */
bool cso_answer_reply(const char *text, char **reply, const char **why);
/* Whether a text contains one of the marks that end a talk: </end/>, /end/, <end>. */
bool cso_answer_ends(const char *text);

#endif

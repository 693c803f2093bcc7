/* peft_match.h - which modules the words and expressions of a PEFT configuration mean, as PEFT 0.21 decides it. */
#ifndef CSO_PEFT_MATCH_H
#define CSO_PEFT_MATCH_H

#include "base/status.h"
#include "io/json.h"

#include <stdbool.h>
#include <stddef.h>

/* One of: nothing, a list of names (a module's whole name, or how it ends after a dot), or a regular expression for the whole
 * name. */
typedef struct peft_words {
    const char **names; /* (count), of the JSON */
    size_t count;
    struct pcre2_real_code_8 *code;
    const char *expression, *place; /* the expression, of the JSON, and the place that messages name; NULL: none */
} peft_words;

/* value: NULL, null, a string or an array of strings; key and place are for messages. Of Python's regular expressions those are
 * taken that mean the same in PCRE2; others are CSO_ERR_INPUT. The JSON and place must live as long as the words. */
cso_status peft_words_read(peft_words *words, const cJSON *value, const char *key, const char *place, cso_error *err);
void peft_words_free(peft_words *words);

typedef enum peft_match {
    PEFT_NO_MATCH,
    PEFT_END,  /* a name of the list is the end of the module's, after a dot */
    PEFT_WHOLE /* a name of the list is the module's, or the expression matches it */
} peft_match;

/* How the words mean the module of this name. An expression that takes too long is CSO_ERR_INPUT. */
cso_status peft_words_match(const peft_words *words, const char *name, peft_match *match, cso_error *err);

#endif

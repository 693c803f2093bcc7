/* check.h - what is wrong with the records of data files, all of it: reading goes on after a bad record.
 *
 * Memory does not grow with the number of records.
 */
#ifndef CSO_CHECK_H
#define CSO_CHECK_H

#include "data/dataset.h"
#include "record_view.h"

typedef enum cso_finding_kind {
    CSO_FINDING_JSON,     /* no JSON object */
    CSO_FINDING_RECORD,   /* no known form, a field missing or of a wrong type, another form than the file began with */
    CSO_FINDING_ROLES,    /* user and assistant do not take turns */
    CSO_FINDING_STRATEGY, /* a strategy that is not known; in pairs a warning */
    CSO_FINDING_EMPTY,    /* an empty reply; of a prompt's message a warning */
    CSO_FINDING_EQUAL,    /* chosen and rejected are equal; two equal negatives are a warning */
    CSO_FINDING_DOUBLE,   /* a record that came before, equal in every field */
    CSO_FINDING_LENGTH,   /* more tokens than max_length */
    CSO_FINDING_TEMPLATE, /* the chat template refuses it */
    CSO_FINDING_KINDS
} cso_finding_kind;
extern const char *const cso_finding_words[CSO_FINDING_KINDS + 1]; /* "json", "record", "roles", ... */

typedef struct cso_finding {
    cso_finding_kind kind;
    bool warning;
    const char *file;
    size_t line;      /* 0: the file as a whole */
    const char *text; /* "FILE:LINE: what is wrong (what was expected)", of a warning "FILE:LINE: warning: ..." */
} cso_finding;

/* Smallest, largest and sum of a count over the records that have it. */
typedef struct cso_spread {
    size_t least, most, records;
    double sum;
} cso_spread;

typedef struct cso_check_options {
    cso_data_options data;          /* strategies, system_prompt, parse_special; max_length 0: any length */
    const cso_tokenizer *tokenizer; /* NULL: tokens are not counted */
    const cso_chat_template *chat;
    /* Called for each finding, in the order of the records. */
    cso_status (*visit)(void *context, const cso_finding *finding, cso_error *err);
    void *context;
} cso_check_options;

typedef struct cso_check_result {
    size_t records, errors, warnings;
    size_t found[CSO_FINDING_KINDS];   /* errors and warnings */
    size_t forms[CSO_FORM_COUNT];      /* records of each */
    size_t replies, turns, bare_turns; /* turns: places where replies are; bare: with one reply alone */
    size_t uncounted;                  /* records whose tokens are not counted, because they are of a form that is not trained on */
    bool doubles_missed;               /* so many records that a double may have been missed */
    cso_spread messages, characters, tokens; /* of a record; tokens: of its longest sequence */
} cso_check_result;

/* Errors are findings; what this returns is a failure of the system, of visit, or CSO_OK. */
cso_status cso_check(const cso_check_options *options, const char *const *paths, size_t n_paths, cso_check_result *result,
                     cso_error *err);

#endif

/* constraint_shelf.h - compiled constraints by what they were made of: rows that ask for the same one share it, and its masks. */
#ifndef CSO_CONSTRAINT_SHELF_H
#define CSO_CONSTRAINT_SHELF_H

#include "decode/constraint.h"
#include "reply_options.h"
#include "text/tokenizer.h"

typedef struct kept_constraint kept_constraint;

/* Of one tokenizer. What is kept stays until the shelf is freed: constraints that requests use must not go before these. */
typedef struct constraint_shelf {
    const cso_tokenizer *tokenizer;
    int32_t stops[2];     /* ids that end a reply; -1 is ignored */
    cso_token_trie *trie; /* NULL: not needed so far */
    kept_constraint *first;
} constraint_shelf;

void constraint_shelf_free(constraint_shelf *shelf); /* a zeroed one is fine */

/* *constraint of the options' schema or choices; NULL: they have neither. With `after`, free text takes up to half of max_tokens. place begins messages. Errors: CSO_ERR_INPUT (a schema or
 * text that no reply can have), CSO_ERR_SYSTEM (memory). */
cso_status constraint_shelf_get(constraint_shelf *shelf, const reply_options *options, const char *place,
                                const cso_constraint **constraint, cso_error *err);

#endif

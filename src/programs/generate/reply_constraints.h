/* reply_constraints.h - compiled constraints by what they were made of: requests that ask for the same one share it, and its masks.
 *
 * What no request uses is kept for the next that asks for it, up to a few; so a file with a schema of its own in every row needs the
 * memory of the replies that are being made.
 */
#ifndef CSO_REPLY_CONSTRAINTS_H
#define CSO_REPLY_CONSTRAINTS_H

#include "decode/constraint.h"
#include "reply_options.h"
#include "text/tokenizer.h"

typedef struct kept_constraint kept_constraint;

/* Of one tokenizer. */
typedef struct reply_constraints {
    const cso_tokenizer *tokenizer;
    int32_t stops[2];       /* ids that end a reply; -1 is ignored */
    cso_token_trie *trie;   /* NULL: not needed so far */
    kept_constraint *first; /* the one that was asked for last comes first */
} reply_constraints;

void reply_constraints_free(reply_constraints *constraints); /* after all requests; a zeroed one is fine */

/* *constraint of the options' schema or choices, until it is given back; NULL: they have neither. place begins messages. Errors:
 * CSO_ERR_INPUT (a schema or text that no reply can have), CSO_ERR_SYSTEM (memory). */
cso_status reply_constraints_get(reply_constraints *constraints, const reply_options *options, const char *place,
                                 const cso_constraint **constraint, cso_error *err);
void reply_constraints_give_back(reply_constraints *constraints, const cso_constraint *constraint); /* NULL is fine */

#endif

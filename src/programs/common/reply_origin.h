/* reply_origin.h - what a reply is made of, as digests: a run that finds its line in a file can tell whether it is its own. */
#ifndef CSO_REPLY_ORIGIN_H
#define CSO_REPLY_ORIGIN_H

#include "api/open_model.h"
#include "io/json.h"

enum { REPLY_DIGEST = 17 }; /* 16 hex digits and the end */

/* An adapter of "" is none. */
typedef struct reply_origin {
    char model[REPLY_DIGEST], adapter[REPLY_DIGEST], prompt[REPLY_DIGEST], options[REPLY_DIGEST];
} reply_origin;

void reply_digest(const void *bytes, size_t size, char digest[REPLY_DIGEST]);
/* Fills model and adapter. Numbers differ between ways to compute, so compute (a word) belongs to the model. adapter may be NULL. */
void reply_origin_model(reply_origin *origin, const opened_model *base, const cso_adapter *adapter, const char *compute);
/* What a reply's draws depend on beside its seed: a number of the prompt's ids, below 2^40. */
uint64_t reply_sequence(const cso_ids *prompt);
/* ', "from": {...}'. */
void reply_origin_add(cso_text *line, const reply_origin *origin);

#endif

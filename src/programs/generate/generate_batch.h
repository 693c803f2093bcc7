/* generate_batch.h - replies to many prompts, as lines of JSON in the order of the prompts. */
#ifndef CSO_GENERATE_BATCH_H
#define CSO_GENERATE_BATCH_H

#include "generate_session.h"

/* Makes the replies that `out` does not have yet; out NULL: all of them, to standard output. The session has its decoder. A signal ends
 * it with CSO_STOPPED after the current step; what is finished is written. */
cso_status generate_batch(generate_session *session, const prompt_rows *rows, const char *out, cso_error *err);

/* The one reply to the one prompt as plain text, as it comes, to standard output. */
cso_status generate_plain(generate_session *session, const prompt_rows *rows, cso_error *err);

#endif

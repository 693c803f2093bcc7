/* dialogue_run.h - one system's replies to all turns, and what it says of the references. */
#ifndef CSO_DIALOGUE_RUN_H
#define CSO_DIALOGUE_RUN_H

#include "dialogue_turns.h"
#include "line_store.h"
#include "turn_scores.h"

/* How replies are made; options of the command. */
typedef struct run_options {
    size_t max_tokens, leaves, seed;
    double temperature, top_p;
    const char *compute;
} run_options;

typedef struct dialogue_job {
    const run_options *options;
    const char *name; /* of the system, for the line of progress */
    const opened_model *model;
    cso_adapter *adapter; /* NULL: the model alone */
    cso_decoder *decoder;
    const dialogue_turns *turns;
    const cso_strategies *strategies;
    const name_ids *names;
} dialogue_job;

/* path: of the file of predictions; NULL: they are kept in memory. Turns that the file has are not done again. The store is to be closed
 * by the caller, also after a failure; then it has what was finished. CSO_STOPPED after a signal. */
cso_status dialogue_run(const dialogue_job *job, const char *path, line_store **store, cso_error *err);

#endif

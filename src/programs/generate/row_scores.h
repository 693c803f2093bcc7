/* row_scores.h - the probabilities of strategies of the rows that ask for them, computed for several rows at a time. */
#ifndef CSO_ROW_SCORES_H
#define CSO_ROW_SCORES_H

#include "generate_session.h"
#include "prompt_rows.h"

typedef struct row_scores row_scores;

/* Is told whether a row needs no reply. */
typedef bool (*row_is_done_fn)(const void *context, const prompt_row *row);

/* All that is given outlives it. */
cso_status row_scores_open(row_scores **scores, const generate_session *session, const prompt_rows *rows, row_is_done_fn is_done,
                           const void *context, cso_error *err);
void row_scores_close(row_scores *scores); /* NULL is fine */

/* Makes the scores of row `index` and of some that follow, unless they are there or the row asks for none. Between steps of the
 * decoder only. */
cso_status row_scores_make(row_scores *scores, size_t index, cso_error *err);
/* (strategies->count) of a row whose scores were made, until they are dropped; NULL: it asks for none. */
const double *row_scores_of(const row_scores *scores, const prompt_row *row);
void row_scores_drop(row_scores *scores, const prompt_row *row);

#endif

/* row_scores.c - see row_scores.h. The prompts are computed here, and stay in the decoder's tree for the replies that follow. */
#include "row_scores.h"

#include "base/memory.h"
#include "programs/common/name_ids.h"
#include "strategy_scores.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_ROWS = 16 };
static const size_t MOST_LOGITS = (size_t)64 << 20; /* bytes of the rows of logits that are made at a time */

struct row_scores {
    const generate_session *session;
    const prompt_rows *rows;
    row_is_done_fn is_done;
    const void *context;
    size_t at_once;  /* rows */
    double **of_row; /* (rows->count) each (strategies->count); NULL: not there */
};

cso_status row_scores_open(row_scores **scores, const generate_session *session, const prompt_rows *rows, row_is_done_fn is_done,
                           const void *context, cso_error *err) {
    row_scores *s = *scores = cso_calloc(1, sizeof *s);
    name_ids names = {0};
    size_t row = session->base.model->hparams.vocab * sizeof(float);
    if (!s)
        return cso_fail_memory(err, "strategies");
    *s = (row_scores){.session = session, .rows = rows, .is_done = is_done, .context = context};
    s->of_row = cso_calloc(rows->count, sizeof *s->of_row);
    if (!s->of_row)
        return cso_fail_memory(err, "strategies");
    cso_status status = name_ids_make(&names, session->strategies, session->base.tokenizer, err);
    size_t tokens = name_ids_tokens(&names);
    name_ids_free(&names);
    CSO_TRY(status);
    s->at_once = MOST_LOGITS / (row * (tokens ? tokens : 1));
    s->at_once = s->at_once < 1 ? 1 : s->at_once > MOST_ROWS ? MOST_ROWS : s->at_once;
    return CSO_OK;
}

void row_scores_close(row_scores *s) {
    if (!s)
        return;
    for (size_t i = 0; s->of_row && i < s->rows->count; i++)
        free(s->of_row[i]);
    free(s->of_row);
    free(s);
}

/* Whether row i is still to be scored. */
static bool is_wanted(const row_scores *s, size_t i) {
    const prompt_row *row = &s->rows->items[i];
    return row->options->strategy_probabilities && !s->of_row[i] && !s->is_done(s->context, row);
}

cso_status row_scores_make(row_scores *s, size_t index, cso_error *err) {
    const cso_ids *prompts[MOST_ROWS];
    size_t which[MOST_ROWS], n = 0, count = s->session->strategies->count;
    if (!is_wanted(s, index))
        return CSO_OK;
    for (size_t i = index; i < s->rows->count && n < s->at_once; i++)
        if (is_wanted(s, i)) {
            which[n] = i;
            prompts[n++] = &s->rows->items[i].ids;
        }
    double *all = cso_calloc(n * count, sizeof *all);
    cso_status status = all ? strategy_scores(s->session, prompts, n, all, err) : cso_fail_memory(err, "strategies");
    for (size_t i = 0; status == CSO_OK && i < n; i++) {
        double *own = s->of_row[which[i]] = cso_calloc(count, sizeof *own);
        if (own)
            memcpy(own, all + i * count, count * sizeof *own);
        else
            status = cso_fail_memory(err, "strategies");
    }
    free(all);
    return status == CSO_OK ? status : cso_error_prefix(err, status, "%s", s->rows->items[index].place);
}

const double *row_scores_of(const row_scores *s, const prompt_row *row) {
    return s->of_row[row - s->rows->items];
}

void row_scores_drop(row_scores *s, const prompt_row *row) {
    free(s->of_row[row - s->rows->items]);
    s->of_row[row - s->rows->items] = NULL;
}

/* distinct.c - see distinct.h. */
#include "distinct.h"

#include "python_text.h"

#include <math.h>
#include <stdlib.h>

static cso_status add_words(cso_distinct *d, const cso_text *lower, cso_error *err) {
    const char *word;
    size_t at = 0, size;
    uint32_t number, before = 0, pair;
    for (bool first = true; python_next_word(lower->data, lower->size, &at, &word, &size); first = false) {
        CSO_TRY(numbering_of(&d->grams[0], word, size, &number, err));
        d->all[0]++;
        if (!first) {
            CSO_TRY(numbering_of_two(&d->grams[1], before, number, &pair, err));
            d->all[1]++;
        }
        before = number;
    }
    return CSO_OK;
}

cso_status cso_distinct_add(cso_distinct *d, const char *text, size_t size, cso_error *err) {
    cso_text lower = {0};
    python_lower(&lower, text, size);
    cso_status status = lower.failed ? cso_fail_memory(err, "a text") : add_words(d, &lower, err);
    free(lower.data);
    return status;
}

double cso_distinct_score(const cso_distinct *d, int order) {
    double all = d->all[order - 1];
    return all > 0 ? (double)d->grams[order - 1].count / all : NAN;
}

void cso_distinct_free(cso_distinct *d) {
    for (int n = 0; n < CSO_DISTINCT_ORDERS; n++)
        numbering_free(&d->grams[n]);
    *d = (cso_distinct){0};
}

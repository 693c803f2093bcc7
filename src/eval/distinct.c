/* distinct.c - see distinct.h. */
#include "distinct.h"

#include "base/memory.h"
#include "python_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static cso_status add_words(cso_distinct *d, const cso_text *lower, cso_error *err) {
    const char *word;
    size_t at = 0, size;
    uint32_t number, before = 0;
    for (bool first = true; python_next_word(lower->data, lower->size, &at, &word, &size); first = false) {
        CSO_TRY(numbering_of(&d->grams[0], word, size, &number, err));
        CSO_TRY(number_list_add(&d->lists[0], number, err));
        uint32_t pair, last = before;
        before = number;
        if (first)
            continue;
        CSO_TRY(numbering_of_two(&d->grams[1], last, number, &pair, err));
        CSO_TRY(number_list_add(&d->lists[1], pair, err));
    }
    return CSO_OK;
}

cso_status cso_distinct_add(cso_distinct *d, const char *text, size_t size, cso_error *err) {
    cso_text lower = {0};
    if (!cso_grow(&d->texts, &d->text_capacity, d->n_texts + 1, sizeof *d->texts))
        return cso_fail_memory(err, "texts");
    struct cso_distinct_text *t = &d->texts[d->n_texts++];
    for (int n = 0; n < CSO_DISTINCT_ORDERS; n++)
        t->first[n] = d->lists[n].count;
    python_lower(&lower, text, size);
    cso_status status = lower.failed ? cso_fail_memory(err, "a text") : add_words(d, &lower, err);
    for (int n = 0; n < CSO_DISTINCT_ORDERS; n++)
        t->count[n] = d->lists[n].count - t->first[n];
    free(lower.data);
    return status;
}

cso_status cso_distinct_score(cso_distinct *d, int order, const double *times, double *score, cso_error *err) {
    int n = order - 1;
    double all = 0, different = 0;
    size_t old = d->seen_capacity[n];
    if (!cso_grow(&d->seen[n], &d->seen_capacity[n], d->grams[n].count + 1, sizeof *d->seen[n]))
        return cso_fail_memory(err, "words");
    if (d->seen_capacity[n] > old)
        memset(d->seen[n] + old, 0, (d->seen_capacity[n] - old) * sizeof *d->seen[n]);
    uint32_t call = ++d->calls;
    for (size_t i = 0; i < d->n_texts; i++) {
        const struct cso_distinct_text *t = &d->texts[i];
        double often = times ? times[i] : 1;
        if (!(often > 0))
            continue;
        all += often * (double)t->count[n];
        for (size_t k = 0; k < t->count[n]; k++) {
            uint32_t *seen = &d->seen[n][d->lists[n].items[t->first[n] + k]];
            different += *seen != call;
            *seen = call;
        }
    }
    *score = all > 0 ? different / all : NAN;
    return CSO_OK;
}

void cso_distinct_free(cso_distinct *d) {
    for (int n = 0; n < CSO_DISTINCT_ORDERS; n++) {
        numbering_free(&d->grams[n]);
        free(d->lists[n].items);
        free(d->seen[n]);
    }
    free(d->texts);
    *d = (cso_distinct){0};
}

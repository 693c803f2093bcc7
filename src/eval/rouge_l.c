/* rouge_l.c - see rouge_l.h. */
#include "rouge_l.h"

#include "python_text.h"

#include <stdlib.h>

static bool is_token_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static cso_status add_tokens(cso_rouge *r, const cso_text *lower, number_list *list, cso_error *err) {
    for (size_t at = 0; at < lower->size;) {
        size_t first = at;
        uint32_t number;
        while (at < lower->size && is_token_byte(lower->data[at]))
            at++;
        if (at == first) {
            at++;
            continue;
        }
        CSO_TRY(numbering_of(&r->words, lower->data + first, at - first, &number, err));
        CSO_TRY(number_list_add(list, number, err));
    }
    return CSO_OK;
}

static cso_status tokenize(cso_rouge *r, const char *text, size_t size, number_list *list, cso_error *err) {
    cso_text lower = {0};
    list->count = 0;
    python_lower(&lower, text, size);
    cso_status status = lower.failed ? cso_fail_memory(err, "a text") : add_tokens(r, &lower, list, err);
    free(lower.data);
    return status;
}

/* One row of the table at a time; best[j]: of the prediction so far and the first j tokens of the reference. */
static cso_status longest_common(cso_rouge *r, uint32_t *length, cso_error *err) {
    const number_list *a = &r->prediction, *b = &r->reference;
    r->best.count = 0;
    for (size_t j = 0; j <= b->count; j++)
        CSO_TRY(number_list_add(&r->best, 0, err));
    uint32_t *best = r->best.items;
    for (size_t i = 0; i < a->count; i++)
        for (uint32_t j = 1, corner = 0; j <= b->count; j++) {
            uint32_t above = best[j];
            if (a->items[i] == b->items[j - 1])
                best[j] = corner + 1;
            else if (best[j - 1] > above)
                best[j] = best[j - 1];
            corner = above;
        }
    *length = best[b->count];
    return CSO_OK;
}

cso_status cso_rouge_l(cso_rouge *r, const char *reference, size_t reference_size, const char *prediction, size_t prediction_size,
                       double *score, cso_error *err) {
    uint32_t length;
    CSO_TRY(tokenize(r, reference, reference_size, &r->reference, err));
    CSO_TRY(tokenize(r, prediction, prediction_size, &r->prediction, err));
    CSO_TRY(longest_common(r, &length, err));
    *score = 0;
    if (length) {
        double precision = (double)length / (double)r->prediction.count, recall = (double)length / (double)r->reference.count;
        *score = 2 * precision * recall / (precision + recall);
    }
    return CSO_OK;
}

void cso_rouge_free(cso_rouge *r) {
    numbering_free(&r->words);
    free(r->reference.items);
    free(r->prediction.items);
    free(r->best.items);
    *r = (cso_rouge){0};
}

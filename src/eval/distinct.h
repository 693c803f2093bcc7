/* distinct.h - how varied texts are: distinct-n (Li et al. 2016, arXiv 1510.03055), the part of all n-grams that are different ones, over
 * the lower-cased texts as they are separated by white space. */
#ifndef CSO_DISTINCT_H
#define CSO_DISTINCT_H

#include "numbering.h"

enum { CSO_DISTINCT_ORDERS = 2 };

/* Texts that are added one by one. Zero-initialise. */
typedef struct cso_distinct {
    numbering grams[CSO_DISTINCT_ORDERS];
    number_list lists[CSO_DISTINCT_ORDERS]; /* of all texts, one after the other */
    struct cso_distinct_text {
        size_t first[CSO_DISTINCT_ORDERS], count[CSO_DISTINCT_ORDERS]; /* count[0]: words */
    } * texts;
    size_t n_texts, text_capacity;
    uint32_t *seen[CSO_DISTINCT_ORDERS]; /* (different n-grams) the call that counted it last */
    size_t seen_capacity[CSO_DISTINCT_ORDERS];
    uint32_t calls;
} cso_distinct;

cso_status cso_distinct_add(cso_distinct *distinct, const char *text, size_t size, cso_error *err);
/* Of a sample in which text i is times[i] times (NULL: once); order 1 or 2. NaN in *score where there are no n-grams. Errors: memory. */
cso_status cso_distinct_score(cso_distinct *distinct, int order, const double *times, double *score, cso_error *err);
void cso_distinct_free(cso_distinct *distinct);

#endif

/* distinct.h - how varied texts are: distinct-n (Li et al. 2016, arXiv 1510.03055), the part of all n-grams that are different ones, over
 * the lower-cased texts as they are separated by white space. */
#ifndef CSO_DISTINCT_H
#define CSO_DISTINCT_H

#include "numbering.h"

enum { CSO_DISTINCT_ORDERS = 2 };

/* Texts that are added one by one. Zero-initialise. */
typedef struct cso_distinct {
    numbering grams[CSO_DISTINCT_ORDERS]; /* the different ones */
    double all[CSO_DISTINCT_ORDERS];      /* how many n-grams there are */
} cso_distinct;

cso_status cso_distinct_add(cso_distinct *distinct, const char *text, size_t size, cso_error *err);
/* Of all texts; order 1 or 2. NaN where there are no n-grams. */
double cso_distinct_score(const cso_distinct *distinct, int order);
void cso_distinct_free(cso_distinct *distinct);

#endif

/* rouge_l.h - ROUGE-L as the rouge-score package computes it, without its stemmer.
 *
 * Tokens are the runs of a-z and 0-9 in the lower-cased text. With L the longest common subsequence, precision = L / tokens of the
 * prediction, recall = L / tokens of the reference; the score is their F-measure, 0 where either text has no token.
 */
#ifndef CSO_ROUGE_L_H
#define CSO_ROUGE_L_H

#include "numbering.h"

/* Zero-initialise. Keeps the words of all texts it has seen, and room. */
typedef struct cso_rouge {
    numbering words;
    number_list reference, prediction, best; /* best: the row of the table, (reference + 1) */
} cso_rouge;

cso_status cso_rouge_l(cso_rouge *rouge, const char *reference, size_t reference_size, const char *prediction,
                       size_t prediction_size, double *score, cso_error *err);
void cso_rouge_free(cso_rouge *rouge);

#endif

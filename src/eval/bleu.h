/* bleu.h - corpus BLEU as sacrebleu computes it: its tokenizer 13a, cased, one reference, smoothing "exp".
 *
 * Counts are summed over the texts, then BLEU-n = brevity penalty x geometric mean of the precisions of 1 to n tokens, from 0 to 1. A
 * precision whose matches are 0 is 1 / (2^k x total), k counting such orders; without any match the score is 0.
 */
#ifndef CSO_BLEU_H
#define CSO_BLEU_H

#include "io/json.h"
#include "numbering.h"

enum { CSO_BLEU_ORDERS = 4 };
extern const char cso_bleu_signature[]; /* in the words of sacrebleu */

/* Sums over any number of texts. */
typedef struct cso_bleu_counts {
    double correct[CSO_BLEU_ORDERS], total[CSO_BLEU_ORDERS]; /* n-grams of the predictions: those that match, and all */
    double length, reference_length;                         /* in tokens */
} cso_bleu_counts;

/* Zero-initialise. Keeps the n-grams of all texts it has seen, and room. */
typedef struct cso_bleu {
    numbering grams[CSO_BLEU_ORDERS];
    number_list lists[2][CSO_BLEU_ORDERS]; /* of the reference, of the prediction */
    cso_text line, next;
} cso_bleu;

/* Adds one prediction's counts to *counts. */
cso_status cso_bleu_add(cso_bleu *bleu, const char *reference, size_t reference_size, const char *prediction,
                        size_t prediction_size, cso_bleu_counts *counts, cso_error *err);
/* order: 1 to CSO_BLEU_ORDERS. */
double cso_bleu_score(const cso_bleu_counts *counts, int order);
void cso_bleu_free(cso_bleu *bleu);

#endif

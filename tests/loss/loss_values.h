/* loss_values.h - made-up and golden batches for tests of losses: all that a loss may ask for. */
#ifndef CSO_TESTS_LOSS_VALUES_H
#define CSO_TESTS_LOSS_VALUES_H

#include "../golden.h"
#include "loss/objective.h"

enum { MAX_EXAMPLES = 64, MAX_SEQUENCES = 4 * MAX_EXAMPLES, MAX_TOKENS = 8 * MAX_SEQUENCES };

typedef struct values {
    size_t n, n_sequences, n_tokens;
    size_t first[MAX_EXAMPLES + 1], token_first[MAX_SEQUENCES + 1], rank[MAX_SEQUENCES];
    bool label[MAX_EXAMPLES];
    double policy[MAX_SEQUENCES], reference[MAX_SEQUENCES], alignment[MAX_SEQUENCES], tokens[MAX_TOKENS];
    double prompt_tokens; /* of all prompts */
    double loss[MAX_EXAMPLES], d_policy[MAX_SEQUENCES], d_tokens[MAX_TOKENS], parts[CSO_OBJECTIVE_MAX_LOSSES * MAX_EXAMPLES];
    double room[MAX_EXAMPLES + MAX_SEQUENCES + MAX_TOKENS];
} values;

/* n examples of so many sequences each, all numbers 0; sequence s has s % 3 + 2 tokens. */
values values_make(size_t n, size_t per_example);
/* Seven examples of the objective's kind, with numbers that are no special case of anything. */
values values_made_up(const cso_objective *objective);
/* What the step gives a loss, with as much of it as the objective asks for, and only that. */
cso_loss_batch values_batch(const values *v, const cso_objective *objective);
/* Fills loss, d_policy, d_tokens and parts. weights: (n) or NULL. */
void values_compute(values *v, const cso_objective *objective, const double *weights);
double values_sum(const double *x, size_t n);

/* An objective of one loss; fails the test if it is refused. */
cso_objective objective_of(const char *name, const cso_loss_options *options);

#endif

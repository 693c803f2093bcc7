/* loss_cases.h - every loss of the table and what options and mixes add, each with data of its kind, for tests of whole steps. */
#ifndef CSO_TESTS_LOSS_CASES_H
#define CSO_TESTS_LOSS_CASES_H

#include "test_objective.h"

/* The cases are numbered from 0; false: there is no such number. name: static until the next call. */
bool loss_case(size_t number, cso_objective *objective, const char **name);

/* Examples of a kind from pairs: a pair, its chosen reply, a list of it with the next pair's rejected reply, or its replies by turns
 * with labels. They have strategies, q and n; texts are copied. To be freed by loss_dataset_free. */
cso_dataset loss_dataset(cso_example_kind kind, const cso_dataset *pairs);
void loss_dataset_free(cso_dataset *data);

#endif

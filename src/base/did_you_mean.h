/* did_you_mean.h - suggestions for misspelt words. */
#ifndef CSO_DID_YOU_MEAN_H
#define CSO_DID_YOU_MEAN_H

#include <stddef.h>

/* The closest of `count` names to a misspelt one, NULL if none is near (Damerau-Levenshtein distance). */
const char *cso_did_you_mean(const char *word, const char *const *names, size_t count);

#endif

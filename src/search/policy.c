/* policy.c - see policy.h. */
#include "policy.h"

#include <stddef.h>

const char *const cso_role_words[] = {[CSO_ROLE_STRATEGY] = "strategy",
                                      [CSO_ROLE_SUPPORTER] = "supporter",
                                      [CSO_ROLE_SEEKER] = "seeker",
                                      [CSO_ROLE_JUDGE] = "judge",
                                      NULL};

/* loss_options.c - the keys that losses have ([loss] of a configuration). */
#include "loss.h"

#include "base/option.h"

#include <stddef.h>

#define FIELD(member) offsetof(cso_loss_options, member)

static const cso_option rows[] = {
    {"loss.beta", CSO_OPTION_NUMBER, FIELD(beta), CSO_RANGE_ABOVE(0), NULL, "0.1", CSO_IDENTITY_OWN, 0,
     "how strongly the policy is held to the reference"},
    {"loss.label_smoothing", CSO_OPTION_NUMBER, FIELD(label_smoothing), CSO_RANGE_BELOW(0, 1), NULL, "0.0", CSO_IDENTITY_OWN, 0,
     "the probability that a pair is the wrong way round"},
};
const cso_option_list cso_loss_option_list = {rows, sizeof rows / sizeof *rows};

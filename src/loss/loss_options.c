/* loss_options.c - the losses' options, one row each ([loss] of a configuration), and the check of their values. */
#include "loss.h"

#include <stddef.h>
#include <stdlib.h>

#define FIELD(member) offsetof(cso_loss_options, member)

static const cso_option rows[] = {
    {"loss.beta", CSO_OPTION_NUMBER, FIELD(beta), CSO_RANGE_BETWEEN(1e-6, 1e6), NULL, "0.1", CSO_IDENTITY_OWN, 0,
     "how strongly the policy is held to the reference"},
    {"loss.label_smoothing", CSO_OPTION_NUMBER, FIELD(label_smoothing), CSO_RANGE_BELOW(0, 0.5), NULL, "0.0", CSO_IDENTITY_OWN, 0,
     "the probability that a pair is the wrong way round"},
};
const cso_option_list cso_loss_option_list = {rows, sizeof rows / sizeof *rows};

cso_loss_options cso_loss_default_options(void) {
    cso_loss_options options = {0};
    for (const cso_option *row = rows; row < rows + cso_loss_option_list.count; row++)
        *(double *)((char *)&options + row->offset) = strtod(row->fallback, NULL);
    return options;
}

cso_status cso_loss_check(const cso_loss *loss, const cso_loss_options *options, cso_error *err) {
    for (const cso_option *row = rows; row < rows + cso_loss_option_list.count; row++) {
        double value = *(const double *)((const char *)options + row->offset);
        char range[80];
        if (cso_option_in_range(&row->range, value))
            continue;
        cso_option_range_text(&row->range, range, sizeof range);
        return cso_fail(err, CSO_ERR_USAGE, "%s: must be %s, got %g", row->name, range, value);
    }
    return loss->check ? loss->check(options, err) : CSO_OK;
}

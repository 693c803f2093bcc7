/* loss_options.c - the losses' options, one row each: from these rows come the keys loss.<name>, their bounds, defaults and help. */
#include "loss.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#define FIELD(member) offsetof(cso_loss_options, member)

const cso_loss_option cso_loss_option_rows[] = {
    {.name = "beta",
     .offset = FIELD(beta),
     .fallback = "0.1",
     .min = 0,
     .max = 0,
     .above_min = true,
     .help = "how strongly the policy is held to the reference"},
    {.name = "label_smoothing",
     .offset = FIELD(label_smoothing),
     .fallback = "0.0",
     .min = 0,
     .max = 1,
     .below_max = true,
     .help = "the probability that a pair is the wrong way round"},
};

const size_t cso_loss_option_count = sizeof cso_loss_option_rows / sizeof *cso_loss_option_rows;

static double *field(cso_loss_options *options, const cso_loss_option *row) {
    return (double *)((char *)options + row->offset);
}

cso_loss_options cso_loss_default_options(void) {
    cso_loss_options options = {0};
    for (size_t i = 0; i < cso_loss_option_count; i++)
        *field(&options, &cso_loss_option_rows[i]) = strtod(cso_loss_option_rows[i].fallback, NULL);
    return options;
}

/* Not the other way round: NaN must fail too. */
static bool in_range(const cso_loss_option *row, double value) {
    bool low = row->above_min ? value > row->min : value >= row->min;
    bool high = row->max == row->min ? isfinite(value) : row->below_max ? value < row->max : value <= row->max;
    return low && high;
}

cso_status cso_loss_check(const cso_loss *loss, const cso_loss_options *options, cso_error *err) {
    for (size_t i = 0; i < cso_loss_option_count; i++) {
        const cso_loss_option *row = &cso_loss_option_rows[i];
        double value = *(const double *)((const char *)options + row->offset);
        const char *above = row->above_min ? ">" : ">=", *below = row->below_max ? "<" : "<=";
        if (in_range(row, value))
            continue;
        if (row->max == row->min)
            return cso_fail(err, CSO_ERR_USAGE, "loss.%s: must be %s %g, got %g", row->name, above, row->min, value);
        return cso_fail(err, CSO_ERR_USAGE, "loss.%s: must be %s %g and %s %g, got %g", row->name, above, row->min, below, row->max,
                        value);
    }
    return loss->check ? loss->check(options, err) : CSO_OK;
}

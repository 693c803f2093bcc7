/* losses.c - the table of losses. */
#include "losses.h"

#include <math.h>
#include <string.h>

/* CSO_LOSS(NAME) for each row of CMakeLists.txt, which writes this header; loss_NAME.c defines cso_loss_NAME. */
#define CSO_LOSS(name) extern const cso_loss cso_loss_##name;
#include <cso_loss_rows.h>
#undef CSO_LOSS

static const cso_loss *const losses[] = {
#define CSO_LOSS(name) &cso_loss_##name,
#include <cso_loss_rows.h>
#undef CSO_LOSS
    NULL,
};

static const char all_names[] = ""
#define CSO_LOSS(name) ", " #name
#include <cso_loss_rows.h>
#undef CSO_LOSS
    ;

const cso_loss *const *cso_loss_all(void) {
    return losses;
}

const cso_loss *cso_loss_find(const char *name) {
    for (size_t i = 0; losses[i]; i++) {
        const cso_loss *loss = losses[i];
        if (!strcmp(loss->name, name))
            return loss;
        for (size_t k = 0; loss->aliases && loss->aliases[k]; k++)
            if (!strcmp(loss->aliases[k], name))
                return loss;
    }
    return NULL;
}

const char *cso_loss_symbols(void) {
    return "pi, ref: what policy and reference give a reply; log: the sum over its counted tokens, T their number\n"
           "_c, _r: of the chosen reply and of the rejected one\n"
           "l = log pi - log ref: the log-ratio\n"
           "s: the score: l, or with loss.f_divergence_type another function of it\n"
           "r = beta s: the reward; h = r_c - r_r: the margin\n"
           "e = loss.label_smoothing; the other names are those of keys in [loss]";
}

const char *cso_loss_names(void) {
    return all_names + 2; /* without the first ", " */
}

size_t cso_loss_metric_count(const char *const *names) {
    size_t count = 0;
    while (names[count])
        count++;
    return count;
}

double cso_loss_metric(const char *const *names, const double *values, const char *name) {
    for (size_t i = 0; names[i]; i++)
        if (!strcmp(names[i], name))
            return values[i];
    return NAN;
}

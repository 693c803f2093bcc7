/* losses.c - the table of losses. */
#include "losses.h"

#include <math.h>
#include <string.h>

/* A row is the name of a loss; its file loss_<name>.c defines cso_loss_<name>. */
#define LOSSES(ROW)                                                                                                                \
    ROW(cso)                                                                                                                       \
    ROW(sft)

#define DECLARE(name) extern const cso_loss cso_loss_##name;
#define POINTER(name) &cso_loss_##name,
#define TEXT(name)    ", " #name

LOSSES(DECLARE)

static const cso_loss *const losses[] = {LOSSES(POINTER) NULL};

const cso_loss *const *cso_loss_all(void) {
    return losses;
}

const cso_loss *cso_loss_find(const char *name) {
    for (size_t i = 0; losses[i]; i++)
        if (!strcmp(losses[i]->name, name))
            return losses[i];
    return NULL;
}

const char *cso_loss_names(void) {
    static const char names[] = LOSSES(TEXT);
    return names + strlen(", ");
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

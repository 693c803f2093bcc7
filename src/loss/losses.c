/* losses.c - the table of losses. */
#include "losses.h"

#include <string.h>

static const cso_loss *const losses[] = {&cso_loss_cso};

const cso_loss *cso_loss_find(const char *name) {
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++)
        if (!strcmp(losses[i]->name, name))
            return losses[i];
    return NULL;
}

const char *cso_loss_names(void) {
    return "cso";
}

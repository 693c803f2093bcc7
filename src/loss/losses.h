/* losses.h - the rows of the table in losses.c. */
#ifndef CSO_LOSSES_H
#define CSO_LOSSES_H

#include "loss.h"

extern const cso_loss cso_loss_cso;

#endif

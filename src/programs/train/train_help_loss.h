/* train_help_loss.h - what a loss is, for cso-train --help-loss; docs/losses.md is made by the same. */
#ifndef TRAIN_HELP_LOSS_H
#define TRAIN_HELP_LOSS_H

#include "base/status.h"

#include <stdio.h>

/* name: a loss or another spelling of one; "all" lists them; "markdown" is docs/losses.md. CSO_ERR_USAGE: no such loss. */
cso_status help_loss(FILE *out, const char *name, cso_error *err);

#endif

/* loss_labels.c - what losses on labeled replies share. */
#include "losses.h"

double loss_label_weight(const cso_loss_options *options, bool desirable) {
    return desirable ? options->desirable_weight : options->undesirable_weight;
}

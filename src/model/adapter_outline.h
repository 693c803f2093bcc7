/* adapter_outline.h - an adapter before it has parameters; inside src/model only. */
#ifndef CSO_ADAPTER_OUTLINE_H
#define CSO_ADAPTER_OUTLINE_H

#include "lora.h"

/* Slots and table for these options, without parameters: small whatever the rank, which may be any number here. adapted (n_layers,
 * CSO_MODULE_COUNT): which projections of which layers; NULL: the options' targets in every layer. */
cso_status cso_adapter_outline(cso_adapter **adapter, const cso_model *model, const cso_lora_options *options, const bool *adapted,
                               cso_error *err);
/* CSO_ERR_USAGE names the option that makes no sense for the model. */
cso_status cso_adapter_check(const cso_model *model, const cso_lora_options *options, cso_error *err);
/* Allocates the parameters (zero). */
cso_status cso_adapter_allocate(cso_adapter *adapter, cso_error *err);

#endif

/* peft_config.h - adapter_config.json, PEFT's description of an adapter; inside src/model only. */
#ifndef CSO_PEFT_CONFIG_H
#define CSO_PEFT_CONFIG_H

#include "lora.h"

typedef struct peft_config {
    cso_lora_options options; /* targets: adapted in at least one layer */
    bool *adapted;            /* (n_layers, CSO_MODULE_COUNT) */
    char *base;               /* base_model_name_or_path, "": none */
} peft_config;

/* Reads the file and decides as PEFT does which projections of the model it adapts. What would make another adapter than the engine
 * computes, a key that is not known and has a value among it, is CSO_ERR_INPUT and named. */
cso_status peft_config_read(peft_config *config, const cso_model *model, const char *path, cso_error *err);
void peft_config_free(peft_config *config);

/* Writes the file for an adapter. */
cso_status peft_config_write(const cso_adapter *adapter, const char *path, cso_error *err);

#endif

/* run_config.c - the configuration of one run as a kind of configuration. Reading is in run_configs.c. */
#include "run_config_parts.h"

#include "base/text.h"

#include <stdlib.h>

static void note_lora(void *config, const cso_option *row) {
    if (cso_starts_with(row->name, "lora."))
        ((cso_run_config *)config)->lora.present = true;
}

const config_kind run_config_kind = {
    .options = &cso_run_options,
    .given = offsetof(cso_run_config, given),
    .max_keys = CSO_RUN_MAX_KEYS,
    .taken = note_lora,
    .hint = cso_run_config_hint,
};

bool cso_run_config_given(const cso_run_config *config, const char *key) {
    return config_is_given(&run_config_kind, config, key);
}

void cso_run_config_free(cso_run_config *config) {
    config_clear_all(&run_config_kind, config);
    free(config->path);
    free(config->stage.name);
    *config = (cso_run_config){0};
}

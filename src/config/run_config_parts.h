/* run_config_parts.h - the kind that the configuration of a run is, and how the stages of a file are told apart; inside src/config only. */
#ifndef CSO_RUN_CONFIG_PARTS_H
#define CSO_RUN_CONFIG_PARTS_H

#include "config.h"
#include "config_kind.h"
#include "config_print.h"

extern const config_kind run_config_kind;

/* All keys but those without effect that were not given. */
void config_print_all(config_printer *printer, const cso_run_config *config);

/* A file and what is set over it. */
typedef struct config_source {
    const char *path, *folder;
    cso_toml toml;
    const char *const *overrides;
    size_t override_count;
    const char *const *stages; /* (stage_count) names, in the order of the file */
    size_t stage_count;
} config_source;

enum { NO_STAGE = -1 };

/* The name of an entry or table after "stage[2].", and which stage that is; NO_STAGE, and the name itself, for others. */
const char *stage_key(const char *name, int *stage);
/* Takes an override apart: "KEY=VALUE" or "stage.NAME.KEY=VALUE". *name is the caller's to free. */
cso_status stage_split_override(const config_source *source, const char *override, int *stage, char **name, const char **value,
                                cso_error *err);
/* Finds and checks the stages' names. The caller frees *names, which point into the file's entries. */
cso_status stage_find_names(const cso_toml *toml, const char *path, const char ***names, size_t *count, cso_error *err);
/* Whether a stage may have this key or table of its own. */
cso_status stage_check_key(const char *name, const char *place, cso_error *err);
/* Common keys that the stage's own take the place of: loss.types and loss.weights by loss.type, train.max_steps by train.epochs,
 * train.warmup_steps by train.warmup_ratio. */
void stage_displace(cso_run_config *stage, const config_source *source);
/* Folder, lora.init and loss.reference of the stage `number`, from 0; the configurations before it are done. */
cso_status stage_place(cso_run_configs *configs, size_t number, cso_error *err);

/* The whole as TOML: what is common, then each stage with its own keys. Before stage_place. */
cso_status configs_print(const cso_run_config *common, const cso_run_config *stages, size_t count, char **text, cso_error *err);

#endif

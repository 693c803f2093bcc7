/* run_config_print.c - the configuration in full, as TOML that reads back equal: which keys of a run it has. */
#include "run_config_parts.h"

#include "base/text.h"
#include "train/run_objective.h"

#include <string.h>

/* The keys of [loss] that the losses do not heed. */
static bool is_idle_in_loss(const cso_run_config *config, const char *key) {
    cso_objective objective;
    if (!strcmp(key, "loss.type"))
        return config->loss.types.count > 0;
    if (!strcmp(key, "loss.types") || !strcmp(key, "loss.weights"))
        return !config->loss.types.count;
    if (cso_run_objective(config, &objective, NULL) != CSO_OK)
        return false;
    if (!strcmp(key, "loss.reference"))
        return !(objective.needs & CSO_LOSS_REFERENCE);
    return !cso_objective_has_rewards(&objective) || !cso_objective_uses(&objective, key);
}

/* A key whose value nothing depends on, as the others are. */
static bool is_idle(const cso_run_config *config, const char *key) {
    static const char *const FRESH[] = {"lora.rank", "lora.alpha", "lora.targets", "lora.rslora"};
    for (size_t i = 0; i < sizeof FRESH / sizeof *FRESH; i++)
        if (!strcmp(key, FRESH[i]))
            return strcmp(config->lora.init, "default") != 0;
    if (!strcmp(key, "checkpoint.keep_best") || !strcmp(key, "checkpoint.restore_best") ||
        !strcmp(key, "train.early_stopping_patience"))
        return !config->data.eval.count;
    if (!strcmp(key, "train.early_stopping_min_delta"))
        return !config->train.early_stopping_patience;
    if (!strcmp(key, "train.warmup_ratio"))
        return config->train.warmup_steps >= 0;
    return cso_starts_with(key, "loss.") && is_idle_in_loss(config, key);
}

void config_print_all(config_printer *printer, const cso_run_config *config) {
    cso_option_place place;
    for (size_t i = 0; (place = cso_options_at(&cso_run_options, i)).row; i++) {
        const char *name = place.row->name;
        bool absent = (cso_starts_with(name, "lora.") && !config->lora.present) || config_is_missing(config, place);
        if (!absent && (!is_idle(config, name) || cso_run_config_given(config, name)))
            config_print_key(printer, config, place, "");
    }
}

cso_status cso_run_config_print(const cso_run_config *config, char **text, cso_error *err) {
    config_printer printer;
    CSO_TRY(config_printer_open(&printer, err));
    config_print_all(&printer, config);
    return config_printer_close(&printer, text, err);
}

void cso_run_config_help(void (*line)(void *context, const char *text), void *context) {
    config_help(&run_config_kind, line, context);
}

/* run_config_print.h - a configuration as TOML, key by key; inside src/config only. */
#ifndef CSO_RUN_CONFIG_PRINT_H
#define CSO_RUN_CONFIG_PRINT_H

#include "config.h"
#include "io/json.h"

#include <limits.h>

typedef struct config_printer {
    cso_text text;
    char folder[PATH_MAX]; /* put before relative paths: the file is read again from another folder */
    const char *table;     /* key of the line before, "" after a heading that is none of a key's table */
} config_printer;

cso_status config_printer_open(config_printer *printer, cso_error *err);
/* A line, and before the first of a table its heading: [loss], or [stage.loss] with "stage." above. */
void config_print_key(config_printer *printer, const cso_run_config *config, cso_option_place place, const char *above);
/* All keys but those without effect that were not given. */
void config_print_all(config_printer *printer, const cso_run_config *config);
/* The text, which the caller frees. */
cso_status config_printer_close(config_printer *printer, char **text, cso_error *err);

#endif

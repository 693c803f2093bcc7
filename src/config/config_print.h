/* config_print.h - a configuration of any kind as TOML, key by key, and the list of its keys for help; inside src/config only. */
#ifndef CSO_CONFIG_PRINT_H
#define CSO_CONFIG_PRINT_H

#include "config_kind.h"
#include "io/json.h"

#include <limits.h>

typedef struct config_printer {
    cso_text text;
    char folder[PATH_MAX]; /* put before relative paths: the file is read again from another folder */
    const char *table;     /* key of the line before, "" after a heading that is none of a key's table */
} config_printer;

cso_status config_printer_open(config_printer *printer, cso_error *err);
/* A line, and before the first of a table its heading: [loss], or [stage.loss] with "stage." above. */
void config_print_key(config_printer *printer, const void *config, cso_option_place place, const char *above);
/* The text, which the caller frees. */
cso_status config_printer_close(config_printer *printer, char **text, cso_error *err);

/* Lines of up to 80 columns: each key with its default, below it what it takes and its meaning. */
void config_help(const config_kind *kind, void (*line)(void *context, const char *text), void *context);

#endif

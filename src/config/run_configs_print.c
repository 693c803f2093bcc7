/* run_configs_print.c - a configuration with stages as TOML that reads back equal. */
#include "run_config_parts.h"

#include "base/text.h"

/* The keys that the stage has of its own. */
static void print_stage(config_printer *printer, const cso_run_config *stage, bool lora_is_new) {
    cso_option_place place;
    cso_text_format(&printer->text, "\n[[stage]]\nname = \"%s\"\n", stage->stage.name);
    printer->table = "";
    for (size_t i = 0; (place = cso_options_at(&cso_run_options, i)).row; i++) {
        if (!cso_run_config_given(stage, place.row->name))
            continue;
        config_print_key(printer, stage, place, "stage.");
        lora_is_new &= !cso_starts_with(place.row->name, "lora.");
    }
    if (lora_is_new)
        cso_text_format(&printer->text, "\n[stage.lora]\n");
}

cso_status configs_print(const cso_run_config *common, const cso_run_config *stages, size_t count, char **text, cso_error *err) {
    config_printer printer;
    CSO_TRY(config_printer_open(&printer, err));
    config_print_all(&printer, common);
    for (size_t i = 0; i < count; i++)
        print_stage(&printer, &stages[i], stages[i].lora.present && !common->lora.present);
    return config_printer_close(&printer, text, err);
}

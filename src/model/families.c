/* families.c - the table of model families. */
#include "family.h"

#include <string.h>

#define CSO_FAMILY(name) extern const cso_family cso_family_##name;
#include <cso_family_rows.h>
#undef CSO_FAMILY

/* CSO_FAMILY(NAME) for each row of CMakeLists.txt, which writes this header; NAME.c defines cso_family_NAME. */
static const cso_family *const families[] = {
#define CSO_FAMILY(name) &cso_family_##name,
#include <cso_family_rows.h>
#undef CSO_FAMILY
};

static const char names[] = ""
#define CSO_FAMILY(name) ", " #name
#include <cso_family_rows.h>
#undef CSO_FAMILY
    ;

const cso_family *cso_family_find(const char *name) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strcmp(families[i]->name, name) == 0)
            return families[i];
    return NULL;
}

const char *cso_family_names(void) {
    return names + 2; /* without the first ", " */
}

const char *const cso_module_words[] = {
    [CSO_Q_PROJ] = "q_proj",       [CSO_K_PROJ] = "k_proj",   [CSO_V_PROJ] = "v_proj",       [CSO_O_PROJ] = "o_proj",
    [CSO_GATE_PROJ] = "gate_proj", [CSO_UP_PROJ] = "up_proj", [CSO_DOWN_PROJ] = "down_proj", [CSO_MODULE_COUNT] = NULL,
};

static const struct {
    const char *path, *gguf;
} modules[CSO_MODULE_COUNT] = {
    [CSO_Q_PROJ] = {"self_attn.q_proj", "attn_q"},   [CSO_K_PROJ] = {"self_attn.k_proj", "attn_k"},
    [CSO_V_PROJ] = {"self_attn.v_proj", "attn_v"},   [CSO_O_PROJ] = {"self_attn.o_proj", "attn_output"},
    [CSO_GATE_PROJ] = {"mlp.gate_proj", "ffn_gate"}, [CSO_UP_PROJ] = {"mlp.up_proj", "ffn_up"},
    [CSO_DOWN_PROJ] = {"mlp.down_proj", "ffn_down"},
};

const char *cso_module_name(cso_module module) {
    return cso_module_words[module];
}

const char *cso_module_path(cso_module module) {
    return modules[module].path;
}

const char *cso_module_gguf(cso_module module) {
    return modules[module].gguf;
}

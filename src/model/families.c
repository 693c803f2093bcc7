/* families.c - the table of model families. */
#include "family.h"

#include <string.h>

static const cso_family *const families[] = {&cso_family_llama, &cso_family_qwen2, &cso_family_gemma2};

const cso_family *cso_family_find(const char *name) {
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strcmp(families[i]->name, name) == 0)
            return families[i];
    return NULL;
}

const char *cso_family_names(void) {
    return "llama, qwen2, gemma2";
}

static const struct {
    const char *name, *path, *gguf;
} modules[CSO_MODULE_COUNT] = {
    {"q_proj", "self_attn.q_proj", "attn_q"},   {"k_proj", "self_attn.k_proj", "attn_k"},
    {"v_proj", "self_attn.v_proj", "attn_v"},   {"o_proj", "self_attn.o_proj", "attn_output"},
    {"gate_proj", "mlp.gate_proj", "ffn_gate"}, {"up_proj", "mlp.up_proj", "ffn_up"},
    {"down_proj", "mlp.down_proj", "ffn_down"},
};

const char *cso_module_name(cso_module module) {
    return modules[module].name;
}

const char *cso_module_path(cso_module module) {
    return modules[module].path;
}

const char *cso_module_gguf(cso_module module) {
    return modules[module].gguf;
}

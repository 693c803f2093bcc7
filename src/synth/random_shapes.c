/* random_shapes.c - the shapes of known models, for random ones. Numbers from the models' config.json. */
#include "random_model.h"

#include <stdio.h>
#include <string.h>

typedef struct shape {
    const char *preset, *family;
    cso_random_model model;
} shape;

/* hparams' fields that the family decides (qkv_bias, activation, ...) stay empty: the writer takes them from the family. */
static const shape SHAPES[] = {
    {"tiny",
     "llama",
     {.hparams = {.n_layers = 2,
                  .hidden = 256,
                  .n_heads = 4,
                  .n_kv_heads = 2,
                  .head_dim = 64,
                  .ffn = 512,
                  .max_positions = 4096,
                  .norm_eps = 1e-5f,
                  .rope_theta = 500000},
      .rope_factor = 8,
      .rope_original = 64}},
    {"tiny",
     "qwen2",
     {.hparams = {.n_layers = 2,
                  .hidden = 256,
                  .n_heads = 4,
                  .n_kv_heads = 2,
                  .head_dim = 64,
                  .ffn = 512,
                  .max_positions = 4096,
                  .norm_eps = 1e-6f,
                  .rope_theta = 1000000,
                  .tied = true}}},
    {"tiny",
     "gemma2",
     {.hparams = {.n_layers = 2,
                  .hidden = 256,
                  .n_heads = 4,
                  .n_kv_heads = 2,
                  .head_dim = 32,
                  .ffn = 512,
                  .max_positions = 4096,
                  .norm_eps = 1e-6f,
                  .rope_theta = 10000,
                  .attention_softcap = 50,
                  .final_softcap = 30,
                  .window = 16,
                  .tied = true},
      .query_scalar = 64}},
    {"135m", /* SmolLM2-135M */
     "llama",
     {.hparams = {.n_layers = 30,
                  .hidden = 576,
                  .n_heads = 9,
                  .n_kv_heads = 3,
                  .head_dim = 64,
                  .ffn = 1536,
                  .vocab = 49152,
                  .max_positions = 8192,
                  .norm_eps = 1e-5f,
                  .rope_theta = 100000,
                  .tied = true}}},
    {"1b", /* Llama-3.2-1B */
     "llama",
     {.hparams = {.n_layers = 16,
                  .hidden = 2048,
                  .n_heads = 32,
                  .n_kv_heads = 8,
                  .head_dim = 64,
                  .ffn = 8192,
                  .vocab = 128256,
                  .max_positions = 131072,
                  .norm_eps = 1e-5f,
                  .rope_theta = 500000,
                  .tied = true},
      .rope_factor = 32,
      .rope_original = 8192}},
    {"8b", /* Llama-3.1-8B */
     "llama",
     {.hparams = {.n_layers = 32,
                  .hidden = 4096,
                  .n_heads = 32,
                  .n_kv_heads = 8,
                  .head_dim = 128,
                  .ffn = 14336,
                  .vocab = 128256,
                  .max_positions = 131072,
                  .norm_eps = 1e-5f,
                  .rope_theta = 500000},
      .rope_factor = 8,
      .rope_original = 8192}},
    {"0.5b", /* Qwen2.5-0.5B */
     "qwen2",
     {.hparams = {.n_layers = 24,
                  .hidden = 896,
                  .n_heads = 14,
                  .n_kv_heads = 2,
                  .head_dim = 64,
                  .ffn = 4864,
                  .vocab = 151936,
                  .max_positions = 32768,
                  .norm_eps = 1e-6f,
                  .rope_theta = 1000000,
                  .tied = true}}},
    {"7b", /* Qwen2.5-7B */
     "qwen2",
     {.hparams = {.n_layers = 28,
                  .hidden = 3584,
                  .n_heads = 28,
                  .n_kv_heads = 4,
                  .head_dim = 128,
                  .ffn = 18944,
                  .vocab = 152064,
                  .max_positions = 32768,
                  .norm_eps = 1e-6f,
                  .rope_theta = 1000000}}},
    {"9b", /* Gemma-2-9B */
     "gemma2",
     {.hparams = {.n_layers = 42,
                  .hidden = 3584,
                  .n_heads = 16,
                  .n_kv_heads = 8,
                  .head_dim = 256,
                  .ffn = 14336,
                  .vocab = 256000,
                  .max_positions = 8192,
                  .norm_eps = 1e-6f,
                  .rope_theta = 10000,
                  .attention_softcap = 50,
                  .final_softcap = 30,
                  .window = 4096,
                  .tied = true},
      .query_scalar = 256}},
};
enum { SHAPE_COUNT = sizeof SHAPES / sizeof *SHAPES };

cso_status cso_random_model_preset(cso_random_model *model, const char *family, const char *preset, cso_error *err) {
    char known[128] = "";
    bool family_known = false;
    for (int i = 0; i < SHAPE_COUNT; i++) {
        const shape *s = &SHAPES[i];
        if (strcmp(s->family, family) != 0)
            continue;
        family_known = true;
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", s->preset);
        if (strcmp(s->preset, preset) != 0)
            continue;
        model->family = s->family;
        model->hparams = s->model.hparams;
        model->rope_factor = s->model.rope_factor;
        model->rope_original = s->model.rope_original;
        model->query_scalar = s->model.query_scalar;
        return CSO_OK;
    }
    if (!family_known)
        return cso_fail(err, CSO_ERR_USAGE, "unknown model family '%s' (expected llama, qwen2 or gemma2)", family);
    return cso_fail(err, CSO_ERR_USAGE, "unknown preset '%s' of the family %s (expected one of %s)", preset, family, known);
}

/* peft_config.c - see peft_config.h. */
#include "peft_config.h"

#include "base/file.h"
#include "base/memory.h"
#include "io/json.h"
#include "peft_match.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_BYTES = 1 << 24, MAX_MODULE_NAME = 96, MAX_LAYERS = 4096 };

/* LoraConfig's own defaults. */
enum { DEFAULT_RANK = 8, DEFAULT_ALPHA = 8 };

/* Read below, or without an influence on what a finished adapter computes. Other keys must not be set. */
static const char *const known_keys[] = {
    "peft_type",
    "task_type",
    "r",
    "lora_alpha",
    "lora_dropout",
    "use_rslora",
    "bias",
    "target_modules",
    "exclude_modules",
    "layers_pattern",
    "auto_mapping",
    "layers_to_transform",
    "peft_version",
    "revision",
    "base_model_name_or_path",
    "inference_mode",
    "runtime_config",
    "init_lora_weights",
    "megatron_core",
    "loftq_config",
    "qalora_group_size",
    "eva_config",
    "corda_config",
    "lora_ga_config",
    "ensure_weight_tying",
};

/* Ways to begin that leave the model's own weights as they are. */
static const char *const known_beginnings[] = {"gaussian", "orthogonal", "eva"};

static const cJSON *get(const cJSON *config, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(config, key);
    return cJSON_IsNull(item) ? NULL : item;
}

static bool is_known(const char *key) {
    for (size_t i = 0; i < sizeof known_keys / sizeof *known_keys; i++)
        if (!strcmp(key, known_keys[i]))
            return true;
    return false;
}

/* Whether a value means "not used": null, false, empty. */
static bool is_empty(const cJSON *item) {
    return cJSON_IsNull(item) || cJSON_IsFalse(item) || (cJSON_IsString(item) && !*item->valuestring) ||
           ((cJSON_IsArray(item) || cJSON_IsObject(item)) && !item->child);
}

static cso_status check_keys(const cJSON *config, const char *path, cso_error *err) {
    const cJSON *item;
    cJSON_ArrayForEach(item, config) {
        if (!is_empty(item) && !is_known(item->string))
            return cso_fail(err, CSO_ERR_INPUT, "%s: %.64s is set, which this program does not support", path, item->string);
    }
    return CSO_OK;
}

/* A string that must have one value, or be missing. */
static cso_status check_word(const cJSON *config, const char *key, const char *only, bool needed, const char *path,
                             cso_error *err) {
    const char *text;
    CSO_TRY(cso_json_string(config, key, path, &text, err));
    if (text ? strcmp(text, only) != 0 : needed)
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s is \"%.64s\" (expected \"%s\")", path, key, text ? text : "", only);
    return CSO_OK;
}

static cso_status check_beginning(const cJSON *config, const char *path, cso_error *err) {
    const cJSON *item = get(config, "init_lora_weights");
    const char *word = cJSON_IsString(item) ? item->valuestring : "";
    if (!item || cJSON_IsBool(item))
        return CSO_OK;
    for (size_t i = 0; i < sizeof known_beginnings / sizeof *known_beginnings; i++)
        if (!strcasecmp(word, known_beginnings[i])) /* PEFT ignores case */
            return CSO_OK;
    return cso_fail(err, CSO_ERR_INPUT,
                    "%s: init_lora_weights is \"%.64s\", which may change the model's own weights (expected true, false, gaussian, "
                    "orthogonal or eva)",
                    path, word);
}

static cso_status read_options(const cJSON *config, const char *path, cso_lora_options *options, cso_error *err) {
    CSO_TRY(check_word(config, "peft_type", "LORA", true, path, err));
    CSO_TRY(check_word(config, "task_type", "CAUSAL_LM", false, path, err));
    CSO_TRY(check_keys(config, path, err));
    CSO_TRY(check_word(config, "bias", "none", false, path, err));
    CSO_TRY(check_beginning(config, path, err));
    CSO_TRY(cso_json_size(config, "r", path, DEFAULT_RANK, &options->rank, err));
    CSO_TRY(cso_json_number(config, "lora_alpha", path, DEFAULT_ALPHA, &options->alpha, err));
    CSO_TRY(cso_json_number(config, "lora_dropout", path, 0, &options->dropout, err));
    CSO_TRY(cso_json_bool(config, "use_rslora", path, false, &options->rslora, err));
    if (options->rank == 0 || !isfinite(options->alpha) || options->alpha == 0 || !(options->dropout >= 0 && options->dropout < 1))
        return cso_fail(err, CSO_ERR_INPUT, "%s: r %zu, lora_alpha %g, lora_dropout %g make no sense", path, options->rank,
                        options->alpha, options->dropout);
    return CSO_OK;
}

/* What decides which modules are adapted. */
typedef struct module_choice {
    const char *path;
    peft_words targets, excluded;
    bool all_linear;      /* target_modules is "all-linear": every projection */
    const cJSON *layers;  /* layers_to_transform, NULL: all */
    peft_words *patterns; /* (pattern_count) layers_pattern, each as an expression for what comes before a projection's own name */
    size_t pattern_count;
} module_choice;

/* layers_pattern: PEFT finds a layer's number behind it in a module's name. */
static cso_status read_patterns(module_choice *choice, const cJSON *config, cso_error *err) {
    const cJSON *value = get(config, "layers_pattern"), *item;
    bool list = cJSON_IsArray(value);
    if (!value || is_empty(value))
        return CSO_OK;
    if (!list && !cJSON_IsString(value))
        return cso_fail(err, CSO_ERR_INPUT, "%s: layers_pattern: expected a name or a list of names", choice->path);
    size_t count = list ? (size_t)cJSON_GetArraySize(value) : 1;
    if (count > 16)
        return cso_fail(err, CSO_ERR_INPUT, "%s: layers_pattern has %zu names (at most 16)", choice->path, count);
    if (!(choice->patterns = cso_calloc(count, sizeof *choice->patterns)))
        return cso_fail_memory(err, "layers_pattern");
    for (item = list ? value->child : value; item; item = list ? item->next : NULL) {
        if (!cJSON_IsString(item) || !*item->valuestring ||
            strspn(item->valuestring, "abcdefghijklmnopqrstuvwxyz_.") < strlen(item->valuestring))
            return cso_fail(err, CSO_ERR_INPUT, "%s: layers_pattern: expected names such as \"layers\"", choice->path);
        CSO_TRY(peft_words_read(&choice->patterns[choice->pattern_count++], item, "layers_pattern", choice->path, err));
    }
    return CSO_OK;
}

static cso_status read_choice(module_choice *choice, const cJSON *config, cso_error *err) {
    static const char *const defaults[] = {"q_proj", "v_proj"}; /* PEFT's for llama, qwen2 and gemma2 */
    const cJSON *targets = get(config, "target_modules");
    choice->layers = get(config, "layers_to_transform");
    choice->all_linear = cJSON_IsString(targets) && !strcasecmp(targets->valuestring, "all-linear");
    if (cJSON_IsArray(choice->layers) && cJSON_GetArraySize(choice->layers) > MAX_LAYERS)
        return cso_fail(err, CSO_ERR_INPUT, "%s: layers_to_transform has more than %d numbers", choice->path, MAX_LAYERS);
    CSO_TRY(read_patterns(choice, config, err));
    if (cJSON_IsString(targets) && (choice->layers || choice->patterns))
        return cso_fail(err, CSO_ERR_INPUT, "%s: layers_to_transform and layers_pattern need a list as target_modules",
                        choice->path);
    if (choice->patterns && !choice->layers)
        return cso_fail(err, CSO_ERR_INPUT, "%s: layers_pattern is set without layers_to_transform", choice->path);
    CSO_TRY(peft_words_read(&choice->excluded, get(config, "exclude_modules"), "exclude_modules", choice->path, err));
    if (!choice->all_linear)
        CSO_TRY(peft_words_read(&choice->targets, targets, "target_modules", choice->path, err));
    if (!targets) {
        if (!(choice->targets.names = cso_calloc(2, sizeof *choice->targets.names)))
            return cso_fail_memory(err, "a list of modules");
        memcpy(choice->targets.names, defaults, sizeof defaults);
        choice->targets.count = 2;
    }
    return CSO_OK;
}

static void free_choice(module_choice *choice) {
    peft_words_free(&choice->targets);
    peft_words_free(&choice->excluded);
    for (size_t i = 0; i < choice->pattern_count; i++)
        peft_words_free(&choice->patterns[i]);
    free(choice->patterns);
}

/* Whether layers_to_transform has the layer, and layers_pattern finds its number: behind "layers". */
static cso_status has_layer(const module_choice *choice, size_t layer, bool *has, cso_error *err) {
    const cJSON *item = choice->layers;
    bool list = cJSON_IsArray(item);
    peft_match found = choice->patterns ? PEFT_NO_MATCH : PEFT_WHOLE;
    *has = !item || (list && !item->child);
    if (*has)
        return CSO_OK;
    for (item = list ? item->child : item; item; item = list ? item->next : NULL) {
        if (!cJSON_IsNumber(item) || item->valuedouble != floor(item->valuedouble))
            return cso_fail(err, CSO_ERR_INPUT, "%s: layers_to_transform: expected whole numbers", choice->path);
        *has |= item->valuedouble == (double)layer;
    }
    for (size_t i = 0; i < choice->pattern_count && !found; i++) {
        CSO_TRY(peft_words_match(&choice->patterns[i], "layers", &found, err));
        if (!found)
            CSO_TRY(peft_words_match(&choice->patterns[i], "model.layers", &found, err));
    }
    *has = *has && found != PEFT_NO_MATCH;
    return CSO_OK;
}

/* A module that PEFT may adapt. */
typedef struct candidate {
    const char *name;
    bool is_projection;
    bool in_layers; /* layers_to_transform has its layer */
} candidate;

static cso_status chosen(const module_choice *choice, const candidate *module, bool *is_chosen, cso_error *err) {
    peft_match match;
    *is_chosen = false;
    CSO_TRY(peft_words_match(&choice->excluded, module->name, &match, err));
    if (match != PEFT_NO_MATCH)
        return CSO_OK;
    if (choice->all_linear) {
        *is_chosen = module->is_projection;
        return CSO_OK;
    }
    CSO_TRY(peft_words_match(&choice->targets, module->name, &match, err));
    *is_chosen = match == PEFT_WHOLE || (match == PEFT_END && module->in_layers); /* a whole name is meant whatever its layer */
    return CSO_OK;
}

/* Refuses modules that PEFT may know and this program does not adapt: of the layer that the prefix names, or if it is "", those
 * outside of layers. */
static cso_status refuse_others(const module_choice *choice, const char *prefix, bool in_layers, cso_error *err) {
    static const char *const of_model[] = {"model",      "model.embed_tokens", "model.layers",
                                           "model.norm", "model.rotary_emb",   "lm_head"},
                             *const of_layer[] = {"",
                                                  ".self_attn",
                                                  ".self_attn.rotary_emb",
                                                  ".mlp",
                                                  ".mlp.act_fn",
                                                  ".input_layernorm",
                                                  ".post_attention_layernorm",
                                                  ".pre_feedforward_layernorm",
                                                  ".post_feedforward_layernorm"};
    size_t count = *prefix ? sizeof of_layer / sizeof *of_layer : sizeof of_model / sizeof *of_model;
    for (size_t i = 0; i < count; i++) {
        char name[MAX_MODULE_NAME];
        bool is_chosen;
        snprintf(name, sizeof name, "%s%s", prefix, *prefix ? of_layer[i] : of_model[i]);
        CSO_TRY(chosen(choice, &(candidate){name, false, in_layers}, &is_chosen, err));
        if (is_chosen)
            return cso_fail(err, CSO_ERR_INPUT,
                            "%s: target_modules means %s, which this program does not adapt (expected projections only)",
                            choice->path, name);
    }
    return CSO_OK;
}

static cso_status choose_of_layer(const module_choice *choice, size_t layer, bool adapted[CSO_MODULE_COUNT], cso_error *err) {
    char prefix[MAX_MODULE_NAME / 2], name[MAX_MODULE_NAME];
    bool has;
    snprintf(prefix, sizeof prefix, "model.layers.%zu", layer);
    CSO_TRY(has_layer(choice, layer, &has, err));
    CSO_TRY(refuse_others(choice, prefix, has, err));
    for (cso_module m = 0; m < CSO_MODULE_COUNT; m++) {
        snprintf(name, sizeof name, "%s.%s", prefix, cso_module_path(m));
        CSO_TRY(chosen(choice, &(candidate){name, true, has}, &adapted[m], err));
    }
    return CSO_OK;
}

static cso_status choose_modules(peft_config *config, const cso_model *model, const module_choice *choice, cso_error *err) {
    size_t count = 0, n_layers = model->hparams.n_layers;
    if (!(config->adapted = cso_calloc(n_layers * CSO_MODULE_COUNT, sizeof *config->adapted)))
        return cso_fail_memory(err, "a list of modules");
    CSO_TRY(refuse_others(choice, "", !choice->layers || is_empty(choice->layers), err)); /* they have no layer's number */
    for (size_t layer = 0; layer < n_layers; layer++) {
        bool *adapted = config->adapted + layer * CSO_MODULE_COUNT;
        CSO_TRY(choose_of_layer(choice, layer, adapted, err));
        for (cso_module m = 0; m < CSO_MODULE_COUNT; m++) {
            config->options.targets[m] |= adapted[m];
            count += adapted[m];
        }
    }
    if (!count)
        return cso_fail(err, CSO_ERR_INPUT, "%s: target_modules means no module of this model", choice->path);
    return CSO_OK;
}

cso_status peft_config_read(peft_config *config, const cso_model *model, const char *path, cso_error *err) {
    cJSON *json = NULL;
    module_choice choice = {.path = path};
    const char *base;
    cso_status status;
    *config = (peft_config){0};
    CSO_TRY_DONE(cso_json_read(&json, path, MAX_BYTES, err));
    CSO_TRY_DONE(read_options(json, path, &config->options, err));
    CSO_TRY_DONE(read_choice(&choice, json, err));
    CSO_TRY_DONE(choose_modules(config, model, &choice, err));
    CSO_TRY_DONE(cso_json_string(json, "base_model_name_or_path", path, &base, err));
    if (!(config->base = cso_strdup(base ? base : "")))
        status = cso_fail_memory(err, "adapter_config.json");
done:
    free_choice(&choice);
    cJSON_Delete(json);
    if (status != CSO_OK)
        peft_config_free(config);
    return status;
}

void peft_config_free(peft_config *config) {
    free(config->adapted);
    free(config->base);
    *config = (peft_config){0};
}

/* Whether each projection that is adapted is so in every layer. */
static bool is_uniform(const cso_adapter *adapter) {
    for (size_t i = 0; i < adapter->n_layers * CSO_MODULE_COUNT; i++)
        if (adapter->options.targets[i % CSO_MODULE_COUNT] && !adapter->slots[i].in)
            return false;
    return true;
}

/* The projections' names, or if some layers have others than the rest, each module's whole name. */
static void write_targets(const cso_adapter *adapter, cso_text *text) {
    const char *separator = "";
    bool uniform = is_uniform(adapter);
    for (size_t layer = 0; layer < (uniform ? 1 : adapter->n_layers); layer++)
        for (cso_module m = 0; m < CSO_MODULE_COUNT; m++) {
            if (!cso_adapter_slot(adapter, layer, m)->in)
                continue;
            cso_text_format(text, "%s\n    \"", separator);
            if (uniform)
                cso_text_format(text, "%s\"", cso_module_name(m));
            else
                cso_text_format(text, "model.layers.%zu.%s\"", layer, cso_module_path(m));
            separator = ",";
        }
}

cso_status peft_config_write(const cso_adapter *adapter, const char *path, cso_error *err) {
    const cso_lora_options *options = &adapter->options;
    cso_text text = {0};
    cso_text_format(&text, "{\n  \"alpha_pattern\": {},\n  \"base_model_name_or_path\": ");
    cso_text_json_string(&text, adapter->base, strlen(adapter->base));
    cso_text_format(&text, ",\n  \"bias\": \"none\",\n  \"fan_in_fan_out\": false,\n  \"inference_mode\": true,\n"
                           "  \"init_lora_weights\": true,\n  \"lora_alpha\": ");
    cso_text_json_number(&text, options->alpha);
    cso_text_format(&text, ",\n  \"lora_dropout\": ");
    cso_text_json_number(&text, options->dropout);
    cso_text_format(&text,
                    ",\n  \"modules_to_save\": null,\n  \"peft_type\": \"LORA\",\n  \"r\": %zu,\n  \"rank_pattern\": {},\n"
                    "  \"target_modules\": [",
                    options->rank);
    write_targets(adapter, &text);
    cso_text_format(&text, "\n  ],\n  \"task_type\": \"CAUSAL_LM\",\n  \"use_dora\": false,\n  \"use_rslora\": %s\n}\n",
                    options->rslora ? "true" : "false");
    cso_status status = text.failed ? cso_fail_memory(err, "adapter_config.json") : cso_save_text(path, text.data, text.size, err);
    free(text.data);
    return status;
}

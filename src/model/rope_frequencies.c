/* rope_frequencies.c - rotary frequencies (Su et al. 2021, arXiv 2104.09864) with the scaling of Llama 3.1. */
#include "family.h"
#include "hparams_source.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Llama 3.1's rule (transformers, modeling_rope_utils.py): wave lengths under original/high_freq_factor stay, those over
 * original/low_freq_factor are divided by factor, and between the two a straight line in original/wavelength mixes both. */
static double llama3_scaled(double frequency, double factor, double low, double high, double original) {
    double wave_length = 2 * M_PI / frequency;
    if (wave_length < original / high)
        return frequency;
    if (wave_length > original / low)
        return frequency / factor;
    double smooth = (original / wave_length - low) / (high - low);
    return (1 - smooth) * frequency / factor + smooth * frequency;
}

/* rope_scaling of config.json (transformers 4), or rope_parameters (5). */
static cso_status apply_config(const cso_weights *weights, const char *place, size_t count, double *inv_freq, cso_error *err) {
    const cJSON *scaling = cJSON_GetObjectItemCaseSensitive(weights->config, "rope_parameters");
    if (!cJSON_IsObject(scaling))
        scaling = cJSON_GetObjectItemCaseSensitive(weights->config, "rope_scaling");
    if (!scaling || cJSON_IsNull(scaling))
        return CSO_OK;
    if (!cJSON_IsObject(scaling))
        return cso_fail(err, CSO_ERR_INPUT, "%s: rope_scaling: expected an object", place);
    const char *type = NULL;
    CSO_TRY(cso_json_string(scaling, "rope_type", place, &type, err));
    if (!type)
        CSO_TRY(cso_json_string(scaling, "type", place, &type, err));
    if (!type || strcmp(type, "default") == 0)
        return CSO_OK;
    if (strcmp(type, "llama3") != 0)
        return cso_fail(err, CSO_ERR_INPUT, "%s: rope_scaling of type \"%s\" is not supported (expected default or llama3)", place,
                        type);
    double factor = 0, low = 0, high = 0, original = 0;
    CSO_TRY(cso_json_number(scaling, "factor", place, 0, &factor, err));
    CSO_TRY(cso_json_number(scaling, "low_freq_factor", place, 0, &low, err));
    CSO_TRY(cso_json_number(scaling, "high_freq_factor", place, 0, &high, err));
    CSO_TRY(cso_json_number(scaling, "original_max_position_embeddings", place, 0, &original, err));
    if (!(factor >= 1 && low > 0 && high > low && original > 0))
        return cso_fail(err, CSO_ERR_INPUT,
                        "%s: rope_scaling: factor %g, low_freq_factor %g, high_freq_factor %g, original_max_position_embeddings %g "
                        "make no sense",
                        place, factor, low, high, original);
    for (size_t i = 0; i < count; i++)
        inv_freq[i] = llama3_scaled(inv_freq[i], factor, low, high, original);
    return CSO_OK;
}

/* rope_freqs.weight of GGUF: what each frequency is divided by. Other scalings are refused, not ignored. */
static cso_status apply_gguf(const cso_weights *weights, const cso_family *family, size_t count, double *inv_freq, cso_error *err) {
    const cso_gguf *gguf = weights->gguf;
    char key[160];
    snprintf(key, sizeof key, "%s.rope.scaling.type", family->name);
    const char *type = NULL;
    size_t size = 0;
    bool found;
    CSO_TRY(cso_gguf_get_string(gguf, key, &type, &size, &found, err));
    if (found && !(size == 4 && memcmp(type, "none", 4) == 0))
        return cso_fail(err, CSO_ERR_INPUT, "%s: %s is \"%.*s\" (only \"none\" and rope_freqs.weight are supported)", weights->path,
                        key, (int)(size < 40 ? size : 40), type);
    if (!cso_weights_find(weights, "rope_freqs.weight"))
        return CSO_OK;
    cso_tensor divisors;
    CSO_TRY(cso_weights_require(weights, "rope_freqs.weight", 1, &count, &divisors, err));
    if (divisors.dtype != CSO_F32)
        return cso_fail(err, CSO_ERR_INPUT, "%s: tensor rope_freqs.weight is %s (expected F32)", weights->path,
                        cso_dtype_get(divisors.dtype)->name);
    for (size_t i = 0; i < count; i++) {
        float divisor;
        memcpy(&divisor, (const uint8_t *)divisors.data + i * sizeof divisor, sizeof divisor);
        if (!(divisor > 0 && isfinite(divisor)))
            return cso_fail(err, CSO_ERR_INPUT, "%s: tensor rope_freqs.weight: item %zu is %g (expected a positive number)",
                            weights->path, i, (double)divisor);
        inv_freq[i] /= (double)divisor;
    }
    return CSO_OK;
}

cso_status cso_rope_frequencies(const cso_weights *weights, const cso_family *family, const cso_hparams *hparams, double *inv_freq,
                                cso_error *err) {
    size_t count = hparams->head_dim / 2;
    for (size_t i = 0; i < count; i++)
        inv_freq[i] = pow(hparams->rope_theta, -2.0 * (double)i / (double)hparams->head_dim);
    if (weights->format == CSO_WEIGHTS_GGUF)
        return apply_gguf(weights, family, count, inv_freq, err);
    char place[512];
    snprintf(place, sizeof place, "%.480s/config.json", weights->folder);
    return apply_config(weights, place, count, inv_freq, err);
}

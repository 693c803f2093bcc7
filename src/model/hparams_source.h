/* hparams_source.h - hyperparameters by name from config.json or GGUF metadata, with one call for both. */
#ifndef CSO_HPARAMS_SOURCE_H
#define CSO_HPARAMS_SOURCE_H

#include "model.h"

typedef struct cso_hparams_source {
    const cso_weights *weights;
    const char *family; /* prefix of GGUF keys */
    char place[512];    /* for messages */
} cso_hparams_source;

/* hf: key of config.json; gguf: key after "<family>.". NULL: this format has no such key. Where the key is missing (or null
 * in JSON) *found is false and *value stays; found NULL makes a missing key an error. Numbers must be positive. */
cso_status cso_hparams_size(const cso_hparams_source *source, const char *hf, const char *gguf, size_t *value, bool *found,
                            cso_error *err);
cso_status cso_hparams_float(const cso_hparams_source *source, const char *hf, const char *gguf, double *value, bool *found,
                             cso_error *err);
cso_status cso_hparams_bool(const cso_hparams_source *source, const char *hf, bool *value, cso_error *err);
/* The string of config.json's key, NULL where it is missing. */
cso_status cso_hparams_string(const cso_hparams_source *source, const char *hf, const char **text, cso_error *err);

/* All hyperparameters of the model's family, checked for consistency and sane bounds. */
cso_status cso_hparams_read(const cso_weights *weights, const struct cso_family *family, cso_hparams *hparams, cso_error *err);
/* The rotary frequencies, inv_freq[head_dim / 2]: theta^(-2i/E), divided as llama3 scaling or rope_freqs.weight say. */
cso_status cso_rope_frequencies(const cso_weights *weights, const struct cso_family *family, const cso_hparams *hparams,
                                double *inv_freq, cso_error *err);

#endif

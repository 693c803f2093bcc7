/* random_model.h - models of random weights, from tiny ones for tests to full-size ones for benchmarks, written as GGUF or as
 * a Hugging Face folder. Their text is nonsense, but they load, compute, train and export like real ones.
 *
 * Weights are a pure function of the seed and of Hugging Face's name of the tensor: both formats and all plain types hold
 * the same model, up to the type's rounding. Projections are normal with standard deviation 1.28 / sqrt(in_features), which
 * is the usual 0.02 at 4096 (those that add to the residual stream are smaller by sqrt(2 layers)), so that logits have a
 * spread of about 1.3 at any size; norms are 1 within 1/4.
 *
 * A tensor of more than 2^18 weights is assembled from one table of 4096 runs of 256 random weights, each run chosen at random:
 * fast enough that the disk is the limit. Types without an encoder here (all but F32, F16, BF16, Q8_0 and Q4_0) get random bits
 * with scales that give the right standard deviation: good for tests of loading and for benchmarks, but another model. */
#ifndef CSO_RANDOM_MODEL_H
#define CSO_RANDOM_MODEL_H

#include "base/status.h"
#include "model/model.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct cso_random_model {
    const char *family;  /* "llama", "qwen2", "gemma2" */
    cso_hparams hparams; /* sizes, tied, rope_theta, norm_eps, soft caps, window; the rest follows from the family */
    double rope_factor;  /* llama3 scaling of the rotary frequencies; 0: none */
    size_t rope_original;
    double query_scalar; /* Gemma-2's query_pre_attn_scalar; 0 for others */
    bool gguf;           /* else a Hugging Face folder */
    cso_dtype dtype;     /* of the matrices; a folder takes F32, F16 and BF16. Rows that are not whole blocks become Q8_0 or F16 */
    uint64_t seed;
    int threads;        /* that make it; 0: the physical cores */
    size_t shard_bytes; /* most bytes of one safetensors file; 0: 5 GB */
    /* A tokenizer to copy: a folder or a file in one (for a folder), a GGUF (for a GGUF). NULL: one token for each byte, and
     * the special tokens of the family's chat template. bos, eos: of that tokenizer, for config.json; -1: none. */
    const char *tokenizer;
    int32_t bos, eos;
    /* Called now and then with bytes done and bytes in all; may be NULL. False stops: CSO_STOPPED. */
    bool (*progress)(void *context, uint64_t done, uint64_t total);
    void *context;
} cso_random_model;

/* Fills family, hparams, rope and query_scalar. preset: "tiny", or the name of a model of this family's size:
 * 135m (SmolLM2), 0.5b and 7b (Qwen2.5), 1b and 8b (Llama-3.2 and 3.1), 9b (Gemma-2). CSO_ERR_USAGE lists the presets. */
cso_status cso_random_model_preset(cso_random_model *model, const char *family, const char *preset, cso_error *err);

/* Tokens of the built-in tokenizer of a family: the smallest vocabulary, and the one where hparams.vocab is 0. In a larger one
 * no text encodes to the other ids. */
size_t cso_random_model_tokens(const char *family);

/* Bytes of all tensors, and the number of weights; for messages and checks of the disk. */
cso_status cso_random_model_size(const cso_random_model *model, uint64_t *bytes, uint64_t *params, cso_error *err);

/* Writes the model to `path`, which must not exist, whole or not at all. Options that contradict each other are CSO_ERR_USAGE;
 * too little disk space is CSO_ERR_SYSTEM before anything is written. */
cso_status cso_random_model_write(const cso_random_model *model, const char *path, cso_error *err);

#endif

/* run_config.h - the options of a training run (docs/configuration.md), as src/config fills them, and the table of their keys.
 *
 * A new key is a field here, a row in run_options.c and a row in docs/configuration.md.
 */
#ifndef CSO_RUN_CONFIG_H
#define CSO_RUN_CONFIG_H

#include "base/option.h"
#include "base/status.h"
#include "data/dataset.h"
#include "kernels/gemm/gemm.h"
#include "loss/loss.h"
#include "model/lora.h"
#include "train/optim.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum cso_packing { CSO_PACK_TREE, CSO_PACK_PAIR, CSO_PACK_NONE } cso_packing;
extern const char *const cso_packing_words[]; /* "tree", "pair", "none", NULL */

enum { CSO_RUN_MAX_KEYS = 128 };

typedef struct cso_run_config {
    char *path; /* of the configuration file */
    bool given
        [CSO_RUN_MAX_KEYS]; /* by the number of a key in cso_run_options: it is in the file or an override; of a stage: for it */
    struct {
        char *name;           /* NULL: a run without stages */
        size_t number, count; /* which of how many, from 1 */
    } stage;
    struct {
        char *path, *base_name, *tokenizer, *chat_template;
        cso_compute compute;
    } model;
    struct {
        cso_strings train, eval;
        size_t max_length;
        cso_truncation truncation;
        cso_shuffle shuffle;
        bool parse_special;
        cso_packing packing;
        char *system_prompt; /* path of a text file, "" for the one that lists the strategies */
        char *strategies;    /* path of a TOML file, "" for the built-in ones */
    } data;
    struct {
        bool present; /* there is a [lora] table */
        size_t rank;
        double alpha, dropout;
        cso_strings targets;
        bool rslora;
        char *init; /* "default" or a folder */
    } lora;
    struct {
        char *type;
        cso_strings types; /* several losses instead of one; empty: type alone */
        cso_numbers weights;
        cso_loss_options options;
        char *reference;
    } loss;
    struct {
        double epochs;
        size_t max_steps, batch_size;
        double learning_rate;
        cso_schedule schedule;
        double warmup_ratio;
        int64_t warmup_steps; /* -1: from warmup_ratio */
        double weight_decay, betas[2], eps, max_grad_norm;
        size_t max_skipped;
        uint64_t seed;
        size_t threads;
        double memory_gib;
    } train;
    struct {
        char *dir;
        size_t every_steps, keep_last;
        bool keep_best;
    } checkpoint;
    struct {
        size_t every_steps, eval_every_steps;
        bool profile;
    } log;
} cso_run_config;

/* Every key of a configuration, in the order of config.toml; offsets count from cso_run_config. */
extern const cso_option_set cso_run_options;

#endif

/* run_config.h - the configuration of a run (docs/configuration.md): one table of keys with types, defaults, bounds and
 * help. */
#ifndef CSO_RUN_CONFIG_H
#define CSO_RUN_CONFIG_H

#include "cso/dataset.h"
#include "cso/gemm.h"
#include "cso/lora.h"
#include "cso/loss.h"
#include "cso/optim.h"
#include "cso/status.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum cso_packing { CSO_PACK_TREE, CSO_PACK_PAIR, CSO_PACK_NONE } cso_packing;

typedef struct cso_strings {
    char **items;
    size_t count;
} cso_strings;

typedef struct cso_run_config {
    char *path; /* of the configuration file */
    struct {
        char *path, *tokenizer, *chat_template;
        cso_compute compute;
    } model;
    struct {
        cso_strings train, eval;
        size_t max_length;
        cso_truncation truncation;
        cso_shuffle shuffle;
        bool parse_special;
        cso_packing packing;
        char *system_prompt; /* path of a text file, "" for the built-in one */
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
        double beta, label_smoothing;
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

/* Reads the file and applies `overrides` ("train.max_steps=10", the value in TOML; a bare word is taken as a string).
 * Relative paths become relative to the configuration file's folder (those in overrides: to the current folder). Unknown
 * keys (with did-you-mean), wrong types and values out of bounds are CSO_ERR_USAGE with "FILE:LINE: ...". */
cso_status cso_run_config_read(cso_run_config *config, const char *path, const char *const *overrides, size_t override_count,
                               cso_error *err);
void cso_run_config_free(cso_run_config *config);
/* The configuration in full as TOML, defaults included; the caller frees. */
cso_status cso_run_config_print(const cso_run_config *config, char **text, cso_error *err);
/* One line for each key with type, default and meaning, for --help-config. */
void cso_run_config_help(void (*line)(void *context, const char *text), void *context);

#endif

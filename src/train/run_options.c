/* run_options.c - the row of every key of a configuration file, but for those that the losses bring. docs/configuration.md says the
 * same for users; a test compares the two.
 */
#include "run_config.h"

/* The row of the key that is called as its field is. */
#define KEY(name, type, range, words, fallback, identity, flags, help)                                                             \
    { #name, CSO_OPTION_##type, offsetof(cso_run_config, name), CSO_RANGE_##range, words, fallback, identity, flags, help }
#define OWN   CSO_IDENTITY_OWN
#define FREE  CSO_IDENTITY_FREE
#define RANKS CSO_OPTION_RANKS

const char *const cso_packing_words[] = {[CSO_PACK_TREE] = "tree", [CSO_PACK_PAIR] = "pair", [CSO_PACK_NONE] = "none", NULL};
static const char *const init_words[] = {"default", NULL};
static const char *const reference_words[] = {"base", "initial", NULL};

static const cso_option before_loss_options[] = {
    KEY(model.path, PATH, NOT_EMPTY, NULL, NULL, "model", 0,
        "the base model: a .gguf file, a .safetensors file, or a folder in Hugging Face layout"),
    KEY(model.base_name, STRING, ANY, NULL, "\"\"", FREE, 0,
        "the base model's id on the Hugging Face hub, for the adapter's files; empty: as the model's files tell it, else its path"),
    KEY(model.tokenizer, PATH, ANY, NULL, "\"\"", "data.train", 0,
        "folder, tokenizer.json, tokenizer.model or .gguf with the tokenizer; empty: the model's own"),
    KEY(model.chat_template, STRING, NOT_EMPTY, NULL, "\"auto\"", "data.train", 0,
        "auto (the model's own), llama3, gemma2, chatml or smollm2"),
    KEY(model.compute, CHOICE, ANY, cso_compute_words, "\"f32\"", OWN, 0,
        "arithmetic of the matrix products; bf16 needs oneDNN and a CPU with AVX512-BF16 or AMX"),

    KEY(data.train, PATHS, NOT_EMPTY, NULL, NULL, "data.train", 0, "training data: .jsonl, or .json with an array; read in order"),
    KEY(data.eval, PATHS, ANY, NULL, "[]", "data.eval", 0, "held-out data, evaluated every log.eval_every_steps"),
    KEY(data.max_length, SIZE, BETWEEN(2, CSO_OPTION_INT32_MAX), NULL, "2048", "data.train", 0,
        "tokens of prompt and reply together"),
    KEY(data.truncation, CHOICE, ANY, cso_truncation_words, "\"left\"", "data.train", 0,
        "what is longer: left drops the oldest turns, whole, and keeps the system prompt; drop drops the pair; error stops"),
    KEY(data.shuffle, CHOICE, ANY, cso_shuffle_words, "\"dialogue\"", OWN, 0,
        "order of an epoch: dialogue keeps the pairs of one dialogue together; pair; none"),
    KEY(data.parse_special, BOOL, ANY, NULL, "false", "data.train", 0,
        "whether special-token strings typed in contents become those tokens, as in Hugging Face"),
    KEY(data.packing, CHOICE, ANY, cso_packing_words, "\"tree\"", OWN, 0,
        "what shares its prefix: tree (all of a step), pair (the two replies of a pair), none; the results are equal"),
    KEY(data.system_prompt, PATH, ANY, NULL, "\"\"", "data.train", 0,
        "a text file put before ESC-Pro trees; empty: a built-in one that lists the strategies"),
    KEY(data.strategies, PATH, ANY, NULL, "\"\"", "data.train", 0,
        "a TOML file with the strategies that ESC-Pro records name; empty: ESC-Pro's eight"),

    KEY(lora.rank, SIZE, BETWEEN(1, 65536), NULL, "16", "lora.rank", 0, "rank of the adapter"),
    KEY(lora.alpha, NUMBER, BETWEEN(1e-6, 1e6), NULL, "32.0", "lora.alpha", 0, "the adapter is scaled by alpha / rank"),
    KEY(lora.dropout, NUMBER, BETWEEN(0, 0.9), NULL, "0.0", "lora.dropout", 0, "dropout before A, in training"),
    KEY(lora.targets, CHOICES, NOT_EMPTY, cso_module_words, "\"all-linear\"", "lora.targets", 0,
        "the projections that are adapted"),
    KEY(lora.rslora, BOOL, ANY, NULL, "false", "lora.rslora", 0, "scale by alpha / sqrt(rank) instead"),
    KEY(lora.init, PATH, NOT_EMPTY, init_words, "\"default\"", "lora.init", 0,
        "default (A random, B zero), or the folder of a PEFT adapter to go on from"),

    KEY(loss.type, STRING, NOT_EMPTY, NULL, "\"cso\"", "loss.type", 0,
        "the loss: cso (DPO's sigmoid loss at each turn), sft, ... (all of them: cso-train --help-loss all)"),
    KEY(loss.types, STRINGS, ANY, NULL, "[]", "loss.type", 0, "several losses on the same records, instead of loss.type; []: one"),
    KEY(loss.weights, NUMBERS, BETWEEN(0, 1e6), NULL, "[]", "loss.type", 0,
        "the weight of each of loss.types in the sum; []: 1 each"),
};

static const cso_option after_loss_options[] = {
    KEY(loss.reference, PATH, NOT_EMPTY, reference_words, "\"base\"", "loss.reference", 0,
        "base (the model without adapter), initial (with the adapter as it was at the start), or the folder of a PEFT adapter"),

    KEY(train.epochs, NUMBER, ABOVE(0, 1e6), NULL, "1.0", FREE, 0, "passes over the data"),
    KEY(train.max_steps, SIZE, BETWEEN(0, CSO_OPTION_INT32_MAX), NULL, "0", FREE, 0, "optimizer steps; 0: from train.epochs"),
    KEY(train.batch_size, SIZE, BETWEEN(1, CSO_OPTION_INT32_MAX), NULL, "32", OWN, 0,
        "pairs in one optimizer step; the engine cuts them into trees that fit memory"),
    KEY(train.learning_rate, NUMBER, ZERO_OR(1e-20, 100), NULL, "1e-5", OWN, 0, "the highest learning rate"),
    KEY(train.schedule, CHOICE, ANY, cso_schedule_words, "\"cosine\"", OWN, 0, "how the learning rate falls after warm-up"),
    KEY(train.warmup_ratio, NUMBER, BETWEEN(0, 1), NULL, "0.03", OWN, 0, "part of the steps that warm up"),
    KEY(train.warmup_steps, INTEGER, BETWEEN(-1, CSO_OPTION_INT32_MAX), NULL, "-1", OWN, 0,
        "steps that warm up; -1: from train.warmup_ratio"),
    KEY(train.weight_decay, NUMBER, BETWEEN(0, 1000), NULL, "0.0", OWN, 0, "AdamW's decoupled weight decay"),
    KEY(train.betas, NUMBERS2, BELOW(0, 1), NULL, "[0.9, 0.999]", OWN, 0, "AdamW's decay rates of the two moments"),
    KEY(train.eps, NUMBER, BETWEEN(1e-15, 1), NULL, "1e-8", OWN, 0, "AdamW's epsilon"),
    KEY(train.max_grad_norm, NUMBER, ZERO_OR(1e-9, 1e9), NULL, "1.0", OWN, 0, "gradients are scaled down to this norm; 0: never"),
    KEY(train.max_skipped, SIZE, BETWEEN(0, CSO_OPTION_INT32_MAX), NULL, "5", FREE, RANKS,
        "a step whose loss or gradient is NaN or Inf is skipped; this many in a row end the run; 0: the first one does"),
    KEY(train.early_stopping_patience, SIZE, BETWEEN(0, CSO_OPTION_INT32_MAX), NULL, "0", FREE, RANKS,
        "evaluations in a row without a better loss that end the run; 0: none do"),
    KEY(train.early_stopping_min_delta, NUMBER, BETWEEN(0, 1e6), NULL, "0.0", FREE, RANKS,
        "by how much a loss must be lower than the lowest so far to be better"),
    KEY(train.seed, SEED, FROM(0), NULL, "42", OWN, 0, "of data order, initial adapter and dropout"),
    KEY(train.threads, SIZE, BETWEEN(0, 4096), NULL, "0", FREE, 0, "0: all physical cores; results do not depend on it"),
    KEY(train.memory_gib, NUMBER, BETWEEN(0, 1048576), NULL, "0.0", FREE, 0,
        "memory for activations and buffers; 0: 80 % of what the machine has free"),

    KEY(checkpoint.dir, PATH, NOT_EMPTY, NULL, "\"runs/cso\"", FREE, 0,
        "the run's folder: checkpoints, metrics.jsonl, config.toml and the final adapter"),
    KEY(checkpoint.every_steps, SIZE, BETWEEN(0, CSO_OPTION_INT32_MAX), NULL, "50", FREE, RANKS,
        "steps from one checkpoint to the next; 0: none before the end"),
    KEY(checkpoint.keep_last, SIZE, BETWEEN(1, CSO_OPTION_INT32_MAX), NULL, "2", FREE, 0, "checkpoints to keep"),
    KEY(checkpoint.keep_best, BOOL, ANY, NULL, "true", FREE, RANKS,
        "keep the checkpoint with the lowest evaluation loss as well, where data.eval is given"),
    KEY(checkpoint.restore_best, BOOL, ANY, NULL, "false", FREE, 0,
        "give adapter/ the parameters of that checkpoint at the end of the run"),

    KEY(log.every_steps, SIZE, BETWEEN(1, CSO_OPTION_INT32_MAX), NULL, "1", FREE, 0,
        "steps from one line to the next, where standard error is not a terminal"),
    KEY(log.eval_every_steps, SIZE, BETWEEN(0, CSO_OPTION_INT32_MAX), NULL, "0", FREE, RANKS,
        "steps from one evaluation to the next; 0: at the end only"),
    KEY(log.profile, BOOL, ANY, NULL, "false", FREE, 0, "print at the end where the time of the steps went"),
};

#define COUNT(rows) (sizeof(rows) / sizeof *(rows))
static const cso_option_list before_list = {before_loss_options, COUNT(before_loss_options)},
                             after_list = {after_loss_options, COUNT(after_loss_options)};
static const cso_option_table tables[] = {
    {&before_list, 0},
    {&cso_loss_option_list, offsetof(cso_run_config, loss.options)},
    {&after_list, 0},
};
const cso_option_set cso_run_options = {tables, COUNT(tables)};

/* run_config_keys.c - every key of a configuration file. docs/configuration.md says the same for users; a test compares the
 * two. */
#include "run_config_keys.h"

#include <stddef.h>
#include <string.h>

static const char *const COMPUTE_WORDS[] = {"f32", "bf16", NULL};
static const char *const TRUNCATION_WORDS[] = {"left", "drop", "error", NULL};
static const char *const SHUFFLE_WORDS[] = {"dialogue", "pair", "none", NULL};
static const char *const PACKING_WORDS[] = {"tree", "pair", "none", NULL};
static const char *const SCHEDULE_WORDS[] = {"constant", "linear", "cosine", NULL};
static const char *const INIT_WORDS[] = {"default", NULL};
static const char *const REFERENCE_WORDS[] = {"base", "initial", NULL};
static const char *const TARGET_WORDS[] = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", NULL};

const char *const config_tables[] = {"model", "data", "lora", "loss", "train", "checkpoint", "log", NULL};

/* The words of a CONFIG_CHOICE are in the order of its enum. */
_Static_assert(CSO_COMPUTE_F32 == 0 && CSO_COMPUTE_BF16 == 1, "COMPUTE_WORDS");
_Static_assert(CSO_TRUNCATE_LEFT == 0 && CSO_TRUNCATE_DROP == 1 && CSO_TRUNCATE_ERROR == 2, "TRUNCATION_WORDS");
_Static_assert(CSO_SHUFFLE_DIALOGUE == 0 && CSO_SHUFFLE_PAIR == 1 && CSO_SHUFFLE_NONE == 2, "SHUFFLE_WORDS");
_Static_assert(CSO_PACK_TREE == 0 && CSO_PACK_PAIR == 1 && CSO_PACK_NONE == 2, "PACKING_WORDS");
_Static_assert(CSO_SCHEDULE_CONSTANT == 0 && CSO_SCHEDULE_LINEAR == 1 && CSO_SCHEDULE_COSINE == 2, "SCHEDULE_WORDS");
_Static_assert(sizeof(cso_compute) == sizeof(int) && sizeof(cso_shuffle) == sizeof(int), "enums are stored as int");

#define FIELD(member) offsetof(cso_run_config, member)
#define ANY                                                                                                                        \
    { 0, 0, false, false }
#define NOT_EMPTY                                                                                                                  \
    { 1, 1, false, false }
#define FROM(a)                                                                                                                    \
    { a, a, false, false }
#define ABOVE(a)                                                                                                                   \
    { a, a, true, false }
#define BETWEEN(a, b)                                                                                                              \
    { a, b, false, false }
#define UP_TO(a, b)                                                                                                                \
    { a, b, false, true }        /* b excluded */
#define INT32_LIMIT 2147483647.0 /* positions and indexes in token trees are 32 bits wide */

const config_key config_keys[] = {
    {"model.path", CONFIG_PATH, FIELD(model.path), NOT_EMPTY, NULL, NULL,
     "the base model: a .gguf file, a .safetensors file, or a folder in Hugging Face layout"},
    {"model.tokenizer", CONFIG_PATH, FIELD(model.tokenizer), ANY, NULL, "\"\"",
     "folder, tokenizer.json, tokenizer.model or .gguf with the tokenizer; empty: the model's own"},
    {"model.chat_template", CONFIG_STRING, FIELD(model.chat_template), NOT_EMPTY, NULL, "\"auto\"",
     "auto (the model's own), llama3, gemma2, chatml or smollm2"},
    {"model.compute", CONFIG_CHOICE, FIELD(model.compute), ANY, COMPUTE_WORDS, "\"f32\"",
     "arithmetic of the matrix products; bf16 needs oneDNN and a CPU with AVX512-BF16 or AMX"},

    {"data.train", CONFIG_PATHS, FIELD(data.train), NOT_EMPTY, NULL, NULL,
     "training data: .jsonl, or .json with an array; read in order"},
    {"data.eval", CONFIG_PATHS, FIELD(data.eval), ANY, NULL, "[]", "held-out data, evaluated every log.eval_every_steps"},
    {"data.max_length", CONFIG_SIZE, FIELD(data.max_length), BETWEEN(2, INT32_LIMIT), NULL, "2048",
     "tokens of prompt and reply together"},
    {"data.truncation", CONFIG_CHOICE, FIELD(data.truncation), ANY, TRUNCATION_WORDS, "\"left\"",
     "what is longer: left drops the oldest turns, whole, and keeps the system prompt; drop drops the pair; error stops"},
    {"data.shuffle", CONFIG_CHOICE, FIELD(data.shuffle), ANY, SHUFFLE_WORDS, "\"dialogue\"",
     "order of an epoch: dialogue keeps the pairs of one dialogue together; pair; none"},
    {"data.parse_special", CONFIG_BOOL, FIELD(data.parse_special), ANY, NULL, "false",
     "whether special-token strings typed in contents become those tokens, as in Hugging Face"},
    {"data.packing", CONFIG_CHOICE, FIELD(data.packing), ANY, PACKING_WORDS, "\"tree\"",
     "what shares its prefix: tree (all of a step), pair (the two replies of a pair), none; the results are equal"},
    {"data.system_prompt", CONFIG_PATH, FIELD(data.system_prompt), ANY, NULL, "\"\"",
     "a text file put before ESC-Pro trees; empty: the built-in one that lists the eight strategies"},

    {"lora.rank", CONFIG_SIZE, FIELD(lora.rank), BETWEEN(1, 65536), NULL, "16", "rank of the adapter"},
    {"lora.alpha", CONFIG_NUMBER, FIELD(lora.alpha), ABOVE(0), NULL, "32.0", "the adapter is scaled by alpha / rank"},
    {"lora.dropout", CONFIG_NUMBER, FIELD(lora.dropout), UP_TO(0, 1), NULL, "0.0", "dropout before A, in training"},
    {"lora.targets", CONFIG_CHOICES, FIELD(lora.targets), NOT_EMPTY, TARGET_WORDS, "\"all-linear\"",
     "the projections that are adapted"},
    {"lora.rslora", CONFIG_BOOL, FIELD(lora.rslora), ANY, NULL, "false", "scale by alpha / sqrt(rank) instead"},
    {"lora.init", CONFIG_PATH, FIELD(lora.init), NOT_EMPTY, INIT_WORDS, "\"default\"",
     "default (A random, B zero), or the folder of a PEFT adapter to go on from"},

    {"loss.type", CONFIG_STRING, FIELD(loss.type), NOT_EMPTY, NULL, "\"cso\"", "the loss; cso is DPO's sigmoid loss at each turn"},
    {"loss.beta", CONFIG_NUMBER, FIELD(loss.beta), ABOVE(0), NULL, "0.1", "how strongly the policy is held to the reference"},
    {"loss.label_smoothing", CONFIG_NUMBER, FIELD(loss.label_smoothing), UP_TO(0, 1), NULL, "0.0",
     "the probability that a pair is the wrong way round"},
    {"loss.reference", CONFIG_PATH, FIELD(loss.reference), NOT_EMPTY, REFERENCE_WORDS, "\"base\"",
     "base (the model without adapter), initial (with the adapter as it was at the start), or the folder of a PEFT adapter"},

    {"train.epochs", CONFIG_NUMBER, FIELD(train.epochs), ABOVE(0), NULL, "1.0", "passes over the data"},
    {"train.max_steps", CONFIG_SIZE, FIELD(train.max_steps), BETWEEN(0, INT32_LIMIT), NULL, "0",
     "optimizer steps; 0: from train.epochs"},
    {"train.batch_size", CONFIG_SIZE, FIELD(train.batch_size), BETWEEN(1, INT32_LIMIT), NULL, "32",
     "pairs in one optimizer step; the engine cuts them into trees that fit memory"},
    {"train.learning_rate", CONFIG_NUMBER, FIELD(train.learning_rate), FROM(0), NULL, "1e-5", "the highest learning rate"},
    {"train.schedule", CONFIG_CHOICE, FIELD(train.schedule), ANY, SCHEDULE_WORDS, "\"cosine\"",
     "how the learning rate falls after warm-up"},
    {"train.warmup_ratio", CONFIG_NUMBER, FIELD(train.warmup_ratio), BETWEEN(0, 1), NULL, "0.03", "part of the steps that warm up"},
    {"train.warmup_steps", CONFIG_INTEGER, FIELD(train.warmup_steps), BETWEEN(-1, INT32_LIMIT), NULL, "-1",
     "steps that warm up; -1: from train.warmup_ratio"},
    {"train.weight_decay", CONFIG_NUMBER, FIELD(train.weight_decay), FROM(0), NULL, "0.0", "AdamW's decoupled weight decay"},
    {"train.betas", CONFIG_NUMBERS2, FIELD(train.betas), UP_TO(0, 1), NULL, "[0.9, 0.999]",
     "AdamW's decay rates of the two moments"},
    {"train.eps", CONFIG_NUMBER, FIELD(train.eps), ABOVE(0), NULL, "1e-8", "AdamW's epsilon"},
    {"train.max_grad_norm", CONFIG_NUMBER, FIELD(train.max_grad_norm), FROM(0), NULL, "1.0",
     "gradients are scaled down to this norm; 0: never"},
    {"train.max_skipped", CONFIG_SIZE, FIELD(train.max_skipped), BETWEEN(0, INT32_LIMIT), NULL, "5",
     "a step whose loss or gradient is no finite number is skipped; so many in a row end the run; 0: the first one does"},
    {"train.seed", CONFIG_SEED, FIELD(train.seed), FROM(0), NULL, "42", "of data order, initial adapter and dropout"},
    {"train.threads", CONFIG_SIZE, FIELD(train.threads), BETWEEN(0, 4096), NULL, "0",
     "0: all physical cores; results do not depend on it"},
    {"train.memory_gib", CONFIG_NUMBER, FIELD(train.memory_gib), FROM(0), NULL, "0.0",
     "memory for activations and buffers; 0: 80 % of what the machine has free"},

    {"checkpoint.dir", CONFIG_PATH, FIELD(checkpoint.dir), NOT_EMPTY, NULL, "\"runs/cso\"",
     "the run's folder: checkpoints, metrics.jsonl, config.toml and the final adapter"},
    {"checkpoint.every_steps", CONFIG_SIZE, FIELD(checkpoint.every_steps), BETWEEN(0, INT32_LIMIT), NULL, "50",
     "steps from one checkpoint to the next; 0: none before the end"},
    {"checkpoint.keep_last", CONFIG_SIZE, FIELD(checkpoint.keep_last), BETWEEN(1, INT32_LIMIT), NULL, "2", "checkpoints to keep"},
    {"checkpoint.keep_best", CONFIG_BOOL, FIELD(checkpoint.keep_best), ANY, NULL, "true",
     "keep the checkpoint with the lowest evaluation loss as well, where data.eval is given"},

    {"log.every_steps", CONFIG_SIZE, FIELD(log.every_steps), BETWEEN(1, INT32_LIMIT), NULL, "1",
     "steps from one line to the next, where standard error is no terminal"},
    {"log.eval_every_steps", CONFIG_SIZE, FIELD(log.eval_every_steps), BETWEEN(0, INT32_LIMIT), NULL, "0",
     "steps from one evaluation to the next; 0: at the end only"},
    {"log.profile", CONFIG_BOOL, FIELD(log.profile), ANY, NULL, "false", "print at the end where the time of the steps went"},
};

const size_t config_key_count = sizeof config_keys / sizeof config_keys[0];

const config_key *config_find(const char *name) {
    for (size_t i = 0; i < config_key_count; i++)
        if (!strcmp(config_keys[i].name, name))
            return &config_keys[i];
    return NULL;
}

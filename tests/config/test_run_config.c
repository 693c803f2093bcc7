/* test_run_config.c - the configuration: defaults, every kind of wrong value, overrides, and that its print-out reads back
 * equal. */
#include "config/config.h"

#include "base/file.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/cso-config-XXXXXX";
static char config_path[64];

#define NEEDED "[model]\npath = \"m\"\n[data]\ntrain = [\"t.jsonl\"]\n"

static cso_status read_text(cso_run_config *config, const char *text, const char *const *overrides, size_t count, cso_error *err) {
    assert_int_equal(cso_save_text(config_path, text, strlen(text), err), CSO_OK);
    return cso_run_config_read(config, config_path, overrides, count, err);
}

static void read_ok(cso_run_config *config, const char *text, const char *const *overrides, size_t count) {
    cso_error err = {0};
    if (read_text(config, text, overrides, count, &err) != CSO_OK)
        fail_msg("%s", err.message);
}

static void test_defaults(void **state) {
    (void)state;
    cso_run_config c;
    char path[96];
    read_ok(&c, NEEDED, NULL, 0);
    snprintf(path, sizeof path, "%s/m", folder);
    assert_string_equal(c.model.path, path);
    assert_string_equal(c.path, config_path);
    assert_string_equal(c.model.tokenizer, "");
    assert_string_equal(c.model.chat_template, "auto");
    assert_int_equal(c.model.compute, CSO_COMPUTE_F32);
    snprintf(path, sizeof path, "%s/t.jsonl", folder);
    assert_int_equal(c.data.train.count, 1);
    assert_string_equal(c.data.train.items[0], path);
    assert_int_equal(c.data.eval.count, 0);
    assert_int_equal(c.data.max_length, 2048);
    assert_int_equal(c.data.truncation, CSO_TRUNCATE_LEFT);
    assert_int_equal(c.data.shuffle, CSO_SHUFFLE_DIALOGUE);
    assert_int_equal(c.data.packing, CSO_PACK_TREE);
    assert_false(c.data.parse_special);
    assert_string_equal(c.data.system_prompt, "");
    assert_false(c.lora.present);
    assert_int_equal(c.lora.rank, 16);
    assert_true(c.lora.alpha == 32.0 && c.lora.dropout == 0.0 && !c.lora.rslora);
    assert_int_equal(c.lora.targets.count, 7);
    assert_string_equal(c.lora.targets.items[0], "q_proj");
    assert_string_equal(c.lora.targets.items[6], "down_proj");
    assert_string_equal(c.lora.init, "default");
    assert_string_equal(c.loss.type, "cso");
    assert_string_equal(c.loss.reference, "base");
    assert_true(c.loss.options.beta == 0.1 && c.loss.options.label_smoothing == 0.0);
    assert_true(c.train.epochs == 1.0 && c.train.learning_rate == 1e-5 && c.train.warmup_ratio == 0.03 && c.train.eps == 1e-8);
    assert_true(c.train.betas[0] == 0.9 && c.train.betas[1] == 0.999 && c.train.max_grad_norm == 1.0 &&
                c.train.weight_decay == 0.0);
    assert_int_equal(c.train.max_steps, 0);
    assert_int_equal(c.train.max_skipped, 5);
    assert_int_equal(c.train.batch_size, 32);
    assert_int_equal(c.train.schedule, CSO_SCHEDULE_COSINE);
    assert_int_equal(c.train.warmup_steps, -1);
    assert_int_equal(c.train.seed, 42);
    assert_int_equal(c.train.threads, 0);
    assert_true(c.train.memory_gib == 0.0);
    snprintf(path, sizeof path, "%s/runs/cso", folder);
    assert_string_equal(c.checkpoint.dir, path);
    assert_int_equal(c.checkpoint.every_steps, 50);
    assert_int_equal(c.checkpoint.keep_last, 2);
    assert_true(c.checkpoint.keep_best && !c.checkpoint.restore_best);
    assert_true(c.train.early_stopping_patience == 0 && c.train.early_stopping_min_delta == 0);
    assert_int_equal(c.log.every_steps, 1);
    assert_int_equal(c.log.eval_every_steps, 0);
    assert_false(c.log.profile);
    cso_run_config_free(&c);
    assert_null(c.model.path);
}

/* A file that sets every key to something that is no default. */
static const char FULL[] =
    "[model]\npath = \"/abs/model\"\ntokenizer = \"tok\"\nchat_template = \"llama3\"\ncompute = \"bf16\"\n"
    "[data]\ntrain = [\"a.json\", \"../b.jsonl\"]\neval = [\"e.jsonl\"]\nmax_length = 512\ntruncation = \"drop\"\n"
    "shuffle = \"none\"\nparse_special = true\npacking = \"pair\"\nsystem_prompt = \"p.txt\"\n"
    "[lora]\nrank = 4\nalpha = 8\ndropout = 0.05\ntargets = [\"q_proj\", \"v_proj\"]\nrslora = true\ninit = \"old\"\n"
    "[loss]\ntype = \"ipo\"\nbeta = 0.25\nlabel_smoothing = 0.1\nreference = \"initial\"\n"
    "[train]\nepochs = 2.5\nmax_steps = 7\nbatch_size = 3\nlearning_rate = 3.3e-4\nschedule = \"linear\"\n"
    "warmup_ratio = 0\nwarmup_steps = 9\nweight_decay = 0.01\nbetas = [0.8, 0]\neps = 1e-6\nmax_grad_norm = 0\nmax_skipped = 3\n"
    "seed = 9223372036854775807\nthreads = 2\nmemory_gib = 1.5\n"
    "[checkpoint]\ndir = \"quote\\\"d ü\"\nevery_steps = 0\nkeep_last = 5\nkeep_best = false\n"
    "[log]\nevery_steps = 10\neval_every_steps = 20\nprofile = true\n";

/* What is printed, read in another folder and printed again, is the same text: nothing is lost and nothing depends on the
 * place. */
static void check_round_trip(const char *text, const char *expected_line) {
    cso_run_config first, second;
    cso_error err = {0};
    char *printed, *again, other[96];
    read_ok(&first, text, NULL, 0);
    assert_int_equal(cso_run_config_print(&first, &printed, &err), CSO_OK);
    snprintf(other, sizeof other, "%s/elsewhere", folder);
    assert_int_equal(cso_make_folders(other, &err), CSO_OK);
    snprintf(other, sizeof other, "%s/elsewhere/config.toml", folder);
    assert_int_equal(cso_save_text(other, printed, strlen(printed), &err), CSO_OK);
    if (cso_run_config_read(&second, other, NULL, 0, &err) != CSO_OK)
        fail_msg("%s\n%s", err.message, printed);
    assert_int_equal(cso_run_config_print(&second, &again, &err), CSO_OK);
    assert_string_equal(printed, again);
    if (!strstr(printed, expected_line))
        fail_msg("no line \"%s\" in:\n%s", expected_line, printed);
    assert_int_equal(first.lora.present, second.lora.present);
    cso_run_config_free(&first);
    cso_run_config_free(&second);
    free(printed);
    free(again);
}

static void test_round_trip(void **state) {
    (void)state;
    check_round_trip(NEEDED, "\nwarmup_ratio = 0.03\n");
    check_round_trip(NEEDED "[lora]\n", "\n[lora]\nrank = 16\n");
    check_round_trip(FULL, "\nseed = 9223372036854775807\n");
    check_round_trip(FULL, "\nlearning_rate = 0.00033\n");
    check_round_trip(FULL, "\nbetas = [0.8, 0.0]\n");
    check_round_trip(FULL, "quote\\\"d ü\"\n");
    check_round_trip(FULL, "\ntargets = [\"q_proj\", \"v_proj\"]\n");
}

static void test_full(void **state) {
    (void)state;
    cso_run_config c;
    char path[96];
    read_ok(&c, FULL, NULL, 0);
    assert_string_equal(c.model.path, "/abs/model");
    char *above = cso_path_resolve(folder, "../b.jsonl");
    assert_string_equal(c.data.train.items[1], above);
    free(above);
    snprintf(path, sizeof path, "%s/old", folder);
    assert_string_equal(c.lora.init, path);
    assert_string_equal(c.loss.reference, "initial");
    assert_true(c.lora.present && c.lora.alpha == 8.0 && c.train.betas[1] == 0.0 && c.train.epochs == 2.5);
    assert_true(c.train.seed == INT64_MAX && c.train.warmup_steps == 9);
    assert_int_equal(c.model.compute, CSO_COMPUTE_BF16);
    assert_int_equal(c.train.schedule, CSO_SCHEDULE_LINEAR);
    assert_int_equal(c.data.packing, CSO_PACK_PAIR);
    assert_int_equal(c.data.shuffle, CSO_SHUFFLE_NONE);
    assert_int_equal(c.data.truncation, CSO_TRUNCATE_DROP);
    cso_run_config_free(&c);
}

typedef struct bad_case {
    const char *text;    /* after NEEDED, which has four lines; "!" at the beginning: alone */
    const char *message; /* after "FILE" */
} bad_case;

static const bad_case BAD[] = {
    {"[train]\nlerning_rate = 1", ":6: unknown key 'train.lerning_rate' (did you mean 'train.learning_rate'?)"},
    {"max_lenght = 5", ":5: unknown key 'data.max_lenght' (did you mean 'data.max_length'?)"},
    {"learning_rate = 5", ":5: unknown key 'data.learning_rate' (did you mean 'train.learning_rate'?)"},
    {"[trian]\nseed = 1", ":6: unknown key 'trian.seed' (did you mean 'train.seed'?)"},
    {"[trian]", ": unknown table [trian] (did you mean [train]?)"},
    {"[elephants]", ": unknown table [elephants]"},
    {"[train.seed]", ": train.seed: must be an integer >= 0, got a table"},
    {"!lora = 3", ":1: 'lora' is a table (expected [lora])"},
    {"zzz = 1", ":5: unknown key 'data.zzz'"},
    {"max_length = \"2048\"", ":5: data.max_length: must be an integer >= 2, got the string \"2048\""},
    {"max_length = 2048.0", ":5: data.max_length: must be an integer >= 2, got 2048.0"},
    {"max_length = 1", ":5: data.max_length: must be >= 2, got 1"},
    {"max_length = 4294967296", ":5: data.max_length: must be from 2 to 2147483647, got 4294967296"},
    {"truncation = \"lfet\"", ":5: data.truncation: must be one of left, drop, error, got \"lfet\" (did you mean \"left\"?)"},
    {"truncation = true", ":5: data.truncation: must be one of left, drop, error, got true"},
    {"parse_special = 1", ":5: data.parse_special: must be true or false, got 1"},
    {"eval = \"e\"", ":5: data.eval: must be an array of paths, got the string \"e\""},
    {"eval = [1, 2]", ":5: data.eval: must be an array of paths, got an array of 2 numbers"},
    {"eval = [\"\"]", ":5: data.eval: path 1 is empty"},
    {"eval = [1, \"a\"]", ":5: data.eval: must be an array of paths, got a date, a mixed array or another kind of value"},
    {"system_prompt = 5", ":5: data.system_prompt: must be a path, got 5"},
    {"[model]\n", ":5: "},
    {"[lora]\nrank = 0", ":6: lora.rank: must be from 1 to 65536, got 0"},
    {"[lora]\nalpha = 0", ":6: lora.alpha: must be from 1e-06 to 1000000, got 0"},
    {"[lora]\nalpha = inf", ":6: lora.alpha: must be from 1e-06 to 1000000, got inf"},
    {"[lora]\nalpha = nan", ":6: lora.alpha: must be from 1e-06 to 1000000, got nan"},
    {"[lora]\ndropout = 1.0", ":6: lora.dropout: must be from 0 to 0.9, got 1.0"},
    {"[lora]\ntargets = []", ":6: lora.targets: must be \"all-linear\" or an array of q_proj, k_proj, v_proj, o_proj, gate_proj, "
                             "up_proj, down_proj, got an empty array"},
    {"[lora]\ntargets = [\"q_porj\"]", ":6: lora.targets: must be \"all-linear\" or an array of q_proj, k_proj, v_proj, o_proj, "
                                       "gate_proj, up_proj, down_proj, got \"q_porj\" (did you mean \"q_proj\"?)"},
    {"[lora]\ntargets = [\"q_proj\", \"q_proj\"]", ":6: lora.targets: \"q_proj\" is listed twice"},
    {"[lora]\ninit = \"\"", ":6: lora.init: must not be empty"},
    {"[loss]\nbeta = -0.1", ":6: loss.beta: must be from 1e-06 to 1000000, got -0.1"},
    {"[train]\nbetas = [0.9]", ":6: train.betas: must be two numbers, each >= 0 and < 1, got an array of 1 numbers"},
    {"[train]\nbetas = [0.9, 1]", ":6: train.betas: must be >= 0 and < 1, got 1"},
    {"[train]\nbetas = [0.9, nan]", ":6: train.betas: must be >= 0 and < 1, got nan"},
    {"[train]\nseed = -1", ":6: train.seed: must be >= 0, got -1"},
    {"[train]\nwarmup_steps = -2", ":6: train.warmup_steps: must be >= -1, got -2"},
    {"[train]\nwarmup_ratio = 1.5", ":6: train.warmup_ratio: must be from 0 to 1, got 1.5"},
    {"[train]\nlearning_rate = 9e999", ":6: "},
    {"[train]\nseed = 9223372036854775808", ":6: "},
    {"[train]\nseed = 1\nseed = 2", ":7: "},
    {"[train]\nseed = ", ":6: "},
    {"[[lora]]\nrank = 1", ":5: 'lora' is a table (expected [lora])"},
    {"![data]\ntrain = [\"t\"]",
     ": model.path is missing (the base model: a .gguf file, a .safetensors file, or a folder in Hugging Face "
     "layout)"},
    {"![model]\npath = \"m\"", ": data.train is missing (training data: .jsonl, or .json with an array; read in order)"},
    {"!", ": model.path is missing (the base model: a .gguf file, a .safetensors file, or a folder in Hugging Face layout)"},
    {"![model]\npath = \"\"", ":2: model.path: must not be empty"},
    {"![data]\ntrain = []", ":2: data.train: must be an array of paths, got an empty array"},
};

static void test_bad_files(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        cso_run_config c;
        cso_error err = {0};
        char text[512], expected[512];
        bool alone = BAD[i].text[0] == '!';
        snprintf(text, sizeof text, "%s%s\n", alone ? "" : NEEDED, BAD[i].text + alone);
        snprintf(expected, sizeof expected, "%s%s", config_path, BAD[i].message);
        if (read_text(&c, text, NULL, 0, &err) != CSO_ERR_USAGE)
            fail_msg("not refused: %s", text);
        size_t length = strlen(expected);
        bool parser_says = expected[length - 1] == ' '; /* the rest is toml++'s wording */
        if (parser_says ? strncmp(err.message, expected, length) || !err.message[length] : strcmp(err.message, expected))
            fail_msg("%s\n  expected %s\n  found    %s", text, expected, err.message);
        assert_null(c.model.path); /* nothing is left of a refused configuration */
    }
}

static void test_missing_file(void **state) {
    (void)state;
    cso_run_config c;
    cso_error err = {0};
    assert_int_equal(cso_run_config_read(&c, "/nonexistent/run.toml", NULL, 0, &err), CSO_ERR_USAGE);
    assert_int_equal(err.status, CSO_ERR_USAGE);
    assert_string_equal(err.message, "/nonexistent/run.toml: cannot open: No such file or directory");
}

static void test_overrides(void **state) {
    (void)state;
    static const char *const SET[] = {
        "train.max_steps=10",  "model.path=other/m",      "data.train=x.jsonl",       "data.eval=[\"y\", 'z']",
        "model.compute=bf16",  "train.betas=[0.5,0.6]",   "lora.targets=all-linear",  "loss.reference=initial",
        "checkpoint.dir=2024", "data.parse_special=true", "train.learning_rate=1e-4", "loss.beta=1",
        "train.seed=5",        "lora.init='quoted dir'",  "train.max_steps=11",       "data.system_prompt=",
    };
    cso_run_config c;
    read_ok(&c, NEEDED "eval = [\"e\"]\nsystem_prompt = \"p\"\n", SET, sizeof SET / sizeof *SET);
    assert_int_equal(c.train.max_steps, 11);
    assert_string_equal(c.model.path, "other/m"); /* relative to where the command was given, not to the file */
    assert_int_equal(c.data.train.count, 1);
    assert_string_equal(c.data.train.items[0], "x.jsonl");
    assert_int_equal(c.data.eval.count, 2);
    assert_string_equal(c.data.eval.items[1], "z");
    assert_int_equal(c.model.compute, CSO_COMPUTE_BF16);
    assert_true(c.train.betas[0] == 0.5 && c.train.betas[1] == 0.6 && c.loss.options.beta == 1.0 && c.train.learning_rate == 1e-4);
    assert_true(c.lora.present && c.data.parse_special);
    assert_int_equal(c.lora.targets.count, 7);
    assert_string_equal(c.lora.init, "quoted dir");
    assert_string_equal(c.loss.reference, "initial");
    assert_string_equal(c.checkpoint.dir, "2024");
    assert_string_equal(c.data.system_prompt, "");
    assert_int_equal(c.train.seed, 5);
    cso_run_config_free(&c);
    static const char *const REQUIRED[] = {"model.path=m", "data.train=['a','b']"};
    read_ok(&c, "", REQUIRED, 2);
    assert_int_equal(c.data.train.count, 2);
    assert_false(c.lora.present);
    cso_run_config_free(&c);
}

static void test_bad_overrides(void **state) {
    (void)state;
    static const char *const CASES[][2] = {
        {"train.max_step=10", "--set train.max_step=10: unknown key 'train.max_step' (did you mean 'train.max_steps'?)"},
        {"max_steps=10", "--set max_steps=10: unknown key 'max_steps' (did you mean 'train.max_steps'?)"},
        {"train=10", "--set train=10: 'train' is a table (expected [train])"},
        {"train.max_steps", "--set train.max_steps: expected KEY=VALUE"},
        {"=10", "--set =10: expected KEY=VALUE"},
        {"train.max_steps=ten", "--set train.max_steps=ten: must be an integer >= 0"},
        {"train.max_steps=", "--set train.max_steps=: must be an integer >= 0"},
        {"train.max_steps=1\ntrain.seed=2", "--set train.max_steps=1\\x0atrain.seed=2: must be an integer >= 0"},
        {"train.max_steps=-1", "--set train.max_steps=-1: train.max_steps: must be >= 0, got -1"},
        {"train.learning_rate=nan", "--set train.learning_rate=nan: train.learning_rate: must be 0 or from 1e-20 to 100, got nan"},
        {"model.compute=f16",
         "--set model.compute=f16: model.compute: must be one of f32, bf16, got \"f16\" (did you mean \"bf16\"?)"},
        {"data.train=[]", "--set data.train=[]: data.train: must be an array of paths, got an empty array"},
        {"data.train=[\"a\"", "--set data.train=[\"a\": must be an array of paths"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        cso_run_config c;
        cso_error err = {0};
        assert_int_equal(read_text(&c, NEEDED, CASES[i], 1, &err), CSO_ERR_USAGE);
        assert_string_equal(err.message, CASES[i][1]);
    }
}

/* Values that cannot work: none gets as far as a step, whatever number it is. */
static void test_limits(void **state) {
    (void)state;
    static const char *const CASES[][2] = {
        {"loss.beta=1e-300", "loss.beta: must be from 1e-06 to 1000000, got 1e-300"},
        {"loss.beta=1e300", "loss.beta: must be from 1e-06 to 1000000, got 1e+300"},
        {"loss.label_smoothing=0.5", "loss.label_smoothing: must be >= 0 and < 0.5, got 0.5"},
        {"lora.alpha=1e300", "lora.alpha: must be from 1e-06 to 1000000, got 1e+300"},
        {"lora.alpha=1e-300", "lora.alpha: must be from 1e-06 to 1000000, got 1e-300"},
        {"lora.dropout=0.999", "lora.dropout: must be from 0 to 0.9, got 0.999"},
        {"train.eps=1e300", "train.eps: must be from 1e-15 to 1, got 1e+300"},
        {"train.eps=1e-300", "train.eps: must be from 1e-15 to 1, got 1e-300"},
        {"train.eps=0", "train.eps: must be from 1e-15 to 1, got 0"},
        {"train.weight_decay=1e300", "train.weight_decay: must be from 0 to 1000, got 1e+300"},
        {"train.learning_rate=1e30", "train.learning_rate: must be 0 or from 1e-20 to 100, got 1e+30"},
        {"train.learning_rate=1e-44", "train.learning_rate: must be 0 or from 1e-20 to 100, got 1e-44"},
        {"train.max_grad_norm=1e-300", "train.max_grad_norm: must be 0 or from 1e-09 to 1000000000, got 1e-300"},
        {"train.epochs=5e18", "train.epochs: must be > 0 and <= 1000000, got 5e+18"},
        {"train.epochs=0", "train.epochs: must be > 0 and <= 1000000, got 0"},
        {"train.memory_gib=1.8e10", "train.memory_gib: must be from 0 to 1048576, got 18000000000.0"},
        {"train.batch_size=1152921504606846976", "train.batch_size: must be from 1 to 2147483647, got 1152921504606846976"},
        {"data.max_length=1152921504606846976", "data.max_length: must be from 2 to 2147483647, got 1152921504606846976"},
        {"train.max_steps=1152921504606846976", "train.max_steps: must be from 0 to 2147483647, got 1152921504606846976"},
        {"train.warmup_steps=1152921504606846976", "train.warmup_steps: must be from -1 to 2147483647, got 1152921504606846976"},
        {"train.threads=5000", "train.threads: must be from 0 to 4096, got 5000"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        cso_run_config c;
        cso_error err = {0};
        char expected[200];
        snprintf(expected, sizeof expected, "--set %s: %s", CASES[i][0], CASES[i][1]);
        assert_int_equal(read_text(&c, NEEDED, &CASES[i][0], 1, &err), CSO_ERR_USAGE);
        assert_string_equal(err.message, expected);
    }
    static const char *const GOOD[] = {"train.learning_rate=0", "train.max_grad_norm=0", "train.weight_decay=0", "train.eps=1",
                                       "train.epochs=1e-3"};
    cso_run_config c;
    read_ok(&c, NEEDED, GOOD, sizeof GOOD / sizeof *GOOD);
    cso_run_config_free(&c);
}

/* The files to start from are right. */
static void test_shipped_files(void **state) {
    (void)state;
    static const char *const FILES[] = {"smollm2", "llama-3.1-8b", "qwen2.5-7b", "gemma-2-9b"};
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        cso_run_config c;
        cso_error err = {0};
        char path[64];
        snprintf(path, sizeof path, "configs/%s.toml", FILES[i]);
        if (cso_run_config_read(&c, path, NULL, 0, &err) != CSO_OK)
            fail_msg("%s", err.message);
        assert_true(c.lora.present);
        assert_memory_equal(c.data.train.items[0], "data/", 5); /* from "../data/" */
        cso_run_config_free(&c);
    }
    cso_run_configs stages;
    cso_error err = {0};
    if (cso_run_configs_read(&stages, "configs/sft-then-cso.toml", NULL, 0, &err) != CSO_OK)
        fail_msg("%s", err.message);
    assert_int_equal(stages.count, 2);
    assert_string_equal(stages.items[1].lora.init, "runs/sft-then-cso/stage-1-sft/adapter");
    cso_run_configs_free(&stages);
}

/* What a number's row takes, as the third column of docs/configuration.md has it: "integer ≥ 2", "number 0 or 1e-09 to 1000000000".
 * "" for other rows. */
static void documented_range(const cso_option *key, char *text, size_t size) {
    static const char *const WHAT[] = {
        [CSO_OPTION_SIZE] = "integer",  [CSO_OPTION_INTEGER] = "integer",      [CSO_OPTION_SEED] = "integer",
        [CSO_OPTION_NUMBER] = "number", [CSO_OPTION_NUMBERS2] = "two numbers", [CSO_OPTION_NUMBERS] = "numbers",
        [CSO_OPTION_BOOL] = NULL};
    const cso_option_range *r = &key->range;
    const char *what = WHAT[key->type];
    text[0] = '\0';
    if (!what)
        return;
    if (r->least > 0)
        snprintf(text, size, "%s 0 or %.15g to %.15g", what, r->least, r->max);
    else if (r->max == r->min || r->max == CSO_OPTION_INT32_MAX)
        snprintf(text, size, "%s %s %.15g", what, r->above_min ? ">" : "≥", r->min);
    else if (r->above_min || r->below_max)
        snprintf(text, size, "%s %s %.15g, %s %.15g", what, r->above_min ? ">" : "≥", r->min, r->below_max ? "<" : "≤", r->max);
    else
        snprintf(text, size, "%s %.15g to %.15g", what, r->min, r->max);
}

/* The row of a key in docs/configuration.md: default, what it takes, whether it may change at resume, meaning. */
static void check_documented(const cso_option *key, const char *text) {
    char start[120], column[40], range[80];
    if (key->fallback)
        snprintf(start, sizeof start, "\n| `%s` | `%s` | ", key->name, key->fallback);
    else
        snprintf(start, sizeof start, "\n| `%s` | needed | ", key->name);
    const char *row = strstr(text, start);
    if (!row)
        fail_msg("docs/configuration.md has no row that begins with %s", start + 1);
    const char *resume = strstr(row + strlen(start), " | "), *end = strchr(row + 1, '\n');
    documented_range(key, range, sizeof range);
    if (range[0] && strncmp(row + strlen(start), range, strlen(range)) != 0)
        fail_msg("docs/configuration.md: %s: the third column must be \"%s\"", key->name, range);
    const char *expected = !key->identity ? "yes" : *key->identity ? "same contents" : "no";
    snprintf(column, sizeof column, " | %s | ", expected);
    if (!resume || resume > end || strncmp(resume, column, strlen(column)) != 0)
        fail_msg("docs/configuration.md: %s: the fourth column must be \"%s\"", key->name, expected);
}

/* Every key is there and nothing that is no key. */
static void test_documentation(void **state) {
    (void)state;
    char *text;
    size_t size, keys = 0, rows = 0;
    cso_error err = {0};
    cso_option_place key;
    if (cso_read_file("docs/configuration.md", 1 << 20, &text, &size, &err) != CSO_OK)
        fail_msg("%s", err.message);
    for (; (key = cso_options_at(&cso_run_options, keys)).row; keys++)
        check_documented(key.row, text);
    for (const char *at = text; (at = strstr(at, "\n| `")); at++)
        rows += memchr(at, '.', strcspn(at + 4, "`") + 4) != NULL; /* not the environment variables */
    assert_int_equal(rows, keys);
    free(text);
}

/* --help-config: a line for each key, in the order of the table, and below it what it takes and means, in lines that fit a
 * terminal. */
typedef struct help_reader {
    size_t count;
    char text[1024]; /* of the latest key */
} help_reader;

static void check_meaning(const help_reader *reader) {
    const cso_option *key = reader->count ? cso_options_at(&cso_run_options, reader->count - 1).row : NULL;
    if (key && !strstr(reader->text, key->help))
        fail_msg("%s: no \"%s\" in \"%s\"", key->name, key->help, reader->text);
}

static void check_help(void *context, const char *line) {
    help_reader *reader = context;
    size_t used = strlen(reader->text);
    assert_true(strlen(line) <= 80);
    if (line[0] == ' ') {
        assert_memory_equal(line, "    ", 4);
        snprintf(reader->text + used, sizeof reader->text - used, "%s%s", used ? " " : "", line + 4);
        return;
    }
    check_meaning(reader);
    const cso_option *key = cso_options_at(&cso_run_options, reader->count++).row;
    char start[120];
    snprintf(start, sizeof start, "%s = %s", key->name, key->fallback ? key->fallback : "(needed)");
    assert_string_equal(line, start);
    reader->text[0] = '\0';
}

static void test_help(void **state) {
    (void)state;
    help_reader reader = {0};
    cso_run_config_help(check_help, &reader);
    check_meaning(&reader);
    assert_null(cso_options_at(&cso_run_options, reader.count).row);
}

static int set_up(void **state) {
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(config_path, sizeof config_path, "%s/run.toml", folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    return cso_remove_tree(folder, NULL) == CSO_OK ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),      cmocka_unit_test(test_full),          cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bad_files),     cmocka_unit_test(test_missing_file),  cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_bad_overrides), cmocka_unit_test(test_documentation), cmocka_unit_test(test_help),
        cmocka_unit_test(test_limits),        cmocka_unit_test(test_shipped_files),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

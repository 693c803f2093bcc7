/* test_warnings.c - what cso-train and cso-eval say of settings without effect, and of NaN and Inf. */
#include "golden.h"
#include "run_program.h"
#include "test_folder.h"

#include "base/file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MODEL "tests/golden/models/llama-tiny"
#define PAIRS "tests/golden/pairs/pairs.jsonl"
#define R4    "tests/golden/adapters/llama-tiny/r4"

/* FOLDER/run.toml: llama-tiny on the pairs of goldens; more: lines of any tables. */
static void write_config(const char *more) {
    char text[2048], here[512];
    assert_non_null(getcwd(here, sizeof here));
    snprintf(text, sizeof text,
             "[model]\npath = \"%s/" MODEL "\"\n[data]\ntrain = [\"%s/" PAIRS
             "\"]\n[train]\nbatch_size = 4\n[checkpoint]\ndir = \"run\"\n[lora]\nrank = 4\n%s",
             here, here, more);
    save_in_folder("run.toml", text);
}

static run_result train(const char *options) {
    char line[2048];
    snprintf(line, sizeof line, "@cso-train -c %s %s", in_folder("run.toml"), options);
    return run_program(line, NULL, 0);
}

/* The warnings of a dry run with these options, which are all of standard error. */
static void expect_warnings(const char *options, const char *warnings) {
    char line[1024];
    snprintf(line, sizeof line, "--dry-run %s", options);
    run_result r = train(line);
    if (r.code || strcmp(r.err, warnings) != 0)
        fail_msg("%s: exit code %d:\n%sexpected:\n%s", options, r.code, r.err, warnings);
    run_result_free(&r);
}

static void without_effect(void **state) {
    (void)state;
    char init[600], here[512];
    assert_non_null(getcwd(here, sizeof here));
    save_in_folder("prompt.txt", "Be kind.");
    write_config("");
    expect_warnings("", "");
    snprintf(init, sizeof init, "--set data.system_prompt=%s", in_folder("prompt.txt"));
    expect_warnings(init, "warning: data.system_prompt has no effect: it is put before ESC-Pro trees, and the data have none\n");
    expect_warnings("--set data.strategies=configs/strategies-esconv.toml",
                    "warning: data.strategies has no effect: replies of ESC-Pro records name strategies, and the data have none\n");
    expect_warnings("--set checkpoint.keep_best=true",
                    "warning: checkpoint.keep_best has no effect: there is no data.eval to tell which is the best\n");
    expect_warnings("--set checkpoint.keep_best=false", "");
    expect_warnings("--set checkpoint.keep_best=true --set data.eval=" PAIRS, "");
    expect_warnings("--set train.warmup_steps=100 --set train.learning_rate=1e-4 --set train.max_steps=10",
                    "warning: the warm-up of 100 steps takes the whole run of 10: the learning rate stays below 0.0001 "
                    "(train.warmup_steps)\n");
    expect_warnings("--set train.warmup_ratio=0.5 --set train.warmup_steps=0",
                    "warning: train.warmup_ratio has no effect: train.warmup_steps = 0 decides\n");
    run_result r = train("--dry-run --set train.threads=600");
    assert_int_equal(r.code, 0);
    assert_ptr_equal(strstr(r.err, "warning: 600 threads share "), r.err);
    assert_non_null(strstr(r.err, "results are the same, but more threads than cores do not make it faster\n"));
    run_result_free(&r);
}

/* Strategies of a file are those that records are checked against. */
static void strategies_of_a_file(void **state) {
    (void)state;
    char options[800];
    save_in_folder("tree.jsonl",
                   "{\"messages\": [{\"role\": \"user\", \"content\": \"I lost my job.\"}, {\"role\": \"assistant\", "
                   "\"content\": \"I am sorry.\", \"strategy\": \"Affirmation\", \"negative\": [{\"content\": \"So what.\", "
                   "\"strategy\": \"Sneering\"}]}]}\n");
    save_in_folder("own.toml", "[[strategy]]\nname = \"Sneering\"\ndescription = \"Do not.\"\n");
    write_config("");
    snprintf(options, sizeof options, "--set train.warmup_ratio=0 --set data.train=%s", in_folder("tree.jsonl"));
    expect_warnings(options, "warning: data.train: 1 replies have a strategy that is not one of ESC-Pro's eight\n");
    snprintf(options, sizeof options, "--set train.warmup_ratio=0 --set data.train=%s --set data.strategies=%s",
             in_folder("tree.jsonl"), in_folder("own.toml"));
    expect_warnings(options, "warning: data.train: 1 replies have a strategy that is not one of those in data.strategies\n");
    run_result scores[2]; /* the system prompt of trees is made of them */
    for (int i = 0; i < 2; i++) {
        snprintf(options, sizeof options, "@cso-eval score -m " MODEL " %s%s %s", i ? "--strategies " : "",
                 i ? in_folder("own.toml") : "", in_folder("tree.jsonl"));
        scores[i] = run_program(options, NULL, 0);
        assert_int_equal(scores[i].code, 0);
    }
    assert_string_not_equal(scores[0].out, scores[1].out);
    run_result_free(&scores[0]);
    run_result_free(&scores[1]);
    snprintf(options, sizeof options, "--set train.warmup_ratio=0 --set data.train=%s --set data.strategies=%s",
             in_folder("tree.jsonl"), in_folder("own.toml"));
    save_in_folder("own.toml", "[[strategy]]\nname = \"Sneering\"\n");
    run_result r = train(options);
    assert_int_equal(r.code, 2);
    assert_non_null(strstr(r.err, "/own.toml: strategy 1 has no description\n"));
    run_result_free(&r);
}

static void beside_an_adapter(void **state) {
    (void)state;
    const char *init = "--set lora.init=" R4;
    char options[200];
    write_config(""); /* rank = 4 is the adapter's own */
    expect_warnings(init, "");
    snprintf(options, sizeof options,
             "%s --set lora.rank=8 --set lora.alpha=9 --set lora.rslora=true --set 'lora.targets=[\"q_proj\"]'", init);
    expect_warnings(options, "warning: lora.rank = 8 has no effect: the adapter of lora.init has rank 4\n"
                             "warning: lora.alpha = 9 has no effect: the adapter of lora.init has alpha 8\n"
                             "warning: lora.rslora has no effect: the adapter of lora.init is scaled by alpha / rank\n"
                             "warning: lora.targets has no effect: the adapter of lora.init has projections of its own\n");
    snprintf(options, sizeof options,
             "%s --set lora.rank=4 --set lora.alpha=8 --set lora.rslora=false --set lora.targets=all-linear", init);
    expect_warnings(options, "");
}

/* A run's config.toml given again makes no warning that the run itself did not make. */
static void the_runs_own_configuration(void **state) {
    (void)state;
    char line[600];
    write_config("alpha = 8.0\n");
    run_result r = train("-q --set train.max_steps=1 --set train.warmup_steps=0 --set lora.init=" R4);
    assert_int_equal(r.code, 0);
    assert_string_equal(r.err, "");
    run_result_free(&r);
    snprintf(line, sizeof line, "@cso-train -q -c %s", in_folder("run/config.toml"));
    r = run_program(line, NULL, 0);
    assert_int_equal(r.code, 0);
    assert_string_equal(r.err, "");
    run_result_free(&r);
}

static void losses(void **state) {
    (void)state;
    write_config("[loss]\ntype = \"sft\"\n");
    expect_warnings("", "");
    expect_warnings("--set loss.beta=0.2 --set loss.reference=initial",
                    "warning: loss.reference has no effect: loss.type = \"sft\" needs no reference\n"
                    "warning: loss.beta has no effect: it is for losses that compare replies, not for loss.type = \"sft\"\n");
    write_config("[loss]\ntype = \"dpo\"\n"); /* weights of examples that the data cannot give */
    expect_warnings("", "");
    expect_warnings("--set loss.ld_alpha=0.5", ""); /* the plan's sample has no weights of tokens */
    expect_warnings("--set loss.q_weighting=true --set loss.visit_smoothing=2 --set loss.balance=strategy",
                    "warning: loss.balance has no effect: no example of data.train has strategy\n"
                    "warning: loss.q_weighting has no effect: no example of data.train has q\n"
                    "warning: loss.visit_smoothing has no effect: no example of data.train has n\n");
}

static void expect_score(const char *command, const char *input, int code, const char *errors) {
    run_result r = run_program(command, input, input ? strlen(input) : 0);
    if (r.code != code || strcmp(r.err, errors) != 0)
        fail_msg("%s: exit code %d:\n%sexpected:\n%s", command, r.code, r.err, errors);
    run_result_free(&r);
}

static void scores_left_out(void **state) {
    (void)state;
    expect_score("@cso-eval score -m " MODEL " " PAIRS, NULL, 0, "");
    expect_score("@cso-eval score -m " MODEL " --max-length 200 " PAIRS, NULL, 0,
                 "warning: 9 pairs are cut to --max-length 200: 28 of their turns are left out\n"
                 "warning: 1 pairs are longer than --max-length 200 and not scored (null)\n");
    expect_score("@cso-eval score -m " MODEL " --summary -", "{\"text\": \"\"}\n", 0,
                 "warning: 1 texts have no token after their first, so nothing is scored\n");
}

/* FOLDER/model: llama-tiny with a NaN in a weight. */
static void make_bad_model(void) {
    char line[512];
    snprintf(line, sizeof line, "cp -r " MODEL " %s", in_folder("model"));
    assert_int_equal(system(line), 0);
    char *file;
    size_t size;
    cso_error err = {0};
    golden_ok(cso_read_file(in_folder("model/model.safetensors"), 1 << 26, &file, &size, &err), &err);
    uint64_t header;
    size_t begin;
    memcpy(&header, file, 8);
    const char *name = memmem(file, size, "\"model.layers.0.mlp.down_proj.weight\"", 37);
    assert_non_null(name);
    const char *offsets = strstr(name, "\"data_offsets\"");
    assert_non_null(offsets);
    assert_int_equal(sscanf(strchr(offsets, '[') + 1, "%zu", &begin), 1);
    float nan = NAN;
    memcpy(file + 8 + header + begin, &nan, sizeof nan);
    golden_ok(cso_save_text(in_folder("model/model.safetensors"), file, size, &err), &err);
    free(file);
}

/* Numbers that are none are no result: the record is named, and the exit code is 5. */
static void no_number_is_no_score(void **state) {
    (void)state;
    char line[600];
    make_bad_model();
    snprintf(line, sizeof line, "@cso-eval score -m %s " PAIRS, in_folder("model"));
    expect_score(line, NULL, 5, "cso-eval: " PAIRS ":1: the log-probability of the chosen reply is nan\n");
    snprintf(line, sizeof line, "@cso-eval score -m %s -a " R4 " --summary " PAIRS, in_folder("model"));
    expect_score(line, NULL, 5, "cso-eval: " PAIRS ":1: the log-probability of the chosen reply is nan\n");
    snprintf(line, sizeof line, "@cso-eval score -m %s -", in_folder("model"));
    expect_score(line, "\n{\"text\": \"hello\"}\n", 5, "cso-eval: standard input:2: the log-probability of the text is nan\n");
    write_config("");
    snprintf(line, sizeof line, "-q --set model.path=%s --set train.max_steps=3", in_folder("model"));
    run_result r = train(line);
    assert_int_equal(r.code, 5); /* three steps, all of them skipped */
    assert_non_null(strstr(r.err, "cso-train: no step has changed the adapter: 3 of 3 were skipped"));
    assert_false(cso_path_exists(in_folder("run/adapter")));
    run_result_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_effect, make_test_folder, remove_test_folder),
        cmocka_unit_test_setup_teardown(strategies_of_a_file, make_test_folder, remove_test_folder),
        cmocka_unit_test_setup_teardown(beside_an_adapter, make_test_folder, remove_test_folder),
        cmocka_unit_test_setup_teardown(the_runs_own_configuration, make_test_folder, remove_test_folder),
        cmocka_unit_test_setup_teardown(losses, make_test_folder, remove_test_folder),
        cmocka_unit_test_setup_teardown(scores_left_out, make_test_folder, remove_test_folder),
        cmocka_unit_test_setup_teardown(no_number_is_no_score, make_test_folder, remove_test_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

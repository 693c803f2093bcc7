/* test_run_stages.c - [[stage]] tables: what each stage gets, what is refused, and that the print-out reads back equal. */
#include "config/config.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char folder[] = "/tmp/cso-stages-XXXXXX";
static char config_path[64];

#define COMMON                                                                                                                     \
    "[model]\npath = \"m\"\n[data]\ntrain = [\"t.jsonl\"]\nmax_length = 512\n[lora]\nrank = 4\ninit = \"old\"\n"                   \
    "[loss]\ntypes = [\"sft\", \"cso\"]\nbeta = 0.2\n[train]\nmax_steps = 9\nbatch_size = 3\n[checkpoint]\ndir = \"run\"\n"
#define TWO                                                                                                                        \
    COMMON "[[stage]]\nname = \"sft\"\nloss.type = \"sft\"\ntrain = {epochs = 2, learning_rate = 1e-4}\n"                          \
           "[[stage]]\nname = \"cso\"\n[stage.loss]\ntype = \"cso\"\nreference = \"initial\"\n"                                    \
           "[stage.data]\ntrain = [\"p.jsonl\"]\neval = [\"../e.jsonl\"]\n[stage.checkpoint]\nkeep_last = 4\n"

static cso_status read_text(cso_run_configs *configs, const char *text, const char *const *overrides, size_t count,
                            cso_error *err) {
    assert_int_equal(cso_save_text(config_path, text, strlen(text), err), CSO_OK);
    return cso_run_configs_read(configs, config_path, overrides, count, err);
}

static void read_ok(cso_run_configs *configs, const char *text, const char *const *overrides, size_t count) {
    cso_error err = {0};
    if (read_text(configs, text, overrides, count, &err) != CSO_OK)
        fail_msg("%s", err.message);
}

static void expect_path(const char *path, const char *name) {
    char expected[128];
    snprintf(expected, sizeof expected, "%s/%s", folder, name);
    assert_string_equal(path, expected);
}

static void without_stages(void **state) {
    (void)state;
    cso_run_configs c;
    read_ok(&c, COMMON, NULL, 0);
    assert_int_equal(c.count, 1);
    assert_null(c.dir);
    assert_null(c.text);
    assert_null(c.items[0].stage.name);
    expect_path(c.items[0].checkpoint.dir, "run");
    expect_path(c.items[0].lora.init, "old");
    assert_true(cso_run_config_given(&c.items[0], "loss.beta"));
    cso_run_configs_free(&c);
}

static void each_has_its_own(void **state) {
    (void)state;
    cso_run_configs c;
    read_ok(&c, TWO, NULL, 0);
    assert_int_equal(c.count, 2);
    expect_path(c.dir, "run");
    const cso_run_config *sft = &c.items[0], *cso = &c.items[1];
    assert_string_equal(sft->stage.name, "sft");
    assert_string_equal(cso->stage.name, "cso");
    assert_true(sft->stage.number == 1 && cso->stage.number == 2 && sft->stage.count == 2 && cso->stage.count == 2);
    expect_path(sft->checkpoint.dir, "run/stage-1-sft");
    expect_path(cso->checkpoint.dir, "run/stage-2-cso");
    expect_path(sft->model.path, "m");
    /* Common keys hold for both. */
    assert_true(sft->data.max_length == 512 && cso->data.max_length == 512 && sft->loss.options.beta == 0.2);
    assert_true(sft->train.batch_size == 3 && cso->train.batch_size == 3 && cso->lora.rank == 4);
    /* Their own take their place, and that of what would win over them. */
    assert_string_equal(sft->loss.type, "sft");
    assert_true(!sft->loss.types.count && !cso->loss.types.count);
    assert_true(sft->train.epochs == 2 && sft->train.max_steps == 0 && cso->train.max_steps == 9);
    assert_true(sft->train.learning_rate == 1e-4 && cso->train.learning_rate == 1e-5);
    assert_true(sft->checkpoint.keep_last == 2 && cso->checkpoint.keep_last == 4);
    expect_path(sft->data.train.items[0], "t.jsonl");
    expect_path(cso->data.train.items[0], "p.jsonl");
    assert_true(sft->data.eval.count == 0 && cso->data.eval.count == 1);
    /* A common lora.init is where the first begins; the second goes on from the first. */
    expect_path(sft->lora.init, "old");
    expect_path(cso->lora.init, "run/stage-1-sft/adapter");
    assert_string_equal(cso->loss.reference, "initial");
    assert_true(cso_run_config_given(sft, "train.epochs") && !cso_run_config_given(sft, "loss.beta"));
    size_t index;
    assert_int_equal(cso_run_configs_find(&c, "cso", &index, NULL), CSO_OK);
    assert_int_equal(index, 1);
    cso_run_configs_free(&c);
    assert_null(c.items);
}

static void by_name(void **state) {
    (void)state;
    cso_run_configs c;
    read_ok(&c,
            COMMON "[[stage]]\nname = \"a\"\n[[stage]]\nname = \"b\"\nlora.init = \"default\"\nlora.rank = 2\n"
                   "loss.reference = \"stage:a\"\n[[stage]]\nname = \"c-3_x\"\nlora.init = \"stage:a\"\n",
            NULL, 0);
    assert_string_equal(c.items[1].lora.init, "default");
    assert_true(c.items[1].lora.rank == 2 && c.items[2].lora.rank == 4);
    expect_path(c.items[1].loss.reference, "run/stage-1-a/adapter");
    expect_path(c.items[2].lora.init, "run/stage-1-a/adapter");
    expect_path(c.items[2].checkpoint.dir, "run/stage-3-c-3_x");
    cso_run_configs_free(&c);
}

static void overrides(void **state) {
    (void)state;
    cso_run_configs c;
    const char *const set[] = {"train.batch_size=5", "train.max_steps=1", "stage.cso.loss.beta=0.5", "stage.cso.data.eval=x.jsonl",
                               "checkpoint.dir=elsewhere"};
    read_ok(&c, TWO, set, 5);
    assert_true(c.items[0].train.batch_size == 5 && c.items[1].train.batch_size == 5);
    assert_true(c.items[0].train.max_steps == 1 && c.items[1].train.max_steps == 1); /* over the stage's epochs, too */
    assert_true(c.items[0].loss.options.beta == 0.2 && c.items[1].loss.options.beta == 0.5);
    assert_string_equal(c.items[1].data.eval.items[0], "x.jsonl");
    assert_string_equal(c.items[1].checkpoint.dir, "elsewhere/stage-2-cso");
    cso_run_configs_free(&c);
}

/* The whole, read in another folder, gives the same stages and the same text. */
static void check_round_trip(const char *text, const char *const *set, size_t count) {
    cso_run_configs first, second;
    cso_error err = {0};
    char other[96];
    read_ok(&first, text, set, count);
    snprintf(other, sizeof other, "%s/elsewhere", folder);
    assert_int_equal(cso_make_folders(other, &err), CSO_OK);
    snprintf(other, sizeof other, "%s/elsewhere/config.toml", folder);
    assert_int_equal(cso_save_text(other, first.text, strlen(first.text), &err), CSO_OK);
    if (cso_run_configs_read(&second, other, NULL, 0, &err) != CSO_OK)
        fail_msg("%s\n%s", err.message, first.text);
    assert_string_equal(first.text, second.text);
    assert_int_equal(first.count, second.count);
    for (size_t i = 0; i < first.count; i++) {
        char *one, *two;
        assert_int_equal(cso_run_config_print(&first.items[i], &one, &err), CSO_OK);
        assert_int_equal(cso_run_config_print(&second.items[i], &two, &err), CSO_OK);
        assert_string_equal(one, two);
        free(one);
        free(two);
    }
    cso_run_configs_free(&first);
    cso_run_configs_free(&second);
}

static void round_trip(void **state) {
    (void)state;
    const char *const set[] = {"train.max_steps=1", "stage.cso.loss.beta=0.5"};
    check_round_trip(TWO, NULL, 0);
    check_round_trip(TWO, set, 2);
    check_round_trip("[model]\npath = \"m\"\n[[stage]]\nname = \"a\"\n[stage.data]\ntrain = [\"t\"]\n[stage.lora]\n"
                     "[[stage]]\nname = \"b\"\ndata.train = [\"u\"]\nlora.rank = 3\n",
                     NULL, 0);
    check_round_trip("stage = [{name = \"a\"}, {name = \"b\", loss = {reference = \"stage:a\"}}]\n" COMMON, NULL, 0);
}

static void expect_error(const char *text, const char *set, const char *expected) {
    cso_run_configs c;
    cso_error err = {0};
    cso_status status = read_text(&c, text, &set, set != NULL, &err);
    if (status != CSO_ERR_USAGE || !strstr(err.message, expected))
        fail_msg("%s (%d)\nexpected: %s", err.message, status, expected);
    assert_null(c.items);
}

#define STAGE(text) COMMON "[[stage]]\n" text

static void refused(void **state) {
    (void)state;
    expect_error(STAGE("name = \"a\"\nloss.bta = 1\n"), NULL, ".toml:19: unknown key 'loss.bta' (did you mean 'loss.beta'?)");
    expect_error(STAGE("name = \"a\"\n[stage.los]\nbeta = 1\n"), NULL, ":20: unknown key 'los.beta' (did you mean 'loss.beta'?)");
    expect_error(STAGE("name = \"a\"\n[stage.los]\n"), NULL, "unknown table [los] (did you mean [loss]?)");
    expect_error(STAGE("name = \"a\"\nlr = 1\n"), NULL, ":19: unknown key 'lr' (did you mean 'train.learning_rate'?)");
    expect_error(STAGE("name = \"a\"\ntrain.epochs = \"x\"\n"), NULL, ":19: train.epochs: must be a number");
    expect_error(STAGE("name = \"a\"\nmodel.compute = \"bf16\"\n"), NULL,
                 ":19: model.compute is that of all stages (expected it in the common [model])");
    expect_error(STAGE("name = \"a\"\ncheckpoint.dir = \"x\"\n"), NULL, ":19: checkpoint.dir is that of all stages");
    expect_error(STAGE("loss.type = \"sft\"\n"), NULL, "stage 1 of 1 has no name (expected name = \"...\" after [[stage]])");
    expect_error(STAGE("name = \"\"\n"), NULL, ":18: stage 1: name must be 1 to 64 letters, digits, '-' and '_'");
    expect_error(STAGE("name = \"a/b\"\n"), NULL, ":18: stage 1: name must be");
    expect_error(STAGE("name = 3\n"), NULL, ":18: stage 1: name must be");
    expect_error(STAGE("name = \"a\"\n[[stage]]\nname = \"a\"\n"), NULL, ":20: stages 1 and 2 are both called 'a'");
    expect_error(COMMON "[stage]\nname = \"a\"\n", NULL, "[stage] is one table (expected [[stage]], once for each stage)");
    expect_error("stage = []\n" COMMON, NULL, ":1: stage: must be [[stage]] tables");
    expect_error("stage = 3\n" COMMON, NULL, ":1: stage: must be [[stage]] tables");
    expect_error("[model]\npath = \"m\"\n[[stage]]\nname = \"a\"\n", NULL, "stage a: ");
    expect_error("[model]\npath = \"m\"\n[[stage]]\nname = \"a\"\n", NULL, "data.train is missing");
    expect_error(STAGE("name = \"a\"\nloss.reference = \"stage:b\"\n[[stage]]\nname = \"b\"\n"), NULL,
                 "stage a: loss.reference: \"stage:b\": there is no stage before this one");
    expect_error(STAGE("name = \"sft\"\n[[stage]]\nname = \"b\"\nlora.init = \"stage:sfd\"\n"), NULL,
                 "stage b: lora.init: \"stage:sfd\": there is no stage 'sfd' (did you mean 'sft'?)");
    expect_error(COMMON, "loss.reference=stage:a", "loss.reference: \"stage:a\": there are no stages (expected a folder)");
    expect_error(TWO, "stage.ctso.loss.beta=1", "--set stage.ctso.loss.beta=1: there is no stage 'ctso' (did you mean 'cso'?)");
    expect_error(TWO, "stage.cso.loss.bta=1", "--set stage.cso.loss.bta=1: unknown key 'loss.bta'");
    expect_error(TWO, "stage.cso.model.path=x", "model.path is that of all stages");
    expect_error(TWO, "loss.type=ipo",
                 "--set loss.type=ipo: every stage has its own loss.type (expected --set stage.sft.loss.type=");
    expect_error(COMMON, "stage.cso.loss.beta=1", "there are no stages (expected [[stage]] tables)");
    cso_run_config one;
    cso_error err = {0};
    assert_int_equal(cso_save_text(config_path, TWO, strlen(TWO), &err), CSO_OK);
    assert_int_equal(cso_run_config_read(&one, config_path, NULL, 0, &err), CSO_ERR_USAGE);
    assert_non_null(strstr(err.message, "has [[stage]] tables (expected a run without stages)"));
}

static int setup(void **state) {
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(config_path, sizeof config_path, "%s/run.toml", folder);
    return 0;
}
static int teardown(void **state) {
    (void)state;
    return cso_remove_tree(folder, NULL) == CSO_OK ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_stages), cmocka_unit_test(each_has_its_own), cmocka_unit_test(by_name),
        cmocka_unit_test(overrides),      cmocka_unit_test(round_trip),       cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

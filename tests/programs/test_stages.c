/* test_stages.c - SFT then CSO in one configuration: its folders, resuming in either stage and between them, one stage alone, the plan,
 * and what is refused. */
#include "golden.h"
#include "run_program.h"
#include "test_folder.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char STAGES[] = "[[stage]]\nname = \"sft\"\nloss.type = \"sft\"\ntrain.learning_rate = 1e-2\n"
                             "[[stage]]\nname = \"cso\"\n[stage.loss]\ntype = \"cso\"\nreference = \"initial\"\n";

static void write_config(const char *name, const char *more) {
    char text[4096], root[512];
    assert_non_null(getcwd(root, sizeof root));
    snprintf(text, sizeof text,
             "[model]\npath = \"%s/tests/golden/models/llama-tiny\"\nchat_template = \"llama3\"\n"
             "[data]\ntrain = [\"%s/tests/golden/pairs/pairs.jsonl\"]\neval = [\"%s/tests/golden/pairs/pairs.jsonl\"]\n"
             "[lora]\nrank = 4\ndropout = 0.1\n[train]\nmax_steps = 4\nbatch_size = 2\nthreads = 1\nmemory_gib = "
             "0.25\nlearning_rate = 1e-3\n"
             "[log]\neval_every_steps = 2\n[checkpoint]\ndir = \"run\"\nevery_steps = 1\nkeep_last = 9\n%s",
             root, root, root, more);
    save_in_folder(name, text);
}

static int setup(void **state) {
    if (make_test_folder(state))
        return -1;
    write_config("c.toml", STAGES);
    return 0;
}

static run_result shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static run_result shell(const char *format, ...) {
    char command[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    return run_program(command, NULL, 0);
}

/* Trains in DIR/run_name; the exit code must be `code`, `part` be in standard error, and `absent` not ("": nothing is asked). */
static void train(const char *config, const char *run_name, const char *more, int code, const char *part, const char *absent) {
    run_result r = shell("@cso-train -c %s/%s --set checkpoint.dir=%s/%s %s", test_folder, config, test_folder, run_name, more);
    if (r.code != code || !strstr(r.err, part) || (*absent && strstr(r.err, absent)))
        fail_msg("%s %s: code %d (expected %d)\n%s\nexpected: %s, absent: %s", run_name, more, r.code, code, r.err, part, absent);
    run_result_free(&r);
}

static void same_file(const char *one, const char *other) {
    run_result r = shell("cmp %s/%s %s/%s", test_folder, one, test_folder, other);
    if (r.code)
        fail_msg("%s%s", r.out, r.err);
    run_result_free(&r);
}

static void remove_paths(const char *names) {
    run_result r = shell("cd %s && rm -r %s", test_folder, names);
    if (r.code)
        fail_msg("%s", r.err);
    run_result_free(&r);
}

static void copy_run(const char *from, const char *to) {
    run_result r = shell("cp -r %s/%s %s/%s", test_folder, from, test_folder, to);
    assert_int_equal(r.code, 0);
    run_result_free(&r);
}

/* Adapters and the last checkpoints of both stages, byte by byte; losses without times; and nothing is damaged. */
static void same_end(const char *run, const char *whole) {
    static const char *const names[] = {"adapter/adapter_model.safetensors",
                                        "adapter/README.md",
                                        "stage-1-sft/adapter/adapter_model.safetensors",
                                        "stage-2-cso/adapter/adapter_model.safetensors",
                                        "stage-1-sft/checkpoint-4/cso_state.json",
                                        "stage-1-sft/checkpoint-4/optimizer.safetensors",
                                        "stage-2-cso/checkpoint-4/cso_state.json",
                                        "stage-2-cso/checkpoint-4/optimizer.safetensors"};
    char one[200], other[200];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(one, sizeof one, "%s/%s", run, names[i]);
        snprintf(other, sizeof other, "%s/%s", whole, names[i]);
        same_file(one, other);
    }
    run_result r = shell("@cso-inspect --verify %s/%s", test_folder, run);
    if (r.code || !strstr(r.out, "stage-2-cso"))
        fail_msg("%s%s", r.out, r.err);
    run_result_free(&r);
    snprintf(one, sizeof one, "%s/stage-2-cso/adapter/adapter_model.safetensors", run);
    snprintf(other, sizeof other, "%s/adapter/adapter_model.safetensors", run);
    same_file(one, other);
}

static void both(void **state) {
    (void)state;
    train("c.toml", "whole", "", 0, "stage 1/2 sft  step 4/4", "");
    train("c.toml", "whole", "", 0, "stage sft: complete, step 4 of 4\nstage cso: complete, step 4 of 4\n", "tokens/s");
    train("c.toml", "again", "", 0, "stage 2/2 cso  step 4/4", "");
    same_end("again", "whole");
    /* A stage's own configuration makes the same stage. */
    run_result r = shell("cd %s && sed 's#again/stage-2-cso#alone#' again/stage-2-cso/config.toml > alone.toml && grep -q "
                         "'dir = .*/alone\"' alone.toml && grep -q 'init = .*again/stage-1-sft/adapter\"' alone.toml",
                         test_folder);
    assert_int_equal(r.code, 0);
    run_result_free(&r);
    train("alone.toml", "alone", "", 0, "", "stage cso");
    same_file("alone/adapter/adapter_model.safetensors", "whole/adapter/adapter_model.safetensors");
    /* The whole configuration, from the folder itself. */
    train("again/config.toml", "third", "", 0, "", "");
    same_end("third", "whole");
}

/* Each line is what a kill may leave, and the run must end as the whole one. */
static void goes_on(void **state) {
    (void)state;
    static const char *const lost[] = {
        "run/adapter",                                                         /* before the last copy */
        "run/adapter run/stage-2-cso/adapter",                                 /* before the last stage's adapter */
        "run/adapter run/stage-2-cso/adapter run/stage-2-cso/checkpoint-[34]", /* in stage 2 */
        "run/adapter run/stage-2-cso/adapter run/stage-2-cso/checkpoint-*",    /* before its first checkpoint */
        "run/adapter run/stage-2-cso",                                         /* between the stages */
        "run/adapter run/stage-2-cso run/stage-1-sft/adapter",                 /* before the first stage's adapter */
        "run/adapter run/stage-2-cso run/stage-1-sft/adapter run/stage-1-sft/checkpoint-[234]",
        "run/stage-1-sft/adapter", /* by hand: it can be made again */
    };
    train("c.toml", "whole", "-q", 0, "", "");
    for (size_t i = 0; i < sizeof lost / sizeof *lost; i++) {
        copy_run("whole", "run");
        remove_paths(lost[i]);
        train("c.toml", "run", i == 4 ? "" : "-q", 0, i == 4 ? "stage sft: complete, step 4 of 4\n" : "", "");
        same_end("run", "whole");
        remove_paths("run");
    }
}

static void one_alone(void **state) {
    (void)state;
    train("c.toml", "whole", "-q", 0, "", "");
    train("c.toml", "run", "--stage cso", 2, "stage cso: lora.init is the adapter of stage sft, which is not there: ", "");
    train("c.toml", "run", "--stage sfd", 2, "there is no stage 'sfd' (did you mean 'sft'?)", "");
    train("c.toml", "run", "--stage sft", 0, "stage 1/2 sft  step 4/4", "stage 2/2");
    assert_false(cso_path_exists(in_folder("run/adapter")));
    train("c.toml", "run", "--stage cso", 0, "stage 2/2 cso  step 4/4", "stage 1/2");
    same_end("run", "whole");
    train("c.toml", "run", "--resume x/checkpoint-2", 2, "is one checkpoint, and there are 2 stages", "");
    train("c.toml", "run", "--resume never", 2, "stage sft: ", "");
    write_config("plain.toml", "");
    train("plain.toml", "plain", "--stage sft", 2, "there are no stages (expected [[stage]] tables)", "");
}

static void another_run(void **state) {
    (void)state;
    train("c.toml", "run", "-q", 0, "", "");
    train("c.toml", "run", "--set stage.sft.train.eps=1e-7", 3, "cso-train: stage sft: ", "");
    train("c.toml", "run", "--set stage.cso.train.eps=1e-7", 3, "train.eps is 1e-07 here and 1e-08 there", "");
    train("c.toml", "run", "--set stage.cso.train.eps=1e-7", 3, "cso-train: stage cso: ", "");
    train("c.toml", "run", "--set stage.cso.train.max_steps=5", 0, "stage 2/2 cso  step 5/5", "step 4/5");
    /* A longer first stage gives the second another adapter to begin with. */
    train("c.toml", "run", "--set stage.sft.train.max_steps=5", 3, "lora.init is ", "");
    write_config("plain.toml", "");
    train("plain.toml", "plain", "-q", 0, "", "");
    train("c.toml", "plain", "", 2, "holds checkpoint-4 of a run without stages (expected another checkpoint.dir)", "");
}

/* All stages are planned before there is an adapter, nothing is made, and an error of a later stage comes first of all. */
static void looked_at_before(void **state) {
    (void)state;
    run_result r = shell("{ @cso-train -c %s/c.toml --dry-run && ls -A %s ; }", test_folder, test_folder);
    assert_int_equal(r.code, 0);
    static const char *const parts[] = {"stage 1/2 sft\n",  "stage 2/2 cso\n",      "adapter: 13,440 trainable parameters, rank 4",
                                        "2 stages: about ", " at the peak, up to ", "\nc.toml\n"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (!strstr(r.out, parts[i]))
            fail_msg("no \"%s\" in\n%s", parts[i], r.out);
    assert_null(strstr(r.out, "\nrun\n"));
    run_result_free(&r);
    train("c.toml", "run", "--set stage.cso.data.train=/nonexistent.jsonl", 3,
          "cso-train: stage cso: /nonexistent.jsonl: ", " step 1/");
    train("c.toml", "run", "--set stage.cso.loss.type=ctso", 2, "cso-train: stage cso: ", " step 1/");
    assert_false(cso_path_exists(in_folder("run")));
}

/* Reference and trained adapter differ in rank and targets: the first stage's is the reference of a fresh one, and the other way
 * round. The reference's log-probabilities are those that the first stage's adapter has, not those of the base model. */
static void another_shape(void **state) {
    (void)state;
    write_config("shape.toml", "[[stage]]\nname = \"sft\"\nloss.type = \"sft\"\ntrain.learning_rate = 1e-2\n"
                               "[[stage]]\nname = \"cso\"\n[stage.loss]\nreference = \"stage:sft\"\n"
                               "[stage.lora]\ninit = \"default\"\nrank = 2\ntargets = [\"q_proj\", \"v_proj\"]\n"
                               "[[stage]]\nname = \"more\"\n[stage.loss]\nreference = \"stage:sft\"\n");
    run_result r = shell("@cso-train -c %s/shape.toml --dry-run", test_folder);
    if (r.code || !strstr(r.out, "rank 2, alpha 32, dropout, fresh; reference ") || !strstr(r.out, "stage 3/3 more\n"))
        fail_msg("%s%s", r.out, r.err);
    run_result_free(&r);
    train("shape.toml", "shape", "", 0, "", "loss 0.6931");
    r = shell("grep -c '\"r\": 2' %s/shape/adapter/adapter_config.json %s/shape/stage-2-cso/adapter/adapter_config.json",
              test_folder, test_folder);
    assert_int_equal(r.code, 0);
    run_result_free(&r);
    /* By hand: the SFT adapter, made by itself, as a reference of a fresh adapter. */
    write_config("hand.toml", "");
    char more[600];
    snprintf(more, sizeof more,
             "--set loss.reference=%s/shape/stage-1-sft/adapter --set lora.rank=2 --set 'lora.targets=[\"q_proj\", \"v_proj\"]'",
             test_folder);
    train("hand.toml", "hand", more, 0, "", "");
    same_file("hand/adapter/adapter_model.safetensors", "shape/stage-2-cso/adapter/adapter_model.safetensors");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(both, setup, remove_test_folder),
        cmocka_unit_test_setup_teardown(goes_on, setup, remove_test_folder),
        cmocka_unit_test_setup_teardown(one_alone, setup, remove_test_folder),
        cmocka_unit_test_setup_teardown(another_run, setup, remove_test_folder),
        cmocka_unit_test_setup_teardown(looked_at_before, setup, remove_test_folder),
        cmocka_unit_test_setup_teardown(another_shape, setup, remove_test_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

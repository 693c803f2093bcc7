/* cso-train and cso-eval as users meet them: exit codes, the one line of an error, a whole run, a signal. */
#include "../golden.h"

#include "base/file.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64]; /* the tests' folder; "DIR" in expected messages */

static void write_file(const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    cso_error err = {0};
    golden_ok(cso_save_text(path, text, strlen(text), &err), &err);
}

static char *read_stream(FILE *stream) {
    size_t size = 0, capacity = 1 << 16;
    char *text = malloc(capacity);
    rewind(stream);
    while ((size += fread(text + size, 1, capacity - size - 1, stream)) == capacity - 1)
        text = realloc(text, capacity *= 2);
    text[size] = '\0';
    fclose(stream);
    return text;
}

/* Puts DIR for the tests' folder. */
static void hide_dir(char *text) {
    size_t length = strlen(dir);
    for (char *at; (at = strstr(text, dir));) {
        memcpy(at, "DIR", 3);
        memmove(at + 3, at + length, strlen(at + length) + 1);
    }
}

static pid_t start(char *const argv[], FILE *out, FILE *errors) {
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(fileno(out), STDOUT_FILENO);
        dup2(fileno(errors), STDERR_FILENO);
        execv(argv[0], argv);
        _exit(127);
    }
    return child;
}

typedef struct outcome {
    int code; /* exit code; 1000 + n for a death by signal n */
    char *out, *errors;
} outcome;

static int wait_for(pid_t child) {
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static outcome run(const char *program, ...) {
    char path[512];
    char *argv[40] = {path};
    size_t n = 1;
    va_list arguments;
    snprintf(path, sizeof path, "%s/%s", CSO_BINARIES, program);
    va_start(arguments, program);
    while ((argv[n] = va_arg(arguments, char *)))
        assert_true(++n < 39);
    va_end(arguments);
    FILE *out = tmpfile(), *errors = tmpfile();
    outcome o = {.code = wait_for(start(argv, out, errors))};
    o.out = read_stream(out);
    o.errors = read_stream(errors);
    hide_dir(o.errors);
    return o;
}

static void done(outcome *o) {
    free(o->out);
    free(o->errors);
}

/* DIR/NAME; static until the eighth next call. */
static char *in_dir(const char *name) {
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

#define MODEL "tests/golden/models/llama-tiny"
#define PAIRS "tests/golden/pairs/pairs.jsonl"

/* The configuration of goldens/train, in DIR/c.toml; `more` lines go at the end of the named tables. */
static const char *root(void) {
    static char path[512];
    assert_non_null(getcwd(path, sizeof path));
    return path;
}

static void write_config(const char *data, const char *lora, const char *more) {
    char text[4096];
    snprintf(text, sizeof text,
             "[model]\npath = \"%s/" MODEL "\"\nchat_template = \"llama3\"\n"
             "[data]\ntrain = [\"%s\"]\nshuffle = \"none\"\nparse_special = true\n"
             "[lora]\n%s\n"
             "[train]\nepochs = 3.0\nbatch_size = 8\nlearning_rate = 5e-4\nweight_decay = 0.01\nwarmup_steps = 2\n"
             "[checkpoint]\ndir = \"run\"\n%s",
             root(), data, lora, more);
    write_file("c.toml", text);
}

static char *golden_pairs(void) {
    static char path[600];
    snprintf(path, sizeof path, "%s/" PAIRS, root());
    return path;
}

static int setup(void **state) {
    (void)state;
    strcpy(dir, "/tmp/cso-test-program-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}
static int teardown(void **state) {
    (void)state;
    return cso_remove_tree(dir, NULL) == CSO_OK ? 0 : -1;
}

static void expect(outcome o, int code, const char *errors) {
    if (o.code != code || strcmp(o.errors, errors))
        fail_msg("exit code %d (expected %d), standard error:\n%sexpected:\n%s", o.code, code, o.errors, errors);
    done(&o);
}

static void expect_part(outcome o, int code, const char *part) {
    if (o.code != code || !strstr(o.errors, part))
        fail_msg("exit code %d (expected %d), standard error:\n%sexpected in it:\n%s", o.code, code, o.errors, part);
    done(&o);
}

static outcome train(void) {
    return run("cso-train", "--config", in_dir("c.toml"), NULL);
}

static void wrong_use(void **state) {
    (void)state;
    expect(run("cso-train", NULL), 2, "cso-train: no configuration is given (expected --config FILE)\n");
    expect(run("cso-train", "--config", in_dir("none.toml"), NULL), 2,
           "cso-train: DIR/none.toml: cannot open: No such file or directory\n");
    expect_part(run("cso-train", "--confg", "x", NULL), 2, "cso-train: unknown option '--confg'");
    expect(run("cso-train", "-c", "x", "y", NULL), 2,
           "cso-train: unexpected argument 'y' (expected options only; --help lists them)\n");
    outcome o = run("cso-train", "--help", NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "--resume"));
    done(&o);
    o = run("cso-train", "--help-config", NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "train.learning_rate"));
    done(&o);
    expect(run("cso-eval", "score", NULL), 2, "cso-eval: score: 0 files are given (expected one, or - for standard input)\n");
    expect(run("cso-eval", "scor", "x", NULL), 2, "cso-eval: unknown command 'scor' (did you mean 'score'?)\n");
    expect(run("cso-eval", "score", "x", NULL), 2, "cso-eval: no model is given (expected --model PATH)\n");
}

static void bad_configuration(void **state) {
    (void)state;
    write_config(golden_pairs(), "rnak = 4", "");
    expect(train(), 2, "cso-train: DIR/c.toml:9: unknown key 'lora.rnak' (did you mean 'lora.rank'?)\n");
    write_config(golden_pairs(), "rank = \"four\"", "");
    expect(train(), 2, "cso-train: DIR/c.toml:9: lora.rank: must be an integer from 1 to 65536, got the string \"four\"\n");
    write_config(golden_pairs(), "rank = 4\nrank = 5", "");
    expect_part(train(), 2, "cso-train: DIR/c.toml:10: ");
    write_config(golden_pairs(), "rank = 4", "[loss]\ntype = \"ipoo\"\n");
    expect_part(train(), 2, "cso-train: DIR/c.toml: loss.type: \"ipoo\" is no loss (did you mean \"ipo\"? expected one of: cso, ");
    write_config(golden_pairs(), "rank = 4", "[loss]\nlabel_smoothing = 0.5\n");
    expect(train(), 2, "cso-train: DIR/c.toml:19: loss.label_smoothing: must be >= 0 and < 0.5, got 0.5\n");
    write_config(golden_pairs(), "rank = 4", "[log]\neval_every_steps = 2\n");
    expect(train(), 2, "cso-train: DIR/c.toml: log.eval_every_steps: there is no data.eval to evaluate\n");
    write_file("c.toml", "[model]\npath = \"m\"\n[data]\ntrain = [\"d\"]\n");
    expect(train(), 2, "cso-train: DIR/c.toml: there is no [lora] table; training all weights is not in this version\n");
    assert_false(cso_path_exists(in_dir("run")));
}

static void bad_data(void **state) {
    (void)state;
    static const char *const good = "{\"prompt\": \"Hi\", \"chosen\": \"Hello.\", \"rejected\": \"No.\"}\n";
    char text[1000];
    write_config("d.jsonl", "rank = 4", "");
    expect(train(), 3, "cso-train: DIR/d.jsonl: cannot open: No such file or directory\n");
    write_file("d.jsonl", "");
    expect(train(), 3, "cso-train: DIR/d.jsonl: no records (expected an array or lines of JSON objects)\n");
    snprintf(text, sizeof text, "%s\n{\"prompt\": \"Hi\", \"chosen\": \n", good);
    write_file("d.jsonl", text);
    expect(train(), 3, "cso-train: DIR/d.jsonl:3: the JSON text ends too early (expected a value) (column 28)\n");
    snprintf(text, sizeof text, "%s{\"prompt\": \"Hi\", \"rejected\": \"No.\"}\n", good);
    write_file("d.jsonl", text);
    expect(train(), 3, "cso-train: DIR/d.jsonl:2: chosen is missing (a preference record has prompt, chosen and rejected)\n");
    assert_false(cso_path_exists(in_dir("run")));
}

static void bad_model(void **state) {
    (void)state;
    char set[400];
    write_config(golden_pairs(), "rank = 4", "");
    snprintf(set, sizeof set, "model.path=%s", in_dir("none.gguf"));
    expect(run("cso-train", "-c", in_dir("c.toml"), "--set", set, NULL), 3,
           "cso-train: DIR/none.gguf: cannot open: No such file or directory\n");
    write_file("bad.gguf", "GGML and then some bytes that are no model");
    snprintf(set, sizeof set, "model.path=%s", in_dir("bad.gguf"));
    expect(run("cso-train", "-c", in_dir("c.toml"), "--set", set, NULL), 3,
           "cso-train: DIR/bad.gguf: not a GGUF file (expected it to begin with 'GGUF', found 'GGML')\n");

    /* A real model, cut short at many places. */
    cso_map map;
    cso_error err = {0};
    const char *whole = golden_path("gguf/llama-tiny-Q8_0.gguf");
    if (!whole)
        skip();
    golden_ok(cso_map_open(&map, whole, &err), &err);
    for (size_t i = 0; i < 16; i++) {
        FILE *file = fopen(in_dir("bad.gguf"), "wb");
        size_t size = map.size * i / 16;
        assert_int_equal(fwrite(map.data, 1, size, file), size);
        fclose(file);
        expect_part(run("cso-train", "-c", in_dir("c.toml"), "--set", set, NULL), 3, "cso-train: DIR/bad.gguf: ");
    }
    cso_map_close(&map);
}

static void bad_adapter(void **state) {
    (void)state;
    char lora[600];
    if (!golden_path("adapters/gemma2-tiny/r4"))
        skip();
    snprintf(lora, sizeof lora, "init = \"%s/tests/golden/adapters/gemma2-tiny/r4\"", root());
    write_config(golden_pairs(), lora, "");
    expect_part(train(), 3, "is it an adapter of another model?)\n");
    write_config(golden_pairs(), "init = \"nowhere\"", "");
    expect_part(train(), 3, "cso-train: DIR/nowhere/adapter_config.json: cannot open: No such file or directory\n");
}

static void warnings(void **state) {
    (void)state;
    write_file("tree.jsonl",
               "{\"description\": \"d\", \"scene\": \"s\", \"iter\": 0, \"messages\": [{\"role\": \"user\", "
               "\"content\": \"I lost my job.\"},"
               "{\"role\": \"assistant\", \"content\": \"I am sorry.\", \"strategy\": \"Affirmation\", \"negative\": ["
               "{\"content\": \"So what.\", \"strategy\": \"Sneering\"}]}]}\n");
    write_config("tree.jsonl", "rank = 4", "");
    outcome o = run("cso-train", "-c", in_dir("c.toml"), "-n", NULL);
    if (o.code != 0 || !strstr(o.errors, "warning: data.train: 1 replies have a strategy that is not one of ESC-Pro's eight\n"))
        fail_msg("exit code %d: %s", o.code, o.errors);
    assert_non_null(strstr(o.out, "training data: 1 pairs of 1 dialogues"));
    done(&o);
}

static void too_long(void **state) {
    (void)state;
    write_config(golden_pairs(), "rank = 4", "");
    outcome o = run("cso-train", "-c", in_dir("c.toml"), "-n", "--set", "data.max_length=231", NULL);
    assert_int_equal(o.code, 0);
    assert_non_null(strstr(o.out, "training data: 15 pairs of 3 dialogues in 16 records, the longest of 214 tokens; 8 cut to "
                                  "data.max_length (24 turns); 1 left out as too long\n"));
    assert_string_equal(o.errors, "warning: data.train: 1 examples are longer than data.max_length and are dropped\n");
    done(&o);
    expect_part(run("cso-train", "-c", in_dir("c.toml"), "-n", "--set", "data.max_length=231", "--set", "data.truncation=error",
                    "--set", "data.train=[\"" PAIRS "\"]", NULL),
                3, "cso-train: " PAIRS ":3: 260 tokens of prompt and reply are more than data.max_length = 231\n");
}

/* goldens/train/llama-tiny/dpo-ref-base from texts: tokenizer, template, data, engine, optimizer, adapter file. */
static void whole_run(void **state) {
    (void)state;
    char lora[600];
    snprintf(lora, sizeof lora, "init = \"%s/tests/golden/adapters/llama-tiny/r4\"", root());
    write_config(golden_pairs(), lora, "");
    expect_part(train(), 0, "step 6/6");
    cso_safetensors *golden = golden_safetensors(golden_path("train/llama-tiny/dpo-ref-base/steps.safetensors"));
    cso_safetensors *ours = golden_safetensors(in_dir("run/adapter/adapter_model.safetensors"));
    double worst = 0;
    assert_int_equal(cso_safetensors_count(ours), 42);
    for (size_t i = 0; i < 42; i++) {
        char name[300], layer[200];
        size_t n, m;
        const char *full = cso_safetensors_at(ours, i)->name;
        assert_int_equal(sscanf(full, "base_model.model.%199[^\n]", layer), 1);
        layer[strlen(layer) - strlen(".weight")] = '\0';
        snprintf(name, sizeof name, "f64.step6.%s", layer);
        double *a = golden_doubles(ours, full, &n), *b = golden_doubles(golden, name, &m);
        assert_int_equal(n, m);
        worst = fmax(worst, golden_relative(a, b, n));
        free(a);
        free(b);
    }
    print_message("worst tensor of the final adapter: %.1e from the float64 run\n", worst);
    assert_true(worst <= 1e-5);
    cso_safetensors_close(ours);
    cso_safetensors_close(golden);
    expect_part(train(), 0, "the run is complete: step 6 of 6\n");
    expect(run("cso-train", "-c", in_dir("c.toml"), "-q", "--resume", "never", NULL), 2,
           "cso-train: DIR/run: holds checkpoint-6 already (expected --resume auto, or another checkpoint.dir)\n");
    expect(run("cso-train", "-c", in_dir("c.toml"), "-q", "--set", "train.batch_size=4", NULL), 3,
           "cso-train: DIR/run/checkpoint-6: a checkpoint of another run: train.batch_size is 4 here and 8 there (expected the "
           "same, or "
           "another checkpoint.dir)\n");
    expect(run("cso-train", "-c", in_dir("c.toml"), "-q", "--resume", in_dir("nowhere"), NULL), 3,
           "cso-train: DIR/nowhere: no such checkpoint (expected a folder checkpoint-STEP)\n");

    /* The trained adapter prefers the chosen replies more than the base does. */
    outcome o = run("cso-eval", "score", "--chat-template", "llama3", "--parse-special", "-m", MODEL, "-a", in_dir("run/adapter"),
                    "--summary", PAIRS, NULL);
    cJSON *summary = NULL;
    cso_error err = {0};
    assert_int_equal(o.code, 0);
    golden_ok(cso_json_parse(&summary, o.out, strlen(o.out), "summary", 1, &err), &err);
    assert_true(cJSON_GetObjectItem(summary, "pairs")->valuedouble == 16);
    assert_true(cJSON_GetObjectItem(summary, "loss")->valuedouble < 0.66);
    assert_true(cJSON_GetObjectItem(summary, "rewards/margins")->valuedouble > 0);
    cJSON_Delete(summary);
    done(&o);
}

/* Conversations: their plan, their run (see test_sft.c), and what its metrics hold. */
static void supervised_run(void **state) {
    (void)state;
    char lora[600], *text, *conversations = golden_conversations("llama-tiny");
    size_t size;
    cso_error err = {0};
    snprintf(lora, sizeof lora, "init = \"%s/tests/golden/adapters/llama-tiny/r4\"", root());
    write_file("sft.jsonl", conversations);
    write_config("sft.jsonl", lora, "");
    expect(
        train(), 3,
        "cso-train: DIR/sft.jsonl:1: conversation (messages): needs loss.type = \"sft\" (expected chosen and rejected replies)\n");
    write_config("sft.jsonl", lora, "[loss]\ntype = \"sft\"\n");
    outcome plan = run("cso-train", "-c", in_dir("c.toml"), "--dry-run", NULL);
    if (plan.code || !strstr(plan.out, "training data: 16 texts of ") || !strstr(plan.out, "; reference none\n") ||
        !strstr(plan.out, "2 steps of 8 texts") || strstr(plan.out, "reference log-probabilities"))
        fail_msg("%s", plan.out);
    done(&plan);
    expect_part(train(), 0, "step 6/6");
    golden_ok(cso_read_file(in_dir("run/metrics.jsonl"), 1 << 20, &text, &size, &err), &err);
    const char *last = strstr(text, "{\"step\": 6, \"epoch\": 3, \"loss\": 7.784"); /* as in goldens/train/llama-tiny/sft */
    assert_true(last && strstr(last, ", \"grad_norm\": ") && !strstr(last, "rewards"));
    free(text);
    free(conversations);
}

/* A signal ends the run after the step, with a checkpoint; a second writer is refused meanwhile. */
static void stopped_by_a_signal(void **state) {
    (void)state;
    write_config(golden_pairs(), "rank = 4", "");
    char program[512];
    snprintf(program, sizeof program, "%s/cso-train", CSO_BINARIES);
    char *const argv[] = {program, (char *)"-c", in_dir("c.toml"), (char *)"--set", (char *)"train.max_steps=1000000", NULL};
    FILE *out = tmpfile(), *errors = tmpfile();
    pid_t child = start(argv, out, errors);
    for (int i = 0; i < 600 && !cso_path_exists(in_dir("run/metrics.jsonl")); i++)
        usleep(100000);
    expect(run("cso-train", "-c", in_dir("c.toml"), "-q", NULL), 2,
           "cso-train: DIR/run: another process is training in this folder (expected another checkpoint.dir)\n");
    assert_int_equal(kill(child, SIGTERM), 0);
    assert_int_equal(wait_for(child), 128 + SIGTERM);
    char *text = read_stream(errors);
    size_t step;
    const char *line = strstr(text, "cso-train: stopped by signal 15 after step ");
    assert_non_null(line);
    assert_int_equal(sscanf(line, "cso-train: stopped by signal 15 after step %zu of 1000000;", &step), 1);
    free(text);
    fclose(out);
    char name[100], set[100];
    snprintf(name, sizeof name, "run/checkpoint-%zu", step);
    assert_true(cso_path_is_folder(in_dir(name)));
    snprintf(set, sizeof set, "train.max_steps=%zu", step + 2);
    snprintf(name, sizeof name, "resuming from DIR/run/checkpoint-%zu\n", step);
    expect_part(run("cso-train", "-c", in_dir("c.toml"), "--set", set, NULL), 0, name);
    snprintf(name, sizeof name, "run/checkpoint-%zu", step + 2);
    assert_true(cso_path_is_folder(in_dir(name)));
}

/* Waits until the child has written `name`. */
static void await(const char *name) {
    for (int i = 0; i < 600 && !cso_path_exists(in_dir(name)); i++)
        usleep(100000);
    assert_true(cso_path_exists(in_dir(name)));
}

/* SIGUSR1 saves and the run goes on; a second SIGINT ends it at once, and the next process cleans up and resumes. */
static void saved_on_demand_and_interrupted(void **state) {
    (void)state;
    write_config(golden_pairs(), "rank = 4", "every_steps = 1000000\n");
    char program[512];
    snprintf(program, sizeof program, "%s/cso-train", CSO_BINARIES);
    char *const argv[] = {program, (char *)"-c", in_dir("c.toml"), (char *)"--set", (char *)"train.max_steps=1000000", NULL};
    FILE *out = tmpfile(), *errors = tmpfile();
    pid_t child = start(argv, out, errors);
    await("run/metrics.jsonl");
    assert_int_equal(kill(child, SIGUSR1), 0);
    char *text = NULL;
    const char *line = NULL;
    for (int i = 0; i < 600 && !line; i++) { /* the note comes when the checkpoint is whole */
        char path[64];
        size_t size;
        free(text);
        usleep(50000);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fileno(errors));
        assert_int_equal(cso_read_file(path, 1 << 24, &text, &size, NULL), CSO_OK);
        line = strstr(text, "checkpoint-");
        line = line && strchr(line, '\n') ? line : NULL;
    }
    size_t step;
    assert_non_null(line);
    assert_int_equal(sscanf(line, "checkpoint-%zu saved in ", &step), 1);
    free(text);
    assert_int_equal(waitpid(child, NULL, WNOHANG), 0); /* it goes on */

    assert_int_equal(kill(child, SIGINT), 0);
    usleep(150000); /* two that come at once are one */
    kill(child, SIGINT);
    int code = wait_for(child);
    assert_int_equal(code, 128 + SIGINT); /* also where the step has ended before the second came */
    fclose(out);
    fclose(errors);
    assert_int_equal(cso_make_folders(in_dir("run/checkpoint-7.1-0.tmp/inside"), NULL), CSO_OK); /* as if cut off in a save */
    write_file("run/metrics.jsonl.1-0.tmp", "torn");
    /* Shorter than what is done: complete at once. */
    expect_part(run("cso-train", "-c", in_dir("c.toml"), "--set", "train.max_steps=1", NULL), 0,
                "resuming from DIR/run/checkpoint-");
    assert_false(cso_path_exists(in_dir("run/checkpoint-7.1-0.tmp")));
    assert_false(cso_path_exists(in_dir("run/metrics.jsonl.1-0.tmp")));
}

static void dry_run_writes_nothing(void **state) {
    (void)state;
    write_config(golden_pairs(), "rank = 4", "");
    outcome o = run("cso-train", "-c", in_dir("c.toml"), "--dry-run", NULL);
    assert_int_equal(o.code, 0);
    assert_string_equal(o.errors, "");
    assert_non_null(
        strstr(o.out, "an epoch: 2 steps of 8 pairs; packing tree: 1,654 tokens in 2 trees instead of 8,010 (4.8 times fewer)\n"));
    assert_false(cso_path_exists(in_dir("run")));
    done(&o);
}

/* log.profile: every phase has a line, and their shares make the whole. */
static void profile_at_the_end(void **state) {
    (void)state;
    static const char *const PHASES[] = {"dequantize", "gemm", "attention", "norms", "head", "lora", "optimizer", "other"};
    write_config(golden_pairs(), "rank = 4", "[log]\nprofile = true\n");
    outcome o = run("cso-train", "-c", in_dir("c.toml"), NULL);
    assert_int_equal(o.code, 0);
    const char *at = strstr(o.errors, "time of 6 steps:");
    assert_non_null(at);
    double shares = 0;
    for (size_t i = 0; i < sizeof PHASES / sizeof *PHASES; i++) {
        char name[32];
        double seconds, share;
        at = strchr(at, '\n') + 1;
        assert_int_equal(sscanf(at, "%31s %lf %lf %%", name, &seconds, &share), 3);
        assert_string_equal(name, PHASES[i]);
        assert_true(seconds >= 0 && share >= 0);
        shares += share;
    }
    assert_true(fabs(shares - 100) <= 0.5);
    done(&o);
}

int main(void) {
    signal(SIGINT, SIG_DFL); /* a shell ignores it in what it runs in the background */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(wrong_use, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_configuration, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_data, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_model, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_adapter, setup, teardown),
        cmocka_unit_test_setup_teardown(warnings, setup, teardown),
        cmocka_unit_test_setup_teardown(too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(dry_run_writes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(whole_run, setup, teardown),
        cmocka_unit_test_setup_teardown(supervised_run, setup, teardown),
        cmocka_unit_test_setup_teardown(profile_at_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(stopped_by_a_signal, setup, teardown),
        cmocka_unit_test_setup_teardown(saved_on_demand_and_interrupted, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

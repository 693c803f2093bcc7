/* test_inspect.c - cso-inspect as a user meets it: its report on each kind of file, and the models it makes. */
#include "golden.h"
#include "run_program.h"
#include "test_folder.h"

#include "base/file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Runs a command in which "%s" stands for the temporary folder, any number of times. */
static run_result run(const char *command) {
    char line[2048];
    size_t used = 0;
    for (const char *at = command; *at; at++) {
        bool place = at[0] == '%' && at[1] == 's';
        used += (size_t)snprintf(line + used, sizeof line - used, place ? "%s" : "%.1s", place ? test_folder : at);
        at += place;
        assert_true(used < sizeof line);
    }
    return run_program(line, NULL, 0);
}

static void run_ok(const char *command) {
    run_result r = run(command);
    if (r.code)
        fail_msg("%s: code %d, %s", command, r.code, r.err);
    run_result_free(&r);
}

/* The JSON object that a command prints. */
static cJSON *json_of(const char *command, int code) {
    cso_error error = {0};
    cJSON *json;
    run_result r = run(command);
    if (r.code != code)
        fail_msg("%s: code %d (expected %d), %s", command, r.code, code, r.err);
    golden_ok(cso_json_parse(&json, r.out, r.out_size, "standard output", 1, &error), &error);
    run_result_free(&r);
    return json;
}

static const cJSON *at(const cJSON *object, const char *group, const char *key) {
    const cJSON *in = group ? cJSON_GetObjectItemCaseSensitive(object, group) : object;
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(in, key);
    if (!item)
        fail_msg("%s.%s is missing", group ? group : "", key);
    return item;
}

static void expect_number(const cJSON *object, const char *group, const char *key, double value) {
    double found = at(object, group, key)->valuedouble;
    if (!(fabs(found - value) <= 1e-9 * fabs(value)))
        fail_msg("%s.%s is %.10g (expected %.10g)", group ? group : "", key, found, value);
}

static void expect_text(const cJSON *object, const char *group, const char *key, const char *value) {
    assert_string_equal(cJSON_GetStringValue(at(object, group, key)), value);
}

static void test_golden_model(void **state) {
    (void)state;
    static const char *const COMMANDS[] = {"@cso-inspect --json --tensors --keys --verify tests/golden/models/llama-tiny",
                                           "@cso-inspect --json --tensors --keys --verify tests/golden/gguf/llama-tiny-F32.gguf"};
    for (int gguf = 0; gguf < 2; gguf++) {
        cJSON *json = json_of(COMMANDS[gguf], 0);
        expect_text(json, NULL, "kind", "model");
        expect_text(json, NULL, "format", gguf ? "GGUF" : "safetensors");
        expect_text(json, NULL, "architecture", "llama");
        assert_true(cJSON_IsTrue(at(json, NULL, "usable")));
        expect_number(json, NULL, "parameters", 260544);
        expect_number(json, NULL, "weights", gguf ? 260552 : 260544); /* rope_freqs are not parameters */
        expect_number(json, "hyperparameters", "layers", 3);
        expect_number(json, "hyperparameters", "kv_heads", 2);
        expect_number(json, "hyperparameters", "ffn", 160);
        expect_number(json, "hyperparameters", "norm_eps", 1e-5);
        expect_number(json, "hyperparameters", "rope_theta", 500000);
        expect_text(json, "tokenizer", "kind", "llama-bpe");
        expect_number(json, "tokenizer", "vocabulary", 1024);
        expect_number(json, "tokenizer", "bos", 1008);
        expect_number(json, "tokenizer", "eos", 1017);
        expect_text(json, "chat_template", "recognised_as", "llama3");
        expect_number(json, NULL, "tensors_not_finite", 0);
        assert_int_equal(cJSON_GetArraySize(at(json, NULL, "tensors")), (int)at(json, NULL, "tensor_count")->valuedouble);
        at(json, "keys", gguf ? "llama.block_count" : "num_hidden_layers");
        cJSON_Delete(json);
    }
}

static void test_other_kinds(void **state) {
    (void)state;
    cJSON *json = json_of("@cso-inspect --json tests/golden/adapters/qwen2-tiny/r4-qv", 0);
    expect_text(json, NULL, "kind", "adapter");
    expect_text(json, NULL, "targets", "q_proj, v_proj");
    expect_number(json, NULL, "rank", 4);
    expect_number(json, NULL, "alpha", 8);
    cJSON_Delete(json);
    json = json_of("@cso-inspect --json tests/golden/adapters/qwen2-tiny/r4.gguf", 0);
    expect_text(json, NULL, "kind", "adapter");
    expect_text(json, NULL, "format", "GGUF");
    expect_number(json, NULL, "rank", 4);
    cJSON_Delete(json);
    json = json_of("@cso-inspect --json tests/golden/forward/llama-tiny.safetensors", 0);
    expect_text(json, NULL, "kind", "tensors");
    cJSON_Delete(json);
    json = json_of("@cso-inspect --json tests/golden/models/gemma2-tiny/tokenizer.model", 0);
    expect_text(json, NULL, "kind", "tokenizer");
    expect_text(json, "tokenizer", "kind", "gemma");
    cJSON_Delete(json);
}

/* A run folder with one checkpoint, as cso-train leaves it. */
static void test_run_folder(void **state) {
    (void)state;
    static const char STATE[] = "{\"format\": 1, \"step\": 12, \"epoch\": 0.5, \"position\": 96, \"optimizer_steps\": 12,\n"
                                "\"run\": {\"model\": \"abc\", \"lora.rank\": \"4\"}, \"files\": {}, \"checksum\": \"\"}\n";
    static const char METRICS[] = "{\"step\": 11, \"loss\": 0.7}\n{\"step\": 12, \"loss\": 0.5}\n{\"step\": 13, \"lo";
    char path[128];
    cso_error error = {0};
    run_ok("mkdir -p %s/run/checkpoint-12 && cp tests/golden/adapters/llama-tiny/r4/adapter_* %s/run/checkpoint-12");
    snprintf(path, sizeof path, "%s/run/checkpoint-12/cso_state.json", test_folder);
    golden_ok(cso_save_text(path, STATE, sizeof STATE - 1, &error), &error);
    snprintf(path, sizeof path, "%s/run/metrics.jsonl", test_folder);
    golden_ok(cso_save_text(path, METRICS, sizeof METRICS - 1, &error), &error);
    cJSON *json = json_of("@cso-inspect --json %s/run", 0);
    expect_text(json, NULL, "kind", "run");
    assert_int_equal(cJSON_GetArraySize(at(json, NULL, "checkpoints")), 1);
    expect_number(json, "last_metrics", "step", 12);
    expect_number(json, "last_metrics", "loss", 0.5);
    cJSON_Delete(json);
    json = json_of("@cso-inspect --json %s/run/checkpoint-12", 0);
    expect_text(json, NULL, "kind", "checkpoint");
    expect_number(json, NULL, "step", 12);
    expect_number(json, NULL, "epoch", 0.5);
    expect_text(json, "run", "lora.rank", "4");
    expect_number(json, "adapter", "rank", 4);
    expect_number(json, "adapter", "parameters", 13440);
    cJSON_Delete(json);
}

/* Makes each family in both formats, looks at it, and renders a chat with its own tokenizer: both formats give the same ids. */
static void test_make(void **state) {
    (void)state;
    static const char *const FAMILIES[][2] = {{"llama", "llama3"}, {"qwen2", "chatml"}, {"gemma2", "gemma2"}};
    static const char CHAT[] = "{\"messages\": [{\"role\": \"user\", \"content\": \"Gr\\u00fc\\u00dfe  1234\\n\\u6f22\"}], "
                               "\"add_generation_prompt\": true}\n";
    for (int f = 0; f < 3; f++) {
        char command[512], *texts[2];
        for (int gguf = 0; gguf < 2; gguf++) {
            const char *end = gguf ? ".gguf" : "";
            snprintf(command, sizeof command, "@cso-inspect --quiet --seed 3 --make-model %s --out %%s/%s%s", FAMILIES[f][0],
                     FAMILIES[f][0], end);
            run_ok(command);
            snprintf(command, sizeof command, "@cso-inspect --json --verify %%s/%s%s", FAMILIES[f][0], end);
            cJSON *json = json_of(command, 0);
            expect_text(json, NULL, "architecture", FAMILIES[f][0]);
            expect_number(json, "hyperparameters", "layers", 2);
            assert_true(at(json, "tokenizer", "vocabulary")->valuedouble == at(json, "hyperparameters", "vocabulary")->valuedouble);
            assert_true(cJSON_IsTrue(at(json, "chat_template", "present")));
            cJSON_Delete(json);
            snprintf(command, sizeof command, "@cso-data tokenize --model %s/%s%s --chat-template %s", test_folder, FAMILIES[f][0],
                     end, FAMILIES[f][1]);
            run_result r = run_program(command, CHAT, sizeof CHAT - 1);
            if (r.code || strlen(r.out) < 40)
                fail_msg("%s: code %d, %s%s", command, r.code, r.out, r.err);
            texts[gguf] = r.out;
            free(r.err);
        }
        assert_string_equal(texts[0], texts[1]);
        free(texts[0]);
        free(texts[1]);
    }
}

/* A model made for another's tokenizer takes its vocabulary. */
static void test_make_with_tokenizer(void **state) {
    (void)state;
    run_ok("@cso-inspect -q --make-model qwen2 --tokenizer tests/golden/models/qwen2-tiny --type bf16 --out %s/t --max-shard-size "
           "0.5MB");
    cJSON *json = json_of("@cso-inspect --json %s/t", 0);
    expect_number(json, "hyperparameters", "vocabulary", 1024); /* 1024 tokens: a multiple of 128 already */
    expect_text(json, "chat_template", "recognised_as", "chatml");
    cJSON_Delete(json);
    run_ok("@cso-inspect -q --make-model llama --tokenizer tests/golden/gguf/llama-tiny-F32.gguf --layers 3 --type q6_k --out "
           "%s/t.gguf");
    json = json_of("@cso-inspect --json %s/t.gguf", 0);
    expect_number(json, "hyperparameters", "vocabulary", 1024);
    expect_number(json, "hyperparameters", "layers", 3);
    expect_text(json, "chat_template", "recognised_as", "llama3");
    cJSON_Delete(json);
}

typedef struct user_case {
    const char *command;
    int code;
    const char *err; /* a part of the one line on stderr */
} user_case;

static const user_case CASES[] = {
    {"@cso-inspect", 2, "0 paths are given (expected one file or folder)"},
    {"@cso-inspect --tensor x", 2, "unknown option '--tensor' (did you mean '--tensors'?)"},
    {"@cso-inspect /nonexistent", 3, "/nonexistent: cannot open: No such file or directory"},
    {"@cso-inspect tests/golden/README.md", 3, "not a model"},
    {"@cso-inspect tests/golden", 3, "tests/golden: has no model"},
    {"@cso-inspect --out x y", 2, "--out goes with --make-model"},
    {"@cso-inspect --make-model llama", 2, "--out PATH is missing"},
    {"@cso-inspect --make-model lama --out %s/x", 2, "unknown model family 'lama'"},
    {"@cso-inspect --make-model llama --preset 9b --out %s/x", 2, "unknown preset '9b' of the family llama"},
    {"@cso-inspect --make-model llama --type Q4_0 --out %s/x", 2, "safetensors cannot hold Q4_0"},
    {"@cso-inspect --make-model llama --type Q4K --out %s/x.gguf", 2, "did you mean Q4_"},
    {"@cso-inspect --make-model llama --seed -1 --out %s/x.gguf", 2, "--seed: expected a whole number"},
    {"@cso-inspect --make-model llama --max-shard-size 5TB --out %s/x", 2, "--max-shard-size: expected a size"},
    {"@cso-inspect --make-model llama --out %s/x y", 2, "--make-model takes no file, found 'y'"},
    {"@cso-inspect --make-model llama --tokenizer tests/golden/gguf/llama-tiny-F32.gguf --out %s/x", 2, "has no tokenizer.json"},
    {"@cso-inspect --make-model llama --tokenizer tests/golden/models/llama-tiny --out %s/x.gguf", 2, "not a .gguf file"},
    {"@cso-inspect --make-model llama --out %s", 2, "exists already"},
    {"@cso-inspect --make-model llama --vocab 100 --out %s/x", 2, "the vocabulary size is 100"},
    {"@cso-inspect --make-model llama --hidden 16000 --vocab 200000000 --out %s/x", 4, "GB free"},
};

static void test_messages(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        run_result r = run(CASES[i].command);
        size_t lines = 0;
        for (const char *c = r.err; *c; c++)
            lines += *c == '\n';
        if (r.code != CASES[i].code || !strstr(r.err, CASES[i].err) || lines != 1 || strncmp(r.err, "cso-inspect: ", 13) || *r.out)
            fail_msg("%s\n  code %d (expected %d)\n  out %s\n  err %s", CASES[i].command, r.code, CASES[i].code, r.out, r.err);
        run_result_free(&r);
    }
    char path[128];
    snprintf(path, sizeof path, "%s/x", test_folder);
    assert_false(cso_path_exists(path));
}

/* NaN in the weights: found by --verify, reported, exit code 3. An unknown family is still reported. */
static void test_faults(void **state) {
    (void)state;
    char path[128], *bytes;
    size_t size;
    cso_error error = {0};
    run_ok("@cso-inspect -q --make-model qwen2 --out %s/f && rm %s/f/tokenizer.json");
    snprintf(path, sizeof path, "%s/f/model.safetensors", test_folder);
    golden_ok(cso_read_file(path, 1 << 28, &bytes, &size, &error), &error);
    const float bad[2] = {NAN, HUGE_VALF};
    memcpy(bytes + size - 4096, bad, sizeof bad); /* the last tensor is a norm of 1 KB, before it comes a matrix */
    golden_ok(cso_save_text(path, bytes, size, &error), &error);
    free(bytes);
    cJSON *json = json_of("@cso-inspect --json --verify %s/f", 3);
    expect_number(json, NULL, "tensors_not_finite", 1);
    const cJSON *row = at(json, NULL, "not_finite")->child;
    expect_text(row, NULL, "name", "model.layers.1.mlp.down_proj.weight");
    expect_number(row, NULL, "nan", 1);
    expect_number(row, NULL, "inf", 1);
    cJSON_Delete(json);
    run_ok("sed -i s/qwen2/gpt2/ %s/f/config.json");
    json = json_of("@cso-inspect --json %s/f", 3);
    assert_true(cJSON_IsFalse(at(json, NULL, "usable")));
    assert_non_null(strstr(cJSON_GetStringValue(at(json, NULL, "problem")), "\"gpt2\" is not a model family"));
    assert_true(at(json, NULL, "tensor_count")->valuedouble > 20);
    cJSON_Delete(json);
}

static void test_people(void **state) {
    (void)state;
    run_result r = run("@cso-inspect --tensors tests/golden/models/gemma2-tiny");
    assert_int_equal(r.code, 0);
    assert_non_null(strstr(r.out, "architecture            gemma2\n"));
    assert_non_null(strstr(r.out, "  kv heads              2\n"));
    assert_non_null(strstr(r.out, "parameters              215,856\n"));
    assert_non_null(strstr(r.out, "F32         (1024, 48)\n"));
    run_result_free(&r);
    r = run("@cso-inspect --version");
    assert_string_equal(r.out, "cso-inspect 0.1.0\n");
    run_result_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_model),
        cmocka_unit_test(test_other_kinds),
        cmocka_unit_test(test_run_folder),
        cmocka_unit_test(test_make),
        cmocka_unit_test(test_make_with_tokenizer),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_people),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

/* test_bench.c - cso-bench: its options, its output for people and in JSON, on tiny models. */
#include "golden.h"
#include "run_program.h"

#include "base/file.h"
#include "io/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MODEL "--model tests/golden/models/llama-tiny --seconds 0"

static cJSON *json_of(const char *command) {
    cso_error error = {0};
    cJSON *json;
    run_result r = run_program(command, NULL, 0);
    if (r.code)
        fail_msg("%s: code %d, %s", command, r.code, r.err);
    golden_ok(cso_json_parse(&json, r.out, r.out_size, "standard output", 1, &error), &error);
    run_result_free(&r);
    return json;
}

static const cJSON *at(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!item)
        fail_msg("%s is missing", key);
    return item;
}

static double number(const cJSON *object, const char *key) {
    const cJSON *item = at(object, key);
    if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
        fail_msg("%s is no number", key);
    return item->valuedouble;
}

/* A rate, a time: something was measured. */
static void expect_positive(const cJSON *object, const char *const *keys, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!(number(object, keys[i]) > 0))
            fail_msg("%s is %g (expected more than 0)", keys[i], number(object, keys[i]));
}

static void check_phases(const cJSON *json) {
    static const char *const NAMES[] = {"dequantize", "gemm", "attention", "norms", "head", "lora", "optimizer", "other"};
    const cJSON *phases = at(json, "phases");
    double shares = 0;
    assert_int_equal(cJSON_GetArraySize(phases), 8);
    for (int i = 0; i < 8; i++) {
        const cJSON *phase = cJSON_GetArrayItem(phases, i);
        assert_string_equal(cJSON_GetStringValue(at(phase, "phase")), NAMES[i]);
        assert_true(number(phase, "seconds") >= 0);
        shares += number(phase, "share");
        bool products = !strcmp(NAMES[i], "gemm") || !strcmp(NAMES[i], "head");
        assert_true(products ? number(phase, "gflops") > 0 : cJSON_IsNull(at(phase, "gflops")));
    }
    assert_true(fabs(shares - 1) <= 1e-4);
}

static void test_step(void **state) {
    (void)state;
    static const char *const MEASURED[] = {"gflop_per_step", "forward_seconds", "step_seconds",     "gflops",
                                           "library_gflops", "ratio",           "peak_memory_bytes"};
    cJSON *json = json_of("@cso-bench step --json " MODEL " --tokens 300 --rank 4 --threads 2");
    expect_positive(json, MEASURED, sizeof MEASURED / sizeof *MEASURED);
    assert_true(number(json, "threads") == 2 && number(json, "rank") == 4 && number(json, "layers") == 3);
    assert_true(number(json, "rounds") >= 3);
    assert_true(number(json, "forward_seconds") < number(json, "step_seconds"));
    /* The yardstick is the faster of the libraries that are there. */
    const cJSON *onednn = cJSON_GetObjectItemCaseSensitive(json, "onednn_gflops");
    double fastest = number(json, "openblas_gflops");
    const char *name = "OpenBLAS";
    if (onednn && onednn->valuedouble > fastest) {
        fastest = onednn->valuedouble;
        name = "oneDNN";
    }
    assert_true(number(json, "library_gflops") == fastest);
    assert_string_equal(cJSON_GetStringValue(at(json, "library")), name);
    assert_null(cJSON_GetObjectItemCaseSensitive(json, "scaling"));
    check_phases(json);
    cJSON_Delete(json);
}

/* The tree has as many tokens as asked for, and is a dialogue: it shares much, and scores a part. */
static void test_tokens(void **state) {
    (void)state;
    static const int TOKENS[] = {16, 60, 247, 700};
    for (size_t i = 0; i < sizeof TOKENS / sizeof *TOKENS; i++) {
        char command[200];
        snprintf(command, sizeof command, "@cso-bench step -j -t 1 " MODEL " --tokens %d", TOKENS[i]);
        cJSON *json = json_of(command);
        assert_true(number(json, "tokens") == TOKENS[i]);
        assert_true(number(json, "scored_nodes") < TOKENS[i] && number(json, "scored_nodes") > 0.3 * TOKENS[i]);
        assert_true(number(json, "tokens_unshared") > 3 * TOKENS[i]);
        cJSON_Delete(json);
    }
}

/* The engine's own count equals the arithmetic of forward, backward and head, without partial tiles of the head. */
static void test_work(void **state) {
    (void)state;
    cJSON *json = json_of("@cso-bench step --json " MODEL " --tokens 256 --rank 1");
    double tokens = 256, nodes = number(json, "scored_nodes");
    /* llama-tiny: 3 layers, hidden 64, 4 heads of 16, 2 key-value heads, ffn 160, vocabulary 1024 (its config.json). */
    double first = 64 * (64 + 32 + 32), rest = 64 * 64 + 3 * 64 * 160, layers = 3;
    double products = 2 * tokens * (2 * layers * (first + rest) - first) + 3 * 2 * nodes * 64 * 1024;
    double work = 1e9 * number(json, "gflop_per_step");
    if (!(work > products) || !(work < 1.5 * products)) /* the difference: LoRA and attention */
        fail_msg("%g operations (expected a little more than %g)", work, products);
    cJSON_Delete(json);
}

/* A random model leaves no file behind; numbers of threads take turns. */
static void test_random_model_and_threads(void **state) {
    (void)state;
    char folder[] = "/tmp/cso-bench-test-XXXXXX", command[300];
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command,
             "TMPDIR=%s @cso-bench step --json --shape tiny --layers 1 --dtype q8_0 --tokens 40 --seconds 0 --threads 1,2", folder);
    cJSON *json = json_of(command);
    assert_string_equal(cJSON_GetStringValue(at(json, "model")), "tiny, Q8_0");
    assert_true(number(json, "layers") == 1 && number(json, "threads") == 2);
    const cJSON *rows = at(json, "scaling");
    static const char *const MEASURED[] = {"step_seconds", "speedup", "gflops", "library_gflops", "ratio"};
    assert_int_equal(cJSON_GetArraySize(rows), 2);
    for (int i = 0; i < 2; i++) {
        const cJSON *row = cJSON_GetArrayItem(rows, i);
        assert_true(number(row, "threads") == i + 1);
        expect_positive(row, MEASURED, sizeof MEASURED / sizeof *MEASURED);
    }
    assert_true(number(cJSON_GetArrayItem(rows, 0), "speedup") == 1);
    check_phases(json);
    cJSON_Delete(json);
    assert_int_equal(rmdir(folder), 0); /* fails where something is in it */
}

static void test_kernels(void **state) {
    (void)state;
    static const char *const GROUPS[][3] = {{"thin", "product", "ours"},
                                            {"dequantize", "type", "ref"},
                                            {"ops", "operation", "ref"},
                                            {"qgemm", "type", "gops"},
                                            {"qgemv", "type", "packed"}};
    cJSON *json = json_of("@cso-bench kernels --json --seconds 0 --threads 1 ops thin dequantize qgemm");
    assert_true(number(json, "threads") == 1);
    assert_non_null(cJSON_GetStringValue(at(json, "openblas")));
    for (size_t i = 0; i < sizeof GROUPS / sizeof *GROUPS; i++) {
        const cJSON *rows = at(json, GROUPS[i][0]), *row;
        assert_true(cJSON_GetArraySize(rows) >= 12);
        cJSON_ArrayForEach(row, rows) {
            assert_non_null(cJSON_GetStringValue(at(row, GROUPS[i][1])));
            assert_true(number(row, GROUPS[i][2]) > 0);
        }
    }
    assert_null(cJSON_GetObjectItemCaseSensitive(json, "gemm"));
    cJSON_Delete(json);
}

/* Rates are of what was done, and phases are there for both parts. */
static void test_decode(void **state) {
    (void)state;
    static const char *const MEASURED[] = {
        "prefill_seconds",      "prefill_tokens_per_second", "decode_seconds", "decode_tokens_per_second",
        "decode_gb_per_second", "read_gb_per_second",        "of_read",        "peak_memory_bytes"};
    static const char *const OPTIONS[] = {"--prompt 70 --leaves 3",
                                          "--prefix 100 --leaves 4 --adapter tests/golden/adapters/llama-tiny/r4",
                                          "--compute exact --prompt 10", "--prefix 100 --prompt 20 --leaves 2"};
    static const double PREFILLED[] = {210, 100, 10, 40}, LEAVES[] = {3, 4, 1, 2};
    for (int i = 0; i < 4; i++) {
        char command[300];
        snprintf(command, sizeof command, "@cso-bench decode --json " MODEL " --tokens 6 --seconds 0 --threads 2 %s", OPTIONS[i]);
        cJSON *json = json_of(command);
        expect_positive(json, MEASURED, sizeof MEASURED / sizeof *MEASURED);
        double prefilled = number(json, "prefill_tokens_per_second") * number(json, "prefill_seconds");
        double decoded = number(json, "decode_tokens_per_second") * number(json, "decode_seconds");
        assert_true(fabs(prefilled / PREFILLED[i] - 1) < 1e-2 && fabs(decoded / (6 * LEAVES[i]) - 1) < 1e-2);
        assert_true(number(json, "rounds") >= 3 && number(json, "leaves") == LEAVES[i] && number(json, "tokens") == 6);
        const cJSON *phases = at(json, "phases"), *phase;
        double shares = 0, decode_shares = 0;
        cJSON_ArrayForEach(phase, phases) {
            shares += number(phase, "share");
            decode_shares += number(phase, "decode_share");
        }
        assert_true(fabs(shares - 1) < 1e-3 && fabs(decode_shares - 1) < 1e-3);
        cJSON_Delete(json);
    }
}

static void test_people(void **state) {
    (void)state;
    run_result r = run_program("@cso-bench step " MODEL " --tokens 64", NULL, 0);
    assert_int_equal(r.code, 0);
    assert_non_null(strstr(r.out, "step seconds            "));
    assert_non_null(strstr(r.out, "\noptimizer "));
    assert_string_equal(r.err, "");
    run_result_free(&r);
    r = run_program("@cso-bench --version", NULL, 0);
    assert_string_equal(r.out, "cso-bench 0.1.0\n");
    run_result_free(&r);
    r = run_program("@cso-bench --help", NULL, 0);
    assert_int_equal(r.code, 0);
    assert_non_null(strstr(r.out, "--shape NAME"));
    run_result_free(&r);
}

static const struct user_case {
    const char *command;
    int code;
    const char *err;
} CASES[] = {
    {"@cso-bench", 2, "no command is given (expected kernels, step or decode)"},
    {"@cso-bench kernel", 2, "unknown command 'kernel' (did you mean 'kernels'?)"},
    {"@cso-bench kernels gem", 2, "kernels: 'gem' is not known (did you mean gemm?)"},
    {"@cso-bench kernels everything", 2, "kernels: 'everything' is not known (expected gemm, "},
    {"@cso-bench kernels --threads 1,2", 2, "kernels: --threads takes one number"},
    {"@cso-bench step gemm", 2, "step: unexpected argument 'gemm'"},
    {"@cso-bench step --threads 1,,2", 2, "--threads: '1,,2' does not do"},
    {"@cso-bench step --threads 5000", 2, "--threads: '5000' does not do"},
    {"@cso-bench step --seconds -1", 2, "--seconds: expected a number from 0 on, found '-1'"},
    {"@cso-bench step --memory much", 2, "--memory: expected a number from 0 on, found 'much'"},
    {"@cso-bench step --compute f16", 2, "--compute: must be one of f32, bf16, got 'f16'"},
    {"@cso-bench step --shape smolm2", 2, "--shape: 'smolm2' is not known (did you mean smollm2?)"},
    {"@cso-bench step --shape tiny --dtype q4", 2, "--dtype: 'q4' is not known"},
    {"@cso-bench step --model x --layers 2", 2, "step: --shape, --dtype and --layers make a random model, --model gives another"},
    {"@cso-bench step --model /nonexistent", 3, "/nonexistent: cannot open"},
    {"@cso-bench step " MODEL " --tokens 3", 2, "--tokens 3 is too small (expected at least 16)"},
    {"@cso-bench step " MODEL " --memory 0.001", 2, "do not fit in 0.00 GiB"},
    {"@cso-bench decode --threads 1,2", 2, "decode: --threads takes one number"},
    {"@cso-bench decode more", 2, "decode: unexpected argument 'more'"},
    {"@cso-bench decode --compute bf16", 2, "--compute: must be one of exact, fast, got 'bf16'"},
    {"@cso-bench decode " MODEL " --memory 0.0001", 4, "do not fit in 0.10 MiB"},
    {"@cso-bench step " MODEL " --rank 1000", 2, "lora.rank is 1000"},
};

static void test_messages(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        run_result r = run_program(CASES[i].command, NULL, 0);
        const char *end = strchr(r.err, '\n');
        if (r.code != CASES[i].code || !strstr(r.err, CASES[i].err) || !end || end[1] || strncmp(r.err, "cso-bench: ", 11) != 0)
            fail_msg("%s\n  code %d (expected %d)\n  err %s", CASES[i].command, r.code, CASES[i].code, r.err);
        run_result_free(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step),     cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_work),     cmocka_unit_test(test_random_model_and_threads),
        cmocka_unit_test(test_kernels),  cmocka_unit_test(test_people),
        cmocka_unit_test(test_messages), cmocka_unit_test(test_decode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

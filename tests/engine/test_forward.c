/* Logits, log-probabilities and hidden states against transformers, for every family and file format. */
#include "model_fixture.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static double spread(const double *x, size_t n) {
    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++)
        mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean) / (double)n;
    return sqrt(square);
}

/* Compares one sequence; stored_error is torch's own f32 error against the same truth (0: unknown). */
static void compare(const char *name, fixture *f, const int32_t *ids, size_t count, const double *logits, const double *logprobs,
                    double stored_error) {
    cso_error error = {0};
    size_t vocab = f->model->hparams.vocab;
    cso_tree tree = fixture_chain(ids, count);
    double *edge_logps = calloc(tree.n_edges, sizeof *edge_logps);
    float *ours = calloc(count * vocab, sizeof *ours);
    golden_ok(cso_engine_forward(f->engine, &tree, NULL, false, edge_logps, &error), &error);
    golden_ok(cso_engine_logits(f->engine, &tree, ours, &error), &error);
    double worst = 0, worst_logp = 0, scale = spread(logits, count * vocab);
    assert_true(scale > 0);
    for (size_t i = 0; i < count * vocab; i++)
        if (!(fabs((double)ours[i] - logits[i]) <= worst))
            worst = fabs((double)ours[i] - logits[i]);
    for (size_t i = 0; i + 1 < count; i++)
        if (!(fabs(edge_logps[i] - logprobs[i]) <= worst_logp))
            worst_logp = fabs(edge_logps[i] - logprobs[i]);
    print_message("%-28s %4zu tokens: logits %.1e (torch %.1e), log-probabilities %.1e\n", name, count, worst, stored_error,
                  worst_logp);
    assert_true(worst <= 2e-4 * scale);
    if (stored_error > 0)
        assert_true(worst <= 3 * stored_error);
    assert_true(worst_logp <= 1e-4);
    free(ours);
    free(edge_logps);
    cso_tree_free(&tree);
}

static int32_t *input_ids(const cso_safetensors *file, const char *name, size_t *count) {
    double *numbers = golden_doubles(file, name, count);
    int32_t *ids = calloc(*count + 1, sizeof *ids);
    for (size_t i = 0; i < *count; i++)
        ids[i] = (int32_t)numbers[i];
    free(numbers);
    return ids;
}

/* All sequences of forward/NAME.safetensors with the model at `path`. */
static void compare_all(const char *name, const char *path) {
    const char *golden = golden_path("forward/%s.safetensors", name);
    if (!golden || !path)
        skip();
    cso_safetensors *file = golden_safetensors(golden);
    fixture f = fixture_open(path, 0);
    char key[64];
    size_t sequences = 0;
    for (;; sequences++) {
        snprintf(key, sizeof key, "s%zu.input_ids", sequences);
        if (!golden_has(file, key))
            break;
        size_t count, n;
        int32_t *ids = input_ids(file, key, &count);
        snprintf(key, sizeof key, "s%zu.logits.f64", sequences);
        double *logits = golden_doubles(file, key, &n);
        assert_int_equal(n, count * f.model->hparams.vocab);
        snprintf(key, sizeof key, "s%zu.logits.f32", sequences);
        double *torch = golden_doubles(file, key, &n), torch_error = 0;
        for (size_t i = 0; i < n; i++)
            torch_error = fmax(torch_error, fabs(torch[i] - logits[i]));
        snprintf(key, sizeof key, "s%zu.logprobs.f64", sequences);
        double *logprobs = golden_doubles(file, key, &n);
        compare(name, &f, ids, count, logits, logprobs, torch_error);
        free(ids);
        free(logits);
        free(torch);
        free(logprobs);
    }
    assert_true(sequences > 1);
    fixture_close(&f);
    cso_safetensors_close(file);
}

static void test_llama_safetensors(void **state) {
    (void)state;
    compare_all("llama-tiny", golden_path("models/llama-tiny"));
}

static void test_qwen2_safetensors(void **state) {
    (void)state;
    compare_all("qwen2-tiny", golden_path("models/qwen2-tiny"));
}

static void test_gemma2_safetensors(void **state) {
    (void)state;
    compare_all("gemma2-tiny", golden_path("models/gemma2-tiny"));
}

static void test_gemma2_qs32(void **state) {
    (void)state;
    compare_all("gemma2-tiny-qs32", golden_path("models/gemma2-tiny-qs32"));
}

static void test_f32_gguf(void **state) {
    (void)state;
    compare_all("llama-tiny", golden_path("gguf/llama-tiny-F32.gguf"));
}

static void test_f32_gguf_others(void **state) {
    (void)state;
    const char *names[] = {"qwen2-tiny", "gemma2-tiny", "gemma2-tiny-qs32"};
    for (size_t i = 0; i < 3; i++)
        compare_all(names[i], golden_path("gguf/%s-F32.gguf", names[i]));
}

static void compare_quantized(const char *name, const char *type) {
    const char *golden = golden_path("forward/%s.gguf.safetensors", name), *path = golden_path("gguf/%s-%s.gguf", name, type);
    if (!golden || !path)
        return;
    cso_safetensors *file = golden_safetensors(golden);
    fixture f = fixture_open(path, 0);
    char key[64], label[80];
    size_t count, n;
    int32_t *ids = input_ids(file, "input_ids", &count);
    snprintf(key, sizeof key, "%s.logits.f32", type);
    double *logits = golden_doubles(file, key, &n);
    snprintf(key, sizeof key, "%s.logprobs.f64", type);
    double *logprobs = golden_doubles(file, key, &n);
    snprintf(label, sizeof label, "%s-%s.gguf", name, type);
    compare(label, &f, ids, count, logits, logprobs, 0);
    free(ids);
    free(logits);
    free(logprobs);
    fixture_close(&f);
    cso_safetensors_close(file);
}

static void test_quantized_gguf(void **state) {
    (void)state;
    const char *names[] = {"llama-tiny", "qwen2-tiny", "gemma2-tiny"}, *types[] = {"F16", "BF16", "Q8_0"};
    const char *k_types[] = {"Q4_0", "Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K", "IQ4_XS"};
    for (size_t i = 0; i < 3; i++)
        for (size_t j = 0; j < 3; j++)
            compare_quantized(names[i], types[j]);
    for (size_t j = 0; j < sizeof k_types / sizeof *k_types; j++)
        compare_quantized("qwen2-k256", k_types[j]);
}

/* transformers 5's config.json (rope_parameters) gives the same model. */
static void test_config_v5(void **state) {
    (void)state;
    const char *names[] = {"llama-tiny", "qwen2-tiny", "gemma2-tiny"};
    for (size_t i = 0; i < 3; i++) {
        const char *path = golden_path("models/%s", names[i]);
        assert_non_null(path);
        char folder[] = "/tmp/cso-test-XXXXXX", command[2200];
        assert_non_null(mkdtemp(folder));
        snprintf(command, sizeof command, "cp '%s/model.safetensors' %s/ && cp '%s/config.v5.json' %s/config.json", path, folder,
                 path, folder);
        assert_int_equal(system(command), 0);
        compare_all(names[i], folder);
        snprintf(command, sizeof command, "rm -r %s", folder);
        assert_int_equal(system(command), 0);
    }
}

/* Largest and mean difference of a chain's log-probabilities from those given. */
typedef struct {
    double most, mean;
} deviation;

static deviation deviation_of(const double *got, const double *wanted, size_t count) {
    deviation d = {0};
    for (size_t i = 0; i < count; i++) {
        double difference = fabs(got[i] - wanted[i]);
        d.mean += difference / (double)count;
        if (!(difference <= d.most))
            d.most = difference;
    }
    return d;
}

/* bf16 products, where build and CPU have them: the log-probabilities are those of a forward pass whose operands are rounded to
 * bf16 (what remains are roundings that fall the other way), and on average as close to the truth as such rounding allows. */
static void bf16(const char *name) {
    const char *golden = golden_path("forward/%s.safetensors", name), *path = golden_path("models/%s", name);
    const char *rounded = golden_path("forward/bf16-operands.safetensors");
    if (!golden || !path || !rounded)
        return;
    cso_error error = {0};
    fixture f = {0};
    golden_ok(cso_model_open(&f.model, path, &error), &error);
    golden_ok(cso_context_create(&f.ctx, 0, &error), &error);
    if (cso_engine_create(&f.engine, f.ctx, f.model, CSO_COMPUTE_BF16, (size_t)1 << 30, &error) != CSO_OK) {
        assert_int_equal(error.status, CSO_ERR_USAGE);
        print_message("skipped: %s\n", error.message);
        fixture_close(&f);
        return;
    }
    cso_safetensors *file = golden_safetensors(golden), *rounded_file = golden_safetensors(rounded);
    char key[64];
    int s = 1;
    for (; snprintf(key, sizeof key, "s%d.input_ids", s), golden_has(file, key); s++) {
        size_t count, n;
        int32_t *ids = input_ids(file, key, &count);
        snprintf(key, sizeof key, "s%d.logprobs.f64", s);
        double *truth = golden_doubles(file, key, &n);
        snprintf(key, sizeof key, "%s.s%d.logprobs", name, s);
        double *emulated = golden_doubles(rounded_file, key, &n);
        assert_int_equal(n, count - 1);
        cso_tree tree = fixture_chain(ids, count);
        double *edge_logps = calloc(tree.n_edges, sizeof *edge_logps);
        golden_ok(cso_engine_forward(f.engine, &tree, NULL, false, edge_logps, &error), &error);
        deviation from_truth = deviation_of(edge_logps, truth, n), from_emulated = deviation_of(edge_logps, emulated, n);
        print_message("%-12s %4zu tokens in bf16: from the truth %.1e (mean %.1e), from rounded operands %.1e (mean %.1e)\n", name,
                      count, from_truth.most, from_truth.mean, from_emulated.most, from_emulated.mean);
        assert_true(from_truth.mean > 1e-6); /* it would be f32 */
        assert_true(from_truth.mean <= 2e-2);
        assert_true(from_emulated.mean <= 5e-3);
        free(edge_logps);
        free(truth);
        free(emulated);
        free(ids);
        cso_tree_free(&tree);
    }
    assert_true(s > 4);
    cso_safetensors_close(file);
    cso_safetensors_close(rounded_file);
    fixture_close(&f);
}

static void test_bf16(void **state) {
    (void)state;
    bf16("llama-tiny");
    bf16("qwen2-tiny");
    bf16("gemma2-tiny");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_llama_safetensors),
        cmocka_unit_test(test_qwen2_safetensors),
        cmocka_unit_test(test_gemma2_safetensors),
        cmocka_unit_test(test_gemma2_qs32),
        cmocka_unit_test(test_f32_gguf),
        cmocka_unit_test(test_f32_gguf_others),
        cmocka_unit_test(test_quantized_gguf),
        cmocka_unit_test(test_config_v5),
        cmocka_unit_test(test_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

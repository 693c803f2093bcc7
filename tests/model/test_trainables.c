/* The table of trained arrays: it covers every parameter exactly once, has the names and shapes of PEFT's own files, and reads what
 * it writes. */
#include "../engine/model_fixture.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const families[] = {"llama-tiny", "qwen2-tiny", "gemma2-tiny"};

/* Every parameter belongs to one array, and cso_trainables_at finds it. */
static void check_cover(const cso_adapter *adapter) {
    cso_trainables trained = cso_adapter_trainables(adapter);
    unsigned char *owners = calloc(trained.n_params, 1);
    for (size_t k = 0; k < trained.count; k++) {
        const cso_trainable *item = &trained.items[k];
        for (size_t i = item->offset; i < item->offset + cso_trainable_size(item); i++) {
            assert_true(i < trained.n_params);
            owners[i]++;
        }
        assert_ptr_equal(cso_trainables_at(&trained, item->offset), item);
        assert_ptr_equal(cso_trainables_at(&trained, item->offset + cso_trainable_size(item) - 1), item);
    }
    for (size_t i = 0; i < trained.n_params; i++)
        if (owners[i] != 1)
            fail_msg("parameter %zu is in %d arrays", i, owners[i]);
    assert_null(cso_trainables_at(&trained, trained.n_params));
    free(owners);
}

static void covers_all_once(void **state) {
    (void)state;
    for (size_t f = 0; f < 3; f++) {
        cso_error err = {0};
        fixture model = fixture_open(golden_path("models/%s", families[f]), 0);
        for (unsigned targets = 1; targets < 1U << CSO_MODULE_COUNT; targets++) { /* every choice of projections */
            cso_lora_options options = {.rank = 3, .alpha = 8};
            cso_adapter *adapter, *copy;
            for (int m = 0; m < CSO_MODULE_COUNT; m++)
                options.targets[m] = targets >> m & 1;
            golden_ok(cso_adapter_create(&adapter, model.model, &options, 1, &err), &err);
            assert_int_equal(adapter->n_trained, model.model->hparams.n_layers * (size_t)__builtin_popcount(targets) * 2);
            check_cover(adapter);
            golden_ok(cso_adapter_copy(&copy, adapter, &err), &err);
            cso_adapter_free(adapter);
            check_cover(copy);
            cso_adapter_free(copy);
        }
        fixture_close(&model);
    }
}

static void names_of_peft(void **state) {
    (void)state;
    static const char *const adapters[] = {"r4", "r4-rslora", "r4-qv"};
    for (size_t f = 0; f < 3; f++)
        for (size_t a = 0; a < 3; a++) {
            cso_error err = {0};
            cso_adapter *adapter;
            fixture model = fixture_open(golden_path("models/%s", families[f]), 0);
            const char *folder = golden_path("adapters/%s/%s", families[f], adapters[a]);
            golden_ok(cso_adapter_read(&adapter, model.model, folder, &err), &err);
            cso_safetensors *file =
                golden_safetensors(golden_path("adapters/%s/%s/adapter_model.safetensors", families[f], adapters[a]));
            cso_trainables trained = cso_adapter_trainables(adapter);
            assert_int_equal(trained.count, cso_safetensors_count(file));
            for (size_t k = 0; k < trained.count; k++) {
                const cso_trainable *item = &trained.items[k];
                const cso_tensor *tensor = cso_safetensors_find(file, item->name);
                assert_non_null(tensor);
                assert_int_equal(tensor->shape[0], item->rows);
                assert_int_equal(tensor->shape[1], item->columns);
                assert_non_null(strstr(item->name, cso_trainable_suffix(item->kind)));
                assert_memory_equal(trained.params + item->offset, tensor->data, cso_trainable_size(item) * sizeof(float));
            }
            cso_safetensors_close(file);
            cso_adapter_free(adapter);
            fixture_close(&model);
        }
}

static void places_and_groups(void **state) {
    (void)state;
    cso_error err = {0};
    cso_adapter *adapter;
    fixture model = fixture_open(golden_path("models/llama-tiny"), 0);
    golden_ok(cso_adapter_read(&adapter, model.model, golden_path("adapters/llama-tiny/r4-qv"), &err), &err);
    cso_trainables trained = cso_adapter_trainables(adapter);
    assert_int_equal(trained.count, 12);
    for (size_t k = 0; k < trained.count; k += 2) {
        char place[40];
        snprintf(place, sizeof place, "layer %zu %s", k / 4, k % 4 ? "v_proj" : "q_proj");
        assert_string_equal(trained.items[k].place, place);
        assert_int_equal(trained.items[k].kind, CSO_LORA_A);
        assert_int_equal(trained.items[k + 1].kind, CSO_LORA_B);
        assert_int_equal(trained.items[k].group, trained.items[k + 1].group);
        assert_true(k == 0 || trained.items[k].group != trained.items[k - 1].group);
    }
    cso_adapter_free(adapter);
    fixture_close(&model);
}

static void written_and_read(void **state) {
    (void)state;
    cso_error err = {0};
    cso_adapter *adapter, *other;
    char path[] = "/tmp/cso-test-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    fixture model = fixture_open(golden_path("models/llama-tiny"), 0);
    golden_ok(cso_adapter_read(&adapter, model.model, golden_path("adapters/llama-tiny/r4"), &err), &err);
    golden_ok(cso_adapter_read(&other, model.model, golden_path("adapters/llama-tiny/r4-qv"), &err), &err);
    cso_trainables trained = cso_adapter_trainables(adapter), fewer = cso_adapter_trainables(other);
    float *values = calloc(trained.n_params, sizeof *values);
    golden_ok(cso_trainables_write(&trained, path, &err), &err);
    cso_safetensors *file = golden_safetensors(path);
    golden_ok(cso_trainables_read(&trained, file, values, &err), &err);
    assert_memory_equal(values, trained.params, trained.n_params * sizeof *values);
    golden_ok(cso_trainables_check(&fewer, file, &err), &err);
    cso_safetensors_close(file);
    golden_ok(cso_trainables_write(&fewer, path, &err), &err);
    file = golden_safetensors(path);
    assert_int_equal(cso_trainables_check(&trained, file, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "base_model.model.model.layers.0.self_attn.k_proj.lora_A.weight"));
    cso_safetensors_close(file);
    free(values);
    cso_adapter_free(adapter);
    cso_adapter_free(other);
    fixture_close(&model);
    assert_int_equal(remove(path), 0);
    close(descriptor);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(covers_all_once), cmocka_unit_test(names_of_peft),
                                       cmocka_unit_test(places_and_groups), cmocka_unit_test(written_and_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_base_name.c - what a model's files tell of its name on the hub, and what they do not. */
#include "../golden.h"
#include "../io/bytes.h"
#include "base/file.h"
#include "model/base_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Keys and values of a GGUF, and its name; NULL: its path. */
static const struct {
    const char *keys[3][2], *name;
} files[] = {
    {{{"general.source.huggingface.repository", "org/model"}}, "org/model"},
    {{{"general.source.repo_url", "https://huggingface.co/org/model"}}, "org/model"},
    {{{"general.source.url", "https://huggingface.co/org/model/tree/main"}}, "org/model"},
    {{{"general.base_model.0.repo_url", "https://huggingface.co/org/model"}}, "org/model"},
    {{{"general.base_model.0.repo_url", "https://huggingface.co/org/model-Instruct"}, {"general.finetune", "instruct"}},
     "org/model-Instruct"},
    {{{"general.base_model.0.repo_url", "https://huggingface.co/org/model"}, {"general.finetune", "Instruct"}}, NULL},
    {{{"general.base_model.0.repo_url", "https://huggingface.co/org/model"}, {"general.name", "Model 1B Instruct"}}, NULL},
    {{{"general.base_model.0.repo_url", "https://huggingface.co/org/model"}, {"general.base_model.count", "2"}}, NULL},
    {{{"general.repo_url", "https://huggingface.co/org/model-GGUF"}}, NULL},
    {{{"general.repo_url", "https://huggingface.co/org/model/"}}, "org/model"},
    {{{"general.url", "https://example.org/org/model"}}, NULL},
    {{{"general.url", "https://huggingface.co/org"}}, NULL},
    {{{"general.url", "https://huggingface.co/"}}, NULL},
    {{{"general.url", "https://huggingface.co/datasets/org/data"}}, NULL},
    {{{"general.url", "huggingface.co/org/a\nb: c"}}, NULL},
    {{{"general.url", ""}}, NULL},
    {{{"general.name", "org/model"}}, NULL},
    {{{"general.url", "https://huggingface.co/org/model"}, {"general.source.repo_url", "https://huggingface.co/org/first"}},
     "org/first"},
};

static void expect(const cso_weights *weights, const char *name) {
    cso_error err = {0};
    char *found = NULL;
    cso_model model = {.weights = (cso_weights *)weights};
    golden_ok(cso_model_base_name(&model, &found, &err), &err);
    assert_string_equal(found, name);
    free(found);
}

static void test_gguf(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        bytes b = {0};
        size_t count = 0;
        while (count < 3 && files[i].keys[count][0])
            count++;
        gguf_header(&b, 3, 0, count);
        for (size_t k = 0; k < count; k++)
            if (strstr(files[i].keys[k][0], ".count"))
                gguf_key_u32(&b, files[i].keys[k][0], (uint32_t)atoi(files[i].keys[k][1]));
            else
                gguf_key_string(&b, files[i].keys[k][0], files[i].keys[k][1]);
        cso_gguf *gguf;
        cso_error err = {0};
        golden_ok(cso_gguf_open_memory(&gguf, b.data, b.size, "m.gguf", &err), &err);
        /* A place in the hub's cache is that of a repository of GGUF files, which is not the model's. */
        static char paths[][80] = {"/nowhere/m.gguf", "/x/hub/models--org--model-GGUF/snapshots/0123abc/m.gguf",
                                   "/x/hub/models--org--quants/snapshots/0123abc/m.gguf"};
        for (size_t p = 0; p < sizeof paths / sizeof *paths; p++)
            expect(&(cso_weights){.format = CSO_WEIGHTS_GGUF, .path = paths[p], .gguf = gguf},
                   files[i].name ? files[i].name : paths[p]);
        cso_gguf_close(gguf);
        bytes_free(&b);
    }
}

/* A key of a megabyte is no name, and takes no time. */
static void test_huge_keys(void **state) {
    (void)state;
    enum { SIZE = 1 << 20 };
    char *text = malloc(SIZE + 1);
    assert_non_null(text);
    memset(text, '-', SIZE);
    text[SIZE] = 0;
    bytes b = {0};
    gguf_header(&b, 3, 0, 3);
    gguf_key_string(&b, "general.url", "https://huggingface.co/org/model");
    gguf_key_string(&b, "general.name", text);
    gguf_key_string(&b, "general.finetune", text);
    cso_gguf *gguf;
    cso_error err = {0};
    golden_ok(cso_gguf_open_memory(&gguf, b.data, b.size, "m.gguf", &err), &err);
    char path[] = "/nowhere/m.gguf";
    double began = work_seconds();
    expect(&(cso_weights){.format = CSO_WEIGHTS_GGUF, .path = path, .gguf = gguf}, "org/model");
    assert_true(work_seconds() - began < 0.5);
    cso_gguf_close(gguf);
    bytes_free(&b);
    free(text);
}

static void expect_config(const char *config, char *path, const char *name) {
    cJSON *json = cJSON_Parse(config);
    assert_non_null(json);
    expect(&(cso_weights){.format = CSO_WEIGHTS_SAFETENSORS, .path = path, .config = json}, name);
    cJSON_Delete(json);
}

static void test_folder(void **state) {
    (void)state;
    char path[] = "/nowhere/model", cache[] = "/x/hub/models--org--mo.del-1/snapshots/0123abc",
         deeper[] = "/x/models--org--mo.del-1/snapshots/0123abc/sub", odd[] = "/x/models--org/snapshots/1",
         other[] = "/x/models--org--a/blobs/1";
    expect_config("{\"_name_or_path\": \"org/model\"}", path, "org/model");
    expect_config("{\"_name_or_path\": \"/data/model\"}", path, path);
    expect_config("{\"_name_or_path\": \"model\"}", path, path);
    expect_config("{\"_name_or_path\": 5}", path, path);
    expect_config("{}", path, path);
    expect_config("{\"_name_or_path\": \"other/one\"}", cache, "org/mo.del-1");
    expect_config("{}", deeper, "org/mo.del-1");
    expect_config("{}", odd, odd);
    expect_config("{}", other, other);
}

/* A relative path, and a link into the hub's cache, become what they stand for. */
static void test_places(void **state) {
    (void)state;
    char folder[] = "/tmp/cso-test-XXXXXX", cache[128], link[64], here[4096], relative[] = "tests/../tests";
    cso_error err = {0};
    assert_non_null(mkdtemp(folder));
    snprintf(cache, sizeof cache, "%s/models--org--name/snapshots/1", folder);
    snprintf(link, sizeof link, "%s/link", folder);
    golden_ok(cso_make_folders(cache, &err), &err);
    assert_int_equal(symlink(cache, link), 0);
    expect_config("{}", link, "org/name");
    assert_non_null(realpath("tests", here));
    expect_config("{}", relative, here);
    golden_ok(cso_remove_tree(folder, &err), &err);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gguf), cmocka_unit_test(test_huge_keys), cmocka_unit_test(test_folder),
                                       cmocka_unit_test(test_places)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

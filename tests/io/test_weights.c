/* test_weights.c - finding a model's files: folders, single files, shards, and wrong indexes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../test_folder.h"
#include "bytes.h"
#include "io/safetensors.h"
#include "io/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void put(const char *name, const char *text) {
    bytes_save(in_folder(name), text, strlen(text));
}

static void put_shard(const char *name, const char *tensor, float value) {
    float data[6] = {value, 1, 2, 3, 4, 5};
    cso_safetensors_item items[] = {{tensor, data, 2, {2, 3}}, {"everywhere", data, 1, {1}}};
    assert_int_equal(cso_safetensors_write(in_folder(name), items, 2, NULL, NULL), CSO_OK);
}

static void put_gguf(const char *name, const char *tensor) {
    bytes b = {0};
    gguf_header(&b, 3, 1, 1);
    gguf_key_string(&b, "general.architecture", "llama");
    gguf_tensor(&b, tensor, 2, (uint64_t[]){3, 2}, 0, 0);
    gguf_pad(&b, 32);
    bytes_zeros(&b, 24);
    bytes_save(in_folder(name), b.data, b.size);
    bytes_free(&b);
}

static cso_weights *must_open(const char *path) {
    cso_weights *w;
    cso_error err = {0};
    if (cso_weights_open(&w, path, &err) != CSO_OK)
        print_error("%s\n", err.message);
    assert_non_null(w);
    return w;
}

static void assert_refused(const char *path, const char *message) {
    cso_weights *w;
    cso_error err = {0};
    cso_status status = cso_weights_open(&w, path, &err);
    if (status != CSO_ERR_INPUT || !strstr(err.message, message))
        print_error("%s: status %d, '%s' (expected '%s')\n", path, status, err.message, message);
    assert_int_equal(status, CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, message));
    assert_null(w);
}

static void single_files(void **state) {
    (void)state;
    assert_int_equal(cso_make_folders(in_folder("one"), NULL), CSO_OK);
    assert_refused(in_folder("one"), "one: has no model (expected model.safetensors");
    assert_refused(in_folder("none"), "none: cannot open: No such file");
    put("one/readme.txt", "GGU");
    assert_refused(in_folder("one/readme.txt"), "not a model (expected a .gguf or .safetensors file, or a folder)");
    put_shard("one/model.safetensors", "a", 1);
    assert_refused(in_folder("one"), "one/config.json: is missing (a safetensors model needs its config.json)");
    assert_refused(in_folder("one/model.safetensors"), "config.json: is missing");
    put("one/config.json", "{\"model_type\":\"llama\",}");
    assert_refused(in_folder("one"), "one/config.json:1: expected a key");
    put("one/config.json", "[]");
    assert_refused(in_folder("one"), "config.json: expected an object");
    put("one/config.json", "");
    assert_refused(in_folder("one"), "one/config.json:1: the JSON text ends too early");
    put("one/config.json", "{\"model_type\":\"llama\"}");
    for (int as_file = 0; as_file < 2; as_file++) {
        cso_weights *w = must_open(in_folder(as_file ? "one/model.safetensors" : "one"));
        assert_int_equal(w->format, CSO_WEIGHTS_SAFETENSORS);
        assert_string_equal(w->folder, in_folder("one"));
        assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(w->config, "model_type")), "llama");
        assert_null(w->gguf);
        assert_int_equal(cso_weights_count(w), 2);
        assert_ptr_equal(cso_weights_find(w, "a"), cso_weights_at(w, 0));
        assert_null(cso_weights_find(w, "b"));
        cso_weights_close(w);
    }
    cso_weights_close(NULL);
}

static void gguf_files(void **state) {
    (void)state;
    assert_int_equal(cso_make_folders(in_folder("g"), NULL), CSO_OK);
    put_gguf("g/m.gguf", "a");
    put_gguf("g/renamed.bin", "a");
    static const char *const names[] = {"g", "g/m.gguf", "g/renamed.bin"};
    for (int i = 0; i < 3; i++) {
        cso_weights *w = must_open(in_folder(names[i]));
        assert_int_equal(w->format, CSO_WEIGHTS_GGUF);
        assert_string_equal(w->folder, in_folder("g"));
        assert_non_null(cso_gguf_find(w->gguf, "general.architecture"));
        assert_null(w->config);
        assert_int_equal(cso_weights_count(w), 1);
        cso_weights_close(w);
    }
    put_gguf("g/n.gguf", "a");
    assert_refused(in_folder("g"), "g: has several .gguf files, m.gguf and n.gguf among them");
    assert_int_equal(unlink(in_folder("g/n.gguf")), 0);
    put("g/m.gguf", "no");
    assert_refused(in_folder("g"), "m.gguf: the file ends inside the magic number");
    assert_int_equal(unlink(in_folder("g/m.gguf")), 0);
    put_gguf("g/s-00002-of-00002.gguf", "b"); /* only a first part counts as a model */
    assert_refused(in_folder("g"), "g: has no model");
    put_gguf("g/s-00001-of-00002.gguf", "a");
    cso_weights_close(must_open(in_folder("g")));
}

static void put_index(const char *map) {
    char text[1024];
    snprintf(text, sizeof text, "{\"metadata\":{\"total_size\":1},\"weight_map\":%s}", map);
    put("sh/model.safetensors.index.json", text);
}

/* The folder sh with three shards, one of them in a folder of its own, and a file outside. */
static void put_shards(void) {
    assert_int_equal(cso_make_folders(in_folder("sh/deep"), NULL), CSO_OK);
    put("sh/config.json", "{}");
    put_shard("sh/m1.safetensors", "a", 10);
    put_shard("sh/m2.safetensors", "b", 20);
    put_shard("sh/deep/m3.safetensors", "c", 30);
    put_shard("outside.safetensors", "d", 40);
}

static void shards(void **state) {
    (void)state;
    put_shards();
    put_index("{\"a\":\"m1.safetensors\",\"b\":\"m2.safetensors\",\"everywhere\":\"m2.safetensors\"}");
    cso_weights *w = must_open(in_folder("sh"));
    assert_int_equal(cso_weights_count(w), 3);
    float first;
    memcpy(&first, cso_weights_find(w, "b")->data, sizeof first);
    assert_true(first == 20);
    memcpy(&first, cso_weights_find(w, "everywhere")->data, sizeof first); /* in both: the index decides */
    assert_true(first == 20);
    cso_weights_close(w);
    cso_weights_close(must_open(in_folder("sh/model.safetensors.index.json")));
}

static void unsafe_shards(void **state) {
    (void)state;
    put_shards();
    static const char *const unsafe[] = {
        "../outside.safetensors", "deep/m3.safetensors", "deep/../m1.safetensors", "..", ".", "", ".hidden",
        "..\\\\m1.safetensors"};
    for (size_t i = 0; i < sizeof unsafe / sizeof unsafe[0]; i++) {
        char map[128];
        snprintf(map, sizeof map, "{\"a\":\"%s\"}", unsafe[i]);
        put_index(map);
        assert_refused(in_folder("sh"), "(expected the name of a file beside the index)");
    }
    char map[256];
    snprintf(map, sizeof map, "{\"d\":\"%s\"}", in_folder("outside.safetensors"));
    put_index(map);
    assert_refused(in_folder("sh"), "(expected the name of a file beside the index)");
}

static void bad_indexes(void **state) {
    (void)state;
    put_shards();
    put_index("{\"a\":7}");
    assert_refused(in_folder("sh"), "weight_map: a: 'not a string'");
    put_index("{\"a\":\"m1.safetensors\",\"x\":\"m9.safetensors\"}");
    assert_refused(in_folder("sh"), "index.json: shard m9.safetensors is missing");
    put_index("{\"a\":\"m1.safetensors\",\"zz\":\"m2.safetensors\"}");
    assert_refused(in_folder("sh"), "m2.safetensors: tensor zz is missing");
    put_index("{\"a\":\"m1.safetensors\",\"a\":\"m2.safetensors\"}");
    assert_refused(in_folder("sh"), "index.json:1: duplicate key \"a\"");
    put_index("[]");
    assert_refused(in_folder("sh"), "weight_map: expected an object");
    put_index("{\"a\":null}");
    assert_refused(in_folder("sh"), "weight_map: a: 'not a string'");
    put("sh/model.safetensors.index.json", "{\"metadata\":{}}");
    assert_refused(in_folder("sh"), "index.json: weight_map: expected an object");
    put("sh/model.safetensors.index.json", "");
    assert_refused(in_folder("sh"), "index.json:1: the JSON text ends too early");
    put("sh/m2.safetensors", "");
    put_index("{\"a\":\"m1.safetensors\",\"b\":\"m2.safetensors\"}");
    assert_refused(in_folder("sh"), "m2.safetensors: not a safetensors file (it has 0 bytes)");
    put("sh/m2.safetensors", "12345678{}");
    put_index("{\"a\":\"m1.safetensors\",\"b\":\"m2.safetensors\"}");
    assert_refused(in_folder("sh"), "m2.safetensors: not a safetensors file");
}

/* A link leads where it may, as in Hugging Face's cache; a file model.safetensors comes before an index, as in transformers. */
static void links_and_single_files(void **state) {
    (void)state;
    put_shards();
    cso_weights *w;
    assert_int_equal(symlink(in_folder("outside.safetensors"), in_folder("sh/m4.safetensors")), 0);
    put_index("{\"d\":\"m4.safetensors\"}");
    w = must_open(in_folder("sh"));
    assert_int_equal(cso_weights_count(w), 1);
    cso_weights_close(w);
    put_shard("sh/model.safetensors", "single", 1);
    w = must_open(in_folder("sh"));
    assert_non_null(cso_weights_find(w, "single"));
    cso_weights_close(w);
}

static void requires(void **state) {
    (void)state;
    assert_int_equal(cso_make_folders(in_folder("r"), NULL), CSO_OK);
    put("r/config.json", "{}");
    put_shard("r/model.safetensors", "a", 1);
    cso_weights *w = must_open(in_folder("r"));
    cso_tensor t;
    cso_error err = {0};
    assert_int_equal(cso_weights_require(w, "a", 2, (size_t[]){2, 3}, &t, &err), CSO_OK);
    assert_int_equal(t.size, 24);
    assert_int_equal(cso_weights_require(w, "a", 2, (size_t[]){3, 2}, &t, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "r/model.safetensors: tensor a has shape (2, 3) (expected (3, 2))"));
    assert_int_equal(cso_weights_require(w, "a", 1, (size_t[]){6}, &t, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "(expected (6))"));
    assert_int_equal(cso_weights_require(w, "a", 0, NULL, &t, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "(expected ())"));
    assert_int_equal(cso_weights_require(w, "no\nsuch", 1, (size_t[]){6}, &t, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "r/model.safetensors: tensor no\\x0asuch is missing"));
    cso_weights_close(w);
    const char *header = "{\"ids\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}";
    bytes b = {0};
    bytes_u64(&b, strlen(header));
    bytes_text(&b, header);
    bytes_zeros(&b, 8);
    bytes_save(in_folder("r/model.safetensors"), b.data, b.size);
    bytes_free(&b);
    w = must_open(in_folder("r"));
    assert_int_equal(cso_weights_require(w, "ids", 1, (size_t[]){1}, &t, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "tensor ids is of dtype I64 (expected F32, F16 or BF16)"));
    cso_weights_close(w);
}

static void fingerprints(void **state) {
    (void)state;
    assert_int_equal(cso_make_folders(in_folder("f"), NULL), CSO_OK);
    char hex[5][33];
    put("f/config.json", "{\"x\":1}");
    for (int i = 0; i < 5; i++) {
        put_shard("f/model.safetensors", i == 1 ? "b" : "a", i == 2 ? 2 : 1);
        put("f/config.json", i == 3 ? "{\"x\":2}" : i == 4 ? "{ \"x\":1 }" : "{\"x\":1}");
        cso_weights *w = must_open(in_folder("f"));
        cso_weights_fingerprint(w, hex[i]);
        cso_weights_close(w);
        assert_int_equal(strlen(hex[i]), 32);
    }
    for (int i = 1; i < 4; i++) /* another name, another value, another configuration */
        for (int j = 0; j < i; j++)
            assert_string_not_equal(hex[i], hex[j]);
    assert_string_equal(hex[4], hex[0]);
}

/* Real converters' files, where present. */
static void golden_models(void **state) {
    (void)state;
    static const struct {
        const char *path, *tensor;
        size_t count;
    } cases[] = {
        {CSO_TEST_DATA "/golden/models/llama-tiny", "model.embed_tokens.weight", 30},
        {CSO_TEST_DATA "/golden/gguf/llama-tiny-F32.gguf", "token_embd.weight", 31},
        {CSO_TEST_DATA "/golden/gguf/qwen2-k256-Q4_K_M.gguf", "token_embd.weight", 14},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (!cso_path_exists(cases[i].path)) {
            print_message("skipped: %s is not here\n", cases[i].path);
            continue;
        }
        cso_weights *w = must_open(cases[i].path);
        assert_int_equal(cso_weights_count(w), cases[i].count);
        assert_non_null(cso_weights_find(w, cases[i].tensor));
        cso_weights_close(w);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_files),  cmocka_unit_test(gguf_files),   cmocka_unit_test(shards),
        cmocka_unit_test(unsafe_shards), cmocka_unit_test(bad_indexes),  cmocka_unit_test(links_and_single_files),
        cmocka_unit_test(requires),      cmocka_unit_test(fingerprints), cmocka_unit_test(golden_models)};
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

/* test_adapter_folder.c - what a run leaves in adapter/ for PEFT, llama.cpp and readers. */
#include "golden.h"
#include "run_program.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/cso-test-XXXXXX";

static const char *path_of(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void save(const char *name, const char *text) {
    cso_error err = {0};
    golden_ok(cso_save_text(path_of(name), text, strlen(text), &err), &err);
}

static char *load(const char *path) {
    char *text;
    size_t size;
    cso_error err = {0};
    golden_ok(cso_read_file(path, 1 << 28, &text, &size, &err), &err);
    return text;
}

static void expect_same_file(const char *one, const char *two) {
    char *a = load(one), *b = load(two);
    assert_string_equal(a, b);
    free(a);
    free(b);
}

/* Trains two steps in DIR/run with these lines of a configuration added. */
static run_result train(const char *model_lines, const char *data) {
    char text[4096], here[2048], command[640];
    cso_error err = {0};
    assert_non_null(getcwd(here, sizeof here));
    snprintf(text, sizeof text,
             "[model]\n%s\n[data]\ntrain = [\"%s\"]\neval = [\"%s/tests/golden/pairs/pairs.jsonl\"]\n[lora]\nrank = 4\n"
             "[train]\nbatch_size = 4\nmax_steps = 2\n[checkpoint]\ndir = \"run\"\n",
             model_lines, data, here);
    save("run.toml", text);
    golden_ok(cso_remove_tree(path_of("run"), &err), &err);
    snprintf(command, sizeof command, "@cso-train --config %s", path_of("run.toml"));
    run_result r = run_program(command, NULL, 0);
    if (r.code)
        fail_msg("exit code %d: %s", r.code, r.err);
    return r;
}

static const char *model_lines(const char *model, const char *more) {
    static char lines[2048];
    char here[1024];
    assert_non_null(getcwd(here, sizeof here));
    snprintf(lines, sizeof lines, "path = \"%s/tests/golden/%s\"\n%s", here, model, more);
    return lines;
}

static const char *pairs(void) {
    static char path[1200];
    char here[1024];
    assert_non_null(getcwd(here, sizeof here));
    snprintf(path, sizeof path, "%s/tests/golden/pairs/pairs.jsonl", here);
    return path;
}

static void expect_base(const char *config, const char *base) {
    cJSON *json = golden_json(config);
    assert_string_equal(cJSON_GetObjectItem(json, "base_model_name_or_path")->valuestring, base);
    cJSON_Delete(json);
}

static void expect_text(const char *text, const char *part) {
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void test_hub_model(void **state) {
    (void)state;
    static const char *const files[] = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"};
    run_result r = train(model_lines("models/llama-tiny", "base_name = \"an-org/Llama-Tiny_1.0\""), pairs());
    run_result_free(&r);
    expect_base(path_of("run/adapter/adapter_config.json"), "an-org/Llama-Tiny_1.0");
    expect_base(path_of("run/checkpoint-2/adapter_config.json"), "an-org/Llama-Tiny_1.0");
    for (size_t i = 0; i < 3; i++) {
        char source[256], copy[64];
        snprintf(source, sizeof source, "tests/golden/models/llama-tiny/%s", files[i]);
        snprintf(copy, sizeof copy, "run/adapter/%s", files[i]);
        expect_same_file(source, path_of(copy));
    }
    char *card = load(path_of("run/adapter/README.md"));
    static const char begin[] =
        "---\nbase_model: \"an-org/Llama-Tiny_1.0\"\nlibrary_name: peft\npipeline_tag: text-generation\ntags:\n"
        "- \"base_model:adapter:an-org/Llama-Tiny_1.0\"\n- lora\n- transformers\n- \"cso\"\n---\n\n";
    assert_int_equal(strncmp(card, begin, sizeof begin - 1), 0);
    expect_text(card, "| training data | `pairs.jsonl`: 16 pairs |\n");
    expect_text(card, "| `loss` | 2 | 0.69");
    expect_text(card, "| `eval_loss` | 2 | 0.69");
    expect_text(card, "AutoTokenizer.from_pretrained(\"adapter\")");
    expect_text(card, "`convert_lora_to_gguf.py adapter`, then");
    if (strstr(card, "/tmp") || strstr(card, "golden")) /* where things lie is nobody's business */
        fail_msg("a path is in:\n%s", card);
    free(card);
}

/* The same run again, and the complete run started again, write the same bytes. */
static void test_same_bytes(void **state) {
    (void)state;
    char command[640], *first, *again;
    run_result r = train(model_lines("models/llama-tiny", ""), pairs());
    run_result_free(&r);
    first = load(path_of("run/adapter/README.md"));
    snprintf(command, sizeof command, "@cso-train --config %s", path_of("run.toml"));
    r = run_program(command, NULL, 0);
    assert_int_equal(r.code, 0);
    run_result_free(&r);
    again = load(path_of("run/adapter/README.md"));
    assert_string_equal(first, again);
    free(again);
    r = train(model_lines("models/llama-tiny", ""), pairs());
    run_result_free(&r);
    again = load(path_of("run/adapter/README.md"));
    assert_string_equal(first, again);
    free(again);
    free(first);
}

/* A model that has no name on the hub and, in a GGUF, no tokenizer's files: the absolute path, and the card says so. */
static void test_gguf_model(void **state) {
    (void)state;
    char base[1200], here[1024];
    assert_non_null(getcwd(here, sizeof here));
    run_result r = train(model_lines("gguf/llama-tiny-Q8_0.gguf", ""), pairs());
    run_result_free(&r);
    snprintf(base, sizeof base, "%s/tests/golden/gguf/llama-tiny-Q8_0.gguf", here);
    expect_base(path_of("run/adapter/adapter_config.json"), base);
    assert_false(cso_path_exists(path_of("run/adapter/tokenizer.json")));
    char *card = load(path_of("run/adapter/README.md"));
    assert_int_equal(strncmp(card, "---\nlibrary_name: peft\n", 23), 0);
    expect_text(card, "it has no files here, as the run took it from a GGUF file");
    expect_text(card, "with `--base FOLDER`");
    assert_null(strstr(card, here));
    free(card);
}

/* Names that would break Markdown or YAML, a FIFO and a file of 300 MB among the tokenizer's: none of them costs the adapter. */
static void test_hostile(void **state) {
    (void)state;
    char data[600], lines[2200];
    cso_error err = {0};
    golden_ok(cso_make_folders(path_of("tok"), &err), &err);
    char *text = load("tests/golden/models/llama-tiny/tokenizer.json");
    save("tok/tokenizer.json", text);
    free(text);
    text = load("tests/golden/models/llama-tiny/tokenizer_config.json");
    save("tok/tokenizer_config.json", text);
    free(text);
    assert_int_equal(mkfifo(path_of("tok/vocab.json"), 0600), 0);
    save("tok/merges.txt", "");
    assert_int_equal(truncate(path_of("tok/merges.txt"), 300L << 20), 0);
    text = load(pairs());
    save("x\n---\n# Owned `|.jsonl", text);
    free(text);
    snprintf(data, sizeof data, "%s/x\\n---\\n# Owned `|.jsonl", dir);
    snprintf(lines, sizeof lines, "%s\ntokenizer = \"tok\"", model_lines("models/llama-tiny", ""));
    run_result r = train(lines, data);
    expect_text(r.err, "merges.txt");
    run_result_free(&r);
    assert_true(cso_path_exists(path_of("run/adapter/tokenizer.json")));
    assert_false(cso_path_exists(path_of("run/adapter/vocab.json")));
    assert_false(cso_path_exists(path_of("run/adapter/merges.txt")));
    char *card = load(path_of("run/adapter/README.md"));
    expect_text(card, "| training data | `x_---_# Owned __.jsonl`: 16 pairs |\n");
    assert_null(strstr(card, "\n# Owned"));
    free(card);
}

static void test_bad_names(void **state) {
    (void)state;
    static const char *const names[] = {"a b", "a/b/c", "x\\n---", "../m", "model"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char text[4096], command[640];
        snprintf(text, sizeof text,
                 "[model]\n%s\nbase_name = \"%s\"\n[data]\ntrain = [\"%s\"]\n[lora]\n[checkpoint]\ndir = \"bad\"\n",
                 model_lines("models/llama-tiny", ""), names[i], pairs());
        save("bad.toml", text);
        snprintf(command, sizeof command, "@cso-train --config %s", path_of("bad.toml"));
        run_result r = run_program(command, NULL, 0);
        assert_int_equal(r.code, 2);
        expect_text(r.err, "model.base_name: ");
        expect_text(r.err, "is no hub id (expected OWNER/NAME, or an absolute path)");
        assert_false(cso_path_exists(path_of("bad")));
        run_result_free(&r);
    }
}

static int make_dir(void **state) {
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state) {
    (void)state;
    return cso_remove_tree(dir, NULL) == CSO_OK ? 0 : -1;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hub_model), cmocka_unit_test(test_same_bytes),
                                       cmocka_unit_test(test_gguf_model), cmocka_unit_test(test_hostile),
                                       cmocka_unit_test(test_bad_names)};
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

/* test_open_model.c - a model and a tokenizer that do not belong together are refused by every program on opening. */
#include "golden.h"
#include "run_program.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MODEL "tests/golden/models/llama-tiny"

static char folder[] = "/tmp/cso-open-XXXXXX";

static void save(const char *name, const char *text, size_t size) {
    char path[256];
    cso_error error = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    golden_ok(cso_save_text(path, text, size, &error), &error);
}

static char *read_file(const char *path, size_t *size) {
    char *text;
    cso_error error = {0};
    golden_ok(cso_read_file(path, (size_t)1 << 30, &text, size, &error), &error);
    return text;
}

/* FOLDER/tokenizer.json: llama-tiny's with one token more than the model has rows. */
static void make_larger_tokenizer(void) {
    size_t size;
    char *text = read_file(MODEL "/tokenizer.json", &size), *list = strstr(text, "\"added_tokens\"");
    assert_non_null(list);
    char *at = strchr(list, '[') + 1;
    cso_text larger = {0};
    cso_text_add(&larger, text, (size_t)(at - text));
    cso_text_format(&larger, "{\"id\":1024,\"content\":\"<|one more|>\",\"special\":true},");
    cso_text_add(&larger, at, size - (size_t)(at - text));
    assert_false(larger.failed);
    save("tokenizer.json", larger.data, larger.size);
    free(larger.data);
    free(text);
    text = read_file(MODEL "/tokenizer_config.json", &size);
    save("tokenizer_config.json", text, size);
    free(text);
}

/* FOLDER/bare: llama-tiny's tokenizer without the file that has its template. */
static void make_bare_tokenizer(void) {
    char path[256];
    size_t size;
    cso_error error = {0};
    char *text = read_file(MODEL "/tokenizer.json", &size);
    snprintf(path, sizeof path, "%s/bare", folder);
    golden_ok(cso_make_folders(path, &error), &error);
    save("bare/tokenizer.json", text, size);
    free(text);
}

/* FOLDER/NAME: embedding and head with only the first of their 1024 rows. */
static void make_smaller_gguf(const char *name, uint64_t rows) {
    static const char *const names[] = {"token_embd.weight", "output.weight"};
    size_t size;
    char *file = read_file("tests/golden/gguf/llama-tiny-F32.gguf", &size), wanted[64];
    for (int i = 0; i < 2; i++) { /* u64 length, name, u32 dimensions, u64 columns, u64 rows */
        size_t length = strlen(names[i]);
        memcpy(wanted, &(uint64_t){length}, 8);
        memcpy(wanted + 8, names[i], length);
        char *at = memmem(file, size, wanted, 8 + length);
        assert_non_null(at);
        memcpy(at + 8 + length + 12, &rows, 8);
    }
    save(name, file, size);
    free(file);
}

static int set_up(void **state) {
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    make_larger_tokenizer();
    make_smaller_gguf("small.gguf", 1000);
    make_smaller_gguf("one.gguf", 1);
    make_bare_tokenizer();
    const char *chat = "[{\"role\":\"tool\",\"content\":\"x\"}]";
    save("chat.json", chat, strlen(chat));
    save("texts.jsonl", "{\"text\":\"Hello\"}\n", 17);
    cso_text config = {0};
    char *here = realpath("tests/golden", NULL);
    assert_non_null(here);
    cso_text_format(&config,
                    "[model]\npath = \"%s/models/llama-tiny\"\ntokenizer = \"%s\"\n[data]\ntrain = [\"%s/pairs/pairs.jsonl\"]\n"
                    "[lora]\n[checkpoint]\ndir = \"%s/run\"\n",
                    here, folder, here, folder);
    assert_false(config.failed);
    save("c.toml", config.data, config.size);
    config.size = 0;
    cso_text_format(
        &config,
        "[model]\npath = \"%s/models/llama-tiny\"\ntokenizer = \"%s/bare\"\n[data]\ntrain = [\"%s/pairs/pairs.jsonl\"]\n"
        "[lora]\n[checkpoint]\ndir = \"%s/run\"\n",
        here, folder, here, folder);
    assert_false(config.failed);
    save("bare.toml", config.data, config.size);
    free(config.data);
    free(here);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    return cso_remove_tree(folder, NULL) == CSO_OK ? 0 : -1;
}

/* "%s" in the command is the folder. */
static run_result run(const char *command) {
    cso_text line = {0};
    for (const char *at = command; *at; at++) {
        bool place = at[0] == '%' && at[1] == 's';
        cso_text_add(&line, place ? folder : at, place ? strlen(folder) : 1);
        at += place;
    }
    assert_false(line.failed);
    run_result result = run_program(line.data, NULL, 0);
    free(line.data);
    return result;
}

static void test_more_tokens_than_rows(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"@cso-generate --model " MODEL " --tokenizer %s --prompt Hello", "the tokenizer has 1025 tokens, the model only 1024"},
        {"@cso-generate --model %s/small.gguf --prompt Hello", "the tokenizer has 1024 tokens, the model only 1000"},
        {"@cso-eval score --model " MODEL " --tokenizer %s/tokenizer.json %s/texts.jsonl",
         "the tokenizer has 1025 tokens, the model only 1024"},
        {"@cso-eval score --model %s/small.gguf %s/texts.jsonl", "the tokenizer has 1024 tokens, the model only 1000"},
        {"@cso-train --config %s/c.toml --dry-run", "the tokenizer has 1025 tokens, the model only 1024"},
        {"@cso-train --config %s/c.toml", "the tokenizer has 1025 tokens, the model only 1024"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_result r = run(cases[i][0]);
        if (r.code != 3 || !strstr(r.err, cases[i][1]) || strchr(r.err, '\n') != r.err + strlen(r.err) - 1 || r.out_size)
            fail_msg("%s: code %d, %s", cases[i][0], r.code, r.err);
        run_result_free(&r);
    }
}

/* What is at fault is named: the tokenizer that lacks a template, the file of a message, the model whose tokens are too few. */
static void test_named(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"@cso-generate --model " MODEL " --tokenizer %s/bare --prompt Hello", "/bare: there is no chat template"},
        {"@cso-eval score --model " MODEL " --tokenizer %s/bare tests/golden/pairs/pairs.jsonl",
         "/bare: there is no chat template"},
        {"@cso-train --config %s/bare.toml --dry-run", "/bare: there is no chat template"},
        {"@cso-generate --model " MODEL " --file %s/chat.json", "/chat.json: message 1 has the role \"tool\""},
        {"@cso-bench step --model %s/one.gguf --tokens 16",
         "/one.gguf: the model has 1 tokens, too few for a tree (expected at least "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        run_result r = run(cases[i][0]);
        if (r.code != 3 || !strstr(r.err, cases[i][1]) || strchr(r.err, '\n') != r.err + strlen(r.err) - 1)
            fail_msg("%s: code %d, %s", cases[i][0], r.code, r.err);
        run_result_free(&r);
    }
}

/* Rows without tokens are legal: embeddings are padded. */
static void test_fewer_tokens_than_rows(void **state) {
    (void)state;
    static const char *const commands[] = {
        "@cso-inspect --quiet --make-model llama --tokenizer " MODEL " --vocab 1100 --out %s/padded",
        "@cso-eval score --model %s/padded %s/texts.jsonl",
        "@cso-generate --model %s/padded --prompt Hello --max-tokens 2",
        "@cso-eval score --model %s/padded/model.safetensors %s/texts.jsonl",
        "@cso-generate --model %s/padded/model.safetensors --prompt Hello --max-tokens 2",
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        run_result r = run(commands[i]);
        if (r.code)
            fail_msg("%s: code %d, %s", commands[i], r.code, r.err);
        run_result_free(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_more_tokens_than_rows), cmocka_unit_test(test_named),
                                       cmocka_unit_test(test_fewer_tokens_than_rows)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* constraint_vocabulary.c - a made-up vocabulary for the tests and the fuzz target of constraints. */
#include "constraint_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t fixture_below(uint32_t *seed, uint32_t n) {
    *seed = *seed * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)*seed * n) >> 32);
}

/* Tokens that begin in one part of JSON and end in another, or inside a character or an escape. */
static const char *const CROSSING[] = {
    "\",\"",      "\", \"",   "\":",       "\": \"",   "\":\"",    "{\"",        "\"}",          "},{\"",  "}, {",     "]}",
    "],",         "[[",       "[]",        "{}",       "[{\"",     "\"],\"",     "\\\"",         "\\n",    "\\u",      "\\u00",
    "\\ud83d\\u", "\\ude00",  "D83D",      "00",       "12",       "-1",         "1.",           "0.5",    "e-",       ", ",
    ",  ",        ": ",       "  ",        "\n",       "true",     "fal",        "se,",          "null",   "nu",       "ll}",
    "abc",        "the",      " a",        "\xC3\xA9", "\xE2\x82", "\x82\xAC\"", "\xF0\x9F\x98", "\x80\"", "\x80\xC3", "\xED\xA0",
    "\xC0\x80",   "##",       "#a",        "a##",      "#\"",      "#{\"",       "a#{",          "Sym",    "Sympathy", "Symp",
    "athize",     "Question", " Question", "s\"",      "b\":1",
};
enum { N_CROSSING = sizeof CROSSING / sizeof CROSSING[0] };

/* Adds a byte as GPT-2 writes it: printable Latin-1 as it is, others from U+0100 on. */
static void add_byte(cso_text *text, uint8_t byte) {
    unsigned point = byte, others = 0;
    bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
    for (unsigned b = 0; b < byte; b++)
        others += !((b >= 33 && b <= 126) || (b >= 161 && b != 173));
    if (!printable)
        point = 256 + others;
    if (point == '"' || point == '\\')
        cso_text_format(text, "\\%c", (int)point);
    else if (point < 128)
        cso_text_format(text, "%c", (int)point);
    else
        cso_text_format(text, "%c%c", (int)(0xC0 | point >> 6), (int)(0x80 | (point & 63)));
}

static bool add_token(cso_text *vocab, cso_text *all, const char *bytes, size_t size, size_t id) {
    cso_text name = {0};
    cso_text_add(&name, "\"", 1);
    for (size_t i = 0; i < size; i++)
        add_byte(&name, (uint8_t)bytes[i]);
    cso_text_add(&name, "\":", 2);
    bool is_new = !strstr(all->data, name.data);
    if (is_new) {
        cso_text_add(all, name.data, name.size);
        cso_text_format(vocab, "%s%.*s%zu", id ? "," : "", (int)name.size, name.data, id);
    }
    free(name.data);
    return is_new;
}

cso_tokenizer *fixture_tokenizer(const uint8_t *without, size_t n_random, uint32_t seed) {
    static const char letters[] = "{}[]\",:\\ -.0123456789eEabu#\n\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80t";
    cso_text vocab = {0}, all = {0};
    size_t id = 0;
    cso_text_add(&all, " ", 1);
    for (unsigned byte = 0; byte < 256; byte++)
        if (!byte || !without || !strchr((const char *)without, (int)byte))
            id += add_token(&vocab, &all, (const char[]){(char)byte}, 1, id);
    for (size_t i = 0; i < N_CROSSING; i++)
        id += add_token(&vocab, &all, CROSSING[i], strlen(CROSSING[i]), id);
    for (size_t i = 0; i < n_random; i++) {
        char bytes[6];
        size_t size = 2 + fixture_below(&seed, 5);
        for (size_t k = 0; k < size; k++)
            bytes[k] = letters[fixture_below(&seed, sizeof letters - 1)];
        id += add_token(&vocab, &all, bytes, size, id);
    }
    cso_text json = {0};
    cso_text_format(&json, "{\"added_tokens\":[{\"id\":%zu,\"content\":\"<|end|>\",\"special\":true,\"single_word\":false,", id);
    cso_text_format(&json, "\"lstrip\":false,\"rstrip\":false,\"normalized\":false}],\"normalizer\":null,\"pre_tokenizer\":");
    cso_text_format(&json, "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},");
    cso_text_format(&json,
                    "\"post_processor\":null,\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,");
    cso_text_format(&json, "\"use_regex\":true},\"model\":{\"type\":\"BPE\",\"vocab\":{");
    cso_text_add(&json, vocab.data, vocab.size);
    cso_text_format(&json, "},\"merges\":[]}}");
    cso_tokenizer *tokenizer = NULL;
    cso_error error = {0};
    if (json.failed || vocab.failed || all.failed ||
        cso_tokenizer_from_memory(&tokenizer, "made-up.json", json.data, json.size, &error) != CSO_OK) {
        fprintf(stderr, "%s\n", error.message);
        abort();
    }
    free(json.data);
    free(vocab.data);
    free(all.data);
    return tokenizer;
}

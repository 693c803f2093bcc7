/* test_constraint_refused.c - schemas, texts and marks that are refused, each with one line that names the place. */
#include "constraint_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static cso_tokenizer *tokenizer;
static cso_token_trie *trie;

static int open_all(void **state) {
    (void)state;
    tokenizer = fixture_tokenizer(NULL, 0, 1);
    trie = fixture_trie(tokenizer, "<|end|>");
    return 0;
}

static int close_all(void **state) {
    (void)state;
    cso_token_trie_free(trie);
    cso_tokenizer_free(tokenizer);
    return 0;
}

/* The schema is refused with this message. */
static void refused(const char *schema, const char *message) {
    cso_constraint *constraint = NULL;
    cso_error error = {0};
    cso_status status = cso_constraint_schema(&constraint, trie, schema, strlen(schema), "judge.json", NULL, &error);
    if (status != CSO_ERR_INPUT || constraint || strcmp(error.message, message))
        fail_msg("%.300s\nstatus %d, message \"%s\"\nexpected \"%s\"", schema, (int)status, error.message, message);
}

static void accepted(const char *schema) {
    cso_constraint_free(fixture_of_schema(trie, schema, NULL));
}

static void schemas(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"", "judge.json:1: the JSON text ends too early (expected a value) (column 1)"},
        {"[]", "judge.json: #: expected a schema, that is an object"},
        {"true", "judge.json: #: expected a schema, that is an object"},
        {"{}", "judge.json: #: has no type (expected type, enum, const or anyOf)"},
        {"{\"type\":\"strin\"}",
         "judge.json: #/type: expected \"object\", \"array\", \"string\", \"number\", \"integer\", \"boolean\" or "
         "\"null\", or an array of them"},
        {"{\"type\":[]}", "judge.json: #/type: is empty"},
        {"{\"type\":[\"null\",\"null\"]}", "judge.json: #/type: \"null\" is there twice"},
        {"{\"type\":[\"number\",\"integer\"]}",
         "judge.json: #/type: \"integer\" beside \"number\" is not supported (a number may be an integer)"},
        {"{\"type\":\"string\",\"pattern\":\"(a+)+\"}", "judge.json: #/pattern: this keyword is not supported"},
        {"{\"$ref\":\"#\"}", "judge.json: #/$ref: this keyword is not supported"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"items\":{\"oneOf\":[]}}}}",
         "judge.json: #/properties/a/items/oneOf: this keyword is not supported"},
        {"{\"type\":\"object\",\"properties\":{\"a\\u001b[2J\":{\"x\\ny\":1}}}",
         "judge.json: #/properties/a\\x1b[2J/x\\x0ay: this keyword is not supported"},
        {"{\"type\":\"integer\",\"minLength\":1}", "judge.json: #/minLength: is supported for the type \"string\" alone"},
        {"{\"type\":\"number\",\"minimum\":1}", "judge.json: #/minimum: is supported for the type \"integer\" alone"},
        {"{\"enum\":[1],\"minimum\":1}", "judge.json: #/minimum: is not supported beside enum"},
        {"{\"enum\":[]}", "judge.json: #/enum: expected an array of values that is not empty"},
        {"{\"enum\":[1,\"a\"],\"type\":\"string\"}", "judge.json: #/enum/0: is not of the schema's type"},
        {"{\"const\":1.5,\"type\":\"integer\"}", "judge.json: #/const: is not of the schema's type"},
        {"{\"const\":1,\"enum\":[1]}", "judge.json: #: expected one of type, enum, const and anyOf"},
        {"{\"anyOf\":[{\"type\":\"null\"}],\"type\":\"null\"}", "judge.json: #: expected one of type, enum, const and anyOf"},
        {"{\"anyOf\":[]}", "judge.json: #/anyOf: expected an array of schemas that is not empty"},
        {"{\"anyOf\":[{\"type\":\"string\"},{\"enum\":[1,\"a\"]}]}",
         "judge.json: #/anyOf/1: begins with '\"' as an alternative before it does (expected values that differ in their first "
         "character)"},
        {"{\"type\":\"string\",\"minLength\":-1}", "judge.json: #/minLength: expected a whole number from 0 to 1048576"},
        {"{\"type\":\"string\",\"maxLength\":1e300}", "judge.json: #/maxLength: expected a whole number from 0 to 1048576"},
        {"{\"type\":\"string\",\"maxLength\":1.5}", "judge.json: #/maxLength: expected a whole number from 0 to 1048576"},
        {"{\"type\":\"string\",\"minLength\":3,\"maxLength\":2}", "judge.json: #: minLength is 3, above maxLength, which is 2"},
        {"{\"type\":\"array\"}", "judge.json: #: an array has no items (expected their schema)"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"null\"},\"minItems\":\"1\"}",
         "judge.json: #/minItems: expected a whole number from 0 to 1048576"},
        {"{\"type\":\"integer\",\"minimum\":5,\"maximum\":4}",
         "judge.json: #: no integer of at most 15 digits is within minimum and maximum"},
        {"{\"type\":\"integer\",\"exclusiveMinimum\":4,\"exclusiveMaximum\":5}",
         "judge.json: #: no integer of at most 15 digits is within minimum and maximum"},
        {"{\"type\":\"integer\",\"minimum\":1e300}",
         "judge.json: #: no integer of at most 15 digits is within minimum and maximum"},
        {"{\"type\":\"integer\",\"minimum\":\"0\"}", "judge.json: #/minimum: expected a number"},
        {"{\"type\":\"object\",\"properties\":[]}", "judge.json: #/properties: expected an object of schemas"},
        {"{\"type\":\"object\",\"properties\":{\"a\":1}}", "judge.json: #/properties/a: expected a schema, that is an object"},
        {"{\"type\":\"object\",\"required\":[\"a\"]}", "judge.json: #/required/0: \"a\" is not among the properties"},
        {"{\"type\":\"object\",\"required\":\"a\"}", "judge.json: #/required: expected an array of names"},
        {"{\"type\":\"object\",\"properties\":{\"a\":{\"const\":1}},\"required\":[\"a\",\"a\"]}",
         "judge.json: #/required/1: \"a\" is there twice"},
        {"{\"type\":\"object\",\"required\":[1]}", "judge.json: #/required/0: expected a name"},
        {"{\"type\":\"object\",\"additionalProperties\":{}}", "judge.json: #/additionalProperties: expected true or false"},
        {"{\"type\":\"null\"} 1", "judge.json:1: expected nothing after the value, found '1' (column 17)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        refused(cases[i][0], cases[i][1]);
}

/* n times `open`, then `inner`, then n times `close`. */
static char *nested(const char *open, const char *inner, const char *close, size_t n) {
    cso_text text = {0};
    for (size_t i = 0; i < n; i++)
        cso_text_add(&text, open, strlen(open));
    cso_text_add(&text, inner, strlen(inner));
    for (size_t i = 0; i < n; i++)
        cso_text_add(&text, close, strlen(close));
    assert_false(text.failed);
    return text.data;
}

static void check_nested(const char *open, const char *inner, const char *close, size_t n, const char *message) {
    char *schema = nested(open, inner, close, n);
    if (message)
        refused(schema, message);
    else
        accepted(schema);
    free(schema);
}

static void deep_schemas(void **state) {
    (void)state;
    static const char array[] = "{\"type\":\"array\",\"items\":", object[] = "{\"type\":\"object\",\"properties\":{\"a\":";
    static const char null[] = "{\"type\":\"null\"}";
    check_nested(array, null, "}", 16, NULL);
    check_nested(
        array, null, "}", 17,
        "judge.json: #/items/items/items/items/items/items/items/items/items/items/items/items/items/items/items/items: is "
        "inside 16 objects, arrays or anyOf (expected fewer)");
    check_nested(object, null, "}}", 16, NULL);
    check_nested("{\"anyOf\":[", null, "]}", 16, NULL);
    check_nested(array, null, "}", 20000, "judge.json:1: nested too deeply (expected at most 64 levels) (column 1537)");
    check_nested(object, null, "}}", 20000, "judge.json:1: nested too deeply (expected at most 64 levels) (column 1121)");
    check_nested("(", "", ")", 60000, "judge.json:1: expected a value, found '(' (column 1)");
    check_nested("[", "", "]", 60000, "judge.json:1: nested too deeply (expected at most 64 levels) (column 65)");
    check_nested("", "{\"type\":\"string\",\"pattern\":\"((((((((((((((((((((\"}", "", 0,
                 "judge.json: #/pattern: this keyword is not supported");
}

static void large_schemas(void **state) {
    (void)state;
    cso_text text = {0};
    for (int i = 0; i < 257; i++)
        cso_text_format(&text, "%s\"p%d\":{\"type\":\"null\"}", i ? "," : "{\"type\":\"object\",\"properties\":{", i);
    cso_text_format(&text, "}}");
    refused(text.data, "judge.json: #/properties: has 257 members (expected at most 256)");
    text.size = 0;
    for (int i = 0; i < 20; i++) {
        cso_text_format(&text, "%s\"p%d\":{\"type\":\"object\",\"properties\":{", i ? "," : "{\"type\":\"object\",\"properties\":{",
                        i);
        for (int k = 0; k < 250; k++)
            cso_text_format(&text, "%s\"%d\":{\"type\":\"null\"}", k ? "," : "", k);
        cso_text_format(&text, "}}");
    }
    cso_text_format(&text, "}}");
    refused(text.data, "judge.json: #/properties/p16/properties/78: is one schema too many (expected at most 4096)");
    text.size = 0;
    cso_text_format(&text, "{\"const\":\"");
    while (text.size < 1048576)
        cso_text_add(&text, "0123456789", 10);
    cso_text_format(&text, "\"}");
    refused(text.data, "judge.json: the schema has 1048582 bytes (expected at most 1048576)");
    free(text.data);
}

/* The bounds are the numbers that come, and no others. */
static void integers_are_exact(void **state) {
    (void)state;
    static const int ranges[][2] = {{0, 4}, {1, 10}, {-3, 12}, {-120, -9}, {95, 105}, {7, 7}, {0, 0}, {-1, 0}, {99, 1001}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        char schema[128], number[32];
        snprintf(schema, sizeof schema, "{\"type\":\"integer\",\"minimum\":%d,\"maximum\":%d}", ranges[i][0], ranges[i][1]);
        cso_constraint *c = fixture_of_schema(trie, schema, NULL);
        for (int value = -1300; value < 1300; value++) {
            snprintf(number, sizeof number, "%d", value);
            cso_constraint_state s = cso_constraint_start(c);
            bool taken = true;
            for (const char *digit = number; *digit && taken; digit++)
                taken = cso_constraint_advance(c, &s, cso_tokenizer_find(tokenizer, (const char[]){*digit, 0}));
            assert_int_equal(taken && cso_constraint_complete(c, &s), value >= ranges[i][0] && value <= ranges[i][1]);
        }
        cso_constraint_free(c);
    }
}

static void refuse_choice(const char *const *texts, size_t count, const cso_free_text *free_text, const char *message) {
    cso_constraint *constraint = NULL;
    cso_error error = {0};
    cso_status status = cso_constraint_choice(&constraint, trie, texts, count, free_text, &error);
    if (status != CSO_ERR_INPUT || constraint || strcmp(error.message, message))
        fail_msg("status %d, message \"%s\"\nexpected \"%s\"", (int)status, error.message, message);
}

static void texts_and_marks(void **state) {
    (void)state;
    char mark[258];
    memset(mark, 'a', 257);
    mark[257] = 0;
    const char *const good[] = {"a"};
    refuse_choice(NULL, 0, NULL, "0 texts to choose from (expected 1 to 1048576)");
    refuse_choice((const char *const[]){"a", ""}, 2, NULL, "choice 2: is empty");
    refuse_choice((const char *const[]){"a", "b\xFF"}, 2, NULL, "choice 2: byte 2 is not UTF-8");
    refuse_choice(good, 1, &(cso_free_text){.mark = ""}, "the mark after free text: is empty");
    refuse_choice(good, 1, &(cso_free_text){.mark = "\xE2\x82"}, "the mark after free text: byte 1 is not UTF-8");
    refuse_choice(good, 1, &(cso_free_text){.mark = mark}, "the mark after free text: has 257 bytes (expected at most 256)");
    cso_tokenizer *other = fixture_tokenizer((const uint8_t *)"b\x9F", 0, 1);
    cso_token_trie *whole = trie;
    trie = fixture_trie(other, "<|end|>");
    refuse_choice((const char *const[]){"ab\nc"}, 1, NULL,
                  "the texts to choose from: the model's vocabulary has no token for the byte 0x62 of \"ab\\x0ac\"");
    refuse_choice(good, 1, &(cso_free_text){.mark = "\xF0\x9F\x98\x80"},
                  "the mark after free text: the model's vocabulary has no token for the byte 0x9F of \"\xF0\x9F\x98\x80\"");
    refused("{\"type\":\"null\"}", "judge.json: the model's vocabulary has no token for 'b', which JSON needs");
    cso_token_trie_free(trie);
    cso_tokenizer_free(other);
    trie = whole;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemas),         cmocka_unit_test(deep_schemas),       cmocka_unit_test(large_schemas),
        cmocka_unit_test(texts_and_marks), cmocka_unit_test(integers_are_exact),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}

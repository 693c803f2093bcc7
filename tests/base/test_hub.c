/* test_hub.c - what is an id of the hub, and where in a text it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hub.h"

#include <stdlib.h>
#include <string.h>

static void test_ids(void **state) {
    (void)state;
    static const char *const good[] = {"meta-llama/Llama-3.1-8B-Instruct", "a/b", "o_r.g/na-me.1"};
    static const char *const bad[] = {"",     "gpt2", "/a/b",   "a/b/c", "a/",     "/b",      "a b/c",      "a/b\n",
                                      "a/-b", "a/b.", "a--x/b", "../b",  "a/b..c", "a/b.git", "a/\xC3\xA9", "./models"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(cso_is_hub_id(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (cso_is_hub_id(bad[i]))
            fail_msg("\"%s\" is no id", bad[i]);
    char longest[128];
    memset(longest, 'a', sizeof longest);
    longest[1] = '/';
    longest[96] = 0;
    assert_true(cso_is_hub_id(longest));
    longest[96] = 'a';
    longest[97] = 0;
    assert_false(cso_is_hub_id(longest));
}

/* A text, and the model's id in it; NULL: none. */
static const char *const texts[][2] = {
    {"org/model", "org/model"},
    {"https://huggingface.co/org/model", "org/model"},
    {"http://huggingface.co/org/model/", "org/model"},
    {"https://hf.co/org/model?show_file_info=a", "org/model"},
    {"huggingface.co/org/model/tree/main", "org/model"},
    {"https://huggingface.co/org/model#x", "org/model"},
    {"https://huggingface.co/org", NULL},
    {"https://huggingface.co/", NULL},
    {"https://huggingface.co/datasets/org/data", NULL},
    {"https://huggingface.co/spaces/org/page", NULL},
    {"https://example.org/org/model", NULL},
    {"org/model/", NULL},
    {"org/model/tree", NULL},
    {"/org/model", NULL},
    {"model", NULL},
    {"", NULL},
};

static void test_texts(void **state) {
    (void)state;
    char id[CSO_HUB_ID_BYTES];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t size = strlen(texts[i][0]);
        char *text = malloc(size + !size); /* without an end, so that sanitizers see who reads on */
        assert_non_null(text);
        memcpy(text, texts[i][0], size);
        bool found = cso_hub_read_id(text, size, id);
        if (found != (texts[i][1] != NULL) || (found && strcmp(id, texts[i][1]) != 0))
            fail_msg("\"%s\": %s", texts[i][0], found ? id : "no id");
        free(text);
    }
    assert_false(cso_hub_read_id("org/mo\0del", 10, id));
    char longest[128];
    memset(longest, 'a', sizeof longest);
    longest[1] = '/';
    assert_true(cso_hub_read_id(longest, 96, id));
    assert_int_equal(strlen(id), 96);
    assert_false(cso_hub_read_id(longest, 97, id));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ids), cmocka_unit_test(test_texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

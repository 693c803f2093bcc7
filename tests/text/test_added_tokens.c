/* test_added_tokens.c - added tokens in text: found as a search at every place would find them, and in linear time. */
#include "../io/bytes.h"
#include "special_tokens.h"
#include "text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_ITEMS = 8, MAX_ITEM = 6, TEXT = 40 };

typedef struct items {
    char text[MAX_ITEMS][MAX_ITEM + 1];
    cso_special item[MAX_ITEMS];
    size_t count;
} items;

static unsigned next_random(unsigned *seed, unsigned below) {
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 16) % below;
}

/* Few letters, so that items overlap, repeat and contain each other; equal ones: the last counts, in both searches. */
static void make_items(items *made, cso_special_set *set, unsigned *seed) {
    made->count = 1 + next_random(seed, MAX_ITEMS);
    for (size_t i = 0; i < made->count; i++) {
        size_t size = 1 + next_random(seed, MAX_ITEM);
        for (size_t k = 0; k < size; k++)
            made->text[i][k] = "ab "[next_random(seed, 3)];
        made->text[i][size] = 0;
        made->item[i] = (cso_special){.id = (int32_t)i,
                                      .control = next_random(seed, 2),
                                      .single_word = !next_random(seed, 4),
                                      .lstrip = !next_random(seed, 4),
                                      .rstrip = !next_random(seed, 4)};
        assert_int_equal(cso_special_add(set, made->text[i], size, &made->item[i], NULL), CSO_OK);
    }
    assert_int_equal(cso_special_link(set, NULL), CSO_OK);
}

/* The longest item at a place, tried one by one; -1: none. */
static int longest_at(const items *made, const char *text, size_t at, bool plain) {
    int best = -1;
    for (size_t i = 0; i < made->count; i++) {
        bool last = true;
        for (size_t k = i + 1; k < made->count; k++)
            last = last && strcmp(made->text[i], made->text[k]);
        if (last && !(plain && made->item[i].control) && !strncmp(text + at, made->text[i], strlen(made->text[i])) &&
            (best < 0 || strlen(made->text[i]) > strlen(made->text[best])))
            best = (int)i;
    }
    return best;
}

static bool is_letter(char byte) {
    return byte == 'a' || byte == 'b';
}

/* One match after `from`, as special_tokens.h says it. */
static bool next_match(const items *made, const char *text, size_t from, size_t taken, bool plain, cso_special_match *match) {
    size_t size = strlen(text);
    for (size_t at = from; at < size;) {
        int found = longest_at(made, text, at, plain);
        if (found < 0) {
            at++;
            continue;
        }
        size_t end = at + strlen(made->text[found]);
        if (made->item[found].single_word && ((at && is_letter(text[at - 1])) || is_letter(text[end]))) {
            at = end;
            continue;
        }
        *match = (cso_special_match){at, end, end, made->item[found].id};
        while (made->item[found].lstrip && match->begin > taken && text[match->begin - 1] == ' ')
            match->begin--;
        while (made->item[found].rstrip && text[match->end] == ' ')
            match->end++;
        return true;
    }
    return false;
}

static void same_as_one_by_one(void **state) {
    (void)state;
    unsigned seed = 7;
    size_t matches = 0;
    for (int round = 0; round < 20000; round++) {
        items made;
        cso_special_set set = {0};
        cso_special_hits hits = {0};
        char text[TEXT + 1];
        size_t from = 0, taken = 0, size = next_random(&seed, TEXT + 1);
        make_items(&made, &set, &seed);
        bool plain = next_random(&seed, 2);
        for (size_t k = 0; k < size; k++)
            text[k] = "ab "[next_random(&seed, 3)];
        text[size] = 0;
        assert_int_equal(cso_special_find(&set, text, size, plain, &hits, NULL), CSO_OK);
        for (bool more = true; more;) {
            cso_special_match expected = {0}, got = {0};
            more = next_match(&made, text, from, taken, plain, &expected);
            if (more != cso_special_next(&set, text, size, &hits, from, taken, &got) || memcmp(&expected, &got, sizeof got) != 0)
                fail_msg("round %d, \"%s\": %zu..%zu is %d (expected %zu..%zu is %d)", round, text, got.begin, got.end, (int)got.id,
                         expected.begin, expected.end, (int)expected.id);
            from = expected.resume;
            taken = expected.end;
            matches += more;
        }
        cso_special_hits_free(&hits);
        cso_special_free(&set);
    }
    assert_true(matches > 50000);
}

/* A token of 60,000 letters, "a...ab", and one of white space that takes all white space after it. */
static cso_tokenizer *open_hostile(size_t size) {
    static const char form[] =
        "{\"added_tokens\":[{\"id\":1,\"content\":\"%sb\",\"special\":true},{\"id\":2,\"content\":\"ca\",\"special\":true},"
        "{\"id\":3,\"content\":\" \",\"special\":true,\"rstrip\":true,\"lstrip\":true}],"
        "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":true},"
        "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}]},\"decoder\":{\"type\":\"ByteLevel\"},"
        "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}";
    char *letters = malloc(size), *text = malloc(size + sizeof form);
    assert_true(letters && text);
    memset(letters, 'a', size);
    letters[size - 1] = 0;
    snprintf(text, size + sizeof form, form, letters);
    cso_tokenizer *tokenizer = NULL;
    cso_error err = {0};
    if (cso_tokenizer_from_memory(&tokenizer, "t.json", text, strlen(text), &err) != CSO_OK)
        fail_msg("%s", err.message);
    free(letters);
    free(text);
    return tokenizer;
}

/* Each took a minute and more with a search at every byte. They take less than a tenth of a second. */
static void linear_time(void **state) {
    (void)state;
    enum { TOKEN = 60000, SIZE = 1 << 20 };
    cso_tokenizer *tokenizer = open_hostile(TOKEN);
    char *text = malloc(SIZE);
    assert_non_null(text);
    for (int fill = 0; fill < 2; fill++) {
        cso_ids ids = {0};
        memset(text, fill ? ' ' : 'a', SIZE);
        memcpy(text + SIZE / 2, "cab", 3);
        double began = work_seconds();
        assert_int_equal(cso_tokenizer_encode(tokenizer, text, SIZE, true, &ids, NULL), CSO_OK);
        double seconds = work_seconds() - began;
        print_message("1 MiB of '%c': %.3f s\n", text[0], seconds);
        assert_true(seconds < 1);
        assert_true(ids.count > 3);
        free(ids.ids);
    }
    free(text);
    cso_tokenizer_free(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_as_one_by_one), cmocka_unit_test(linear_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

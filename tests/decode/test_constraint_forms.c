/* test_constraint_forms.c - forms and lines: random replies keep to them, what is forced is known, and text is written in one way alone. */
#include "constraint_fixture.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { REPLIES = 400, LINES = 60 };

typedef struct vocabulary {
    cso_tokenizer *tokenizer;
    cso_token_trie *trie;
    int32_t end;
    uint32_t seed;
} vocabulary;

static vocabulary open_vocabulary(const uint8_t *without) {
    vocabulary v = {.tokenizer = fixture_tokenizer(without, 300, 5), .seed = 17};
    v.trie = fixture_trie(v.tokenizer, "<|end|>");
    v.end = cso_tokenizer_find(v.tokenizer, "<|end|>");
    return v;
}

static void close_vocabulary(vocabulary *v) {
    cso_token_trie_free(v->trie);
    cso_tokenizer_free(v->tokenizer);
}

static const char *const numbers[] = {"0", "7", "10", "100"}, *const names[] = {"ab", "a", "\u00e9"}, *const between[] = {", x"},
                         *const last[] = {" end"};
static const cso_form_part parts[] = {{numbers, 4}, {between, 1}, {names, 3}, {last, 1}};

static cso_constraint *make_form(const vocabulary *v, const cso_free_text *free_text) {
    cso_constraint *c;
    cso_error err = {0};
    if (cso_constraint_form(&c, v->trie, parts, 4, free_text, &err) != CSO_OK)
        fail_msg("%s", err.message);
    return c;
}

static bool take_one_of(const char **text, const char *const *texts, size_t count) {
    size_t longest = 0;
    for (size_t i = 0; i < count; i++)
        if (!strncmp(*text, texts[i], strlen(texts[i])) && strlen(texts[i]) > longest)
            longest = strlen(texts[i]);
    *text += longest;
    return longest > 0;
}

static void forms_have_all_parts(void **state) {
    (void)state;
    vocabulary v = open_vocabulary(NULL);
    cso_constraint *plain = make_form(&v, NULL), *behind = make_form(&v, &(cso_free_text){.mark = "#", .max_tokens = 4});
    size_t seen[4] = {0};
    for (size_t i = 0; i < REPLIES; i++) {
        walked_reply reply = fixture_walk(v.tokenizer, v.trie, i % 2 ? behind : plain, v.end, 50, &v.seed);
        const char *text = i % 2 ? strchr(reply.text, '#') + 1 : reply.text;
        for (size_t k = 0; k < 4; k++)
            seen[k] += !strncmp(text, numbers[k], strlen(numbers[k])) && text[strlen(numbers[k])] == ',';
        for (size_t k = 0; k < 4; k++)
            assert_true(take_one_of(&text, parts[k].texts, parts[k].count));
        assert_int_equal(*text, 0);
        walked_reply_free(&reply);
    }
    assert_true(seen[0] && seen[1] && seen[2] && seen[3]);
    cso_constraint_free(plain);
    cso_constraint_free(behind);
    close_vocabulary(&v);
}

static void feed(const vocabulary *v, const cso_constraint *c, cso_constraint_state *state, const char *text) {
    for (; *text; text++) {
        cso_ids ids = {0};
        assert_int_equal(cso_tokenizer_encode(v->tokenizer, text, 1, false, &ids, NULL), CSO_OK);
        assert_true(cso_constraint_advance(c, state, ids.ids[0]));
        free(ids.ids);
    }
}

static void check_forced(const cso_constraint *c, const cso_constraint_state *state, const char *expected) {
    char text[64];
    size_t size = cso_constraint_forced(c, state, text, sizeof text);
    assert_int_equal(size, strlen(expected));
    assert_memory_equal(text, expected, size);
    if (size > 1) /* no more than there is room for */
        assert_int_equal(cso_constraint_forced(c, state, text, 1), 1);
}

static void what_is_forced(void **state) {
    (void)state;
    vocabulary v = open_vocabulary(NULL);
    cso_constraint *c = make_form(&v, NULL);
    cso_constraint_state s = cso_constraint_start(c);
    check_forced(c, &s, "");
    feed(&v, c, &s, "7");
    check_forced(c, &s, ", x");
    feed(&v, c, &s, ", x");
    check_forced(c, &s, "");
    feed(&v, c, &s, "a");
    check_forced(c, &s, ""); /* "ab", or what follows "a" */
    feed(&v, c, &s, "b");
    check_forced(c, &s, " end");
    assert_false(cso_constraint_complete(c, &s));
    feed(&v, c, &s, " end");
    assert_true(cso_constraint_ends(c, &s));
    check_forced(c, &s, "");
    cso_constraint_free(c);
    close_vocabulary(&v);
}

/* An id that ends replies ends the free text alone, and then the mark is forced, from where it is. */
static void ends_in_free_text(void **state) {
    (void)state;
    vocabulary v = open_vocabulary(NULL);
    for (int may = 0; may < 2; may++) {
        cso_constraint *c = make_form(&v, &(cso_free_text){.mark = "##!", .ends = may});
        cso_constraint_state s = cso_constraint_start(c);
        uint64_t *mask = calloc(cso_token_trie_words(v.trie), sizeof *mask);
        feed(&v, c, &s, "I see #");
        assert_int_equal(cso_constraint_mask(c, &s, mask, NULL), CSO_OK);
        assert_int_equal(mask[v.end / 64] >> v.end % 64 & 1, may);
        assert_int_equal(cso_constraint_advance(c, &s, v.end), may);
        check_forced(c, &s, may ? "#!" : "");
        if (may) {
            assert_false(cso_constraint_advance(c, &s, v.end));
            assert_false(cso_constraint_complete(c, &s));
            feed(&v, c, &s, "#!10, xa");
        }
        free(mask);
        cso_constraint_free(c);
    }
    close_vocabulary(&v);
}

/* ---- lines ---- */

/* From the definition in constraint.h. */
static const char *not_a_line(const char *text, const cso_line *line) {
    size_t size = strlen(text), at = 0;
    while (size && text[size - 1] == '\n')
        size--;
    bool word = false;
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7F)
            return "a control character";
        word |= isalnum((unsigned char)text[i]) || (unsigned char)text[i] >= 0x80;
    }
    if (!word || strchr(" \"'`", *text))
        return "no word, or a blank or quotation mark before it";
    at = strspn(text, "*");
    size_t letters = at;
    while (isalpha((unsigned char)text[letters]))
        letters++;
    if (letters > at && text[letters + strspn(text + letters, "* ")] == ':')
        return "a label";
    for (size_t i = 0; i < line->n_marks; i++) {
        const char *mark = strstr(text, line->marks[i]);
        if (mark && (!line->marks_end || mark + strlen(line->marks[i]) != text + size))
            return "a mark";
    }
    return NULL;
}

static void lines(void **state) {
    (void)state;
    static const char *const marks[] = {"ab", "bca", "</e>"};
    static const cso_line kinds[] = {{0}, {marks, 3, true}, {marks, 3, false}};
    static const uint8_t no_continuation[] = {0x91, 0};
    for (size_t k = 0; k < 6; k++) {
        vocabulary v = open_vocabulary(k < 3 ? NULL : no_continuation);
        cso_constraint *c;
        cso_error err = {0};
        size_t breaks = 0;
        assert_int_equal(cso_constraint_line(&c, v.trie, &kinds[k % 3], &err), CSO_OK);
        for (size_t i = 0; i < LINES; i++) {
            walked_reply reply = fixture_walk(v.tokenizer, v.trie, c, v.end, 100000, &v.seed);
            const char *why = not_a_line(reply.text, &kinds[k % 3]);
            if (why)
                fail_msg("kind %zu: %s: %s", k, why, reply.text);
            breaks += reply.size && reply.text[reply.size - 1] == '\n';
            walked_reply_free(&reply);
        }
        assert_true(breaks > 0);
        cso_constraint_free(c);
        close_vocabulary(&v);
    }
}

static bool takes(const vocabulary *v, const cso_line *line, const char *text) {
    cso_constraint *c;
    bool taken = true;
    assert_int_equal(cso_constraint_line(&c, v->trie, line, NULL), CSO_OK);
    cso_constraint_state s = cso_constraint_start(c);
    for (size_t i = 0; taken && text[i]; i++) {
        cso_ids ids = {0};
        assert_int_equal(cso_tokenizer_encode(v->tokenizer, text + i, 1, false, &ids, NULL), CSO_OK);
        taken = cso_constraint_advance(c, &s, ids.ids[0]);
        free(ids.ids);
    }
    taken = taken && cso_constraint_complete(c, &s);
    cso_constraint_free(c);
    return taken;
}

static void lines_by_hand(void **state) {
    (void)state;
    static const char *const marks[] = {"</end/>", "<end>"};
    const cso_line plain = {0}, ends = {marks, 2, true}, none = {marks, 2, false};
    vocabulary v = open_vocabulary(NULL);
    assert_true(takes(&v, &plain, "I see: that is hard.\n"));
    assert_true(takes(&v, &plain, "*sighs* ok"));
    assert_true(takes(&v, &plain, "(9)"));
    assert_false(takes(&v, &plain, "Seeker: no"));
    assert_false(takes(&v, &plain, "**Seeker** : no"));
    assert_false(takes(&v, &plain, "..."));
    assert_false(takes(&v, &plain, "\"No\""));
    assert_false(takes(&v, &plain, ""));
    assert_false(takes(&v, &plain, "a\tb"));
    assert_true(takes(&v, &ends, "Bye </en </end/>"));
    assert_false(takes(&v, &ends, "</end/> more"));
    assert_false(takes(&v, &none, "Bye <<end>"));
    assert_true(takes(&v, &none, "Bye <<end/>"));
    close_vocabulary(&v);
}

static void what_is_refused(void **state) {
    (void)state;
    static const char *const empty[] = {"a", ""};
    const cso_form_part none = {empty, 0}, part = {empty, 2};
    vocabulary v = open_vocabulary(NULL);
    cso_constraint *c;
    assert_int_equal(cso_constraint_form(&c, v.trie, &none, 1, NULL, NULL), CSO_ERR_INPUT);
    assert_int_equal(cso_constraint_form(&c, v.trie, &part, 1, NULL, NULL), CSO_ERR_INPUT);
    assert_int_equal(cso_constraint_form(&c, v.trie, &part, 0, NULL, NULL), CSO_ERR_INPUT);
    assert_int_equal(cso_constraint_line(&c, v.trie, &(cso_line){empty, 2, true}, NULL), CSO_ERR_INPUT);
    assert_null(c);
    close_vocabulary(&v);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_have_all_parts), cmocka_unit_test(what_is_forced),
        cmocka_unit_test(ends_in_free_text),    cmocka_unit_test(lines),
        cmocka_unit_test(lines_by_hand),        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_convert.c - conversions: the texts of each, round trips byte by byte, what is lost, what is refused. */
#include "golden.h"
#include "records_fixture.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char system_message[4096]; /* as JSON: {"role": "system", ...} */

static int make_system_message(void **state) {
    (void)state;
    cso_text text = {0};
    const char *prompt = cso_strategies_prompt(NULL);
    cso_text_json_string(&text, prompt, strlen(prompt));
    snprintf(system_message, sizeof system_message, "{\"role\": \"system\", \"content\": %s}", text.data);
    free(text.data);
    return 0;
}

/* The text with "@" for the system message of trees. */
static char *expand(const char *text) {
    size_t length = strlen(system_message), size = strlen(text);
    for (const char *at = text; (at = strchr(at, '@')); at++)
        size += length;
    char *out = calloc(size + 1, 1), *to = out;
    assert_non_null(out);
    for (; *text; text++) {
        if (*text == '@')
            to = strcpy(to, system_message) + length;
        else
            *to++ = *text;
    }
    return out;
}

#define U(text)      "{\"role\": \"user\", \"content\": \"" text "\"}"
#define A(text)      "{\"role\": \"assistant\", \"content\": \"" text "\"}"
#define T(text, neg) "{\"role\": \"assistant\", \"content\": \"" text "\", \"strategy\": \"Affirmation\", \"negative\": [" neg "]}"
#define N(text)      "{\"content\": \"" text "\", \"strategy\": \"Share Information\"}"
#define ESC          "\"description\": \"d\", \"scene\": \"s\", "
#define PAIR_ESC     "\"scene\": \"s\", \"description\": \"d\", "

/* Two paths of one search tree. */
static const char trees[] = "{" ESC "\"messages\": [" U("a\\u00e9") ", " T("b", N("c") ", " N("\xC3\xA9 \\n")) ", " U("e") ", " T(
    "f", N("g")) "]}\n"
                 "{" ESC
                 "\"messages\": [" U("a\\u00e9") ", " T("b", N("c") ", " N("\xC3\xA9 \\n")) ", " U("e") ", " T("h", N("g")) "]}\n";

#define HISTORY "@, " U("a\\u00e9") ", " A("(Affirmation) b") ", " U("e")
static const char pairs[] =
    "{" PAIR_ESC "\"messages\": [@, " U("a\\u00e9") "], \"chosen\": " A("(Affirmation) b") ", \"reject\": " A(
        "(Share Information) c") "}\n"
                                 "{" PAIR_ESC
                                 "\"messages\": [@, " U("a\\u00e9") "], \"chosen\": " A("(Affirmation) b") ", \"reject\": " A(
                                     "(Share Information) \xC3\xA9 \\n") "}\n"
                                                                         "{" PAIR_ESC "\"messages\": [" HISTORY
                                                                         "], \"chosen\": " A("(Affirmation) f") ", \"reject\": " A(
                                                                             "(Share Information) g") "}\n"
                                                                                                      "{" PAIR_ESC
                                                                                                      "\"messages\": [" HISTORY
                                                                                                      "], \"chosen\": " A(
                                                                                                          "(Affirma"
                                                                                                          "tion) h") ", "
                                                                                                                     "\"reject\":"
                                                                                                                     " " A(
                                                                                                                         "(Share "
                                                                                                                         "Informa"
                                                                                                                         "tion) "
                                                                                                                         "g") "}"
                                                                                                                              "\n";

static const char kto[] = "{" PAIR_ESC "\"messages\": [@, " U("a\\u00e9") ", " A(
    "(Affirmation) b") "], \"label\": true}\n"
                       "{" PAIR_ESC "\"messages\": [@, " U("a\\u00e9") ", " A(
                           "(Share Information) c") "], \"label\": false}\n"
                                                    "{" PAIR_ESC "\"messages\": [@, " U("a\\u00e9") ", " A(
                                                        "(Share Information) \xC3\xA9 \\n") "], \"label\": false}\n"
                                                                                            "{" PAIR_ESC "\"messages\": [" HISTORY
                                                                                            ", " A(
                                                                                                "(Affirmation) f") "], \"label\": "
                                                                                                                   "true}\n"
                                                                                                                   "{" PAIR_ESC
                                                                                                                   "\"messages\": "
                                                                                                                   "[" HISTORY
                                                                                                                   ", " A(
                                                                                                                       "(Share "
                                                                                                                       "Information"
                                                                                                                       ") g") "], "
                                                                                                                              "\"la"
                                                                                                                              "bel"
                                                                                                                              "\": "
                                                                                                                              "fals"
                                                                                                                              "e}\n"
                                                                                                                              "{" PAIR_ESC
                                                                                                                              "\"me"
                                                                                                                              "ssag"
                                                                                                                              "es\""
                                                                                                                              ": "
                                                                                                                              "[" HISTORY
                                                                                                                              ","
                                                                                                                              " " A(
                                                                                                                                  "(Affirmation) h") "], \"label\": true}\n"
                                                                                                                                                     "{" PAIR_ESC
                                                                                                                                                     "\"messages\": [" HISTORY
                                                                                                                                                     ", " A(
                                                                                                                                                         "(Share Information) g") "], \"label\": false}\n";

static const char preference[] = "{\"prompt\": [@, " U("a\\u00e9") "], \"chosen\": [" A("(Affirmation) b") "], \"rejected\": [" A(
    "(Share Information) c") "]}\n"
                             "{\"prompt\": [@, " U("a\\u00e9") "], \"chosen\": [" A("(Affirmation) b") "], \"rejected\": [" A(
                                 "(Share Information) \xC3\xA9 \\n") "]}\n"
                                                                     "{\"prompt\": [" HISTORY
                                                                     "], \"chosen\": [" A("(Affirmation) f") "], \"rejected\": [" A(
                                                                         "(Share Information) g") "]}\n"
                                                                                                  "{\"prompt\": [" HISTORY "], "
                                                                                                  "\"chose"
                                                                                                  "n\": "
                                                                                                  "[" A(
                                                                                                      "("
                                                                                                      "A"
                                                                                                      "f"
                                                                                                      "f"
                                                                                                      "i"
                                                                                                      "r"
                                                                                                      "m"
                                                                                                      "a"
                                                                                                      "t"
                                                                                                      "i"
                                                                                                      "o"
                                                                                                      "n"
                                                                                                      ")"
                                                                                                      " "
                                                                                                      "h") "], \"rejected\": [" A("(Sh"
                                                                                                                                  "are"
                                                                                                                                  " In"
                                                                                                                                  "for"
                                                                                                                                  "mat"
                                                                                                                                  "ion"
                                                                                                                                  ") "
                                                                                                                                  "g") "]}\n";

static const char list[] =
    "{\"prompt\": [@, " U("a\\u00e9") "], \"completions\": [[" A("(Affirmation) b") "], [" A("(Share Information) c") "], [" A(
        "(Share Information) \xC3\xA9 \\n") "]]}\n"
                                            "{\"prompt\": [" HISTORY "], \"completions\": [[" A("(Affirmation) f") "], [" A(
                                                "(Share Information) g") "]]}\n"
                                                                         "{\"prompt\": [" HISTORY
                                                                         "], \"completions\": [[" A("(Affirmation) h") "], [" A(
                                                                             "(Share Information) g") "]]}\n";

static const char sft[] =
    "{\"messages\": [" HISTORY ", " A("(Affirmation) f") "]}\n"
                                                         "{\"messages\": [" HISTORY ", " A("(Affirmation) h") "]}\n";

static const char *const texts[] = {trees, pairs, kto, preference, list, sft};

static void expect(const char *text, cso_data_form to, const char *expected) {
    char *in = expand(text), *want = expand(expected), *out = records_convert_text(in, to, false, NULL);
    if (strcmp(out, want) != 0)
        fail_msg("to %s: %s\nexpected: %s", cso_data_form_words[to], out, want);
    free(in);
    free(want);
    free(out);
}

/* The fields of ESC-Pro are lost on the way through forms that do not have them, and come along with --keep. */
static void every_form_to_every_other(void **state) {
    (void)state;
    for (int from = CSO_FORM_TREES; from <= CSO_FORM_LIST; from++)
        for (int to = CSO_FORM_TREES; to <= CSO_FORM_SFT; to++) {
            bool bare = (from == CSO_FORM_PREFERENCE || from == CSO_FORM_LIST) && to <= CSO_FORM_KTO;
            if (!bare)
                expect(texts[from], (cso_data_form)to, texts[to]);
        }
    for (int form = CSO_FORM_PAIRS; form <= CSO_FORM_LIST; form++) {
        char *in = expand(trees), *there = records_convert_text(in, (cso_data_form)form, true, NULL);
        char *back = records_convert_text(there, CSO_FORM_TREES, true, NULL);
        assert_string_equal(back, in);
        free(in);
        free(there);
        free(back);
    }
    expect(sft, CSO_FORM_SFT, sft);
}

static void expect_lost(const char *text, cso_data_form to, bool keep, int kind, size_t count) {
    cso_convert_result result;
    char words[256], *in = expand(text), *out = records_convert_text(in, to, keep, &result);
    for (int i = 0; i < CSO_LOSS_KINDS; i++)
        if (result.lost[i] != (i == kind ? count : 0)) {
            cso_loss_text((cso_loss_kind)i, result.lost[i], words, sizeof words);
            fail_msg("%s to %s: lost %s", text, cso_data_form_words[to], words);
        }
    free(in);
    free(out);
}

static void losses(void **state) {
    (void)state;
    enum { NONE = CSO_LOSS_KINDS };
#define ONE(extra, messages) "{" extra "\"messages\": [" messages "]}\n"
    static const char plain_tree[] = ONE("", U("a") ", " T("b", N("c")));
    expect_lost(plain_tree, CSO_FORM_PAIRS, false, NONE, 0);
    expect_lost(plain_tree, CSO_FORM_LIST, false, NONE, 0);
    expect_lost(ONE("\"iter\": 1e2, ", U("a") ", " T("b", N("c"))), CSO_FORM_PAIRS, false, CSO_LOST_ITER, 1);
    expect_lost(ONE("\"iter\": 1e2, ", U("a") ", " T("b", N("c"))), CSO_FORM_PAIRS, true, NONE, 0);
    expect_lost(ONE(ESC, U("a") ", " T("b", N("c"))), CSO_FORM_PAIRS, false, NONE, 0);
    expect_lost(ONE(ESC, U("a") ", " T("b", N("c"))), CSO_FORM_PREFERENCE, false, CSO_LOST_SCENE, 1);
    expect_lost(ONE(ESC, U("a") ", " T("b", N("c"))), CSO_FORM_PREFERENCE, true, NONE, 0);
    expect_lost(plain_tree, CSO_FORM_SFT, false, CSO_LOST_OTHERS, 1);
    expect_lost(ONE("", U("a") ", " T("b", N("c")) ", " U("d") ", " T("e", "")), CSO_FORM_PAIRS, false, CSO_LOST_TAIL, 2);
    expect_lost(ONE("", U("a") ", " T("b", N("c")) ", " U("d") ", " T("e", "")), CSO_FORM_KTO, false, NONE, 0);
    expect_lost(ONE("", U("a") ", " T("b", N("c")) ", " U("d")), CSO_FORM_KTO, false, CSO_LOST_TAIL, 1);
    expect_lost("{\"messages\": [" U("a") ", " T("b", N("c")) "]}\n{\"messages\": [" U("x") ", " T("b", "") "]}\n", CSO_FORM_PAIRS,
                false, CSO_LOST_RECORDS, 1);
    expect_lost(ONE("", U("a") ", " T("b", N("c") ", " N("c"))), CSO_FORM_PAIRS, false, CSO_LOST_DOUBLES, 1);
    expect_lost(ONE("", U("a") ", {\"role\": \"supporter\", \"content\": \"b\", \"strategy\": \"Affirmation\", \"negative\": [" N(
                            "c") "]}"),
                CSO_FORM_PAIRS, false, CSO_LOST_ROLES, 1);
    expect_lost(
        ONE("",
            U("a") ", {\"role\": \"assistant\", \"content\": \"b\", \"strategy\": \"Affirmation\", \"mood\": 1, \"negative\": [" N(
                "c") "]}"),
        CSO_FORM_PAIRS, false, CSO_LOST_MESSAGE_FIELDS, 1);
    expect_lost(ONE("\"text\": \"x\", ", U("a") ", " T("b", N("c"))), CSO_FORM_PAIRS, false, CSO_LOST_MESSAGE_FIELDS, 1);
    static const char rated[] =
        ONE("", U("a") ", {\"role\": \"assistant\", \"content\": \"b\", \"strategy\": \"Affirmation\", \"q\": 2.50, "
                       "\"negative\": [{\"content\": \"c\", \"strategy\": \"Affirmation\", \"q\": -1}]}");
    expect_lost(rated, CSO_FORM_PAIRS, false, CSO_LOST_RATINGS, 2);
    expect_lost(rated, CSO_FORM_LIST, false, NONE, 0);
    expect_lost("{\"messages\": [@, " U("a") "], \"chosen\": " A("(Affirmation) b") ", \"reject\": " A("(Affirmation)c") "}\n",
                CSO_FORM_TREES, false, CSO_LOST_BLANKS, 1);
    expect_lost("{\"messages\": [" U("a") "], \"chosen\": " A("(Affirmation) b") ", \"reject\": " A("(Affirmation) c") "}\n",
                CSO_FORM_TREES, false, CSO_LOST_SYSTEM, 1);
    expect_lost("{\"messages\": [@, " U("a") ", " A("(Affirmation) b") "], \"label\": true}\n{\"messages\": [@, " U("a") ", " A(
                    "(Affirmation) c") "], \"label\": false}\n{\"messages\": [@, " U("x") ", " A("(Affirmation) c") "], \"label\": "
                                                                                                                    "false}\n",
                CSO_FORM_PAIRS, false, CSO_LOST_UNPAIRED, 1);
    char order[8192]; /* the second turn first */
    snprintf(order, sizeof order,
             "{\"messages\": [" HISTORY
             "], \"chosen\": " A("(Affirmation) f") ", \"reject\": " A("(Share Information) g") "}\n{\"messages\": [@, " U(
                 "a\\u00e9") "], \"chosen\": " A("(Affirmation) b") ", \"reject\": " A("(Share Information) c") "}\n");
    expect_lost(order, CSO_FORM_TREES, false, CSO_LOST_ORDER, 1);
}

/* Numbers, escapes, the order of keys and fields of no known meaning. */
static void keeps_bytes(void **state) {
    (void)state;
    expect("{\"messages\": [" U("\\u0041\\/") ", " T("\\\"b\\\\", N("c\\u0000")) "], \"id\": 1.50e+3, \"tags\":[1,{\"x\":null}]}\n",
           CSO_FORM_PAIRS,
           "{\"messages\": [@, " U("\\u0041\\/") "], \"chosen\": " A("(Affirmation) \\\"b\\\\") ", \"reject\": " A(
               "(Share Information) c\\u0000") ", \"id\": 1.50e+3, \"tags\": [1, {\"x\": null}]}\n");
    expect("[{\"prompt\": [{\"content\": \"a\", \"role\": \"user\", \"name\": \"x\"}],\n\"chosen\": " A("b") ", \"rejected\": [" A(
               "c") "]}]",
           CSO_FORM_KTO,
           "{\"messages\": [{\"content\": \"a\", \"role\": \"user\", \"name\": \"x\"}, " A(
               "b") "], \"label\": true}\n"
                    "{\"messages\": [{\"content\": \"a\", \"role\": \"user\", \"name\": \"x\"}, " A("c") "], \"label\": false}\n");
    expect("{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": "
           "\"d\"}\n",
           CSO_FORM_LIST, "{\"prompt\": \"a\", \"completions\": [\"b\", \"c\", \"d\"]}\n");
    expect("{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n", CSO_FORM_SFT,
           "{\"prompt\": \"a\", \"completion\": \"b\"}\n");
    expect("{\"text\": \"a\"}\n", CSO_FORM_SFT, "{\"text\": \"a\"}\n");
    expect("{\"prompt\": [" U("a") "], \"completion\": [" A("b") "]}\n", CSO_FORM_SFT,
           "{\"messages\": [" U("a") ", " A("b") "]}\n");
    expect("{\"prompt\": \"a\", \"completions\": [\"b\", \"c\", \"d\"]}\n", CSO_FORM_PREFERENCE,
           "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": "
           "\"d\"}\n");
    expect("{\"chosen\": \"Hello \xC3\xA9 b\", \"rejected\": \"Hello \xC3\xA9 c\"}\n", CSO_FORM_KTO,
           "{\"prompt\": \"Hello \xC3\xA9\", \"completion\": \" b\", \"label\": true}\n"
           "{\"prompt\": \"Hello \xC3\xA9\", \"completion\": \" c\", \"label\": false}\n");
    expect("{\"messages\": [" U("a") ", " A("b") "]}\n", CSO_FORM_KTO,
           "{\"messages\": [" U("a") ", " A("b") "], \"label\": true}\n");
}

/* Best first: by q where all negatives have it, and the numbers as they were written. */
static void lists_by_rating(void **state) {
    (void)state;
#define R(text, q) "{\"content\": \"" text "\", \"strategy\": \"Affirmation\", \"q\": " q "}"
#define RL(text)   "[" A("(Affirmation) " text) "]"
    expect("{\"messages\": [" U("a") ", {\"role\": \"assistant\", \"content\": \"b\", \"strategy\": \"Affirmation\", \"q\": 0.10, "
                                     "\"negative\": [" R("c", "-1") ", " R("d", "2.0") ", " R("e", "-1") "]}]}\n",
           CSO_FORM_LIST,
           "{\"prompt\": [@, " U("a") "], \"completions\": [" RL("b") ", " RL("d") ", " RL("c") ", " RL(
               "e") "], \"q\": [0.10, 2.0, -1, -1]}\n");
    expect("{\"messages\": [" U("a") ", {\"role\": \"assistant\", \"content\": \"b\", \"strategy\": \"Affirmation\", \"negative\": "
                                     "[" R("c", "-1") ", " R("d", "2.0") "]}]}\n",
           CSO_FORM_LIST, "{\"prompt\": [@, " U("a") "], \"completions\": [" RL("b") ", " RL("d") ", " RL("c") "]}\n");
    expect("{\"prompt\": [@, " U("a") "], \"completions\": [" RL("b") ", " RL("d") "], \"q\": [0.10, 2.0]}\n", CSO_FORM_TREES,
           "{\"messages\": [" U("a") ", {\"role\": \"assistant\", \"content\": \"b\", \"strategy\": \"Affirmation\", \"q\": 0.10, "
                                     "\"negative\": [" R("d", "2.0") "]}]}\n");
}

static const struct {
    const char *text;
    cso_data_form to;
    const char *message; /* after the file's name */
} refused[] = {
    {"", CSO_FORM_PAIRS, ": no records"},
    {"{\"text\": \"a\"}\n", CSO_FORM_PAIRS, ":1: text: cannot become pairs (a text has no replies)"},
    {"{\"ids\": [1]}\n", CSO_FORM_SFT, ":1: token ids: cannot become sft (ids are no text)"},
    {"{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n", CSO_FORM_TREES,
     ":1: preference record (prompt, chosen, rejected): cannot become trees (it has texts, not messages)"},
    {"{\"prompt\": [" U("a") "], \"chosen\": [" A("b") ", " U("c") "], \"rejected\": " A("c") "}\n", CSO_FORM_PAIRS,
     ":1: preference record (prompt, chosen, rejected): cannot become pairs (a reply has several messages)"},
    {"{\"messages\": [" U("a") ", " A("b") "]}\n", CSO_FORM_PAIRS, ": none of 1 records has what pairs need"},
    {"{\"messages\": [" U("a") ", " T("b", N("c")) "]}\n{\"text\": \"a\"}\n", CSO_FORM_PAIRS,
     ":2: text in a file of another form (it began with: ESC-Pro tree)"},
    {"{\"messages\": [" U("a") ", " T("b", N("c")) "]}\n{]\n", CSO_FORM_PAIRS, ":2: expected a key in quotes, found ']'"},
    {"{\"messages\": [" U("a") "], \"chosen\": " A("b") ", \"reject\": " A("(Affirmation) c") "}\n", CSO_FORM_TREES,
     ":1: the chosen reply names no strategy"},
    {"{\"messages\": [" U("a") "], \"chosen\": " A("(Affirmation) b") ", \"reject\": " A("c") "}\n", CSO_FORM_TREES,
     ":1: the rejected reply names no strategy"},
    {"{\"messages\": [" U("a") ", " U("b") "], \"chosen\": " A("(Affirmation) b") ", \"reject\": " A("(Affirmation) c") "}\n",
     CSO_FORM_TREES, ":1: message 1: expected \"assistant\", found \"user\""},
    {"{\"messages\": [" U("a") "], \"chosen\": " A("(x) b") ", \"reject\": " A("(x) c") "}\n{\"messages\": [" U(
         "b") "], \"chosen\": " A("(x) b") ", \"reject\": " A("(x) c") "}\n{\"messages\": [" U("\\u0061") "], \"chosen\": " A("(x) "
                                                                                                                              "b") ", \"reject\": " A("(x) d") "}\n",
     CSO_FORM_TREES,
     ":3: its dialogue came before, and another one in between (expected the records of a dialogue side by side: LC_ALL=C sort"},
};

static void refuses(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        cso_convert_result result;
        cso_status status;
        cso_error err = {0};
        char expected[1400];
        const char *path = records_file("bad.jsonl", refused[i].text, strlen(refused[i].text));
        free(records_convert(path, refused[i].to, false, &result, &status, &err));
        snprintf(expected, sizeof expected, "%s%s", path, refused[i].message);
        if (status != CSO_ERR_INPUT || strncmp(err.message, expected, strlen(expected)) != 0)
            fail_msg("status %d: %s\nexpected: %s", status, err.message, expected);
    }
}

/* What sort(1) makes of scattered pairs is what trees are made of. */
static void sorted_pairs(void **state) {
    (void)state;
    static const char scattered[] = "{\"messages\": [@, " U("a") "], \"chosen\": " A("(Affirmation) b") ", \"reject\": " A(
        "(Affirmation) c") "}\n"
                           "{\"messages\": [@, " U("a") "], \"chosen\": " A("(Affirmation) b") ", \"reject\": " A(
                               "(Affirmation) d") "}\n"
                                                  "{\"messages\": [@, " U("x") "], \"chosen\": " A(
                                                      "(Affirmation) b") ", \"reject\": " A("(Affirmation) c") "}\n";
    expect(scattered, CSO_FORM_TREES,
           "{\"messages\": [" U("a") ", " T(
               "b", "{\"content\": \"c\", \"strategy\": \"Affirmation\"}, {\"content\": \"d\", \"strategy\": "
                    "\"Affirmation\"}") "]}\n"
                                        "{\"messages\": [" U("x") ", " T(
                                            "b", "{\"content\": \"c\", \"strategy\": \"Affirmation\"}") "]}\n");
}

/* The project's sample there and back. */
static void sample_round_trips(void **state) {
    (void)state;
    static const char *const files[] = {"data/sample/train.tree.jsonl", "data/sample/valid.tree.jsonl"};
    for (size_t f = 0; f < 2; f++)
        for (int form = CSO_FORM_PAIRS; form <= CSO_FORM_LIST; form++) {
            cso_convert_result result;
            cso_status status;
            cso_error err = {0};
            size_t size;
            char *there = records_convert(files[f], (cso_data_form)form, true, &result, &status, &err);
            golden_ok(status, &err);
            for (int i = 0; i < CSO_LOSS_KINDS; i++)
                assert_int_equal(result.lost[i], 0);
            char *back = records_convert_text(there, CSO_FORM_TREES, true, NULL), *original = records_read(files[f], &size);
            assert_string_equal(back, original);
            free(original);
            free(back);
            free(there);
        }
}

/* The pairs that the reference implementation's script made of real trees; their lines are escaped in different ways. */
static void same_as_reference(void **state) {
    (void)state;
    static const char *const names[] = {"train", "valid", "multipath"};
    for (size_t i = 0; i < 3; i++) {
        char name[64];
        size_t size;
        cso_convert_result result;
        cso_status status;
        cso_error err = {0};
        snprintf(name, sizeof name, "data/esc/%s.tree.jsonl", names[i]);
        const char *trees_path = records_shared(name);
        snprintf(name, sizeof name, "data/esc/%s.pairs.jsonl", names[i]);
        const char *pairs_path = records_shared(name);
        if (!trees_path || !pairs_path)
            skip();
        char *made = records_convert(trees_path, CSO_FORM_PAIRS, true, &result, &status, &err);
        golden_ok(status, &err);
        char *back = records_convert_text(made, CSO_FORM_TREES, true, NULL), *original = records_read(trees_path, &size);
        records_assert_same(back, original);
        free(made);
        made = records_convert(trees_path, CSO_FORM_PAIRS, false, &result, &status, &err);
        char *expected = records_read(pairs_path, &size);
        records_assert_same(made, expected);
        print_message("%s: %zu pairs\n", names[i], result.written);
        free(made);
        free(back);
        free(original);
        free(expected);
    }
}

/* Whatever end a file is cut off at: an answer, and an error of the input at most. */
static void truncations(void **state) {
    (void)state;
    for (int from = CSO_FORM_TREES; from <= CSO_FORM_SFT; from++) {
        char *text = expand(texts[from]);
        size_t size = strlen(text);
        for (size_t cut = 0; cut < size; cut += 1 + cut / 40) {
            const char *path = records_file("cut.jsonl", text, cut);
            for (int to = CSO_FORM_TREES; to <= CSO_FORM_SFT; to++) {
                cso_convert_result result;
                cso_status status;
                cso_error err = {0};
                free(records_convert(path, (cso_data_form)to, false, &result, &status, &err));
                assert_true(status == CSO_OK || (status == CSO_ERR_INPUT && err.message[0]));
            }
        }
        free(text);
    }
}

/* Every allocation fails once, for each pair of forms. */
static void out_of_memory(void **state) {
    (void)state;
    for (int from = CSO_FORM_TREES; from <= CSO_FORM_SFT; from++)
        for (int to = CSO_FORM_TREES; to <= CSO_FORM_SFT; to++) {
            char *text = expand(texts[from]);
            const char *path = records_file("memory.jsonl", text, strlen(text));
            cso_status status = CSO_ERR_SYSTEM;
            for (size_t n = 0; status == CSO_ERR_SYSTEM; n++) {
                cso_convert_result result;
                cso_error err = {0};
                records_fail_memory(n);
                free(records_convert(path, (cso_data_form)to, false, &result, &status, &err));
                records_fail_memory(SIZE_MAX);
                assert_true(n < 10000);
            }
            assert_true(status == CSO_OK || (from == CSO_FORM_SFT && status == CSO_ERR_INPUT));
            free(text);
        }
}

static void array_output(void **state) {
    (void)state;
    cso_text out;
    cso_error err = {0};
    cso_convert_result result;
    const char *path = records_file("a.jsonl", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n", 26);
    cso_record_sink sink = records_sink(&out);
    sink.array = true;
    const cso_convert_options options = {.to = CSO_FORM_SFT};
    golden_ok(cso_convert(&options, &path, 1, &sink, &result, &err), &err);
    golden_ok(record_sink_close(&sink, true, &err), &err);
    assert_string_equal(out.data, "[\n{\"text\": \"a\"},\n{\"text\": \"b\"}\n]\n");
    free(out.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_to_every_other),
        cmocka_unit_test(losses),
        cmocka_unit_test(keeps_bytes),
        cmocka_unit_test(lists_by_rating),
        cmocka_unit_test(refuses),
        cmocka_unit_test(sorted_pairs),
        cmocka_unit_test(sample_round_trips),
        cmocka_unit_test(same_as_reference),
        cmocka_unit_test(truncations),
        cmocka_unit_test(out_of_memory),
        cmocka_unit_test(array_output),
    };
    return cmocka_run_group_tests(tests, make_system_message, NULL);
}

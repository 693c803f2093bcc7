/* test_answers.c - what the roles' answers say: every form that is taken, and every one that is refused. */
#include "search/answers.h"

#include "../faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const NAMES[] = {"Ask", "Tell Them", "Hold"};
enum { COUNT = 3 };

static cso_scores scores_of(const char *text) {
    cso_scores scores;
    const char *why = "";
    if (!cso_answer_scores(text, NAMES, COUNT, &scores, &why))
        fail_msg("'%s' was refused: %s", text, why);
    return scores;
}

/* strategies: digits in the order of the answer. */
static void check_scores(const char *text, const char *strategies, const double *scores) {
    cso_scores found = scores_of(text);
    assert_int_equal(found.count, strlen(strategies));
    for (size_t i = 0; i < found.count; i++) {
        assert_int_equal(found.strategy[i], strategies[i] - '0');
        assert_true(found.score[i] == scores[i]);
    }
}

static void scores(void **state) {
    (void)state;
    check_scores("{\"Ask\": 7}", "0", (double[]){7});
    check_scores("`{\"Hold\": 0, \"Ask\": 10}`", "20", (double[]){0, 10});
    check_scores("First {that}, then ```json\n{\"ASK\": 2.5,\n\"tell them\":1e1}\n``` so.", "01", (double[]){2.5, 10});
    check_scores("{\"Ask\": 1} no: {\"Hold\": 2}", "2", (double[]){2});
    check_scores("{\"Hold\": 2} :-} really }", "2", (double[]){2});
    check_scores("{\"Other\": 99, \"Ask\": 1, \"Tell\": \"x\", \"\": null}", "0", (double[]){1});
    check_scores("{\"a { b\": 1, \"Ask\": 3, \"c } d \\\" {\": 2}", "0", (double[]){3});
    check_scores("{\" Ask \": 1, \"\\u0048old\": 2}", "02", (double[]){1, 2});
    check_scores("{\"more\": {\"Hold\": 3}, \"Ask\": 1} x {not json}", "0", (double[]){1});
}

static void check_no_scores(const char *text, const char *expected) {
    cso_scores scores;
    const char *why = "";
    if (cso_answer_scores(text, NAMES, COUNT, &scores, &why))
        fail_msg("'%s' was taken", text);
    assert_non_null(why);
    if (!strstr(why, expected))
        fail_msg("'%s' was refused with '%s' (expected '%s')", text, why, expected);
}

static void no_scores(void **state) {
    (void)state;
    check_no_scores("", "no JSON object");
    check_no_scores("I do not know.", "no JSON object");
    check_no_scores("} and {", "no JSON object");
    check_no_scores("{\"Ask\": 3", "no JSON object");
    check_no_scores("{Ask: 3}", "no JSON object");
    check_no_scores("{'Ask': 3}", "no JSON object");
    check_no_scores("{\"Ask\": 03}", "no JSON object");
    check_no_scores("{\"Ask\": NaN}", "no JSON object");
    check_no_scores("{\"Ask\": 1, \"Ask\": 1}", "no JSON object"); /* a duplicate key is no JSON here */
    check_no_scores("[\"Ask\", 3]", "no JSON object");
    check_no_scores("{}", "no strategy that is known");
    check_no_scores("{\"Other\": 3}", "no strategy that is known");
    check_no_scores("{\"Ask\": 10.5}", "from 0 to 10");
    check_no_scores("{\"Ask\": 3, \"Hold\": 11}", "from 0 to 10");
    check_no_scores("{\"Ask\": -0.1}", "from 0 to 10");
    check_no_scores("{\"Ask\": \"7\"}", "from 0 to 10");
    check_no_scores("{\"Ask\": null}", "from 0 to 10");
    check_no_scores("{\"Ask\": [7]}", "from 0 to 10");
    check_no_scores("{\"Ask\": {\"score\": 7}}", "from 0 to 10");
    check_no_scores("{\"Ask\": 1, \"ASK\": 2}", "twice");
}

/* Texts that would take long if every brace were tried with every other. */
static void many_braces(void **state) {
    (void)state;
    enum { LENGTH = 1 << 20 };
    static const char *const parts[] = {"{", "}", "{}", "}{", "{\"a\":", "{\"}", "\"{"};
    char *text = malloc(LENGTH + 8);
    cso_scores scores;
    const char *why;
    assert_non_null(text);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t length = strlen(parts[i]), at = 0;
        for (; at + length <= LENGTH; at += length)
            memcpy(text + at, parts[i], length);
        memcpy(text + at, "}", 2);
        assert_false(cso_answer_scores(text, NAMES, COUNT, &scores, &why));
    }
    free(text);
}

static void no_memory(void **state) {
    (void)state;
    size_t number = 0;
    for (bool failed = true; failed;) {
        cso_scores scores;
        const char *why;
        fault_memory_begin(++number, false);
        bool taken = cso_answer_scores("{\"\\u0041sk\": 1, \"Hold\": 2}", NAMES, COUNT, &scores, &why);
        failed = fault_memory_end();
        assert_true(failed ? !taken && !why : taken);
    }
    assert_true(number > 2);
}

static void check_levels(const char *text, const char *digits) {
    double levels[CSO_CRITERIA];
    const char *why = "";
    if (!cso_answer_levels(text, levels, &why))
        fail_msg("'%s' was refused: %s", text, why);
    for (size_t i = 0; i < CSO_CRITERIA; i++)
        assert_true(levels[i] == digits[i] - '0');
}

static void levels(void **state) {
    (void)state;
    check_levels("1: 3\n2: 4\n3: 0\n4: 2", "3402");
    check_levels("\n1:3\r\n\r\n2 : 4 \n 3:\t0\n4: 2\n", "3402");
    check_levels("4: 1\n3: 2\n2: 3\n1: 4", "4321");
    check_levels("Scores:\n1. Empathy: 3\n2) Information: 4\n**3: 0**\n- 4: `2`\nDone.", "3402");
    check_levels("1: 3\n1: 3\n2: 1\n3: 1\n4: 1", "3111");
    check_levels("10: 3\n1: 1\n2: 1\n3: 1\n4: 1", "1111");
}

static void check_no_levels(const char *text, const char *expected) {
    double levels[CSO_CRITERIA];
    const char *why = "";
    if (cso_answer_levels(text, levels, &why))
        fail_msg("'%s' was taken", text);
    if (!strstr(why, expected))
        fail_msg("'%s' was refused with '%s' (expected '%s')", text, why, expected);
}

static void no_levels(void **state) {
    (void)state;
    check_no_levels("", "no level");
    check_no_levels("3 4 0 2", "no level");
    check_no_levels("1: 3\n2: 4\n3: 0", "no level");
    check_no_levels("2: 4\n3: 0\n4: 1", "no level");
    check_no_levels("1: 3\n2: 4\n3: 0\n5: 1", "no level");
    check_no_levels("1 3\n2: 4\n3: 0\n4: 1", "no level");
    check_no_levels("1: 5\n2: 4\n3: 0\n4: 1", "0 to 4");
    check_no_levels("1: -1\n2: 4\n3: 0\n4: 1", "0 to 4");
    check_no_levels("1: 3.5\n2: 4\n3: 0\n4: 1", "0 to 4");
    check_no_levels("1: \n2: 4\n3: 0\n4: 1", "0 to 4");
    check_no_levels("1: three\n2: 4\n3: 0\n4: 1", "0 to 4");
    check_no_levels("1: 3/4\n2: 4\n3: 0\n4: 1", "0 to 4");
    check_no_levels("1: 33\n2: 4\n3: 0\n4: 1", "0 to 4");
    check_no_levels("1: 3\n2: 4\n3: 0\n4: 1\n1: 2", "two levels");
}

static void check_reply(const char *text, const char *expected) {
    char *reply;
    const char *why = "";
    if (!cso_answer_reply(text, &reply, &why))
        fail_msg("'%s' was refused: %s", text, why);
    assert_string_equal(reply, expected);
    free(reply);
}

static void replies(void **state) {
    (void)state;
    check_reply("I see.", "I see.");
    check_reply(" \t\r\n I\nsee. \v\f", "I\nsee.");
    check_reply("Supporter: I see.", "I see.");
    check_reply("SEEKER :I see.", "I see.");
    check_reply("**Supporter:** I see.", "I see.");
    check_reply("\"I see.\"", "I see.");
    check_reply("supporter: \" I see. \"", "I see.");
    check_reply("\"Supporter: I see.\"", "I see.");
    check_reply("\u201cI see.\u201d", "I see.");
    check_reply("\u2018I see.\u2019", "I see.");
    check_reply("\u00abI see.\u00bb", "I see.");
    check_reply("'I see.'", "I see.");
    check_reply("\"No\" is what she said, \"never\"", "\"No\" is what she said, \"never\"");
    check_reply("\"", "\"");
    check_reply("Supporters: they help.", "Supporters: they help.");
    check_reply("supporter", "supporter");
    check_reply("I am a supporter: yes.", "I am a supporter: yes.");
    check_reply("I \"see\".", "I \"see\".");
}

static void no_replies(void **state) {
    (void)state;
    static const char *const texts[] = {"", " \n", "\"\"", "\" \"", "Supporter:", "seeker: \"\"", "\"Seeker:\"", "\u201c\u201d"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *reply;
        const char *why = NULL;
        if (cso_answer_reply(texts[i], &reply, &why))
            fail_msg("'%s' was taken as '%s'", texts[i], reply);
        assert_null(reply);
        assert_string_equal(why, "it is empty");
    }
    char *reply;
    const char *why = NULL;
    fault_memory_begin(1, false);
    assert_true(cso_answer_reply("I see.", &reply, &why));
    assert_true(fault_memory_end());
    assert_null(reply);
}

static void ends(void **state) {
    (void)state;
    assert_true(cso_answer_ends("</end/>"));
    assert_true(cso_answer_ends("/end/"));
    assert_true(cso_answer_ends("<end>"));
    assert_true(cso_answer_ends("Thanks.\n<end> Bye."));
    assert_false(cso_answer_ends(""));
    assert_false(cso_answer_ends("the end"));
    assert_false(cso_answer_ends("</end>"));
    assert_false(cso_answer_ends("< end >"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores),    cmocka_unit_test(no_scores),  cmocka_unit_test(many_braces),
        cmocka_unit_test(no_memory), cmocka_unit_test(levels),     cmocka_unit_test(no_levels),
        cmocka_unit_test(replies),   cmocka_unit_test(no_replies), cmocka_unit_test(ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

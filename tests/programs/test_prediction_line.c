/* test_prediction_line.c - the strategy that a reply names. */
#include "prediction_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void strategies_of_replies(void **state) {
    (void)state;
    static const struct {
        const char *text, *strategy, *content;
    } CASES[] = {
        {"(Affirmation) Well done.", "Affirmation", "Well done."},
        {"(aFFIRMATION)Well done.", "Affirmation", "Well done."},
        {" \n(Affirmation)\n Well (really) done.", "Affirmation", "Well (really) done."},
        {"(Affirmation)", "Affirmation", ""},
        {"(Affirmation Well done.", NULL, "(Affirmation Well done."},
        {"(Affirmations) Well done.", NULL, "(Affirmations) Well done."},
        {"( Affirmation) Well done.", NULL, "( Affirmation) Well done."},
        {"Affirmation: well done.", NULL, "Affirmation: well done."},
        {"()", NULL, "()"},
        {"(", NULL, "("},
        {"", NULL, ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const char *content, *strategy;
        strategy = reply_strategy(cso_strategies_builtin(), CASES[i].text, strlen(CASES[i].text), &content);
        assert_string_equal(content, CASES[i].content);
        if (CASES[i].strategy)
            assert_string_equal(strategy, CASES[i].strategy);
        else
            assert_null(strategy);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(strategies_of_replies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

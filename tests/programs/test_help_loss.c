/* cso-train --help-loss: every loss says what it is, in 80 columns, and docs/losses.md is what it writes. */
#include "run_program.h"

#include "base/file.h"
#include "loss/loss.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static run_result help(const char *name) {
    char line[120];
    snprintf(line, sizeof line, "@cso-train --help-loss %s", name);
    return run_program(line, NULL, 0);
}

static void expect_columns(const char *text) {
    for (const char *end; *text; text = end + 1) {
        end = strchr(text, '\n');
        assert_non_null(end);
        if (end - text > 80)
            fail_msg("more than 80 columns: %.*s", (int)(end - text), text);
    }
}

static void every_loss(void **state) {
    (void)state;
    run_result all = help("all");
    assert_int_equal(all.code, 0);
    expect_columns(all.out);
    for (const cso_loss *const *loss = cso_loss_all(); *loss; loss++) {
        run_result one = help((*loss)->name);
        assert_int_equal(one.code, 0);
        assert_string_equal(one.err, "");
        expect_columns(one.out);
        assert_non_null(strstr(all.out, (*loss)->name));
        assert_non_null(strstr(one.out, "\nFormula"));
        assert_non_null(strstr(one.out, "\nSource\n"));
        assert_non_null(strstr(one.out, "\n    loss.beta = 0.1\n"));
        for (size_t k = 0; (*loss)->uses[k]; k++)
            assert_non_null(strstr(one.out, (*loss)->uses[k]));
        run_result_free(&one);
    }
    run_result_free(&all);
    run_result alias = help("dpo");
    assert_ptr_equal(strstr(alias.out, "loss.type = \"cso\", also \"dpo\", \"sigmoid\"\n"), alias.out);
    run_result_free(&alias);
    run_result none = help("ippo");
    assert_int_equal(none.code, 2);
    assert_non_null(
        strstr(none.err, "cso-train: --help-loss: loss.type: \"ippo\" is no loss (did you mean \"ipo\"? expected one of: "));
    run_result_free(&none);
}

static void documentation(void **state) {
    (void)state;
    char *text;
    size_t size;
    cso_error err = {0};
    run_result page = help("markdown");
    assert_int_equal(page.code, 0);
    if (cso_read_file("docs/losses.md", 1 << 20, &text, &size, &err) != CSO_OK)
        fail_msg("%s", err.message);
    if (strcmp(text, page.out))
        fail_msg("docs/losses.md is not what cso-train --help-loss markdown writes");
    free(text);
    run_result_free(&page);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_loss), cmocka_unit_test(documentation)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

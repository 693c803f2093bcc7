/* test_retry.c - what is tried again and when; keys taken out of messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/endpoint/retry.h"
#include "../../src/endpoint/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void verdicts(void **state) {
    (void)state;
    static const struct {
        long status;
        cso_verdict verdict;
    } cases[] = {
        {200, CSO_VERDICT_ANSWER},  {201, CSO_VERDICT_ANSWER},  {299, CSO_VERDICT_ANSWER},    {0, CSO_VERDICT_AGAIN},
        {100, CSO_VERDICT_AGAIN},   {302, CSO_VERDICT_AGAIN},   {307, CSO_VERDICT_AGAIN},     {301, CSO_VERDICT_REFUSED},
        {308, CSO_VERDICT_REFUSED}, {400, CSO_VERDICT_FAILED},  {401, CSO_VERDICT_REFUSED},   {402, CSO_VERDICT_FAILED},
        {404, CSO_VERDICT_REFUSED}, {405, CSO_VERDICT_REFUSED}, {403, CSO_VERDICT_FORBIDDEN}, {408, CSO_VERDICT_AGAIN},
        {409, CSO_VERDICT_AGAIN},   {413, CSO_VERDICT_FAILED},  {422, CSO_VERDICT_FAILED},    {425, CSO_VERDICT_AGAIN},
        {429, CSO_VERDICT_AGAIN},   {499, CSO_VERDICT_FAILED},  {500, CSO_VERDICT_AGAIN},     {503, CSO_VERDICT_AGAIN},
        {529, CSO_VERDICT_AGAIN},   {599, CSO_VERDICT_AGAIN},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (cso_retry_verdict(cases[i].status) != cases[i].verdict)
            fail_msg("%ld: %d (expected %d)", cases[i].status, cso_retry_verdict(cases[i].status), cases[i].verdict);
}

static void pauses(void **state) {
    (void)state;
    static const struct {
        double first;
        size_t tries;
        double retry_after, random, seconds;
    } cases[] = {
        {1, 1, 0, 0, 1},       {1, 2, 0, 0, 2},      {1, 3, 0, 0, 4},  {1, 6, 0, 0, 32}, {1, 7, 0, 0, 60},   {1, 1000000, 0, 0, 60},
        {1, 1, 0, 0.5, 1.125}, {0.5, 2, 0, 1, 1.25}, {1, 9, 0, 1, 75}, {1, 1, 7, 0, 7},  {1, 1, 7, 1, 7.25}, {1, 4, 7, 0, 8},
        {1, 1, 120, 0.0, 120}, {1, 1, -5, 0, 1},     {0, 5, 0, 1, 0},  {0, 5, 3, 1, 3},  {100, 1, 0, 0, 60},
    };
    double seconds;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(cso_retry_pause(cases[i].first, cases[i].tries, cases[i].retry_after, cases[i].random, &seconds));
        assert_float_equal(seconds, cases[i].seconds, 1e-12);
    }
    assert_false(cso_retry_pause(1, 1, 121, 0, &seconds));
    assert_false(cso_retry_pause(1, 1, 1e9, 0, &seconds));
}

static void redacted(void **state) {
    (void)state;
    static const struct {
        const char *key, *text, *expected;
    } cases[] = {
        {"sk-0123456789abcdef", "wrong key sk-0123456789abcdef.", "wrong key ***."},
        {"sk-0123456789abcdef", "sk-0123456789abcdef", "***"},
        {"sk-0123456789abcdef", "sk-0123456789abcdefsk-0123456789abcdef", "***"},
        {"sk-0123456789abcdef", "cut off: sk-01234567", "cut off: ***"}, /* a beginning, an end, a middle */
        {"sk-0123456789abcdef", "89abcdef cut off", "*** cut off"},
        {"sk-0123456789abcdef", "<3456789a>", "<***>"},
        {"sk-0123456789abcdef", "<456789a>", "<456789a>"}, /* seven bytes may be a chance */
        {"sk-0123456789abcdef", "", ""},
        {"short", "a short key", "a *** key"},
        {"x", "x marks xx", "* marks **"},
        {"aaaaaaaaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaa b", "*** b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[CSO_SECRET_TEXT];
        cso_secret secret;
        cso_error err;
        setenv("CSO_TEST_KEY", cases[i].key, 1);
        assert_int_equal(cso_secret_read(&secret, "CSO_TEST_KEY", "role.judge", &err), CSO_OK);
        snprintf(text, sizeof text, "%s", cases[i].text);
        cso_secret_redact(&secret, text);
        assert_string_equal(text, cases[i].expected);
        cso_secret_wipe(&secret);
        assert_null(secret.header);
        cso_secret_redact(&secret, text); /* no key: nothing happens */
        assert_string_equal(text, cases[i].expected);
    }
    unsetenv("CSO_TEST_KEY");
}

/* A key at every place of a text as long as it may be. */
static void redacted_everywhere(void **state) {
    (void)state;
    cso_secret secret;
    setenv("CSO_TEST_KEY", "K3Y-canary", 1);
    assert_int_equal(cso_secret_read(&secret, "CSO_TEST_KEY", "role.judge", NULL), CSO_OK);
    for (size_t at = 0; at + 10 < CSO_SECRET_TEXT; at += at < 40 ? 1 : 97) {
        char text[CSO_SECRET_TEXT];
        memset(text, '.', sizeof text - 1);
        text[sizeof text - 1] = '\0';
        memcpy(text + at, "K3Y-canary", 10);
        cso_secret_redact(&secret, text);
        assert_int_equal(strlen(text), CSO_SECRET_TEXT - 1 - 10 + 3);
        assert_int_equal(strspn(text, "."), at);
        assert_int_equal(strspn(text + at, "*"), 3);
    }
    assert_true(cso_secret_in(&secret, "my K3Y-canary is"));
    assert_false(cso_secret_in(&secret, "my K3Y-canar is"));
    cso_secret_wipe(&secret);
    unsetenv("CSO_TEST_KEY");
}

static void keys_refused(void **state) {
    (void)state;
    static char long_key[5000];
    memset(long_key, 'k', sizeof long_key - 1);
    const struct {
        const char *key, *message;
    } cases[] = {
        {NULL, "role.judge: the environment variable CSO_TEST_KEY is not set (expected the key; api_key_env = \"\" for none)"},
        {"", "role.judge: the environment variable CSO_TEST_KEY is empty (expected the key; api_key_env = \"\" for none)"},
        {"canary-key\n", "role.judge: the key in CSO_TEST_KEY has a line break or another control character"},
        {"canary\rX-Other: 1", "role.judge: the key in CSO_TEST_KEY has a line break or another control character"},
        {"canary\x7F", "role.judge: the key in CSO_TEST_KEY has a line break or another control character"},
        {long_key, "role.judge: the key in CSO_TEST_KEY has more than 4096 bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cso_secret secret;
        cso_error err = {0};
        if (cases[i].key)
            setenv("CSO_TEST_KEY", cases[i].key, 1);
        else
            unsetenv("CSO_TEST_KEY");
        assert_int_equal(cso_secret_read(&secret, "CSO_TEST_KEY", "role.judge", &err), CSO_ERR_USAGE);
        assert_string_equal(err.message, cases[i].message);
        assert_null(secret.header);
    }
    unsetenv("CSO_TEST_KEY");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),     cmocka_unit_test(pauses), cmocka_unit_test(redacted), cmocka_unit_test(redacted_everywhere),
        cmocka_unit_test(keys_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

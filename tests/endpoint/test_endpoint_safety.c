/* test_endpoint_safety.c - keys, addresses, certificates, redirects, proxies, and allocations that fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../src/endpoint/endpoint_address.h"
#include "../faults.h"
#include "../test_folder.h"
#include "asker.h"

#include "base/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const char KEY[] = "CANARY-5f1d0a7e93b24c68";

static server_process server;
static asker a;

static void addresses(void **state) {
    (void)state;
    static const struct {
        const char *endpoint, *url; /* NULL: refused */
        bool loopback;
    } cases[] = {
        {"https://api.example.com/v1", "https://api.example.com/v1/chat/completions", false},
        {"https://api.example.com/v1///", "https://api.example.com/v1/chat/completions", false},
        {"https://api.example.com:8443", "https://api.example.com:8443/chat/completions", false},
        {"http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1/chat/completions", true},
        {"http://127.9.8.7/v1", "http://127.9.8.7/v1/chat/completions", true},
        {"http://localhost:1/v1", "http://localhost:1/v1/chat/completions", true},
        {"http://LOCALHOST/v1", "http://LOCALHOST/v1/chat/completions", true},
        {"http://[::1]:8000/v1", "http://[::1]:8000/v1/chat/completions", true},
        {"http://api.example.com/v1", NULL, false},
        {"http://128.0.0.1/v1", NULL, false},
        {"http://10.0.0.1/v1", NULL, false},
        {"http://127.0.0.1.example.com/v1", NULL, false},
        {"http://localhost.example.com/v1", NULL, false},
        {"http://[::2]/v1", NULL, false},
        {"http://[::ffff:10.0.0.1]/v1", NULL, false},
        {"http://0.0.0.0/v1", NULL, false},
        {"ftp://127.0.0.1/v1", NULL, false},
        {"file:///etc/passwd", NULL, false},
        {"api.example.com/v1", NULL, false},
        {"", NULL, false},
        {"https://", NULL, false},
        {"https://a b/v1", NULL, false},
        {"https://user:secret@api.example.com/v1", NULL, false},
        {"https://secret@api.example.com/v1", NULL, false},
        {"http://127.0.0.1@api.example.com/v1", NULL, false},
        {"https://api.example.com/v1?key=secret", NULL, false},
        {"https://api.example.com/v1#secret", NULL, false},
        {"https://api.example.com/v1/chat/completions", NULL, false},
        {"https://api.example.com/v1/chat/completions/", NULL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cso_endpoint_address address;
        cso_error err = {0};
        cso_status status = cso_endpoint_address_read(&address, cases[i].endpoint, "role.judge", &err);
        if (status != (cases[i].url ? CSO_OK : CSO_ERR_USAGE))
            fail_msg("%s: status %d, %s", cases[i].endpoint, status, err.message);
        if (cases[i].url) {
            assert_string_equal(address.url, cases[i].url);
            assert_int_equal(address.loopback, cases[i].loopback);
        } else {
            assert_null(strstr(err.message, "secret"));
            assert_int_equal(strncmp(err.message, "role.judge: ", 12), 0);
            assert_null(address.url);
        }
        cso_endpoint_address_free(&address);
    }
}

static void refused_at_opening(void **state) {
    (void)state;
    memset(&a, 0, sizeof a);
    snprintf(server.url, sizeof server.url, "http://api.example.com/v1");
    asker_service(&a, &server, "m");
    assert_int_equal(cso_endpoint_pool_open(&a.pool, a.options, a.names, 1, &a.error), CSO_ERR_USAGE);
    assert_string_equal(a.error.message, "role.judge: endpoint http://api.example.com/v1 is not encrypted (expected a base URL, "
                                         "\"https://HOST/v1\"; http only to this machine)");
    assert_null(a.pool);
    snprintf(server.url, sizeof server.url, "http://localhost/v1");
    a.options[0].api_key_env = (char *)(uintptr_t) "CSO_TEST_NO_SUCH_KEY";
    unsetenv("CSO_TEST_NO_SUCH_KEY");
    assert_int_equal(cso_endpoint_pool_open(&a.pool, a.options, a.names, 1, &a.error), CSO_ERR_USAGE);
    assert_non_null(strstr(a.error.message, "CSO_TEST_NO_SUCH_KEY is not set"));
    cso_endpoint_pool_close(NULL);
}

static void expect_no_key(const char *text) {
    for (size_t at = 0; at + 8 < sizeof KEY; at++) {
        char part[9];
        memcpy(part, KEY + at, 8);
        part[8] = '\0';
        if (strstr(text, part))
            fail_msg("the key shows: %s", text);
    }
}

/* The whole file, a text. */
static char *read_file(const char *path) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = calloc(1, 100000);
    assert_non_null(text);
    assert_true(fread(text, 1, 99999, file) < 99999);
    fclose(file);
    return text;
}

static cso_status ask_with_key(const char *model) {
    memset(&a, 0, sizeof a);
    cso_endpoint_options *options = asker_service(&a, &server, model);
    options->api_key_env = (char *)(uintptr_t) "CSO_TEST_KEY";
    options->max_retries = 1;
    asker_open(&a);
    return asker_ask(&a, 1);
}

/* The server sends the key back in errors and answers; no message, no file and no line on stderr has it. */
static void the_key_shows_nowhere(void **state) {
    (void)state;
    char *log = strdup(in_folder("log")), *output = strdup(in_folder("stderr")), *text;
    const char *arguments[] = {"--key-env", "CSO_TEST_KEY", "--log", log, NULL};
    int before = dup(STDERR_FILENO), file = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(before >= 0 && file >= 0);
    setenv("CSO_TEST_KEY", KEY, 1);
    server_process_start(&server, arguments);
    dup2(file, STDERR_FILENO);

    assert_int_equal(ask_with_key("fine"), CSO_OK);
    expect_no_key(a.answers[0].text);
    asker_close(&a);
    assert_int_equal(ask_with_key("fault:echo-key"), CSO_ERR_USAGE);
    assert_non_null(strstr(a.error.message, "wrong header: Bearer *** (Bearer ***) ***"));
    expect_no_key(a.error.message);
    asker_close(&a);
    assert_int_equal(ask_with_key("fault:echo-key-200"), CSO_ERR_SYSTEM);
    assert_non_null(strstr(a.error.message, "the answer has the key in it"));
    expect_no_key(a.error.message);
    asker_close(&a);

    dup2(before, STDERR_FILENO);
    close(before);
    close(file);
    assert_int_equal(server_process_stat(&server, "expected"), 4);
    server_process_end(&server);
    text = read_file(log);
    expect_no_key(text);
    assert_non_null(strstr(text, "\"authorization\": \"expected\""));
    free(text);
    text = read_file(output);
    assert_string_equal(text, "");
    free(text);
    free(log);
    free(output);
}

/* A process that had a pool with a key writes no core and cannot be traced. */
static void no_core(void **state) {
    (void)state;
    int status;
    setenv("CSO_TEST_KEY", KEY, 1);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        struct rlimit limit;
        if (chdir(test_folder) || getrlimit(RLIMIT_CORE, &limit))
            _exit(1);
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_CORE, &limit);
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        snprintf(server.url, sizeof server.url, "http://localhost/v1");
        memset(&a, 0, sizeof a);
        asker_service(&a, &server, "m")->api_key_env = (char *)(uintptr_t) "CSO_TEST_KEY";
        if (cso_endpoint_pool_open(&a.pool, a.options, a.names, 1, NULL) != CSO_OK)
            _exit(2);
        cso_endpoint_pool_close(a.pool);
        if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0 || getrlimit(RLIMIT_CORE, &limit) || limit.rlim_cur || limit.rlim_max)
            _exit(3);
        signal(SIGQUIT, SIG_DFL);
        raise(SIGQUIT);
        _exit(4);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGQUIT && !WCOREDUMP(status));
}

static void redirects_are_not_followed(void **state) {
    (void)state;
    server_process other;
    char target[96];
    server_process_start(&other, NULL);
    snprintf(target, sizeof target, "%s/chat/completions", other.url);
    const char *arguments[] = {"--redirect-to", target, NULL};
    server_process_start(&server, arguments);
    assert_int_equal(asker_ask_one(&a, &server, "fault:redirect"), CSO_ERR_SYSTEM);
    assert_int_equal(asker_ask_one(&a, &server, "fault:moved"), CSO_ERR_USAGE);
    assert_int_equal(server_process_stat(&server, "requests"), 3);
    assert_int_equal(server_process_stat(&other, "requests"), 0);
    server_process_end(&server);
    server_process_end(&other);
}

/* A self-signed certificate for an address, made by openssl. */
static bool make_certificate(const char *address) {
    char command[512];
    snprintf(command, sizeof command,
             "cd %s && openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=test -addext "
             "subjectAltName=IP:%s >/dev/null 2>&1",
             test_folder, address);
    return system(command) == 0;
}

/* Asks over TLS; trusted: the certificate is one of the authorities. */
static cso_status ask_tls(const char *address, bool trusted) {
    if (!make_certificate(address)) {
        print_message("endpoints over TLS are NOT tested: the openssl command is missing\n");
        skip();
    }
    char *certificate = strdup(in_folder("cert.pem")), *key = strdup(in_folder("key.pem"));
    const char *arguments[] = {"--tls", certificate, key, NULL};
    server_process_start(&server, arguments);
    if (trusted)
        setenv("SSL_CERT_FILE", certificate, 1);
    cso_status status = asker_ask_one(&a, &server, "fine");
    unsetenv("SSL_CERT_FILE");
    server_process_end(&server);
    free(certificate);
    free(key);
    return status;
}

static void certificates(void **state) {
    (void)state;
    if (ask_tls("127.0.0.1", true) != CSO_OK)
        fail_msg("%s", a.error.message);
    assert_int_equal(ask_tls("127.0.0.1", false), CSO_ERR_USAGE);
    assert_non_null(strstr(a.error.message, "certificate"));
    assert_null(strstr(a.error.message, "requests)")); /* not tried again */
    assert_int_equal(ask_tls("127.0.0.2", true), CSO_ERR_USAGE);
    assert_non_null(strstr(a.error.message, "127.0.0.1"));
}

/* A proxy never gets what is for this machine, and its password is in no message. */
static void proxies(void **state) {
    (void)state;
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"};
    static const char *const values[] = {"http://user:pr0xyword@127.0.0.1:1", "socks9://user:pr0xyword@127.0.0.1:1",
                                         "http://user:pr0xyword@"};
    server_process_start(&server, NULL);
    unsetenv("no_proxy");
    unsetenv("NO_PROXY");
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        server_process outside = {.url = "https://endpoint.invalid/v1"};
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            setenv(names[k], values[i], 1);
        assert_int_equal(asker_ask_one(&a, &server, "fine"), CSO_OK);
        assert_int_not_equal(asker_ask_one(&a, &outside, "fine"), CSO_OK);
        if (strstr(a.error.message, "pr0xyword"))
            fail_msg("%s", a.error.message);
    }
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        unsetenv(names[k]);
    server_process_end(&server);
}

static void nobody_listens(void **state) {
    (void)state;
    server_process_start(&server, NULL);
    server_process_end(&server);
    assert_int_equal(asker_ask_one(&a, &server, "fine"), CSO_ERR_SYSTEM);
    assert_non_null(strstr(a.error.message, "(after 2 requests)"));
    assert_non_null(strstr(a.error.message, "onnect"));
}

static cso_status take(void *context, size_t index, cso_chat_answer *answer, cso_error *err) {
    (void)index;
    (void)err;
    ++*(size_t *)context;
    free(answer->text);
    return CSO_OK;
}

/* Each allocation fails in turn, in either thread: a status, no leak, nothing that waits for ever. */
static void allocations_fail(void **state) {
    (void)state;
    const cso_chat_question questions[] = {{.system = "", .user = "one"}, {.system = "Answer.", .user = "two"}};
    bool failed = true;
    size_t at = 1;
    server_process_start(&server, NULL);
    for (; failed; at++) {
        size_t taken = 0;
        memset(&a, 0, sizeof a);
        asker_service(&a, &server, at % 2 ? "fine" : "fault:500*1");
        fault_memory_begin(at, false);
        cso_status status = cso_endpoint_pool_open(&a.pool, a.options, a.names, 1, &a.error);
        if (status == CSO_OK)
            status = cso_endpoint_ask(a.pool, questions, 2, take, &taken, &a.error);
        cso_endpoint_pool_close(a.pool);
        failed = fault_memory_end();
        assert_true(status == CSO_OK ? taken == 2 : status == CSO_ERR_SYSTEM && failed);
        assert_true(status == CSO_OK || strstr(a.error.message, "memory"));
    }
    assert_true(at > 10);
    server_process_end(&server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(refused_at_opening),
        cmocka_unit_test(no_core),
        cmocka_unit_test(the_key_shows_nowhere),
        cmocka_unit_test(redirects_are_not_followed),
        cmocka_unit_test(certificates),
        cmocka_unit_test(proxies),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(allocations_fail),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

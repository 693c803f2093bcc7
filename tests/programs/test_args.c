/* test_args.c - command lines: every way to write an option, and the message for each wrong one. */
#include "base/did_you_mean.h"
#include "programs/common/args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct options {
    bool quiet, json;
    const char *config;
    size_t threads;
    cso_arg_list set, rest;
    bool done;
} options;

static cso_status parse(options *o, cso_error *err, char *words) {
    const cso_arg args[] = {
        {"config", 'c', CSO_ARG_STRING, &o->config, "FILE", "the configuration"},
        {"set", 's', CSO_ARG_LIST, &o->set, "KEY=VALUE", "overrides a key"},
        {"threads", 0, CSO_ARG_THREADS, &o->threads, "N", "threads"},
        {"quiet", 'q', CSO_ARG_FLAG, &o->quiet, NULL, "say less"},
        {"json", 'j', CSO_ARG_FLAG, &o->json, NULL, "say it in JSON"},
    };
    const cso_program program = {.name = "cso-test", .summary = "s", .usage = "u", .args = args, .arg_count = 5};
    char *argv[16] = {(char *)"cso-test"};
    int argc = 1;
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    *o = (options){0};
    *err = (cso_error){0};
    return cso_args_parse(&program, argc, argv, &o->rest, &o->done, err);
}

static void release(options *o) {
    cso_arg_list_free(&o->set);
    cso_arg_list_free(&o->rest);
}

static void test_forms(void **state) {
    (void)state;
    options o;
    cso_error err;
    char line[] = "--config a.toml -s x=1 --set=y=2 -sz=3 file --threads 7 -qj - -- --quiet";
    assert_int_equal(parse(&o, &err, line), CSO_OK);
    assert_string_equal(o.config, "a.toml");
    assert_int_equal(o.set.count, 3);
    assert_string_equal(o.set.items[0], "x=1");
    assert_string_equal(o.set.items[1], "y=2");
    assert_string_equal(o.set.items[2], "z=3");
    assert_int_equal(o.threads, 7);
    assert_true(o.quiet && o.json && !o.done);
    assert_int_equal(o.rest.count, 3);
    assert_string_equal(o.rest.items[0], "file");
    assert_string_equal(o.rest.items[1], "-");
    assert_string_equal(o.rest.items[2], "--quiet");
    release(&o);
    char again[] = "--config=first --config=second -j -c third";
    assert_int_equal(parse(&o, &err, again), CSO_OK);
    assert_string_equal(o.config, "third");
    release(&o);
    char cluster[] = "-qcfile";
    assert_int_equal(parse(&o, &err, cluster), CSO_OK);
    assert_string_equal(o.config, "file");
    assert_true(o.quiet);
    release(&o);
}

static void test_errors(void **state) {
    (void)state;
    static const char *const CASES[][2] = {
        {"--confg x", "unknown option '--confg' (did you mean '--config'?)"},
        {"--thread=3", "unknown option '--thread' (did you mean '--threads'?)"},
        {"--hlep", "unknown option '--hlep' (did you mean '--help'?)"},
        {"--elephants", "unknown option '--elephants' (--help lists them)"},
        {"-x", "unknown option '-x' in '-x' (--help lists them)"},
        {"-qx", "unknown option '-x' in '-qx' (--help lists them)"},
        {"--config", "--config needs a value (--config FILE)"},
        {"-c", "--config needs a value (--config FILE)"},
        {"--quiet=yes", "--quiet takes no value, found 'yes'"},
        {"--threads=two", "--threads: expected a whole number, found 'two'"},
        {"--threads=-1", "--threads: expected a whole number, found '-1'"},
        {"--threads=1e3", "--threads: expected a whole number, found '1e3'"},
        {"--threads=", "--threads: expected a whole number, found ''"},
        {"--threads=4097", "--threads: must be from 0 to 4096, got 4097"},
        {"--threads=18446744073709551616", "--threads: must be from 0 to 4096, got 18446744073709551616"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        options o;
        cso_error err;
        char line[64];
        snprintf(line, sizeof line, "%s", CASES[i][0]);
        assert_int_equal(parse(&o, &err, line), CSO_ERR_USAGE);
        assert_string_equal(err.message, CASES[i][1]);
        release(&o);
    }
}

static void test_did_you_mean(void **state) {
    (void)state;
    static const char *const NAMES[] = {"train.seed", "train.eps", "train.epochs", "lora.rank", "left"};
    assert_string_equal(cso_did_you_mean("train.sede", NAMES, 5), "train.seed");
    assert_string_equal(cso_did_you_mean("trian.epochs", NAMES, 5), "train.epochs");
    assert_string_equal(cso_did_you_mean("train.epoch", NAMES, 5), "train.epochs");
    assert_string_equal(cso_did_you_mean("lfet", NAMES, 5), "left");
    assert_string_equal(cso_did_you_mean("lora.rnak", NAMES, 5), "lora.rank");
    assert_null(cso_did_you_mean("", NAMES, 5));
    assert_null(cso_did_you_mean("something.else", NAMES, 5));
    assert_null(cso_did_you_mean("x", NAMES, 5));
    char long_word[300];
    memset(long_word, 'a', sizeof long_word - 1);
    long_word[sizeof long_word - 1] = '\0';
    assert_null(cso_did_you_mean(long_word, NAMES, 5));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_did_you_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

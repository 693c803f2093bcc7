/* test_data_tools.c - cso-data check, convert, split, dedup and sample as users meet them: exit codes, exact messages, pipes, and files that
 * appear whole or not at all. What they compute is tested in tests/records.
 */
#include "golden.h"
#include "run_program.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SAMPLE "data/sample/train.tree.jsonl"
#define TOKENS "--tokenizer tests/golden/models/llama-tiny"

static char folder[] = "/tmp/cso-tools-XXXXXX";

static int set_up(void **state) {
    (void)state;
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    return cso_remove_tree(folder, NULL) == CSO_OK ? 0 : -1;
}

/* Runs a command, "D/" at the beginning of a word replaced by the test's folder. */
static run_result run(const char *command, const char *input) {
    char line[2048];
    size_t used = 0;
    for (const char *at = command; *at; at++) {
        bool begins = !strncmp(at, "D/", 2) && (at == command || at[-1] == ' ' || at[-1] == '=');
        used += (size_t)snprintf(line + used, sizeof line - used, begins ? "%s" : "%.1s", begins ? folder : at);
        assert_true(used < sizeof line);
    }
    return run_program(line, input, input ? strlen(input) : 0);
}

/* The first occurrence of the folder's name in a text becomes "D", and so on. */
static void hide_folder(char *text) {
    for (char *at; (at = strstr(text, folder));) {
        *at = 'D';
        memmove(at + 1, at + strlen(folder), strlen(at + strlen(folder)) + 1);
    }
}

static void expect(const char *command, const char *input, int code, const char *out, const char *errors) {
    run_result r = run(command, input);
    hide_folder(r.err);
    if (r.code != code || (out && strcmp(r.out, out) != 0) || strcmp(r.err, errors) != 0)
        fail_msg("%s: exit code %d (expected %d)\nout: %s\nerrors: %s", command, r.code, code, r.out, r.err);
    run_result_free(&r);
}

static void usage(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"@cso-data convert", "--to FORM is needed (trees, pairs, kto, preference, list or sft)"},
        {"@cso-data convert --to pears", "--to: must be one of trees, pairs, kto, preference, list, sft, got 'pears'"},
        {"@cso-data convert --to pairs --strategies D/no.toml", "D/no.toml: cannot open: No such file or directory"},
        {"@cso-data check --max-length 5", "--max-length counts tokens: --model PATH or --tokenizer PATH is needed"},
        {"@cso-data dedup --by line", "--by: must be one of record, content, dialogue, got 'line'"},
        {"@cso-data sample", "one of --count N and --fraction F is needed"},
        {"@cso-data sample --count 3 --fraction 0.1", "one of --count N and --fraction F is needed"},
        {"@cso-data sample --fraction 1.5", "--fraction: must be a number > 0 and <= 1, got 1.5"},
        {"@cso-data sample --fraction nan", "--fraction: must be a number > 0 and <= 1, got nan"},
        {"@cso-data split", "--output-dir DIR is needed"},
        {"@cso-data split -d D/ --parts a", "--parts: \"a\": expected NAME=FRACTION, as in train=0.9,eval=0.1"},
        {"@cso-data split -d D/ --parts a=x", "--parts: a: must be a number > 0 and <= 1, got x"},
        {"@cso-data split -d D/ --parts a=0.5,a=0.5", "--parts: a is named twice"},
        {"@cso-data split -d D/ --parts a/b=1", "--parts: \"a/b\" is no name (expected letters, digits, '-', '_' and '.')"},
        {"@cso-data split -d D/ --parts a=0.5,b=0.4", "--parts: the fractions sum to 0.9 (expected 1)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char message[300];
        snprintf(message, sizeof message, "cso-data: %s\n", cases[i][1]);
        expect(cases[i][0], NULL, 2, "", message);
    }
}

static void checks(void **state) {
    (void)state;
    static const char bad[] = "{\"text\": \"a\"}\n{\"text\": }\n{\"text\": \"\"}\n{\"text\": \"a\"}\n";
    expect("@cso-data check -", bad, 3,
           "standard input:2: expected a value, found '}' (column 10)\n"
           "standard input:3: the text is empty\n"
           "standard input:4: the record is equal to that of standard input:1\n"
           "records                                4  text: 3\n"
           "errors                                 3\n"
           "warnings                               0\n"
           "messages of a record                   1 to 1, mean 1.0\n"
           "characters of a sequence               0 to 1, mean 0.7\n",
           "cso-data: standard input:2: expected a value, found '}' (column 10) (and 2 more errors)\n");
    expect("@cso-data check --show 0 D/a.jsonl", NULL, 3,
           "and 1 more of the kind json (--all shows them)\n"
           "records                                0\n"
           "errors                                 1\n"
           "warnings                               0\n",
           "cso-data: D/a.jsonl: cannot open: No such file or directory\n");
    expect(
        "@cso-data check --json", "{\"prompt\": \" \", \"chosen\": \"a\", \"rejected\": \"b\"}\n", 0,
        "{\"findings\": [{\"file\": \"standard input\", \"line\": 1, \"level\": \"warning\", \"kind\": \"empty\", \"message\": "
        "\"standard "
        "input:1: warning: the prompt is empty\"}], \"records\": 1, \"errors\": 0, \"warnings\": 1, \"kinds\": {\"json\": 0, "
        "\"record\": 0, \"roles\": 0, \"strategy\": 0, \"empty\": 1, \"equal\": 0, \"double\": 0, \"length\": 0, \"template\": 0}, "
        "\"forms\": {\"preference\": 1}, \"turns\": 1, \"bare_turns\": 0, \"replies\": 2, \"messages\": {\"least\": 2, \"mean\": "
        "2, "
        "\"most\": 2, \"sum\": 2}, \"characters\": {\"least\": 2, \"mean\": 2, \"most\": 2, \"sum\": 2}, \"tokens\": null, "
        "\"uncounted\": 0}\n",
        "");
    run_result r = run("@cso-data check " TOKENS " " SAMPLE " data/sample/valid.tree.jsonl", NULL);
    assert_int_equal(r.code, 0);
    assert_non_null(strstr(r.out, "records                               37  ESC-Pro tree: 37\n"));
    assert_non_null(strstr(r.out, "\ntokens of a sequence  "));
    assert_string_equal(r.err, "");
    run_result_free(&r);
    r = run("@cso-data check " TOKENS " --max-length 800 --show 1 " SAMPLE, NULL);
    assert_int_equal(r.code, 3);
    assert_non_null(strstr(r.out, " tokens (expected at most 800)\n"));
    assert_non_null(strstr(r.out, " more of the kind length (--all shows them)\n"));
    run_result_free(&r);
    r = run("@cso-data check --strategies configs/strategies-esconv.toml " SAMPLE, NULL);
    assert_int_equal(r.code, 3);
    assert_non_null(strstr(r.out, SAMPLE ":1: messages[1]: unknown strategy \"Emotional Validation\""));
    run_result_free(&r);
}

static void converts(void **state) {
    (void)state;
    expect("@cso-data convert --to sft", "{\"text\":\"a\"}\n", 0, "{\"text\": \"a\"}\n", "");
    expect("@cso-data convert --to sft --array -", "[{\"text\":\"a\"}]", 0, "[\n{\"text\": \"a\"}\n]\n", "");
    expect("@cso-data convert --to pairs --output D/p.jsonl " SAMPLE, NULL, 0, "", "warning: lost: iter of 29 records\n");
    expect("@cso-data convert --to pairs --quiet --output D/p.jsonl " SAMPLE, NULL, 0, "", "");
    char line[600]; /* there and back through pipes */
    snprintf(line, sizeof line,
             "cd %s; for to in pairs kto preference list; do %s/cso-data convert --to $to --keep < $OLDPWD/" SAMPLE
             " | %s/cso-data convert --to trees - | cmp - $OLDPWD/" SAMPLE " || exit 1; done",
             folder, CSO_BINARIES, CSO_BINARIES);
    assert_int_equal(system(line), 0);
    expect("@cso-data convert --to trees",
           "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", "
           "\"content\": \"(Zen) b\"}]}\n",
           0,
           "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\", \"strategy\": "
           "\"Zen\", "
           "\"negative\": []}]}\n",
           "warning: lost: the system message of 1 dialogues, which is not the one that trees are read under (--strategies, "
           "--system-prompt)\nwarning: 1 replies name strategies that are not known (--strategies)\n");
}

/* Scattered pairs are refused with a command that helps. */
static void sorts(void **state) {
    (void)state;
    char line[900];
    expect("@cso-data convert --to pairs -q --output D/p.jsonl " SAMPLE, NULL, 0, "", "");
    snprintf(line, sizeof line,
             "cd %s; awk '{print NR %% 7 \"\\t\" $0}' p.jsonl | LC_ALL=C sort -s -k1,1n | cut -f2- > scattered.jsonl", folder);
    assert_int_equal(system(line), 0);
    run_result r = run("@cso-data convert --to trees D/scattered.jsonl", NULL);
    assert_int_equal(r.code, 3);
    assert_non_null(
        strstr(r.err, ": its dialogue came before, and another one in between (expected the records of a dialogue side by side: "
                      "LC_ALL=C sort FILE > SORTED puts lines in such an order)\n"));
    run_result_free(&r);
    snprintf(line, sizeof line,
             "cd %s; LC_ALL=C sort scattered.jsonl > sorted.jsonl; %s/cso-data convert --to trees -q sorted.jsonl > trees.jsonl; "
             "%s/cso-data convert --to pairs -q trees.jsonl | LC_ALL=C sort | cmp - sorted.jsonl",
             folder, CSO_BINARIES, CSO_BINARIES);
    assert_int_equal(system(line), 0);
    expect("grep -c messages D/trees.jsonl", NULL, 0, "29\n", "");
}

/* What is in the folder, as "a b c". */
static void assert_folder(const char *expected) {
    cso_names names;
    char text[512] = "";
    cso_error err = {0};
    golden_ok(cso_folder_list(folder, true, &names, &err), &err);
    for (size_t i = 0; i < names.count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i ? " " : "", names.items[i]);
    assert_string_equal(text, expected);
    cso_names_free(&names);
}

static void files_whole_or_not_at_all(void **state) {
    (void)state;
    cso_error err = {0};
    char path[300];
    expect("@cso-data convert --to kto --output D/k.jsonl", "{\"text\": \"a\"}\n", 3, "",
           "cso-data: standard input:1: text: cannot become kto (a text has no replies)\n");
    expect("@cso-data dedup --output D/d.jsonl", "{\"text\": \"a\"}\n{\"text\": \n", 3, "",
           "cso-data: standard input:2: the JSON text ends too early (expected a value) (column 10)\n");
    expect("@cso-data split -d D/ --parts a=0.5,b=0.5", "{\"text\": \"a\"}\n{\"text\": \n", 3, "",
           "cso-data: standard input:2: the JSON text ends too early (expected a value) (column 10)\n");
    expect(
        "@cso-data split -d D/ --parts a=0.5,b=0.5", "{\"text\": \"a\"}\n", 3, "",
        "cso-data: standard input: part b would be empty: there are 1 dialogues (expected more, or another fraction than 0.5)\n");
    assert_folder("");
    snprintf(path, sizeof path, "%s/k.jsonl", folder); /* a file that is there stays as it is after a failure */
    golden_ok(cso_save_text(path, "old", 3, &err), &err);
    expect("@cso-data convert --to kto --output D/k.jsonl", "{\"text\": \"a\"}\n", 3, "",
           "cso-data: standard input:1: text: cannot become kto (a text has no replies)\n");
    expect("@cso-data split -d D/ --parts k=0.5,b=0.5 -", "{\"text\": \"a\"}\n{\"text\": \"b\"}\n", 2, "",
           "cso-data: D/k.jsonl: exists (--force replaces it)\n");
    size_t size;
    char *text;
    golden_ok(cso_read_file(path, 100, &text, &size, &err), &err);
    assert_string_equal(text, "old");
    free(text);
    assert_folder("k.jsonl");
    expect("@cso-data split -d D/ --force --seed 1 --parts k=0.5,b=0.5 -", "[{\"text\": \"a\"},\n{\"text\":\n\"b\"}]", 0, "",
           "note: D/k.jsonl: 1 dialogues, 1 records\nnote: D/b.jsonl: 1 dialogues, 1 records\n");
    assert_folder("b.jsonl k.jsonl");
    expect("sort D/b.jsonl D/k.jsonl", NULL, 0, "{\"text\": \"a\"}\n{\"text\": \"b\"}\n", "");
}

static void dedups_and_samples(void **state) {
    (void)state;
    expect("@cso-data dedup", "{\"text\": \"a\"}\n{\"text\": \"b\"}\n{\"text\":\"a\"}\n", 0,
           "{\"text\": \"a\"}\n{\"text\": \"b\"}\n", "note: 2 of 3 records are written, 1 came before\n");
    expect("@cso-data sample --count 5 -", "{\"text\": \"a\"}\n{\"text\": \"b\"}\n", 0, "{\"text\": \"a\"}\n{\"text\": \"b\"}\n",
           "note: 2 of 2 records are written\n");
    expect("@cso-data sample --fraction 1 --by dialogue --output D/s.jsonl -", "{\"text\": \"a\"}\n", 0, "",
           "note: 1 of 1 records are written\n");
    assert_folder("s.jsonl");
    run_result a = run("@cso-data sample -n 4 --seed 5 " SAMPLE, NULL), b = run("@cso-data sample -n 4 --seed 5 " SAMPLE, NULL);
    run_result c = run("@cso-data sample -n 4 --seed 6 " SAMPLE, NULL);
    assert_string_equal(a.out, b.out);
    assert_string_not_equal(a.out, c.out);
    run_result_free(&a);
    run_result_free(&b);
    run_result_free(&c);
}

/* A reader that goes away ends the program without a word; a full disk is an error of the system. */
static void broken_pipes(void **state) {
    (void)state;
    char line[400];
    snprintf(line, sizeof line,
             "for i in 1 2 3; do %s/cso-data convert --to pairs -q " SAMPLE " | head -1 | wc -l | grep -qx 1 || exit 1; done",
             CSO_BINARIES);
    assert_int_equal(system(line), 0);
    if (access("/dev/full", W_OK))
        skip();
    run_result r = run("( @cso-data convert --to pairs -q " SAMPLE " > /dev/full )", NULL);
    assert_int_equal(r.code, 4);
    assert_string_equal(r.err, "cso-data: standard output: cannot write: No space left on device\n");
    run_result_free(&r);
    r = run("( @cso-data check " SAMPLE " > /dev/full )", NULL);
    assert_int_equal(r.code, 4);
    run_result_free(&r);
}

/* A signal while a file is written leaves nothing behind. */
static void interrupted(void **state) {
    (void)state;
    char line[600];
    snprintf(line, sizeof line,
             "(cat " SAMPLE "; sleep 0.3; cat " SAMPLE
             "; sleep 3) | %s/cso-data convert --to pairs -q --output %s/i.jsonl & pid=$!; "
             "sleep 0.2; kill -TERM $pid; wait $pid; test $? = 143",
             CSO_BINARIES, folder);
    run_result r = run_program(line, NULL, 0);
    assert_int_equal(r.code, 0);
    run_result_free(&r);
    assert_folder("");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(usage),
        cmocka_unit_test(checks),
        cmocka_unit_test_setup_teardown(converts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sorts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_whole_or_not_at_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(dedups_and_samples, set_up, tear_down),
        cmocka_unit_test(broken_pipes),
        cmocka_unit_test_setup_teardown(interrupted, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

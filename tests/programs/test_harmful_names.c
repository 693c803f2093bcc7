/* test_harmful_names.c - names that do harm: files that are pipes or devices, run folders that are none, and names that a terminal
 * obeys. */
#include "golden.h"
#include "run_program.h"

#include "base/file.h"
#include "base/printable.h"
#include "io/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MODEL "tests/golden/models/llama-tiny"
#define PAIRS "tests/golden/pairs/pairs.jsonl"
/* Clear the screen, DEL, CSI as one character of C1, a byte that is not UTF-8, right-to-left override. */
#define EVIL  "a\x1b[2J\x7f\xc2\x9b\xff\xe2\x80\xae"
#define SHOWN "a\\x1b[2J\\x7f\\xc2\\x9b\\xff\\xe2\\x80\\xae"

static char dir[64], root[512];

static void save(const char *name, const char *text) {
    char path[256];
    cso_error err = {0};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    golden_ok(cso_save_text(path, text, strlen(text), &err), &err);
}

static int setup(void **state) {
    (void)state;
    char path[128], text[2048];
    strcpy(dir, "/tmp/cso-test-names-XXXXXX");
    if (!mkdtemp(dir) || !getcwd(root, sizeof root))
        return -1;
    snprintf(path, sizeof path, "%s/pipe", dir);
    snprintf(text, sizeof text,
             "[model]\npath = \"%s/" MODEL "\"\nchat_template = \"llama3\"\n[data]\ntrain = [\"%s/" PAIRS "\"]\n"
             "parse_special = true\n[lora]\nrank = 4\n[train]\nmax_steps = 1\nbatch_size = 8\n[checkpoint]\ndir = \"run\"\n",
             root, root);
    save("c.toml", text);
    return mkfifo(path, 0666);
}
static int teardown(void **state) {
    (void)state;
    return cso_remove_tree(dir, NULL) == CSO_OK ? 0 : -1;
}

/* "D/" at the beginning of a word is the tests' folder. */
static run_result run(const char *command) {
    char line[2048] = "timeout -s KILL 20 ";
    size_t used = strlen(line);
    for (const char *at = command; *at; at++) {
        bool begins = (at == command || strchr(" ='\"", at[-1])) && !strncmp(at, "D/", 2);
        used += (size_t)snprintf(line + used, sizeof line - used, begins ? "%s" : "%.1s", begins ? dir : at);
        assert_true(used < sizeof line);
    }
    return run_program(line, NULL, 0);
}

static void expect(const char *command, int code, const char *part) {
    run_result r = run(command);
    if (r.code != code || !strstr(r.err, part))
        fail_msg("%s: exit code %d (expected %d): %s(expected in it: %s)", command, r.code, code, r.err, part);
    run_result_free(&r);
}

/* Opening never waits, and what is no file is refused by name. */
static void pipes_and_devices(void **state) {
    (void)state;
    static const struct {
        const char *command;
        int code;
    } cases[] = {
        {"@cso-train -c D/pipe", 2},
        {"@cso-train -c D/c.toml --set model.path=D/pipe", 3},
        {"@cso-train -c D/c.toml --set 'data.train=[\"D/pipe\"]'", 3},
        {"@cso-train -c D/c.toml --set data.system_prompt=D/pipe", 3},
        {"@cso-eval score -m " MODEL " D/pipe", 3},
        {"@cso-eval score -m D/pipe " PAIRS, 3},
        {"@cso-generate -m " MODEL " -f D/pipe", 3},
        {"@cso-generate -m " MODEL " -p Hello --tokenizer D/pipe", 3},
        {"@cso-data stats --model " MODEL " D/pipe", 3},
        {"@cso-data tokenize --model " MODEL " D/pipe", 3},
        {"@cso-data check D/pipe", 3},
        {"@cso-data convert --to kto D/pipe", 3},
        {"@cso-data convert --to kto --strategies D/pipe", 2},
        {"@cso-data dedup D/pipe", 3},
        {"@cso-data sample -n 3 D/pipe", 3},
        {"@cso-data split -d D/parts D/pipe", 3},
        {"@cso-inspect D/pipe", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect(cases[i].command, cases[i].code,
               "pipe: is a pipe (expected a file; only data may come through one, as standard input)");
    expect("@cso-train -c /dev/null", 2, "/dev/null: is a device (expected a file)");
    expect("@cso-eval score -m " MODEL " /dev/zero", 3, "/dev/zero: is a device (expected a file)");
    expect("@cso-data stats --model " MODEL " /dev/null", 3, "/dev/null: is a device (expected a file)");

    char line[400];
    for (int i = 0; i < 2; i++) {
        snprintf(line, sizeof line, "cat " PAIRS " | %s/cso-data stats --model " MODEL " %s", CSO_BINARIES, i ? "/dev/stdin" : "-");
        assert_int_equal(system(line), 0);
    }
}

static void run_folders(void **state) {
    (void)state;
    static const char *const refused[][2] = {
        {"/", "/ is the root folder"},
        {"//", "// is the root folder"},
        {"/..", "/.. is the root folder"},
        {"/tmp/..", "/tmp/.. is the root folder"},
        {"~/run", "~/run: ~ is not replaced here"},
        {"/usr", "/usr is a top-level folder with other files"},
    };
    char command[400], part[200];
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        snprintf(command, sizeof command, "@cso-train -n -c D/c.toml --set 'checkpoint.dir=\"%s\"'", refused[i][0]);
        snprintf(part, sizeof part, "checkpoint.dir: %s (expected", refused[i][1]);
        expect(command, 2, part);
    }
    expect("@cso-train -n -c D/c.toml --set 'checkpoint.dir=\"\"'", 2, "checkpoint.dir: must not be empty");
    const char *train = "/cso-train -q -c ../c.toml --set checkpoint.dir="; /* --set counts from the current folder */
    snprintf(command, sizeof command, "sh -c 'mkdir -p D/a/b && cp D/c.toml D/a && cd D/a/b && %s%s..'", CSO_BINARIES, train);
    expect(command, 2, "checkpoint.dir: .. is a folder above the current one, with other files (expected");
    snprintf(command, sizeof command, "env HOME=%s/a %s/cso-train -n -c D/c.toml --set checkpoint.dir=D/a", dir, CSO_BINARIES);
    expect(command, 2, "is the home folder (expected");
    /* An empty folder, the current one too, and then the run that is in it. */
    snprintf(command, sizeof command, "sh -c 'mkdir -p D/c && cd D/c && %s%s.'", CSO_BINARIES, train);
    expect(command, 0, "");
    snprintf(command, sizeof command, "sh -c 'cd D/c && touch notes && %s%s.'", CSO_BINARIES, train);
    expect(command, 0, "");
}

/* Nothing but line breaks that a terminal obeys. */
static void assert_harmless(const char *text) {
    for (const char *at = text; *at;) {
        size_t length = *at == '\n' ? 1 : cso_printable_length(at, strnlen(at, 4));
        if (!length)
            fail_msg("byte %02x in: %s", (unsigned char)*at, text);
        at += length;
    }
}

static void expect_shown(run_result r, int code, const char *shown) {
    assert_int_equal(r.code, code);
    assert_harmless(r.err);
    assert_harmless(r.out);
    if (!strstr(r.err, shown) && !strstr(r.out, shown))
        fail_msg("expected %s in: %s%s", shown, r.err, r.out);
    run_result_free(&r);
}

static void run_folder_name(void **state) {
    (void)state;
    /* TOML has only UTF-8: the name comes without the bad byte. */
    run_result r = run("@cso-train -c D/c.toml --set 'checkpoint.dir=\"D/e\\u001b[2J\\u007f\\u009b\\u202e\"'");
    expect_shown(r, 0, "adapter written to ");
    r = run("@cso-train -n -c D/c.toml --set 'checkpoint.dir=\"D/e\\u001b[2J\\u007f\\u009b\\u202e\"'");
    expect_shown(r, 0, "/e\\x1b[2J\\x7f\\xc2\\x9b\\xe2\\x80\\xae\n");
}

static void file_names(void **state) {
    (void)state;
    static const char *const commands[] = {
        "@cso-train -c '" EVIL "'",
        "@cso-train '" EVIL "'",
        "@cso-train --'" EVIL "'",
        "@cso-train -c D/c.toml --set '" EVIL "=1'",
        "@cso-eval score -m '" EVIL "' " PAIRS,
        "@cso-eval '" EVIL "'",
        "@cso-generate -m " MODEL " -f '" EVIL "'",
        "@cso-data stats --model " MODEL " '" EVIL "'",
        "@cso-data '" EVIL "'",
        "@cso-inspect '" EVIL "'",
        "@cso-inspect --json '" EVIL "'",
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        run_result r = run(commands[i]);
        assert_in_range(r.code, 2, 3);
        expect_shown(r, r.code, SHOWN);
    }
    expect_shown(run("@cso-inspect --make-model llama --layers 1 --out D/'" EVIL "'"), 0, SHOWN);
}

/* Keys of config.json, for people and as JSON. */
static void keys(void **state) {
    (void)state;
    size_t size;
    char *config, *text;
    cso_error err = {0};
    golden_ok(cso_read_file(MODEL "/config.json", 1 << 20, &config, &size, &err), &err);
    char *end = strrchr(config, '}');
    *end = '\0';
    text = malloc(size + 300);
    sprintf(text, "%s, \"k\\u001b[2J\\u007f\\u009b\\u202e\": \"v\\u001b[2J\\u007f\\u009b\\u202e\"}", config);
    char folder[128];
    snprintf(folder, sizeof folder, "%s/model", dir);
    golden_ok(cso_make_folders(folder, &err), &err);
    save("model/config.json", text);
    char command[400];
    snprintf(command, sizeof command, "cp " MODEL "/*.safetensors " MODEL "/tokenizer* %s", folder);
    assert_int_equal(system(command), 0);
    expect_shown(run("@cso-inspect --keys D/model"), 0, "k\\x1b[2J\\x7f\\xc2\\x9b\\xe2\\x80\\xae");
    run_result r = run("@cso-inspect --keys --json D/model");
    assert_harmless(r.out);
    cJSON *json;
    golden_ok(cso_json_parse(&json, r.out, r.out_size, "out", 1, &err), &err);
    const cJSON *list = cJSON_GetObjectItem(json, "keys");
    assert_non_null(cJSON_GetObjectItemCaseSensitive(list, "k\x1b[2J\x7f\xc2\x9b\xe2\x80\xae"));
    cJSON_Delete(json);
    run_result_free(&r);
    free(config);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipes_and_devices), cmocka_unit_test(run_folders), cmocka_unit_test(run_folder_name),
        cmocka_unit_test(file_names),        cmocka_unit_test(keys),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

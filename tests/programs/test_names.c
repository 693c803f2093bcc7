/* test_names.c - what users bring from elsewhere, and how the programs answer: names of other trainers, of the hub, of subcommands;
 * data in other forms; numbers that are too large. And pages of help that fit a terminal.
 */
#include "golden.h"
#include "run_program.h"
#include "test_folder.h"

#include "base/file.h"
#include "base/foreign_names.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MODEL "tests/golden/models/llama-tiny"

static void save(const char *name, const char *bytes, size_t size) {
    cso_error err = {0};
    golden_ok(cso_save_text(in_folder(name), bytes, size, &err), &err);
}

/* Runs a command, "FOLDER" in it replaced. */
static run_result run(const char *command) {
    char line[2048];
    size_t used = 0;
    for (const char *at = command; *at; at++) {
        if (!strncmp(at, "FOLDER", 6)) {
            used += (size_t)snprintf(line + used, sizeof line - used, "%s", test_folder);
            at += 5;
        } else {
            line[used++] = *at;
        }
        assert_true(used < sizeof line - 1);
    }
    line[used] = '\0';
    return run_program(line, NULL, 0);
}

/* The exit code, and a part of standard error, which has one line. */
static void expect(const char *command, int code, const char *part) {
    run_result r = run(command);
    if (r.code != code || !strstr(r.err, part) || strchr(r.err, '\n') != r.err + strlen(r.err) - 1)
        fail_msg("%s: exit code %d (expected %d): %s\nexpected in it: %s", command, r.code, code, r.err, part);
    run_result_free(&r);
}

static void check_width(const char *command) {
    run_result r = run(command);
    if (r.code)
        fail_msg("%s: %s", command, r.err);
    for (const char *line = r.out; *line; line += strcspn(line, "\n") + 1)
        if (strcspn(line, "\n") > 80)
            fail_msg("%s: more than 80 columns: %.*s", command, (int)strcspn(line, "\n"), line);
    run_result_free(&r);
}

/* The names in "(expected score, compare or show)"; 0: the program has no commands. */
static size_t commands_of(const char *program, char names[8][32]) {
    char line[128];
    snprintf(line, sizeof line, "@%.60s nonsense-command", program);
    run_result r = run(line);
    const char *at = strstr(r.err, "unknown command") ? strstr(r.err, "(expected ") : NULL;
    size_t count = 0;
    for (at = at ? at + strlen("(expected ") : ")"; *at && *at != ')'; at += strspn(at, ", ")) {
        size_t length = strcspn(at, ", )");
        if (length == 2 && !strncmp(at, "or", 2)) {
            at += 2;
            continue;
        }
        assert_true(count < 8 && length < 32);
        snprintf(names[count++], 32, "%.*s", (int)length, at);
        at += length;
    }
    run_result_free(&r);
    return count;
}

/* Every program that was built, with every subcommand that it says it has. */
static void help_fits_80_columns(void **state) {
    (void)state;
    DIR *dir = opendir(CSO_BINARIES);
    size_t programs = 0, pages = 0;
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir));) {
        char names[8][32], line[256];
        if (strncmp(entry->d_name, "cso-", 4) != 0)
            continue;
        size_t count = commands_of(entry->d_name, names);
        snprintf(line, sizeof line, "@%.60s --help", entry->d_name);
        check_width(line);
        for (size_t i = 0; i < count; i++) {
            snprintf(line, sizeof line, "@%.60s %s --help", entry->d_name, names[i]);
            check_width(line);
        }
        programs++;
        pages += 1 + count;
    }
    closedir(dir);
    check_width("@cso-train --help-config");
    assert_true(programs >= 6);
    assert_true(pages >= programs + 5); /* cso-eval, cso-data and cso-bench have commands */
}

static void options_of_others(void **state) {
    (void)state;
    static const char *const CASES[][2] = {
        {"@cso-train --max-steps 10", "unknown option '--max-steps' (did you mean '--set train.max_steps=VALUE'?)"},
        {"@cso-train --learning_rate 1e-4", "unknown option '--learning_rate' (did you mean '--set train.learning_rate=VALUE'?)"},
        {"@cso-train --lr=1e-4", "unknown option '--lr' (did you mean '--set train.learning_rate=VALUE'?)"},
        {"@cso-train --output_dir x", "unknown option '--output_dir' (did you mean '--set checkpoint.dir=VALUE'?)"},
        {"@cso-train --gradient-accumulation-steps 4",
         "(did you mean '--set train.batch_size=VALUE'?): the whole batch of one optimizer step; the engine cuts it to fit memory"},
        {"@cso-train --seed 1", "unknown option '--seed' (did you mean '--set train.seed=VALUE'?)"},
        {"@cso-train --train.seed 1", "unknown option '--train.seed' (did you mean '--set train.seed=VALUE'?)"},
        {"@cso-train --dry_run", "unknown option '--dry_run' (did you mean '--dry-run'?)"},
        {"@cso-train --resume_from_checkpoint x", "(did you mean '--resume'?)"},
        {"@cso-train --report_to none", "unknown option '--report_to': metrics.jsonl in checkpoint.dir has a line for each step"},
        {"@cso-train --elephants", "unknown option '--elephants' (--help lists them)"},
        {"@cso-generate --max_new_tokens 5", "(did you mean '--max-tokens'?)"},
        {"@cso-generate --model_name_or_path x", "(did you mean '--model'?)"},
        {"@cso-eval score --adapter_name_or_path x y", "(did you mean '--adapter'?)"},
        {"@cso-eval score --max_seq_length 5 y", "(did you mean '--max-length'?)"},
        {"@cso-eval scroe --foo", "unknown command 'scroe' (did you mean 'score'?)"}, /* before the option */
        {"@cso-eval --model m scroe --foo", "unknown command 'scroe' (did you mean 'score'?)"},
        {"@cso-data tokenise --foo", "unknown command 'tokenise' (did you mean 'tokenize'?)"},
        {"@cso-bench setp --foo", "unknown command 'setp' (did you mean 'step'?)"},
        {"@cso-eval", "no command is given (expected score, perplexity, metrics or dialogues)"},
        {"@cso-generate -t 99999999", "--threads: must be from 0 to 4096, got 99999999"},
        {"@cso-generate -t 4294967297", "--threads: must be from 0 to 4096, got 4294967297"},
        {"@cso-generate -n 1152921504606846976", "--max-tokens: must be from 0 to 2147483647, got 1152921504606846976"},
        {"@cso-eval score --max-length 1152921504606846976 x",
         "--max-length: must be from 0 to 2147483647, got 1152921504606846976"},
        {"@cso-eval score -m m --beta 1e300 x", "--beta: loss.beta: must be from 1e-06 to 1000000, got 1e+300"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        expect(CASES[i][0], 2, CASES[i][1]);
}

/* An option that the table of foreign names names is one of some program. */
static void options_exist(void **state) {
    (void)state;
    static const char *const PAGES[] = {"@cso-train --help", "@cso-eval --help", "@cso-generate --help", "@cso-data stats --help"};
    enum { N = sizeof PAGES / sizeof *PAGES };
    run_result pages[N];
    for (size_t i = 0; i < N; i++)
        pages[i] = run(PAGES[i]);
    for (size_t i = 0; i < cso_foreign_name_count; i++) {
        char option[64];
        bool found = !cso_foreign_names[i].option;
        snprintf(option, sizeof option, "--%s ", found ? "" : cso_foreign_names[i].option);
        for (size_t k = 0; k < N; k++)
            found = found || strstr(pages[k].out, option);
        if (!found)
            fail_msg("no program has the option %s", option);
    }
    for (size_t i = 0; i < N; i++)
        run_result_free(&pages[i]);
}

static void names_of_the_hub(void **state) {
    (void)state;
    static const char *const CASES[][2] = {
        {"@cso-generate -p x -m meta-llama/Llama-3.1-8B-Instruct",
         "hf download meta-llama/Llama-3.1-8B-Instruct --local-dir models/Llama-3.1-8B-Instruct"},
        {"@cso-inspect https://huggingface.co/Qwen/Qwen2.5-7B/tree/main",
         "hf download Qwen/Qwen2.5-7B --local-dir models/Qwen2.5-7B"},
        {"@cso-eval score -m " MODEL " -a someone/lora tests/golden/pairs/pairs.jsonl",
         "hf download someone/lora --local-dir models/lora"},
        {"@cso-inspect https://hf.co/Qwen/Qwen2.5-7B?library=x", "hf download Qwen/Qwen2.5-7B --local-dir models/Qwen2.5-7B"},
        {"@cso-data stats -m " MODEL " https://huggingface.co/datasets/XingYuSSS/ESC-Pro/tree/main",
         "hf download --repo-type dataset XingYuSSS/ESC-Pro --local-dir data/ESC-Pro"},
        {"@cso-data stats -m google/gemma-2-9b-it x.jsonl", "hf download google/gemma-2-9b-it"},
        {"@cso-data stats -m " MODEL " XingYuSSS/ESC-Pro",
         "hf download --repo-type dataset XingYuSSS/ESC-Pro --local-dir data/ESC-Pro"},
        {"@cso-inspect tests/Qwen2.5-7B", "tests/Qwen2.5-7B: cannot open: No such file or directory"}, /* the folder is there */
        {"@cso-inspect models/small.gguf", "models/small.gguf: cannot open: No such file or directory"},
        {"@cso-inspect nowhere", "nowhere: cannot open: No such file or directory"},
        {"@cso-inspect a/b/c/d/../e", ": cannot open: No such file or directory"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        expect(CASES[i][0], 3, CASES[i][1]);
    static const char CONFIG[] = "[model]\npath = \"meta-llama/Llama-3.1-8B-Instruct\"\n[data]\ntrain = [\"x\"]\n[lora]\n";
    save("hub.toml", CONFIG, sizeof CONFIG - 1); /* the path is then relative to the configuration's folder */
    expect("@cso-train -c FOLDER/hub.toml", 3, "hf download meta-llama/Llama-3.1-8B-Instruct --local-dir");
    static const char ADDRESS[] = "[model]\npath = \"https://huggingface.co/org/name\"\n[data]\ntrain = [\"x\"]\n[lora]\n";
    save("hub.toml", ADDRESS, sizeof ADDRESS - 1);
    expect("@cso-train -c FOLDER/hub.toml", 3, "hf download org/name --local-dir");
}

typedef struct foreign_file {
    const char *name, *bytes;
    size_t size;
    const char *part;
} foreign_file;
#define BYTES(text) text, sizeof text - 1

static void files_of_others(void **state) {
    (void)state;
    static const foreign_file FILES[] = {
        {"a.jsonl.gz", BYTES("\x1f\x8b\b\0\0\n"), "gzip-compressed (expected records in JSON: gunzip -k FILE unpacks it)"},
        {"a.zst", BYTES("(\xb5/\xfd$"), "zstd-compressed"},
        {"a.bz2", BYTES("BZh91AY"), "bzip2-compressed"},
        {"a.xz",
         BYTES("\xfd"
               "7zXZ\0"),
         "xz-compressed"},
        {"a.zip", BYTES("PK\3\4\n\0"), "a zip archive (expected records in JSON: unzip FILE unpacks it)"},
        {"a.xlsx", BYTES("PK\3\4\n\0"), "an Excel table (expected records in JSON: python3 -c 'import pandas; pandas.read_excel("},
        {"a.parquet", BYTES("PAR1\x15\4"),
         "a Parquet table (expected records in JSON: python3 -c 'import pandas; pandas.read_parquet("},
        {"a.feather", BYTES("ARROW1\0\0"),
         "an Arrow table (expected records in JSON: python3 -c 'import pandas; pandas.read_feather("},
        {"a.arrow", BYTES("\xff\xff\xff\xff\x10"), "an Arrow table (expected records in JSON: python3 -c 'import datasets;"},
        {"a.u16", BYTES("\xff\xfe{\0"), "UTF-16 text"},
        {"a.csv", BYTES("a,b\n1,2\n"), "comma-separated values (expected records in JSON: python3 -c 'import csv,json,sys;"},
        {"a.TSV", BYTES("a\tb\n1\t2\n"), "tab-separated values"},
        {"a.txt", BYTES("\"prompt\",\"chosen\",\"rejected\"\r\na,b,c\n"), "comma-separated values"},
        {"b.txt", BYTES("text\tlabel\na\tb\n"), "tab-separated values"},
        {"plain.txt", BYTES("prompt and chosen, rejected\n"), "plain.txt:1: expected a value, found 'p' (column 1)"},
        {"cut.jsonl", BYTES("P"), "cut.jsonl:1: expected a value, found 'P' (column 1)"},
        {"lines.jsonl", BYTES("nonsense\n{}\n"), "lines.jsonl:1: expected a value, found 'n' (column 1)"},
    };
    for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
        char command[256];
        save(FILES[i].name, FILES[i].bytes, FILES[i].size);
        snprintf(command, sizeof command, "@cso-data tokenize -m " MODEL " %s", in_folder(FILES[i].name));
        expect(command, 3, FILES[i].part);
        snprintf(command, sizeof command, "@cso-eval score -m " MODEL " %s", in_folder(FILES[i].name));
        expect(command, 3, FILES[i].part);
    }
}

/* Records of other trainers are named, and the command that the message gives makes records of ours (where jq is there to run
 * it). */
static void records_of_others(void **state) {
    (void)state;
    static const char *const CASES[][3] = {
        {"{\"conversations\":[{\"from\":\"human\",\"value\":\"Hi\"},{\"from\":\"gpt\",\"value\":\"Hello\"}],\"system\":\"S\"}",
         "ShareGPT record (conversations with from and value)",
         "{\"messages\":[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\","
         "\"content\":\"Hello\"}]}"},
        {"{\"conversations\":[{\"from\":\"human\",\"value\":\"Hi\"}],\"chosen\":{\"from\":\"gpt\",\"value\":\"A\"},\"rejected\":{"
         "\"from\":\"gpt\",\"value\":\"B\"}}",
         "ShareGPT pair (conversations, chosen, rejected)",
         "{\"prompt\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"chosen\":[{\"role\":\"assistant\",\"content\":\"A\"}],"
         "\"rejected\":"
         "[{\"role\":\"assistant\",\"content\":\"B\"}]}"},
        {"{\"conversations\":[{\"role\":\"user\",\"content\":\"Hi\"}]}", "conversation (conversations)",
         "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}"},
        {"{\"conversations\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"chosen\":{\"role\":\"assistant\",\"content\":\"A\"},"
         "\"rejected\":{\"role\":\"assistant\",\"content\":\"B\"}}",
         "pair after a conversation (conversations, chosen, rejected)",
         "{\"prompt\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"chosen\":[{\"role\":\"assistant\",\"content\":\"A\"}],"
         "\"rejected\":"
         "[{\"role\":\"assistant\",\"content\":\"B\"}]}"},
        {"{\"instruction\":\"Say\",\"input\":\"this\",\"output\":\"A\"}", "Alpaca record (instruction, input, output)",
         "{\"messages\":[{\"role\":\"user\",\"content\":\"Say\\nthis\"},{\"role\":\"assistant\",\"content\":\"A\"}]}"},
        {"{\"instruction\":\"Say\",\"input\":\"\",\"chosen\":\"A\",\"rejected\":\"B\"}",
         "Alpaca pair (instruction, chosen, rejected)",
         "{\"prompt\":[{\"role\":\"user\",\"content\":\"Say\"}],\"chosen\":[{\"role\":\"assistant\",\"content\":\"A\"}],"
         "\"rejected\":"
         "[{\"role\":\"assistant\",\"content\":\"B\"}]}"},
    };
    bool jq = !system("jq --version > /dev/null 2>&1");
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        save("in.json", CASES[i][0], strlen(CASES[i][0]));
        expect("@cso-data tokenize -m " MODEL " FOLDER/in.json", 3, CASES[i][1]);
        run_result r = run("@cso-data tokenize -m " MODEL " FOLDER/in.json");
        const char *command = strstr(r.err, "; this makes one: jq -c '");
        assert_non_null(command);
        if (jq) {
            char line[1024];
            size_t size;
            cso_error err = {0};
            char *made;
            snprintf(line, sizeof line, "cd %s && %s", test_folder, command + strlen("; this makes one: "));
            assert_int_equal(system(line), 0);
            golden_ok(cso_read_file(in_folder("out.jsonl"), 1 << 16, &made, &size, &err), &err);
            made[strcspn(made, "\n")] = '\0';
            assert_string_equal(made, CASES[i][2]);
            free(made);
        }
        run_result_free(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_fits_80_columns), cmocka_unit_test(options_of_others), cmocka_unit_test(options_exist),
        cmocka_unit_test(names_of_the_hub),     cmocka_unit_test(files_of_others),   cmocka_unit_test(records_of_others),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

/* test_dialogues.c - cso-eval dialogues on a tiny model: predictions that depend on nothing but model and data, go on where they ended,
 * agree with cso-eval score and are measured alike by cso-eval metrics; every format; wrong use. */
#include "golden.h"
#include "run_program.h"
#include "test_folder.h"

#include "base/file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MODEL   "tests/golden/models/llama-tiny"
#define ADAPTER "tests/golden/adapters/llama-tiny/r4"
#define RUN     "@cso-eval dialogues -m " MODEL " -a r4=" ADAPTER " --chat-template llama3 -n 6 --samples 50 "

static char *text_of(const char *name, size_t *size) {
    char *text;
    cso_error err = {0};
    golden_ok(cso_read_file(in_folder(name), 1 << 28, &text, size, &err), &err);
    return text;
}

/* The command with the folder for each %s; what it prints, to be freed. */
static char *output_of(const char *format) {
    char command[1024];
    snprintf(command, sizeof command, format, test_folder, test_folder, test_folder);
    run_result r = run_program(command, NULL, 0);
    if (r.code)
        fail_msg("%s: exit code %d, %s", command, r.code, r.err);
    free(r.err);
    return r.out;
}

static void run_ok(const char *format) {
    free(output_of(format));
}

/* Two dialogues of the sample, and a run over them. */
static int setup(void **state) {
    size_t size;
    char *text;
    cso_error err = {0};
    if (make_test_folder(state))
        return -1;
    golden_ok(cso_read_file("data/sample/valid.tree.jsonl", 1 << 24, &text, &size, &err), &err);
    *(strchr(strchr(text, '\n') + 1, '\n') + 1) = '\0';
    save_in_folder("data.jsonl", text);
    free(text);
    run_ok(RUN "--out %s/whole %s/data.jsonl");
    return 0;
}

static void expect_equal(const char *name, const char *wanted) {
    size_t size, wanted_size;
    char *text = text_of(name, &size), *other = text_of(wanted, &wanted_size);
    if (size != wanted_size || memcmp(text, other, size) != 0)
        fail_msg("%s is not %s", name, wanted);
    assert_true(size > 1000);
    free(text);
    free(other);
}

static void same_in_any_batch(void **state) {
    (void)state;
    run_ok(RUN "-t 1 --leaves 1 --out %s/alone %s/data.jsonl");
    run_ok(RUN "-t 2 --leaves 5 --out %s/five %s/data.jsonl");
    expect_equal("alone/base.jsonl", "whole/base.jsonl");
    expect_equal("alone/r4.jsonl", "whole/r4.jsonl");
    expect_equal("five/base.jsonl", "whole/base.jsonl");
    expect_equal("five/r4.jsonl", "whole/r4.jsonl");
}

static void goes_on(void **state) {
    (void)state;
    char *first = output_of(RUN "--json --out %s/whole %s/data.jsonl");
    for (int lines = 0; lines < 8; lines += 3) {
        size_t size;
        char *text = text_of("whole/r4.jsonl", &size), *at = text;
        for (int i = 0; i < lines; i++)
            at = strchr(at, '\n') + 1;
        at[40] = '\0'; /* within a line */
        run_ok("rm -rf %s/torn && mkdir %s/torn");
        save_in_folder("torn/r4.jsonl", text);
        free(text);
        char *out = output_of(RUN "--json --out %s/torn %s/data.jsonl");
        expect_equal("torn/base.jsonl", "whole/base.jsonl");
        expect_equal("torn/r4.jsonl", "whole/r4.jsonl");
        assert_string_equal(out, first);
        free(out);
    }
    run_ok("rm -rf %s/torn && (timeout -s KILL 0.15 " CSO_BINARIES "/cso-eval dialogues -m " MODEL " -a r4=" ADAPTER
           " --chat-template llama3 -n 6 --out %s/torn %s/data.jsonl; true)");
    run_ok(RUN "--out %s/torn %s/data.jsonl");
    expect_equal("torn/r4.jsonl", "whole/r4.jsonl");
    free(first);
}

static cJSON *object_of(char *text) {
    cJSON *object = cJSON_Parse(text);
    assert_non_null(object);
    free(text);
    return object;
}

/* In f32 the log-probabilities are those of cso-eval score, pair by pair. */
static void equals_score(void **state) {
    (void)state;
    size_t size, pairs = 0;
    run_ok("@cso-eval dialogues -m " MODEL " -a r4=" ADAPTER
           " --chat-template llama3 -n 1 --compute exact --out %s/exact %s/data.jsonl");
    char *score = output_of("@cso-eval score -m " MODEL " -a " ADAPTER " --chat-template llama3 %s/data.jsonl"), *at = score;
    char *lines = text_of("exact/r4.jsonl", &size), *end;
    for (char *line = lines; (end = strchr(line, '\n')); line = end + 1) {
        const cJSON *rejected;
        cJSON *prediction = cJSON_ParseWithLength(line, (size_t)(end - line));
        double reference = cJSON_GetObjectItem(prediction, "reference_logp")->valuedouble;
        double tokens = cJSON_GetObjectItem(prediction, "reference_tokens")->valuedouble;
        cJSON_ArrayForEach(rejected, cJSON_GetObjectItem(prediction, "rejected_logps")) {
            cJSON *pair = cJSON_ParseWithLength(at, (size_t)(strchr(at, '\n') - at));
            const cJSON *chosen = cJSON_GetObjectItem(pair, "chosen"), *worse = cJSON_GetObjectItem(pair, "rejected");
            assert_true(fabs(cJSON_GetObjectItem(chosen, "logp")->valuedouble - reference) < 1e-5 * fabs(reference));
            assert_true(fabs(cJSON_GetObjectItem(worse, "logp")->valuedouble - rejected->valuedouble) <
                        1e-5 * fabs(rejected->valuedouble));
            assert_int_equal(tokens, cJSON_GetArraySize(cJSON_GetObjectItem(chosen, "token_logps")));
            at = strchr(at, '\n') + 1;
            pairs++;
            cJSON_Delete(pair);
        }
        cJSON_Delete(prediction);
    }
    assert_true(pairs > 8 && !*at);
    free(lines);
    free(score);
}

/* What is kept is measured alike, but for what needs the base model. */
static void equals_metrics(void **state) {
    (void)state;
    cJSON *all = object_of(output_of(RUN "--json --out %s/whole %s/data.jsonl"));
    cJSON *one = object_of(output_of("@cso-eval metrics --json --strategies esc-pro %s/whole/r4.jsonl"));
    const cJSON *system = cJSON_GetArrayItem(cJSON_GetObjectItem(all, "systems"), 1), *value;
    int compared = 0;
    assert_string_equal(cJSON_GetObjectItem(system, "name")->valuestring, "r4");
    cJSON_ArrayForEach(value, one) {
        const cJSON *other = cJSON_GetObjectItem(system, value->string);
        if (strstr(value->string, "reward_"))
            continue;
        assert_true(cJSON_Compare(value, other, true));
        compared++;
    }
    assert_true(compared > 30);
    double margin = cJSON_GetObjectItem(system, "preference_margin")->valuedouble;
    const cJSON *base = cJSON_GetArrayItem(cJSON_GetObjectItem(all, "systems"), 0);
    double reward = 0.1 * (margin - cJSON_GetObjectItem(base, "preference_margin")->valuedouble);
    assert_true(fabs(cJSON_GetObjectItem(system, "reward_margin")->valuedouble - reward) < 1e-9 * fabs(margin));
    cJSON_Delete(one);
    cJSON_Delete(all);
}

/* A system's difference to one that is the same has no width. */
static void paired_intervals(void **state) {
    (void)state;
    cJSON *all = object_of(output_of("@cso-eval dialogues -m " MODEL " -a r4=" ADAPTER " -a twin=" ADAPTER
                                     " --chat-template llama3 -n 6 --samples 50 --against r4 --json %s/data.jsonl"));
    const cJSON *systems = cJSON_GetObjectItem(all, "systems");
    assert_int_equal(cJSON_GetArraySize(systems), 3);
    assert_null(cJSON_GetObjectItem(cJSON_GetArrayItem(systems, 1), "differences"));
    for (int i = 0; i < 3; i += 2) {
        const cJSON *differences = cJSON_GetObjectItem(cJSON_GetArrayItem(systems, i), "differences");
        assert_string_equal(cJSON_GetObjectItem(differences, "to")->valuestring, "r4");
        const cJSON *margin = cJSON_GetObjectItem(differences, "preference_margin"),
                    *ends = cJSON_GetObjectItem(margin, "interval");
        double low = cJSON_GetArrayItem(ends, 0)->valuedouble, high = cJSON_GetArrayItem(ends, 1)->valuedouble;
        double value = cJSON_GetObjectItem(margin, "value")->valuedouble;
        if (i)
            assert_true(low == 0 && high == 0 && value == 0);
        else
            assert_true(low < high && value != 0);
    }
    cJSON_Delete(all);
}

static void formats(void **state) {
    (void)state;
    char *text = output_of(RUN "--out %s/whole %s/data.jsonl"), *csv = output_of(RUN "--csv --out %s/whole %s/data.jsonl");
    char *markdown = output_of(RUN "--markdown --out %s/whole %s/data.jsonl");
    for (const char *line = text; *line; line = strchr(line, '\n') + 1)
        assert_true(strchr(line, '\n') - line <= 100);
    assert_non_null(strstr(text, "strategy accuracy"));
    assert_int_equal(
        strncmp(csv, "measure,system,value,low,high,difference,difference_low,difference_high\r\nstrategy_accuracy,base,", 92), 0);
    assert_int_equal(strncmp(markdown, "| measure | system | value |", 28), 0);
    assert_non_null(strstr(markdown, "\n| --- | --- | ---: |"));
    free(text);
    free(csv);
    free(markdown);
}

static void names_of_the_data(void **state) {
    (void)state;
    save_in_folder("own.jsonl",
                   "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\", \"content\": \"Oh?\", "
                   "\"strategy\": \"Wonder\"}, {\"role\": \"user\", \"content\": \"Yes\"}, {\"role\": \"assistant\", "
                   "\"content\": \"So\", \"strategy\": \"\\\"Agree\\\"\"}]}\n");
    cJSON *all = object_of(output_of("@cso-eval dialogues -m " MODEL
                                     " --chat-template llama3 -n 2 --samples 0 --strategies names --json %s/own.jsonl"));
    const cJSON *system = cJSON_GetArrayItem(cJSON_GetObjectItem(all, "systems"), 0),
                *names = cJSON_GetObjectItem(system, "strategies");
    assert_int_equal(cJSON_GetArraySize(names), 2);
    assert_string_equal(cJSON_GetArrayItem(names, 0)->valuestring, "\"Agree\"");
    assert_int_equal(cJSON_GetObjectItem(system, "n")->valueint, 2);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(system, "preference_accuracy")));
    cJSON_Delete(all);
}

static void wrong_use(void **state) {
    (void)state;
    save_in_folder("chat.jsonl", "\n{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}\n");
    save_in_folder("empty.jsonl", "");
    static const struct {
        const char *command;
        int code;
        const char *message;
    } CASES[] = {
        {"@cso-eval dialogues %s/data.jsonl", 2, "no model is given"},
        {"@cso-eval dialogues -m " MODEL, 2, "dialogues: no data is given"},
        {"@cso-eval dialogues -m " MODEL " -", 2, "standard input cannot be read twice"},
        {"@cso-eval dialogues -m " MODEL " --json --csv %s/data.jsonl", 2, "--json, --csv and --markdown exclude one another"},
        {"@cso-eval dialogues -m " MODEL " --temperature x %s/data.jsonl", 2, "--temperature: expected a number from 0 to 100"},
        {"@cso-eval dialogues -m " MODEL " --compute slow %s/data.jsonl", 2, "--compute: must be one of"},
        {"@cso-eval dialogues -m " MODEL " -a base=x %s/data.jsonl", 2, "two systems are called 'base'"},
        {"@cso-eval dialogues -m " MODEL " -m b=" MODEL " %s/data.jsonl", 2, "has no name (expected NAME=PATH"},
        {"@cso-eval dialogues -m a=" MODEL " -m b=" MODEL " -a c/x=y %s/data.jsonl", 2, "--adapter: one is of none of the models"},
        {"@cso-eval dialogues -m " MODEL " --against bsae %s/data.jsonl", 2, "--against: there is no 'bsae' (did you mean 'base')"},
        {"@cso-eval dialogues -m " MODEL " --chat-template llama3 %s/chat.jsonl", 3, "chat.jsonl:2: not an ESC-Pro tree"},
        {"@cso-eval dialogues -m " MODEL " --chat-template llama3 %s/empty.jsonl", 3, "empty.jsonl: "},
        {"@cso-eval dialogues -m " MODEL " --chat-template llama3 --strategies configs/strategies-esconv.toml %s/data.jsonl", 3,
         "data.jsonl:1: messages[1].strategy: \"Emotional Validation\" is none of the strategies"},
        {"@cso-eval metrics", 2, "metrics: 0 files are given"},
        {"@cso-eval metrics %s/empty.jsonl", 3, "empty.jsonl: no predictions"},
        {"@cso-eval metrics %s/data.jsonl", 3, "data.jsonl:1: reference: expected"},
        {"@cso-eval metrics %s/missing.jsonl", 3, "missing.jsonl"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char command[1024];
        snprintf(command, sizeof command, CASES[i].command, test_folder);
        run_result r = run_program(command, NULL, 0);
        if (r.code != CASES[i].code || !strstr(r.err, CASES[i].message) || strchr(r.err, '\n') != r.err + strlen(r.err) - 1)
            fail_msg("%s: exit code %d, %s", command, r.code, r.err);
        run_result_free(&r);
    }
}

/* Lines of another run are not taken for this one's. */
static void other_runs_are_refused(void **state) {
    (void)state;
    char command[1024];
    snprintf(command, sizeof command, RUN "-n 7 --out %s/whole %s/data.jsonl", test_folder, test_folder);
    run_result r = run_program(command, NULL, 0);
    assert_int_equal(r.code, 2);
    assert_non_null(strstr(r.err, "base.jsonl:1: this reply was made with other options"));
    run_result_free(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_in_any_batch), cmocka_unit_test(goes_on),          cmocka_unit_test(equals_score),
        cmocka_unit_test(equals_metrics),    cmocka_unit_test(paired_intervals), cmocka_unit_test(formats),
        cmocka_unit_test(names_of_the_data), cmocka_unit_test(wrong_use),        cmocka_unit_test(other_runs_are_refused),
    };
    return cmocka_run_group_tests(tests, setup, remove_test_folder);
}

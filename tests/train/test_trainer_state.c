/* trainer_state.json as Hugging Face's TrainerState reads it, its log_history in long runs, and checkpoints of the format
 * before. */
#include "resume_fixture.h"

#include "base/digest.h"
#include "base/file.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static cJSON *parse(const char *text, size_t size) {
    cJSON *json;
    cso_error err = {0};
    golden_ok(cso_json_parse(&json, text, size, "test", 1, &err), &err);
    return json;
}

static cJSON *read_json(const char *path) {
    size_t size;
    char *text = take_file(path, &size);
    cJSON *json = parse(text, size);
    free(text);
    return json;
}

/* Every field of TrainerState (transformers 4.57), with the type it has there; "n" before a letter: or null. */
static const struct field {
    const char *name, *type;
} fields[] = {
    {"best_global_step", "ni"},
    {"best_metric", "nf"},
    {"best_model_checkpoint", "ns"},
    {"epoch", "nf"},
    {"eval_steps", "i"},
    {"global_step", "i"},
    {"is_hyper_param_search", "b"},
    {"is_local_process_zero", "b"},
    {"is_world_process_zero", "b"},
    {"log_history", "a"},
    {"logging_steps", "i"},
    {"max_steps", "i"},
    {"num_input_tokens_seen", "i"},
    {"num_train_epochs", "i"},
    {"save_steps", "i"},
    {"stateful_callbacks", "o"},
    {"total_flos", "f"},
    {"train_batch_size", "i"},
    {"trial_name", "ns"},
    {"trial_params", "no"},
};
enum { FIELDS = sizeof fields / sizeof *fields };

static bool is_of_type(const cJSON *item, const char *type) {
    if (*type == 'n' && cJSON_IsNull(item))
        return true;
    switch (type[*type == 'n']) {
    case 'i':
        return cJSON_IsNumber(item) && item->valuedouble == floor(item->valuedouble);
    case 'f':
        return cJSON_IsNumber(item);
    case 's':
        return cJSON_IsString(item);
    case 'b':
        return cJSON_IsBool(item);
    case 'a':
        return cJSON_IsArray(item);
    default:
        return cJSON_IsObject(item);
    }
}

static void expect_fields(const cJSON *json) {
    assert_int_equal(cJSON_GetArraySize(json), FIELDS);
    const cJSON *item = json->child;
    for (size_t i = 0; i < FIELDS; i++, item = item->next) { /* in transformers' order */
        assert_string_equal(item->string, fields[i].name);
        if (!is_of_type(item, fields[i].type))
            fail_msg("%s is not of type %s", fields[i].name, fields[i].type);
    }
}

static double number(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    if (!cJSON_IsNumber(item))
        fail_msg("%s is no number", key);
    return item->valuedouble;
}

/* Each key of an entry has the value that metrics.jsonl has for the step. */
static void expect_entry(const cJSON *entry, const cJSON *line) {
    const cJSON *item;
    cJSON_ArrayForEach(item, entry) assert_true(number(entry, item->string) == number(line, item->string));
    assert_int_equal(cJSON_GetArraySize(entry), cJSON_HasObjectItem(entry, "loss") ? 11 : 9);
}

static void fields_of_transformers(void **state) {
    (void)state;
    static const char *const keys[] = {
        "loss",         "rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins",
        "logps/chosen", "logps/rejected", "grad_norm",        "learning_rate",      "epoch",
        "step"};
    resume_fixture f;
    process p;
    size_t size, entries = 0;
    resume_fixture_open(&f);
    f.config.checkpoint.every_steps = 25;
    run_well(&f, &p, "run", 30);
    run_well(&f, &p, "run", 0);
    cJSON *json = read_json(root_path(&f, "run/checkpoint-60/trainer_state.json"));
    expect_fields(json);
    assert_true(number(json, "global_step") == 60 && number(json, "max_steps") == 60 && number(json, "epoch") == 3);
    assert_true(number(json, "num_train_epochs") == 3 && number(json, "train_batch_size") == RESUME_BATCH);
    assert_true(number(json, "save_steps") == 25 && number(json, "eval_steps") == 7 && number(json, "logging_steps") == 1);
    char best[40];
    snprintf(best, sizeof best, "checkpoint-%.0f", number(json, "best_global_step"));
    assert_string_equal(cJSON_GetObjectItem(json, "best_model_checkpoint")->valuestring, best);
    assert_true(cso_path_is_folder(root_path(&f, "run/%s", best)));

    /* An entry for every step, and after it that of its evaluation. */
    char *text = take_file(root_path(&f, "run/metrics.jsonl"), &size), *save, *line = strtok_r(text, "\n", &save);
    const cJSON *entry = cJSON_GetObjectItem(json, "log_history")->child;
    double tokens = 0, lowest = INFINITY;
    for (; line; line = strtok_r(NULL, "\n", &save)) {
        cJSON *metrics = parse(line, strlen(line));
        expect_entry(entry, metrics);
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            (void)number(entry, keys[i]);
        tokens += number(metrics, "tokens_unshared");
        entry = entry->next;
        entries++;
        if (cJSON_HasObjectItem(metrics, "eval_loss")) {
            expect_entry(entry, metrics);
            lowest = fmin(lowest, number(entry, "eval_loss"));
            entry = entry->next;
        }
        cJSON_Delete(metrics);
    }
    assert_null(entry);
    assert_int_equal(entries, RESUME_STEPS);
    assert_true(number(json, "num_input_tokens_seen") == tokens && number(json, "best_metric") == lowest);
    free(text);
    cJSON_Delete(json);
    resume_fixture_close(&f);
}

/* Without evaluation, and before anything is the best: nulls. */
static void without_evaluation(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    resume_fixture_open(&f);
    f.config.log.eval_every_steps = 0;
    run_well(&f, &p, "run", 3);
    cJSON *json = read_json(root_path(&f, "run/checkpoint-3/trainer_state.json"));
    expect_fields(json);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(json, "best_metric")) &&
                cJSON_IsNull(cJSON_GetObjectItem(json, "best_global_step")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(json, "best_model_checkpoint")));
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "log_history")), 3);
    cJSON_Delete(json);
    resume_fixture_close(&f);
}

static cso_step_report report_of(size_t step) {
    static const char *const names[] = {"loss", "rewards/chosen", NULL};
    return (cso_step_report){.step = step,
                             .epoch = (double)step / 1000,
                             .metric_names = names,
                             .metrics = {(double)step, 1 / (double)step},
                             .grad_norm = 2,
                             .learning_rate = 1e-5};
}

static cJSON *parse_entries(const cso_log_history *history) {
    cso_text text = {0};
    cso_text_format(&text, "[%s]", history->entries.data ? history->entries.data : "");
    assert_false(text.failed);
    cJSON *json = parse(text.data, text.size);
    free(text.data);
    return json;
}

/* A save of a long run writes no more than 10,000 entries: each is the mean over an interval. */
static void long_runs(void **state) {
    (void)state;
    cso_log_history history = {0};
    cso_error err = {0};
    assert_int_equal(cso_log_history_every(1), 1);
    assert_int_equal(cso_log_history_every(10000), 1);
    assert_int_equal(cso_log_history_every(10001), 2);
    assert_int_equal(cso_log_history_every(100000), 10);
    assert_int_equal(cso_log_history_every(1000000), 100);
    for (size_t step = 1; step <= 100000; step++) {
        cso_step_report report = report_of(step);
        report.skipped = step == 12 || (step > 30 && step <= 40);
        golden_ok(cso_log_history_add(&history, &report, 10, &err), &err);
    }
    cJSON *json = parse_entries(&history);
    assert_int_equal(cJSON_GetArraySize(json), 9999); /* in one interval every step was skipped */
    assert_true(history.entries.size < 3000000);
    const cJSON *first = json->child, *second = first->next;
    assert_true(number(first, "loss") == 5.5 && number(first, "step") == 10);
    assert_true(number(second, "loss") == (155.0 - 12) / 9 && number(second, "step") == 20);
    assert_true(number(second->next->next, "step") == 50);
    cJSON_Delete(json);
    cso_log_history_free(&history);
}

/* Saved and read in the middle of an interval, at every step: the same bytes. */
static void intervals_over_processes(void **state) {
    (void)state;
    cso_log_history whole = {0}, parts = {0};
    cso_error err = {0};
    for (size_t step = 1; step <= 35; step++) {
        cso_step_report report = report_of(step);
        golden_ok(cso_log_history_add(&whole, &report, 10, &err), &err);
        golden_ok(cso_log_history_add(&parts, &report, 10, &err), &err);
        cso_text text = {0};
        cso_text_format(&text, "{\n");
        cso_log_history_add_sums(&text, &parts);
        cso_text_format(&text, "\"end\": 0}");
        cJSON *json = parse(text.data, text.size);
        cso_log_history read = {.entries = parts.entries};
        golden_ok(cso_log_history_read_sums(&read, json, "test", &err), &err);
        parts = read;
        cJSON_Delete(json);
        free(text.data);
    }
    assert_int_equal(whole.count, 5);
    assert_int_equal(parts.count, 5);
    assert_memory_equal(whole.sums, parts.sums, sizeof whole.sums);
    assert_string_equal(whole.entries.data, parts.entries.data);
    cso_log_history_free(&whole);
    cso_log_history_free(&parts);
}

/* NaN and Inf are null, also in a sum that is saved; but a metric beside the loss that is NaN is one that the step does not have. */
static void not_finite(void **state) {
    (void)state;
    cso_log_history history = {0};
    cso_error err = {0};
    const double values[] = {INFINITY, NAN, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        cso_step_report report = report_of(i + 1);
        report.metrics[1] = report.eval_metrics[0] = report.grad_norm = values[i];
        report.evaluated = true;
        golden_ok(cso_log_history_add(&history, &report, 1, &err), &err);
    }
    cJSON *json = parse_entries(&history);
    assert_int_equal(cJSON_GetArraySize(json), 6);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(json->child, "grad_norm")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(json->child, "rewards/chosen")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(json->child->next, "eval_loss")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(json->child->next->next->next, "eval_loss")));
    assert_null(cJSON_GetObjectItem(json->child->next->next, "rewards/chosen"));
    assert_true(cJSON_IsNumber(cJSON_GetObjectItem(json->child->next->next, "learning_rate")));
    cJSON_Delete(json);
    cso_step_report report = report_of(4);
    report.metrics[0] = NAN;
    golden_ok(cso_log_history_add(&history, &report, 10, &err), &err);
    cso_text text = {0};
    cso_text_format(&text, "{");
    cso_log_history_add_sums(&text, &history);
    cso_text_format(&text, "\"end\": 0}");
    json = parse(text.data, text.size);
    golden_ok(cso_log_history_read_sums(&history, json, "test", &err), &err);
    assert_true(isnan(history.sums[0]) && history.sums[1] == 0.25 && history.n == 2);
    cJSON_Delete(json);
    free(text.data);
    cso_log_history_free(&history);
}

static void remove_line(char *text, const char *beginning) {
    char *line = strstr(text, beginning);
    assert_non_null(line);
    char *end = strchr(line, '\n') + 1;
    memmove(line, end, strlen(end) + 1);
}

/* Makes a checkpoint what the version before wrote (or another format): the state in trainer_state.json, no history. */
static void make_older(const resume_fixture *f, const char *name, char format) {
    size_t size;
    char hex[33], *text = take_file(root_path(f, "%s/cso_state.json", name), &size);
    assert_int_equal(unlink(root_path(f, "%s/cso_state.json", name)), 0);
    *(strstr(text, "\"format\": ") + strlen("\"format\": ")) = format;
    remove_line(text, "  \"tokens_seen\": ");
    remove_line(text, "  \"log\": ");
    remove_line(text, "    \"trainer_state.json\": ");
    char *last = strstr(text, "\",\n  },\n  \"checksum\": "), *seal; /* the comma after the last file that is left */
    assert_non_null(last);
    memmove(last + 1, last + 2, strlen(last + 2) + 1);
    seal = strstr(text, "\"checksum\": ");
    cso_digest_bytes(text, (size_t)(seal - text), hex);
    memcpy(seal + strlen("\"checksum\": \""), hex, 32);
    put_file(root_path(f, "%s/trainer_state.json", name), text, strlen(text));
    free(text);
}

static void the_format_before(void **state) {
    (void)state;
    resume_fixture f;
    process p;
    resume_fixture_open(&f);
    f.config.checkpoint.every_steps = 20;
    run_well(&f, &p, "whole", 0);
    run_well(&f, &p, "run", 31);
    copy_folder(root_path(&f, "run"), root_path(&f, "other"));
    make_older(&f, "run/checkpoint-31", '2');
    run_well(&f, &p, "run", 0);
    assert_string_equal(p.warnings, "");
    assert_non_null(strstr(p.notes, "/run/checkpoint-31\n"));
    assert_int_equal(p.steps[0].step, 32);
    same_metrics(&f, "whole", "run", RESUME_STEPS);
    size_t size_a, size_b;
    char *a = take_file(root_path(&f, "whole/checkpoint-60/optimizer.safetensors"), &size_a);
    char *b = take_file(root_path(&f, "run/checkpoint-60/optimizer.safetensors"), &size_b);
    assert_int_equal(size_a, size_b);
    assert_memory_equal(a, b, size_a);
    free(a);
    free(b);

    /* A flipped byte of it is found; a format to come is refused in one line, and nothing is renamed. */
    copy_folder(root_path(&f, "other"), root_path(&f, "flipped"));
    make_older(&f, "flipped/checkpoint-31", '2');
    flip_byte(root_path(&f, "flipped/checkpoint-31/trainer_state.json"), 50, 1);
    run_well(&f, &p, "flipped", 31);
    assert_non_null(strstr(p.warnings, "checkpoint-31.damaged"));
    make_older(&f, "other/checkpoint-31", '4');
    run_refused(&f, "other", CSO_ERR_INPUT, "checkpoint-31: written by another version: format 4 (expected 2 or 3)", NULL);
    assert_true(cso_path_is_folder(root_path(&f, "other/checkpoint-31")));
    resume_fixture_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_transformers),   cmocka_unit_test(without_evaluation), cmocka_unit_test(long_runs),
        cmocka_unit_test(intervals_over_processes), cmocka_unit_test(not_finite),         cmocka_unit_test(the_format_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_strategy_metrics.c - what an evaluation tells of each strategy is what an evaluation of that strategy's pairs alone tells. */
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
#include <unistd.h>

#include <cmocka.h>

static const char *const names[] = {"Emotional Validation", "Empathetic Statements", "Reframe Negative Thoughts"};
enum { NAMES = sizeof names / sizeof *names };

static int setup(void **state) {
    char text[2048], root[512];
    if (make_test_folder(state) || !getcwd(root, sizeof root))
        return -1;
    snprintf(text, sizeof text,
             "[model]\npath = \"%s/tests/golden/models/llama-tiny\"\nchat_template = \"llama3\"\n"
             "[data]\ntrain = [\"one.jsonl\"]\n[lora]\ninit = \"%s/tests/golden/adapters/llama-tiny/r4\"\n"
             "[train]\nmax_steps = 1\nlearning_rate = 0\nbatch_size = 4\n",
             root, root);
    save_in_folder("c.toml", text);
    /* The first pairs of the sample, and those that prefer each of three strategies. */
    snprintf(
        text, sizeof text,
        "{ cd %s && @cso-data convert -q --to pairs %s/data/sample/valid.tree.jsonl -o pairs.jsonl && head -n 26 pairs.jsonl > "
        "all.jsonl && head -n 1 all.jsonl > one.jsonl ; }",
        test_folder, root);
    run_result r = run_program(text, NULL, 0);
    bool good = !r.code;
    run_result_free(&r);
    for (size_t i = 0; i < NAMES; i++) {
        snprintf(text, sizeof text, "{ cd %s && grep '\"chosen\": {[^}]*\"(%s) ' all.jsonl > %zu.jsonl ; }", test_folder, names[i],
                 i);
        r = run_program(text, NULL, 0);
        good = good && !r.code;
        run_result_free(&r);
    }
    return good ? 0 : -1;
}

/* The metrics of an evaluation of DIR/DATA.jsonl; the caller deletes them. */
static cJSON *evaluate(const char *data) {
    char command[1024], path[200], *text;
    size_t size;
    cso_error err = {0};
    snprintf(command, sizeof command, "cd %s && @cso-train -q -c c.toml --set data.eval=%s.jsonl --set checkpoint.dir=run-%s",
             test_folder, data, data);
    run_result r = run_program(command, NULL, 0);
    if (r.code)
        fail_msg("%s", r.err);
    run_result_free(&r);
    snprintf(path, sizeof path, "%s/run-%s/metrics.jsonl", test_folder, data);
    golden_ok(cso_read_file(path, 1 << 16, &text, &size, &err), &err);
    cJSON *json = cJSON_Parse(text);
    free(text);
    return json;
}

static double number(const cJSON *json, const char *name, const char *strategy) {
    char key[128];
    snprintf(key, sizeof key, "eval_%s%s%s", name, *strategy ? "/" : "", strategy);
    const cJSON *item = cJSON_GetObjectItem(json, key);
    if (!cJSON_IsNumber(item))
        fail_msg("no %s", key);
    return item->valuedouble;
}

static void as_alone(void **state) {
    (void)state;
    cJSON *all = evaluate("all");
    double told = 0, pairs = 0;
    for (size_t i = 0; i < NAMES; i++) {
        char data[8];
        snprintf(data, sizeof data, "%zu", i);
        cJSON *alone = evaluate(data);
        double count = number(all, "pairs", names[i]);
        assert_true(count > 1 && count == number(alone, "pairs", names[i]));
        assert_true(fabs(number(all, "rewards/accuracies", names[i]) - number(alone, "rewards/accuracies", "")) < 1e-12);
        assert_true(fabs(number(all, "rewards/margins", names[i]) - number(alone, "rewards/margins", "")) < 1e-4);
        pairs += count;
        told += count * number(all, "rewards/accuracies", names[i]);
        cJSON_Delete(alone);
    }
    print_message("%g of 26 pairs, %g of them right\n", pairs, told);
    assert_true(told > 0 && told < pairs);
    cJSON_Delete(all);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_alone)};
    return cmocka_run_group_tests(tests, setup, remove_test_folder);
}

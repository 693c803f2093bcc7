/* test_search_golden.c - searches and records that were worked out by hand (tests/golden/search/README.md). */
#include "../golden.h"
#include "../test_folder.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/option.h"
#include "scripted.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double TOLERANCE = 1e-12;

static const char *case_name; /* for messages */

static const cJSON *get(const cJSON *object, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static const char *text_at(const cJSON *array, int index) {
    return cJSON_GetStringValue(cJSON_GetArrayItem(array, index));
}

/* What is expected must be there; objects may have more keys, arrays not more items. */
static void compare(const cJSON *expected, const cJSON *found, const char *path) {
    char below[512];
    const cJSON *item;
    int index = 0;
    if (!found || expected->type != found->type)
        fail_msg("%s: %s is of another kind, or missing", case_name, path);
    if (cJSON_IsArray(expected) && cJSON_GetArraySize(expected) != cJSON_GetArraySize(found))
        fail_msg("%s: %s has %d items (expected %d)", case_name, path, cJSON_GetArraySize(found), cJSON_GetArraySize(expected));
    cJSON_ArrayForEach(item, expected) {
        bool array = cJSON_IsArray(expected);
        if (array)
            snprintf(below, sizeof below, "%.400s[%d]", path, index);
        else
            snprintf(below, sizeof below, "%.400s.%.100s", path, item->string);
        compare(item, array ? cJSON_GetArrayItem(found, index) : get(found, item->string), below);
        index++;
    }
    if (cJSON_IsString(expected) && strcmp(expected->valuestring, found->valuestring) != 0)
        fail_msg("%s: %s is '%s' (expected '%s')", case_name, path, found->valuestring, expected->valuestring);
    if (cJSON_IsNumber(expected) && fabs(expected->valuedouble - found->valuedouble) > TOLERANCE)
        fail_msg("%s: %s is %.17g (expected %.17g)", case_name, path, found->valuedouble, expected->valuedouble);
}

/* Roles */

typedef struct play {
    const cJSON *calls;
    int next;
} play;

/* Scores in backticks, levels in lines. */
static char *whole_answer(cso_role role, const char *text) {
    if (role == CSO_ROLE_STRATEGY)
        return cso_format("I think:\n```json\n%s\n```", text);
    if (role == CSO_ROLE_JUDGE)
        return cso_format("1: %c\n2: %c\n3: %c\n4: %c", text[0], text[1], text[2], text[3]);
    return cso_strdup(text);
}

static char *next_answer(void *context, const cso_question *question) {
    play *p = context;
    const cJSON *call = cJSON_GetArrayItem(p->calls, p->next++);
    if (!call)
        fail_msg("%s: call %d is not expected: %s, '%s'", case_name, p->next, cso_role_words[question->role], question->user);
    if (strcmp(cso_role_words[question->role], text_at(call, 0)) != 0)
        fail_msg("%s: call %d goes to the role %s (expected %s)", case_name, p->next, cso_role_words[question->role],
                 text_at(call, 0));
    if (text_at(call, 2) && strcmp(question->user, text_at(call, 2)) != 0)
        fail_msg("%s: call %d asks '%s' (expected '%s')", case_name, p->next, question->user, text_at(call, 2));
    return whole_answer(question->role, text_at(call, 1));
}

/* Rules and seeds */

static void set_size(const cJSON *rules, const char *key, size_t *value) {
    if (get(rules, key))
        *value = (size_t)get(rules, key)->valuedouble;
}

static void set_double(const cJSON *rules, const char *key, double *value) {
    if (get(rules, key))
        *value = get(rules, key)->valuedouble;
}

static void set_rules(const cJSON *c, scripted_search *s) {
    const cJSON *rules = get(c, "rules"), *extract = get(c, "extract"), *weights = get(rules, "reward_weights");
    const cJSON *mode = get(rules, "mode");
    size_t word = 0;
    if (mode)
        assert_true(cso_word_find(cso_search_mode_words, mode->valuestring, &word));
    s->rules.mode = (cso_search_mode)word;
    s->rules.fill_negatives = cJSON_IsTrue(get(rules, "fill_negatives"));
    set_size(rules, "iterations_min", &s->rules.iterations_min);
    set_size(rules, "iterations_max", &s->rules.iterations_max);
    set_size(rules, "ended_min", &s->rules.ended_min);
    set_size(rules, "ended_max", &s->rules.ended_max);
    set_size(rules, "rounds", &s->rules.rounds);
    for (int i = 0; weights && i < CSO_CRITERIA; i++)
        s->rules.reward_weights[i] = cJSON_GetArrayItem(weights, i)->valuedouble;
    set_double(extract, "ended_q_min", &s->extract.ended_q_min);
    set_double(extract, "ended_n_min", &s->extract.ended_n_min);
    set_double(extract, "negative_q_max", &s->extract.negative_q_max);
}

/* Through a file, as cso-search has it. */
static void read_seed(const cJSON *c, cso_seeds *seeds) {
    static const char *const names[] = {"Ask", "Tell", "Hold"};
    cJSON *seed = cJSON_CreateObject();
    char *path = in_folder("seeds.jsonl");
    const cso_strings files = {&path, 1};
    cso_error err = {0};
    cJSON_AddStringToObject(seed, "scene", "S");
    cJSON_AddStringToObject(seed, "description", "D");
    if (get(c, "messages"))
        cJSON_AddItemToObject(seed, "messages", cJSON_Duplicate(get(c, "messages"), true));
    char *text = cJSON_PrintUnformatted(seed);
    save_in_folder("seeds.jsonl", text);
    golden_ok(cso_seeds_read(seeds, &files, names, 3, &err), &err);
    cJSON_free(text);
    cJSON_Delete(seed);
}

/* Trees and records */

static cJSON *tree_as_json(const cso_search_result *result) {
    cso_error err = {0};
    golden_ok(cso_tree_file_write(result, in_folder("tree.json"), &err), &err);
    return golden_json(in_folder("tree.json"));
}

static cJSON *records_as_json(const cso_search_result *result, const cso_extract_options *options) {
    cJSON *records = cJSON_CreateArray();
    cso_text text = {0};
    cso_error err = {0};
    size_t count = 0, pairs = 0;
    golden_ok(cso_extract_records(result, options, &text, &count, &pairs, &err), &err);
    for (char *line = text.data, *end; line && (end = strchr(line, '\n')); line = end + 1) {
        cJSON *record;
        golden_ok(cso_json_parse(&record, line, (size_t)(end - line), "record", 1, &err), &err);
        cJSON_AddItemToArray(records, record);
    }
    assert_int_equal(cJSON_GetArraySize(records), count);
    free(text.data);
    return records;
}

static void check_result(const cJSON *c, const scripted_search *s, const cso_search_result *result) {
    cJSON *tree = tree_as_json(result), *records = records_as_json(result, &s->extract);
    compare(get(c, "iterations"), get(tree, "iterations"), "iterations");
    if (get(c, "nodes"))
        compare(get(c, "nodes"), get(tree, "nodes"), "nodes");
    compare(get(c, "records"), records, "records");
    cJSON_Delete(records);
    cJSON_Delete(tree);
}

static void play_case(const cJSON *c, const cso_prompts *prompts) {
    scripted_search s = scripted_begin(prompts);
    cso_seeds seeds;
    cso_search_result result;
    cso_error err = {0};
    play p = {get(c, "calls"), 0};
    set_rules(c, &s);
    read_seed(c, &seeds);
    s.seed = seeds.items[0];
    s.roles = (scripted){next_answer, &p};
    golden_ok(scripted_run(&s, &result, &err), &err);
    if (p.next != cJSON_GetArraySize(p.calls))
        fail_msg("%s: %d calls (expected %d)", case_name, p.next, cJSON_GetArraySize(p.calls));
    check_result(c, &s, &result);
    cso_search_result_free(&result);
    cso_seeds_free(&seeds);
}

static void add_missing(cJSON *node, const char *key, cJSON *value) {
    if (get(node, key))
        cJSON_Delete(value);
    else
        cJSON_AddItemToObject(node, key, value);
}

/* The tree of a case as a tree's file. */
static cJSON *whole_tree(const cJSON *c) {
    cJSON *tree =
        cJSON_Parse("{\"version\":1,\"index\":1,\"state\":\"complete\",\"method\":\"mcts\",\"scene\":\"S\",\"description\":\"D\","
                    "\"prompts\":\"0\",\"calls\":{\"strategy\":0,\"supporter\":0,\"seeker\":0,\"judge\":0},"
                    "\"strategies\":[\"Ask\",\"Tell\",\"Hold\"]}");
    cJSON *nodes = cJSON_Duplicate(get(c, "tree"), true), *node;
    cJSON_AddStringToObject(tree, "mode", get(get(c, "rules"), "mode")->valuestring);
    cJSON_AddNumberToObject(tree, "iterations", get(c, "iterations")->valuedouble);
    cJSON_ArrayForEach(node, nodes) {
        static const char *const flags[] = {"generated", "ended", "simulated", "filled"}, *const texts[] = {"strategy", "reply",
                                                                                                            "answer"};
        for (int i = 0; i < 4; i++)
            add_missing(node, flags[i], cJSON_CreateFalse());
        for (int i = 0; i < 3; i++)
            add_missing(node, texts[i], cJSON_CreateNull());
        add_missing(node, "prior", cJSON_CreateNumber(1));
        add_missing(node, "seed", cJSON_CreateNumber(0));
    }
    cJSON_AddItemToObject(tree, "nodes", nodes);
    return tree;
}

static void extract_case(const cJSON *c) {
    cJSON *tree = whole_tree(c);
    scripted_search s = scripted_begin(NULL);
    cso_search_result result;
    cso_error err = {0};
    char *text = cJSON_PrintUnformatted(tree);
    save_in_folder("given.json", text);
    set_rules(c, &s);
    golden_ok(cso_tree_file_read(&result, in_folder("given.json"), &err), &err);
    check_result(c, &s, &result);
    cso_search_result_free(&result);
    cJSON_free(text);
    cJSON_Delete(tree);
}

static void check_file(const char *name) {
    cJSON *cases = golden_json(golden_path("search/%s.json", name));
    cso_prompts prompts = scripted_prompts();
    const cJSON *c;
    assert_true(cJSON_GetArraySize(cases) > 0);
    cJSON_ArrayForEach(c, cases) {
        case_name = get(c, "case")->valuestring;
        if (get(c, "calls"))
            play_case(c, &prompts);
        else
            extract_case(c);
    }
    cso_prompts_free(&prompts);
    cJSON_Delete(cases);
}

static void steps(void **state) {
    (void)state;
    check_file("steps");
}

static void stop_rule(void **state) {
    (void)state;
    check_file("stop");
}

static void golden_seeds(void **state) {
    (void)state;
    check_file("seeded");
}

static void extraction(void **state) {
    (void)state;
    check_file("extraction");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(steps), cmocka_unit_test(stop_rule), cmocka_unit_test(golden_seeds),
                                       cmocka_unit_test(extraction)};
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

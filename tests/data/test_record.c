/* test_record.c - the forms of records: what each is taken for, and the message for each thing that can be wrong with one. */
#include "data_fixture.h"
#include "golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static data_fixture llama;
static const cso_data_options OPTIONS = {.max_length = 100000, .truncation = CSO_TRUNCATE_ERROR};

static cso_status read_record(const char *text, cso_record_form *form, pair_list *list, cso_error *err) {
    cJSON *record;
    *form = CSO_RECORD_FORM_COUNT;
    golden_ok(cso_json_parse(&record, text, strlen(text), "text", 1, err), err);
    cso_status status = cso_record_detect(record, "d.jsonl:7", form, err);
    list->count = 0;
    const cso_record_request request = {record, *form, "d.jsonl:7", llama.tokenizer, llama.chat, &OPTIONS};
    if (status == CSO_OK && *form < CSO_RECORD_MESSAGES)
        status = cso_record_pairs(&request, pair_list_visit, list, err);
    cJSON_Delete(record);
    return status;
}

#define U    "{\"role\":\"user\",\"content\":\"Hello\"}"
#define A(x) "{\"role\":\"assistant\",\"content\":\"" x "\"}"
#define TREE_TURN                                                                                                                  \
    "{\"role\":\"assistant\",\"content\":\"Oh.\",\"strategy\":\"Affirmation\",\"negative\":[{\"content\":\"No.\",\"strategy\":"    \
    "\"Share Information\"}]}"

typedef struct good_case {
    const char *text;
    cso_record_form form;
    size_t pairs;
} good_case;

static const good_case GOOD[] = {
    {"{\"messages\":[" U "," TREE_TURN "]}", CSO_RECORD_ESC_TREE, 1},
    {"{\"scene\":\"s\",\"description\":\"d\",\"iter\":3,\"messages\":[" U "," TREE_TURN "," U "]}", CSO_RECORD_ESC_TREE, 1},
    {"{\"messages\":[" U ",{\"role\":\"supporter\",\"content\":\"Oh.\",\"strategy\":\"Affirmation\"}]}", CSO_RECORD_ESC_TREE, 0},
    {"{\"messages\":[" U "],\"chosen\":" A("a") ",\"reject\":" A("b") "}", CSO_RECORD_ESC_PAIR, 1},
    {"{\"messages\":[" U "],\"chosen\":{\"role\":\"supporter\",\"content\":\"x\"},\"reject\":" A("b") "}", CSO_RECORD_ESC_PAIR, 1},
    {"{\"prompt\":\"p\",\"chosen\":\"a\",\"rejected\":\"b\"}", CSO_RECORD_PREFERENCE, 1},
    {"{\"prompt\":[" U "],\"chosen\":[" A("a") "],\"rejected\":[" A("b") "]}", CSO_RECORD_PREFERENCE, 1},
    {"{\"prompt\":[" U "],\"chosen\":" A("a") ",\"rejected\":" A("b") "}", CSO_RECORD_PREFERENCE, 1},
    {"{\"chosen\":[" U "," A("a") "],\"rejected\":[" U "," A("b") "]}", CSO_RECORD_PREFERENCE, 1},
    {"{\"prompt\":\"Hello\",\"chosen\":[" U "," A("a") "],\"rejected\":[" U "," A("b") "]}", CSO_RECORD_PREFERENCE, 1},
    {"{\"chosen\":\"Q: hi A: yes\",\"rejected\":\"Q: hi A: no\"}", CSO_RECORD_PREFERENCE, 1},
    {"{\"prompt\":\"p\",\"completion\":\"c\"}", CSO_RECORD_COMPLETION, 1},
    {"{\"prompt\":[" U "],\"completion\":" A("a") "}", CSO_RECORD_COMPLETION, 1},
    {"{\"prompt\":[" U "],\"completion\":[" A("a") "]}", CSO_RECORD_COMPLETION, 1},
    {"{\"prompt\":\"p\",\"completion\":\"c\",\"label\":true}", CSO_RECORD_KTO, 1},
    {"{\"messages\":[" U "," A("a") "],\"label\":false}", CSO_RECORD_KTO, 1},
    {"{\"prompt\":\"p\",\"completions\":[\"a\",\"b\",\"c\"]}", CSO_RECORD_LIST, 1},
    {"{\"prompt\":[" U "],\"completions\":[" A("a") ",[" A("b") "]],\"q\":[2,1]}", CSO_RECORD_LIST, 1},
    {"{\"messages\":[" U "]}", CSO_RECORD_MESSAGES, 0},
    {"{\"messages\":[],\"add_generation_prompt\":true}", CSO_RECORD_MESSAGES, 0},
    {"{\"text\":\"t\"}", CSO_RECORD_TEXT, 0},
    {"{\"ids\":[]}", CSO_RECORD_IDS, 0},
};

static void test_forms(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof GOOD / sizeof *GOOD; i++) {
        cso_record_form form;
        pair_list list;
        cso_error err = {0};
        if (read_record(GOOD[i].text, &form, &list, &err) != CSO_OK)
            fail_msg("%s\n%s", GOOD[i].text, err.message);
        assert_int_equal(form, GOOD[i].form);
        assert_int_equal(list.count, GOOD[i].pairs);
        pair_list_free(&list);
    }
}

static const char *const BAD[][2] = {
    {"{}", "a record of no known form (expected messages, prompt, chosen and rejected, text or ids; found no keys)"},
    {"{\"a\":1,\"b\":2}", "a record of no known form (expected messages, prompt, chosen and rejected, text or ids; found a, b)"},
    /* completions and labels */
    {"{\"messages\":[],\"label\":true}", "messages must end with the assistant's reply that the label is for"},
    {"{\"messages\":[" A("a") "," U "],\"label\":true}", "messages must end with the assistant's reply that the label is for"},
    {"{\"messages\":[" A("a") "],\"label\":true}", "messages has no message before the reply"},
    {"{\"messages\":[" U "," A("a") "," A("b") "],\"label\":true}",
     "the prompt ends with an assistant message (expected a user message)"},
    {"{\"messages\":[" U "," A("a") "],\"label\":1}", "label is neither true nor false"},
    {"{\"messages\":[" U "," A("a") "],\"label\":null}", "label is neither true nor false"},
    {"{\"messages\":[{\"role\":\"bot\",\"content\":\"x\"}," A("a") "],\"label\":true}",
     "messages[0].role: expected system, user or assistant, found \"bot\""},
    {"{\"prompt\":\"p\",\"label\":true}",
     "completion is missing (a KTO record has a label, and messages or prompt and completion)"},
    {"{\"label\":true}", "completion is missing (a KTO record has a label, and messages or prompt and completion)"},
    {"{\"completion\":\"p\",\"label\":true}", "prompt is missing (it comes before a completion)"},
    {"{\"prompt\":5,\"completion\":\"p\"}", "prompt is neither a text nor an array of messages"},
    {"{\"prompt\":[],\"completion\":[]}", "prompt is empty"},
    {"{\"prompt\":[" U "," A("a") "],\"completion\":" A("b") "}",
     "the prompt ends with an assistant message (expected a user message)"},
    {"{\"prompt\":\"p\",\"completion\":" A("b") "}", "prompt and completion must be both texts or both messages"},
    {"{\"prompt\":[" U "],\"completion\":\"b\"}", "prompt and completion must be both texts or both messages"},
    {"{\"prompt\":[" U "],\"completion\":[]}", "completion has no message"},
    {"{\"prompt\":[" U "],\"completion\":7}", "completion is no array (expected an array of messages)"},
    {"{\"prompt\":[" U "],\"completion\":" U "}", "completion: expected the assistant's reply to the prompt, found role \"user\""},
    {"{\"prompt\":\"p\",\"completions\":\"c\"}", "completions is no array"},
    {"{\"prompt\":\"p\",\"completions\":[]}", "no completion is no list (expected two or more)"},
    {"{\"prompt\":\"p\",\"completions\":[\"c\"]}", "one completion is no list (expected two or more)"},
    {"{\"completions\":[\"c\",\"d\"]}", "prompt is missing (it comes before a completion)"},
    {"{\"prompt\":\"p\",\"completions\":[\"c\"," A("b") "]}", "prompt and completions[1] must be both texts or both messages"},
    {"{\"prompt\":\"p\",\"completions\":[\"c\",\"d\"],\"labels\":[true,false]}",
     "completions with labels for each step are not read (expected completions by rank, without labels)"},
    {"{\"prompt\":\"p\",\"completions\":[\"c\",\"d\"],\"q\":1}", "q is no array of 2 numbers, one for each completion"},
    {"{\"prompt\":\"p\",\"completions\":[\"c\",\"d\"],\"q\":[1]}", "q is no array of 2 numbers, one for each completion"},
    {"{\"prompt\":\"p\",\"completions\":[\"c\",\"d\"],\"q\":[1,\"x\"]}", "q[1] is no number"},
    {"{\"prompt\":\"p\",\"completions\":[\"c\",\"d\"],\"q\":[1,2]}",
     "q[1] is larger than q[0] (expected the best completion first)"},
    {"{\"prompt\":\"p\",\"completions\":[\"c\",\"d\"],\"q\":[1,1]}",
     "all completions have the same q: none is better than another"},
    /* preference records */
    {"{\"prompt\":\"p\",\"rejected\":\"b\"}", "chosen is missing (a preference record has prompt, chosen and rejected)"},
    {"{\"prompt\":\"p\",\"chosen\":\"b\"}", "rejected is missing (a preference record has prompt, chosen and rejected)"},
    {"{\"prompt\":\"p\"}", "chosen is missing (a preference record has prompt, chosen and rejected)"},
    {"{\"prompt\":5,\"chosen\":\"a\",\"rejected\":\"b\"}", "prompt is neither a text nor an array of messages"},
    {"{\"prompt\":\"p\",\"chosen\":\"a\",\"rejected\":[" A("b") "]}",
     "prompt, chosen and rejected must be all texts or all messages"},
    {"{\"prompt\":[" U "],\"chosen\":\"a\",\"rejected\":\"b\"}", "prompt, chosen and rejected must be all texts or all messages"},
    {"{\"prompt\":[" U "],\"chosen\":5,\"rejected\":6}", "chosen is no array (expected an array of messages)"},
    {"{\"prompt\":[" U "],\"chosen\":[],\"rejected\":[" A("b") "]}", "chosen has no message"},
    {"{\"prompt\":[],\"chosen\":[" A("a") "],\"rejected\":[" A("b") "]}", "prompt is empty"},
    {"{\"prompt\":[" U "],\"chosen\":[" U "],\"rejected\":[" A("b") "]}",
     "chosen: expected the assistant's reply to the prompt, found role \"user\""},
    {"{\"prompt\":[{\"role\":\"human\",\"content\":\"x\"}],\"chosen\":[" A("a") "],\"rejected\":[" A("b") "]}",
     "prompt[0].role: expected system, user or assistant, found \"human\""},
    {"{\"prompt\":[{\"content\":\"x\"}],\"chosen\":[" A("a") "],\"rejected\":[" A("b") "]}",
     "prompt[0].role is missing (expected a string)"},
    {"{\"prompt\":[{\"role\":\"user\",\"content\":null}],\"chosen\":[" A("a") "],\"rejected\":[" A("b") "]}",
     "prompt[0].content is no string (expected a string)"},
    {"{\"prompt\":[" U "," A("x") "],\"chosen\":[" A("a") "],\"rejected\":[" A("b") "]}",
     "the prompt ends with an assistant message (expected a user message)"},
    {"{\"prompt\":[\"x\"],\"chosen\":[" A("a") "],\"rejected\":[" A("b") "]}",
     "prompt[0] is no object (expected {\"role\", \"content\"})"},
    {"{\"chosen\":[" U "," A("a") "],\"rejected\":[" A("b") "]}",
     "chosen and rejected have no first message in common to be the prompt"},
    {"{\"chosen\":[" A("a") "],\"rejected\":[" A("b") "]}", "chosen and rejected have no first message in common to be the prompt"},
    {"{\"chosen\":[" U "," A("a") "],\"rejected\":[" U "," A("a") "]}",
     "chosen has no message after those it shares with the other"},
    {"{\"chosen\":\"yes\",\"rejected\":\"no\"}", "prompt is missing, and chosen and rejected do not begin alike"},
    /* ESC-Pro pairs */
    {"{\"messages\":[" U "],\"reject\":" A("b") "}", "chosen is missing (an ESC-Pro pair has messages, chosen and reject)"},
    {"{\"messages\":[" U "],\"chosen\":" A("b") "}", "reject is missing (an ESC-Pro pair has messages, chosen and reject)"},
    {"{\"chosen\":" A("b") ",\"reject\":" A("c") "}", "messages is missing (expected an array of messages)"},
    {"{\"messages\":[],\"chosen\":" A("b") ",\"reject\":" A("c") "}",
     "messages must end with a user message, to which chosen and reject reply"},
    {"{\"messages\":[" U "," A("x") "],\"chosen\":" A("b") ",\"reject\":" A("c") "}",
     "messages must end with a user message, to which chosen and reject reply"},
    {"{\"messages\":[{\"role\":\"bot\",\"content\":\"x\"}," U "],\"chosen\":" A("b") ",\"reject\":" A("c") "}",
     "messages[0].role: expected user or assistant, found \"bot\""},
    {"{\"messages\":[" U ",{\"role\":\"system\",\"content\":\"x\"}," U "],\"chosen\":" A("b") ",\"reject\":" A("c") "}",
     "messages[1].role: expected user or assistant, found \"system\""},
    {"{\"messages\":[" U "],\"chosen\":" U ",\"reject\":" A("c") "}", "chosen.role: expected assistant, found \"user\""},
    {"{\"messages\":[" U "],\"chosen\":\"b\",\"reject\":" A("c") "}", "chosen is no object (expected {\"role\", \"content\"})"},
    {"{\"scene\":3,\"messages\":[" U "],\"chosen\":" A("b") ",\"reject\":" A("c") "}", "scene is no string (expected a string)"},
    /* ESC-Pro trees */
    {"{\"iter\":1,\"messages\":[]}", "messages is empty (expected an array of turns)"},
    {"{\"iter\":1,\"messages\":{}}", "messages is no array (expected an array of turns)"},
    {"{\"messages\":[" TREE_TURN "]}",
     "messages[0].role: expected user, found \"assistant\" (user and assistant take turns, the user first)"},
    {"{\"messages\":[" U "," U "," TREE_TURN "]}",
     "messages[1].role: expected assistant, found \"user\" (user and assistant take turns, the user first)"},
    {"{\"messages\":[" U ",{\"role\":\"system\",\"content\":\"x\",\"strategy\":\"Affirmation\"}]}",
     "messages[1].role: expected assistant, found \"system\" (user and assistant take turns, the user first)"},
    {"{\"messages\":[" U "," TREE_TURN "," U ",{\"role\":\"assistant\",\"content\":\"x\"}]}",
     "messages[3].strategy is missing (expected a string)"},
    {"{\"messages\":[" U ",{\"role\":\"assistant\",\"strategy\":\"Affirmation\"}]}",
     "messages[1].content is missing (expected a string)"},
    {"{\"messages\":[" U ",{\"role\":\"assistant\",\"content\":\"x\",\"strategy\":\"Affirmation\",\"negative\":{}}]}",
     "messages[1].negative is no array"},
    {"{\"messages\":[" U
     ",{\"role\":\"assistant\",\"content\":\"x\",\"strategy\":\"Affirmation\",\"negative\":[{\"content\":\"y\"}]}]}",
     "messages[1].negative[0].strategy is missing (expected a string)"},
    {"{\"messages\":[" U ",{\"role\":\"assistant\",\"content\":\"x\",\"strategy\":\"Affirmation\",\"negative\":[\"y\"]}]}",
     "messages[1].negative[0] is no object (expected {\"content\", \"strategy\"})"},
    {"{\"messages\":[" U ",{\"role\":\"assistant\",\"content\":\"x\",\"strategy\":\"Affirmation\",\"q\":\"1\"}]}",
     "messages[1].q is no number"},
    {"{\"messages\":[" U ",{\"role\":\"assistant\",\"content\":\"x\",\"strategy\":\"Affirmation\",\"negative\":[{\"content\":\"y\","
     "\"strategy\":\"Affirmation\",\"n\":null}]}]}",
     "messages[1].negative[0].n is no number"},
    {"{\"messages\":[" U "],\"chosen\":" A("b") ",\"reject\":{\"role\":\"assistant\",\"content\":\"c\",\"q\":[]}}",
     "reject.q is no number"},
    {"{\"messages\":[7," TREE_TURN "]}", "messages[0] is no object (expected {\"role\", \"content\"})"},
};

static void test_errors(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        cso_record_form form;
        pair_list list;
        cso_error err = {0};
        char expected[512];
        if (read_record(BAD[i][0], &form, &list, &err) != CSO_ERR_INPUT)
            fail_msg("not refused: %s", BAD[i][0]);
        snprintf(expected, sizeof expected, "d.jsonl:7: %s", BAD[i][1]);
        if (strcmp(err.message, expected))
            fail_msg("%s\n  expected %s\n  found    %s", BAD[i][0], expected, err.message);
        pair_list_free(&list);
    }
}

static void test_strategies(void **state) {
    (void)state;
    cso_record_form form;
    pair_list list;
    cso_error err = {0};
    golden_ok(read_record("{\"messages\":[" U "," TREE_TURN "]}", &form, &list, &err), &err);
    assert_string_equal(list.items[0].reply[0].strategy, "Affirmation");
    assert_string_equal(list.items[0].reply[1].strategy, "Share Information");
    assert_int_equal(list.items[0].unknown_strategies, 0);
    pair_list_free(&list);
    golden_ok(
        read_record("{\"messages\":[" U "],\"chosen\":" A("(Affirmation) a") ",\"reject\":" A("(Joke) b") "}", &form, &list, &err),
        &err);
    assert_string_equal(list.items[0].reply[0].strategy, "Affirmation");
    assert_null(list.items[0].reply[1].strategy);
    assert_int_equal(list.items[0].unknown_strategies, 1);
    pair_list_free(&list);
    golden_ok(
        read_record("{\"prompt\":[" U "],\"chosen\":[" A("(Affirmation) a") "],\"rejected\":[" A(" ") "]}", &form, &list, &err),
        &err);
    assert_int_equal(list.items[0].unknown_strategies, 0); /* only ESC-Pro has strategies */
    assert_false(list.items[0].reply[0].empty);
    assert_true(list.items[0].reply[1].empty);
    pair_list_free(&list);
}

/* A zero character inside a content is a character like others. */
static void test_zero_characters(void **state) {
    (void)state;
    cso_record_form form;
    pair_list list;
    cso_error err = {0};
    char *bytes;
    size_t size;
    golden_ok(read_record("{\"prompt\":[" U "],\"chosen\":[" A("a\\u0000b") "],\"rejected\":[" A("a") "]}", &form, &list, &err),
              &err);
    const cso_ids *ids = &list.items[0].sequence[0];
    golden_ok(cso_tokenizer_decode_bytes(llama.tokenizer, ids->ids, ids->count, &bytes, &size, &err), &err);
    assert_true(size > 13);
    assert_memory_equal(bytes + size - 13, "a\0b<|eot_id|>", 13);
    free(bytes);
    pair_list_free(&list);
}

static int set_up(void **state) {
    (void)state;
    llama = data_fixture_tiny("llama-tiny");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    data_fixture_close(&llama);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_strategies),
        cmocka_unit_test(test_zero_characters),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

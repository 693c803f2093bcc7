/* test_split.c - parts, samples and records without doubles. */
#include "records/split.h"

#include "base/memory.h"
#include "golden.h"
#include "hash_set.h"
#include "records_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { DIALOGUES = 50, PATHS = 4 };

/* Paths of search trees, dialogue by dialogue or path by path; of each dialogue one with another system message. */
static char *make_records(bool by_path) {
    cso_text text = {0};
    for (int i = 0; i < DIALOGUES * PATHS; i++) {
        int dialogue = by_path ? i % DIALOGUES : i / PATHS, path = by_path ? i / DIALOGUES : i % PATHS;
        cso_text_format(
            &text,
            "{\"scene\": \"s\", \"description\": \"d%d\", \"messages\": [%s{\"role\": \"user\", \"content\": \"u\"}], \"chosen\": "
            "{\"role\": \"assistant\", \"content\": \"b%d\"}, \"reject\": {\"role\": \"assistant\", \"content\": \"c\"}}\n",
            dialogue, path ? "" : "{\"role\": \"system\", \"content\": \"x\"}, ", path);
    }
    return text.data;
}

typedef struct parts {
    cso_text text[3];
    cso_record_sink sinks[3];
    cso_part items[3];
} parts;

static cso_status split(parts *p, const char *path, uint64_t seed, cso_error *err) {
    static const double fractions[] = {0.7, 0.2, 0.1};
    static const char *const names[] = {"train", "eval", "test"};
    for (int i = 0; i < 3; i++) {
        p->sinks[i] = records_sink(&p->text[i]);
        p->items[i] = (cso_part){.name = names[i], .fraction = fractions[i], .sink = &p->sinks[i]};
    }
    cso_status status = cso_split(&path, 1, p->items, 3, seed, "/tmp", err);
    for (int i = 0; i < 3; i++)
        golden_ok(record_sink_close(&p->sinks[i], true, NULL), NULL);
    return status;
}

static void free_parts(parts *p) {
    for (int i = 0; i < 3; i++)
        free(p->text[i].data);
}

/* The part that has the dialogue; fails the test if not exactly one has it, with all its records. */
static int part_of(const parts *p, int dialogue) {
    char key[40];
    int found = -1;
    snprintf(key, sizeof key, "\"description\": \"d%d\"", dialogue);
    for (int i = 0; i < 3; i++) {
        size_t count = 0;
        for (const char *at = p->text[i].data; (at = strstr(at, key)); at++)
            count++;
        if (!count)
            continue;
        assert_int_equal(count, PATHS);
        assert_int_equal(found, -1);
        found = i;
    }
    assert_true(found >= 0);
    return found;
}

static void parts_of_dialogues(void **state) {
    (void)state;
    char *text = make_records(false), *other = make_records(true);
    parts a, b, c;
    cso_error err = {0};
    golden_ok(split(&a, records_file("split.jsonl", text, strlen(text)), 42, &err), &err);
    golden_ok(split(&b, records_file("other.jsonl", other, strlen(other)), 42, &err), &err);
    golden_ok(split(&c, records_file("split.jsonl", text, strlen(text)), 43, &err), &err);
    static const size_t expected[] = {35, 10, 5};
    size_t total = 0, moved = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(a.items[i].dialogues, expected[i]);
        assert_int_equal(a.items[i].records, expected[i] * PATHS);
        total += a.text[i].size;
    }
    assert_int_equal(total, strlen(text));
    for (int d = 0; d < DIALOGUES; d++) {
        assert_int_equal(part_of(&a, d), part_of(&b, d)); /* whatever the order of the records */
        moved += part_of(&a, d) != part_of(&c, d);
    }
    assert_true(moved > 5); /* another seed, another split */
    free_parts(&a);
    free_parts(&b);
    free_parts(&c);
    free(text);
    free(other);
}

static void refused_splits(void **state) {
    (void)state;
    parts p;
    cso_error err = {0};
    assert_int_equal(split(&p, records_file("few.jsonl", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n", 26), 1, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, " would be empty: there are 2 dialogues (expected more, or another fraction than "));
    free_parts(&p);
    assert_int_equal(split(&p, records_file("bad.jsonl", "{\"text\":\"a\"}\n{\"x\":1}\n", 21), 1, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "bad.jsonl:2: a record of no known form"));
    free_parts(&p);
}

static char *dedup(const char *text, cso_same same, size_t *records) {
    const char *path = records_file("dedup.jsonl", text, strlen(text));
    cso_text out;
    cso_record_sink sink = records_sink(&out);
    cso_error err = {0};
    golden_ok(cso_dedup(&path, 1, same, &sink, records, &err), &err);
    golden_ok(record_sink_close(&sink, true, &err), &err);
    return out.data;
}

static void without_doubles(void **state) {
    (void)state;
    static const char text[] = "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n"
                               "{\"rejected\":\"c\", \"chosen\":\"\\u0062\", \"prompt\":\"a\"}\n"
                               "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\", \"id\": 1}\n"
                               "{\"prompt\": \"a\", \"chosen\": \"c\", \"rejected\": \"b\"}\n"
                               "  {\"prompt\": \"x\",  \"chosen\": \"b\", \"rejected\": \"c\"} \n";
    size_t records;
    char *out = dedup(text, CSO_SAME_RECORD, &records);
    assert_int_equal(records, 5);
    assert_string_equal(out, "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n"
                             "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\", \"id\": 1}\n"
                             "{\"prompt\": \"a\", \"chosen\": \"c\", \"rejected\": \"b\"}\n"
                             "{\"prompt\": \"x\",  \"chosen\": \"b\", \"rejected\": \"c\"}\n");
    free(out);
    out = dedup(text, CSO_SAME_CONTENT, &records);
    assert_string_equal(out, "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n"
                             "{\"prompt\": \"a\", \"chosen\": \"c\", \"rejected\": \"b\"}\n"
                             "{\"prompt\": \"x\",  \"chosen\": \"b\", \"rejected\": \"c\"}\n");
    free(out);
    out = dedup(text, CSO_SAME_DIALOGUE, &records);
    assert_string_equal(out, "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n"
                             "{\"prompt\": \"x\",  \"chosen\": \"b\", \"rejected\": \"c\"}\n");
    free(out);
    out = dedup("[{\"text\":\n\"a\"},{\"text\" : \"a\"}]", CSO_SAME_RECORD, &records); /* one line for an element over several */
    assert_string_equal(out, "{\"text\": \"a\"}\n");
    free(out);
}

static char *sample(const char *text, cso_sample_options options, size_t *written) {
    const char *path = records_file("sample.jsonl", text, strlen(text));
    cso_text out;
    cso_record_sink sink = records_sink(&out);
    cso_error err = {0};
    size_t records;
    golden_ok(cso_sample(&path, 1, &options, &sink, &records, &err), &err);
    *written = sink.count;
    golden_ok(record_sink_close(&sink, true, &err), &err);
    assert_int_equal(records, DIALOGUES * PATHS);
    return out.data ? out.data : cso_strdup("");
}

/* That the lines of part are lines of whole, in their order. */
static void assert_lines_of(const char *part, const char *whole) {
    while (*part) {
        size_t size = strcspn(part, "\n") + 1;
        while (*whole && strncmp(whole, part, size) != 0)
            whole += strcspn(whole, "\n") + 1;
        assert_true(*whole);
        whole += size;
        part += size;
    }
}

static void samples(void **state) {
    (void)state;
    char *text = make_records(true);
    size_t written, times[DIALOGUES * PATHS] = {0};
    for (uint64_t seed = 0; seed < 200; seed++) {
        char *out = sample(text, (cso_sample_options){.count = 20, .seed = seed}, &written);
        assert_int_equal(written, 20);
        assert_lines_of(out, text);
        const char *line = text;
        for (size_t i = 0; i < DIALOGUES * PATHS; i++) {
            size_t size = strcspn(line, "\n") + 1;
            char one[512];
            snprintf(one, sizeof one, "%.*s", (int)size, line);
            times[i] += strstr(out, one) != NULL;
            line += size;
        }
        free(out);
    }
    for (size_t i = 0; i < DIALOGUES * PATHS; i++) /* 20 expected, standard deviation 4.2 */
        assert_true(times[i] > 3 && times[i] < 45);
    char *out = sample(text, (cso_sample_options){.count = 1000}, &written);
    assert_string_equal(out, text);
    free(out);
    out = sample(text, (cso_sample_options){.fraction = 1}, &written);
    assert_string_equal(out, text);
    free(out);
    out = sample(text, (cso_sample_options){.fraction = 0.5, .seed = 3}, &written);
    assert_true(written > 60 && written < 140);
    assert_lines_of(out, text);
    free(out);
    for (uint64_t seed = 0; seed < 20; seed++) { /* all records of a dialogue or none, wherever they are */
        out = sample(text, (cso_sample_options){.count = 7, .by_dialogue = true, .seed = seed}, &written);
        assert_int_equal(written, 7 * PATHS);
        assert_lines_of(out, text);
        for (int d = 0; d < DIALOGUES; d++) {
            char key[40];
            size_t count = 0;
            snprintf(key, sizeof key, "\"description\": \"d%d\"", d);
            for (const char *at = out; (at = strstr(at, key)); at++)
                count++;
            assert_true(count == 0 || count == PATHS);
        }
        free(out);
    }
    free(text);
}

static size_t allocated;
static bool count_bytes(size_t bytes) {
    allocated = bytes; /* the last allocation is the largest */
    return true;
}

/* The promise of the header: also while the set grows. */
static void bytes_an_item(void **state) {
    (void)state;
    hash_set set = {0};
    bool added;
    cso_memory_set_hook(count_bytes);
    for (size_t i = 1; i < 300000; i++) {
        size_t before = set.capacity;
        assert_true(hash_set_add(&set, (text_hash){.low = i * 0x9E3779B97F4A7C15u, .high = i}, &added) && added);
        size_t most = set.capacity == before ? set.capacity : before + set.capacity;
        if (i > 1000 && most * sizeof *set.slots > 55 * i)
            fail_msg("%zu bytes for %zu items", most * sizeof *set.slots, i);
    }
    cso_memory_set_hook(NULL);
    assert_int_equal(allocated, set.capacity * sizeof *set.slots);
    for (size_t i = 1; i < 300000; i += 7)
        assert_true(hash_set_add(&set, (text_hash){.low = i * 0x9E3779B97F4A7C15u, .high = i}, &added) && !added);
    assert_int_equal(set.count, 299999);
    hash_set_sort(&set);
    for (size_t i = 1; i < set.count; i++)
        assert_true(set.slots[i - 1].high < set.slots[i].high);
    hash_set_free(&set);
}

static void out_of_memory(void **state) {
    (void)state;
    char *text = make_records(true);
    const char *path = records_file("memory.jsonl", text, strlen(text));
    for (int job = 0; job < 3; job++) {
        cso_status status = CSO_ERR_SYSTEM;
        for (size_t n = 0; status == CSO_ERR_SYSTEM; n++) {
            parts p;
            cso_text out;
            cso_record_sink sink = records_sink(&out);
            cso_error err = {0};
            size_t records;
            const cso_sample_options options = {.count = 3, .by_dialogue = true};
            if (job == 0) {
                for (int i = 0; i < 3; i++) {
                    p.sinks[i] = records_sink(&p.text[i]);
                    p.items[i] = (cso_part){.name = "x", .fraction = 0.3, .sink = &p.sinks[i]};
                }
            }
            records_fail_memory(n);
            if (job == 0)
                status = cso_split(&path, 1, p.items, 3, 1, "/tmp", &err);
            else if (job == 1)
                status = cso_dedup(&path, 1, CSO_SAME_CONTENT, &sink, &records, &err);
            else
                status = cso_sample(&path, 1, &options, &sink, &records, &err);
            records_fail_memory(SIZE_MAX);
            record_sink_close(&sink, true, NULL);
            free(out.data);
            for (int i = 0; job == 0 && i < 3; i++) {
                record_sink_close(&p.sinks[i], true, NULL);
                free(p.text[i].data);
            }
            assert_true(n < 5000);
        }
        assert_int_equal(status, CSO_OK);
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_of_dialogues), cmocka_unit_test(refused_splits),
        cmocka_unit_test(without_doubles),    cmocka_unit_test(samples),
        cmocka_unit_test(bytes_an_item),      cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

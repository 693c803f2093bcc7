/* test_json_records.c - records of data files, one by one, from files and pipes; whole files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../test_folder.h"
#include "base/file.h"
#include "bytes.h"
#include "io/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct seen {
    size_t count, lines[16], stop_at;
    int values[16];
} seen;

static cso_status see(void *context, const cJSON *record, size_t line, cso_error *err) {
    seen *s = context;
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(record, "v");
    s->lines[s->count] = line;
    s->values[s->count++] = value ? value->valueint : -1;
    return s->count == s->stop_at ? cso_fail(err, CSO_ERR_NUMERIC, "enough") : CSO_OK;
}

static const char *save(const char *name, const char *text, size_t size) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", test_folder, name);
    bytes_save(path, text, size);
    return path;
}

static void assert_each(const char *name, const char *text, size_t count, const size_t *lines) {
    seen s = {0};
    cso_error err = {0};
    cso_status status = cso_json_each(save(name, text, strlen(text)), see, &s, &err);
    if (status != CSO_OK)
        print_error("%s: %s\n", text, err.message);
    assert_int_equal(status, CSO_OK);
    assert_int_equal(s.count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(s.values[i], (int)i);
        assert_int_equal(s.lines[i], lines[i]);
    }
}

static void assert_each_fails(const char *name, const char *text, size_t count, const char *message) {
    seen s = {0};
    cso_error err = {0};
    const char *path = save(name, text, strlen(text));
    cso_status status = cso_json_each(path, see, &s, &err);
    const char *rest = err.message + strlen(path);
    if (status != CSO_ERR_INPUT || strncmp(err.message, path, strlen(path)) || !strstr(rest, message)) {
        print_error("%s: status %d, message '%s' (expected '%s')\n", text, status, err.message, message);
        fail();
    }
    assert_int_equal(s.count, count);
}

static void records(void **state) {
    (void)state;
    static const char *const names[] = {"d.jsonl", "d.json", "d.txt"};
    for (int i = 0; i < 3; i++) {
        assert_each(names[i], "", 0, NULL);
        assert_each(names[i], " \n\n", 0, NULL);
        assert_each(names[i], "[]", 0, NULL);
        assert_each(names[i], "{\"v\":0}", 1, (size_t[]){1});
        assert_each(names[i], "{\"v\":0}\n{\"v\":1}\n", 2, (size_t[]){1, 2});
        assert_each(names[i], "\xEF\xBB\xBF\n\n {\"v\":0}\r\n\r\n  \n{\"v\":1}", 2, (size_t[]){3, 6});
        assert_each(names[i], "{\"v\":0,\"t\":\"\xE2\x80\xA8\"}\n{\"v\":1}\n", 2, (size_t[]){1, 2}); /* U+2028 ends no line */
        assert_each(names[i], "[{\"v\":0}]", 1, (size_t[]){1});
        assert_each(names[i], "\n[\n {\"v\":0},{\"v\":1}\n,\n\n {\"v\":2,\n\"]\":\"},{\\\"[\"} ]\n\n", 3, (size_t[]){3, 3, 6});
        assert_each(names[i], "\xEF\xBB\xBF[ {\"v\":0, \"a\":[[1],{\"b\":[2]}]} , {\"v\":1}]", 2, (size_t[]){1, 1});
    }
    assert_each("d.json", "\n{\n \"v\": 0,\n \"a\": [\n1]\n}\n", 1, (size_t[]){2}); /* one object over lines */
}

static void bad_records(void **state) {
    (void)state;
    assert_each_fails("d.jsonl", "{\"v\":0}\n{\"v\":1\n{\"v\":2}\n", 1, ":2: the JSON text ends too early");
    assert_each_fails("d.jsonl", "{\"v\":0}\n{\"v\":", 1, ":2: the JSON text ends too early");
    assert_each_fails("d.jsonl", "{\n\"v\":0}\n", 0, ":1: the JSON text ends too early");
    assert_each_fails("d.jsonl", "{\"v\":0}{\"v\":1}\n", 0, ":1: expected nothing after the value");
    assert_each_fails("d.jsonl", "{\"v\":0}\n\n7\n", 1, ":3: expected a record");
    assert_each_fails("d.jsonl", "{\"v\":0}\n[]\n", 1, ":2: expected a record");
    assert_each_fails("d.jsonl", "{\"v\":0}\n{\"v\":\"a\xFF\"}\n", 1, ":2: is not UTF-8");
    assert_each_fails("d.jsonl", "\"text\"\n", 0, ":1: expected a record");
    assert_each_fails("d.jsonl", "\xEF\xBB{}\n", 0, ":1: expected a record");
    assert_each_fails("d.json", "{\"v\":0}\n{\"v\":1\n", 1, ":2: the JSON text ends too early");
    assert_each_fails("d.json", "{\n\"v\":0}\n{\"v\":1}\n", 0, ":3: expected nothing after the value");
    assert_each_fails("d.json", "{\"v\":\"not closed\n}", 0, ":1: a string is not closed");
    assert_each_fails("d.json", "[{\"v\":0},]", 1, ":1: expected a record, found ']'");
    assert_each_fails("d.json", "[,{\"v\":0}]", 0, ":1: expected a record, found ','");
    assert_each_fails("d.json", "[\n{\"v\":0}\n", 0, ":3: the array is not closed");
    assert_each_fails("d.json", "[", 0, "the array is not closed");
    assert_each_fails("d.json", "[{\"v\":0},", 1, "the array is not closed");
    assert_each_fails("d.json", "[{\"v\":0} {\"v\":1}]", 0, "expected nothing after the value");
    assert_each_fails("d.json", "[{\"v\":0},\n{\"v\":\n\"a\n\"}]", 1, ":3: a string is not closed");
    assert_each_fails("d.json", "[{\"v\":0},\n{\"v\":1,\n\n\"v\":2}]", 1, ":4: duplicate key");
    assert_each_fails("d.json", "[{\"v\":0}]\n\nx", 1, ":3: expected nothing after the array");
    assert_each_fails("d.json", "[{\"v\":0}][]", 1, "expected nothing after the array");
    assert_each_fails("d.json", "[1]", 0, ":1: expected a record");
    assert_each_fails("d.json", "[{]", 0, ":1: ");
    seen s = {.stop_at = 2};
    cso_error err = {0};
    assert_int_equal(cso_json_each(save("d.jsonl", "{}\n{}\n{}\n", 9), see, &s, &err), CSO_ERR_NUMERIC);
    assert_int_equal(s.count, 2);
    assert_int_equal(cso_json_each("/nowhere/d.jsonl", see, &s, &err), CSO_ERR_INPUT);
    assert_string_equal(err.message, "/nowhere/d.jsonl: cannot open: No such file or directory");
    assert_int_equal(cso_json_each(test_folder, see, &s, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "is a folder"));
}

/* Reads `name` while a child writes three records into standard input. */
static void assert_reads_standard_input(const char *name) {
    int ends[2], saved = dup(STDIN_FILENO);
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        FILE *file = fdopen(ends[1], "w");
        for (int i = 0; file && i < 3; i++)
            fprintf(file, "{\"v\":%d}\n", i);
        _exit(!file || fclose(file));
    }
    close(ends[1]);
    dup2(ends[0], STDIN_FILENO);
    close(ends[0]);
    seen s = {0};
    assert_int_equal(cso_json_each(name, see, &s, NULL), CSO_OK);
    assert_int_equal(s.count, 3);
    clearerr(stdin);
    dup2(saved, STDIN_FILENO);
    close(saved);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* A pipe may be standard input; one with a name is refused, and without a writer does not hang. */
static void from_a_pipe(void **state) {
    (void)state;
    char path[128];
    assert_reads_standard_input("-");
    assert_reads_standard_input("/dev/stdin");
    snprintf(path, sizeof path, "%s/fifo", test_folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    seen s = {0};
    cso_error err = {0};
    char *text;
    assert_int_equal(cso_json_each(path, see, &s, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "fifo: is a pipe (expected a file"));
    assert_int_equal(cso_read_file(path, 100, &text, NULL, &err), CSO_ERR_INPUT);
}

static void reads_files(void **state) {
    (void)state;
    cJSON *value;
    cso_error err = {0};
    const char *path = save("c.json", "{\"a\":\n1,}", 9);
    assert_int_equal(cso_json_read(&value, path, 100, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "c.json:2: expected a key in quotes"));
    assert_int_equal(cso_json_read(&value, path, 8, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "too large"));
    assert_int_equal(cso_json_read(&value, save("c.json", "{\"a\":1}", 7), 100, &err), CSO_OK);
    cJSON_Delete(value);
}

/* What a visitor of texts is given. */
typedef struct texts {
    char all[400000];
    size_t count, last_line;
} texts;

static cso_status see_text(void *context, const char *text, size_t size, size_t line, cso_error *err) {
    texts *t = context;
    (void)err;
    strncat(t->all, text, size);
    strcat(t->all, "|");
    t->count++;
    t->last_line = line;
    return CSO_OK;
}

static void texts_of_records(void **state) {
    (void)state;
    static texts t;
    cso_error err = {0};
    static const char lines[] = "{\"a\": 1.50}\n\n  broken \r\n{ }", array[] = "[ {\"a\" :\n1}, 7 ,{]},{} ]",
                      bad[] = "[{},{\"a\":\"b\n\"}]";
    assert_int_equal(cso_json_each_text(save("t.jsonl", lines, strlen(lines)), see_text, &t, &err), CSO_OK);
    assert_string_equal(t.all, "{\"a\": 1.50}|broken \r|{ }|");
    assert_int_equal(t.last_line, 4);
    t = (texts){0};
    assert_int_equal(cso_json_each_text(save("t.json", array, strlen(array)), see_text, &t, &err), CSO_OK);
    assert_string_equal(t.all, "{\"a\" :\n1}|7 |{]}|{} |");
    assert_int_equal(t.last_line, 2);
    t = (texts){0};
    assert_int_equal(cso_json_each_text(save("t.json", bad, strlen(bad)), see_text, &t, &err), CSO_ERR_INPUT);
    assert_non_null(strstr(err.message, "t.json:1: a string is not closed"));
    assert_int_equal(t.count, 1);
}

/* Lines and elements longer than what the reader takes at once, and some that lie across its bounds. */
static void long_records(void **state) {
    (void)state;
    enum { SIZE = 1 << 20 };
    char *text = malloc(SIZE + 100);
    assert_non_null(text);
    for (int array = 0; array < 2; array++) {
        size_t at = 0, count = 0;
        if (array)
            text[at++] = '[';
        for (size_t length = 1; at + 2 * length + 64 < SIZE; length = length * 3 + 1, count++) {
            at += (size_t)sprintf(text + at, "%s{\"v\":%zu,\"t\":\"", count ? array ? "," : "\n" : "", count);
            memset(text + at, 'x', length);
            at += length;
            at += (size_t)sprintf(text + at, "\"}");
        }
        if (array)
            text[at++] = ']';
        seen s = {0};
        cso_error err = {0};
        assert_int_equal(cso_json_each(save("long", text, at), see, &s, &err), CSO_OK);
        assert_int_equal(s.count, count);
        assert_true(count > 11);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(s.values[i], (int)i);
            assert_int_equal(s.lines[i], array ? 1 : i + 1);
        }
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records),      cmocka_unit_test(bad_records), cmocka_unit_test(texts_of_records),
        cmocka_unit_test(long_records), cmocka_unit_test(from_a_pipe), cmocka_unit_test(reads_files),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

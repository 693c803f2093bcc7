/* test_journal.c - journals: what is appended is read again; torn, damaged and failing ones. */
#include "search/journal.h"

#include "../faults.h"
#include "../test_folder.h"
#include "base/file.h"
#include "io/json.h"
#include "search/journal_parts.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static cso_identity identity_of(const char *c) {
    cso_identity id = {0};
    cso_identity_add(&id, "search.c", "%s", c);
    cso_identity_add(&id, "role.judge.model", "a \"model\"");
    return id;
}

static cso_status open_as(cso_journal **journal, const char *c, cso_error *err) {
    const cso_identity id = identity_of(c);
    return cso_journal_open(journal, in_folder("journal"), 3, &id, err);
}

static cso_journal *open_ok(void) {
    cso_error err = {0};
    cso_journal *journal;
    if (open_as(&journal, "1", &err) != CSO_OK)
        fail_msg("%s", err.message);
    return journal;
}

static void begin_anew(void) {
    assert_int_equal(cso_remove_tree(in_folder("journal"), NULL), CSO_OK);
}

static cso_journal_entry entry_of(size_t call, cso_role role, const char *answer) {
    static char copy[512];
    snprintf(copy, sizeof copy, "%s", answer);
    cso_journal_entry entry = {call, role, "", copy, 10 + call, 5, call == 2, 1 + call, 0.1 * (double)call};
    char user[32];
    snprintf(user, sizeof user, "question %zu", call);
    cso_journal_question("system", user, entry.question);
    return entry;
}

static void append_ok(cso_journal *journal, size_t call, cso_role role, const char *answer) {
    const cso_journal_entry entry = entry_of(call, role, answer), *kept;
    cso_error err = {0};
    if (cso_journal_append(journal, &entry, &kept, &err) != CSO_OK)
        fail_msg("%s", err.message);
    assert_int_equal(kept->call, call);
}

static const cso_journal_entry *find(const cso_journal *journal, size_t call, size_t which, cso_role role) {
    const cso_journal_entry like = entry_of(call, role, ""), *entry;
    cso_error err = {0};
    if (cso_journal_find(journal, call, which, role, like.question, &entry, &err) != CSO_OK)
        fail_msg("%s", err.message);
    return entry;
}

/* Calls of three, one of which needed two answers. */
static void fill(cso_journal *journal) {
    append_ok(journal, 2, CSO_ROLE_JUDGE, "no scores");
    append_ok(journal, 0, CSO_ROLE_STRATEGY, "`{\"Ask\": 3}`\nüß \x01");
    append_ok(journal, 2, CSO_ROLE_JUDGE, "1: 3\r\n2: 4");
    append_ok(journal, 1, CSO_ROLE_SEEKER, "");
}

static void check_filled(const cso_journal *journal) {
    assert_string_equal(find(journal, 0, 0, CSO_ROLE_STRATEGY)->answer, "`{\"Ask\": 3}`\nüß \x01");
    assert_string_equal(find(journal, 1, 0, CSO_ROLE_SEEKER)->answer, "");
    assert_string_equal(find(journal, 2, 0, CSO_ROLE_JUDGE)->answer, "no scores");
    const cso_journal_entry *second = find(journal, 2, 1, CSO_ROLE_JUDGE);
    assert_string_equal(second->answer, "1: 3\r\n2: 4");
    assert_true(second->prompt_tokens == 12 && second->completion_tokens == 5 && second->cut && second->tries == 3);
    assert_true(second->cost == 0.1 * 2);
    assert_null(find(journal, 2, 2, CSO_ROLE_JUDGE));
    assert_null(find(journal, 3, 0, CSO_ROLE_JUDGE));
    cso_journal_totals sum = cso_journal_sum(journal);
    assert_true(sum.answers == 4 && sum.tries == 9 && sum.prompt_tokens == 45 && sum.completion_tokens == 20);
    assert_true(fabs(sum.cost - 0.5) < 1e-12);
}

static char *read_journal(size_t *size) {
    char *text;
    assert_int_equal(cso_read_file(in_folder("journal/000003.jsonl"), 1 << 20, &text, size, NULL), CSO_OK);
    return text;
}

/* Without flushing: these are many. */
static void write_journal(const char *text, size_t size) {
    FILE *file = fopen(in_folder("journal/000003.jsonl"), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void appends_and_reads(void **state) {
    (void)state;
    begin_anew();
    cso_journal *journal = open_ok();
    assert_int_equal(cso_journal_sum(journal).answers, 0);
    fill(journal);
    check_filled(journal);
    cso_journal_close(journal);
    size_t size, again_size;
    char *text = read_journal(&size);
    const char first[] =
        " {\"version\":1,\"index\":3,\"identity\":{\"search.c\":\"1\",\"role.judge.model\":\"a \\\"model\\\"\"}}\n";
    assert_memory_equal(text + 32, first, sizeof first - 1);
    assert_non_null(strstr(text, " {\"call\":1,\"role\":\"seeker\",\"question\":\""));
    assert_non_null(
        strstr(text, "\",\"answer\":\"\",\"prompt_tokens\":11,\"completion_tokens\":5,\"cut\":false,\"tries\":2,\"cost\":0.1}\n"));
    journal = open_ok();
    check_filled(journal);
    append_ok(journal, 3, CSO_ROLE_JUDGE, "x");
    cso_journal_close(journal);
    char *longer = read_journal(&again_size);
    assert_true(again_size > size);
    assert_memory_equal(longer, text, size); /* only appended to */
    free(text);
    free(longer);
    cso_journal_close(NULL);
}

/* An answer is used as it will be read again. */
static void keeps_what_is_written(void **state) {
    (void)state;
    begin_anew();
    cso_journal *journal = open_ok();
    const cso_journal_entry entry = entry_of(7, CSO_ROLE_SUPPORTER, "a\xff"), *kept;
    assert_int_equal(cso_journal_append(journal, &entry, &kept, NULL), CSO_OK);
    assert_string_equal(kept->answer, "a\xef\xbf\xbd");
    cso_journal_close(journal);
    journal = open_ok();
    assert_string_equal(find(journal, 7, 0, CSO_ROLE_SUPPORTER)->answer, "a\xef\xbf\xbd");
    cso_journal_entry wrong = entry_of(8, CSO_ROLE_SUPPORTER, "a");
    wrong.cost = NAN;
    cso_error err = {0};
    assert_int_equal(cso_journal_append(journal, &wrong, &kept, &err), CSO_ERR_INTERNAL);
    append_ok(journal, 8, CSO_ROLE_SUPPORTER, "a"); /* nothing was written */
    cso_journal_close(journal);
}

/* Other keys, questions and seeds are told. */
static void refuses_what_differs(void **state) {
    (void)state;
    begin_anew();
    cso_journal *journal = open_ok();
    const cso_journal_entry *entry;
    cso_error err = {0};
    char expected[512];
    fill(journal);
    const cso_journal_entry like = entry_of(2, CSO_ROLE_JUDGE, "");
    assert_int_equal(cso_journal_find(journal, 1, 0, CSO_ROLE_SEEKER, like.question, &entry, &err), CSO_ERR_USAGE);
    snprintf(
        expected, sizeof expected,
        "%s: search 3: call 1 was another question to role.seeker, so prompts or program have changed (choose another search.dir, "
        "or remove the file to search this seed anew)",
        in_folder("journal/000003.jsonl"));
    assert_string_equal(err.message, expected);
    assert_null(entry);
    assert_int_equal(cso_journal_find(journal, 2, 0, CSO_ROLE_SEEKER, like.question, &entry, &err), CSO_ERR_USAGE);
    cso_journal_close(journal);
    assert_int_equal(open_as(&journal, "2", &err), CSO_ERR_USAGE);
    snprintf(expected, sizeof expected,
             "%s: search 3 began with search.c = 1, which is 2 now (set it back, choose another search.dir, or remove the file to "
             "search this seed anew)",
             in_folder("journal/000003.jsonl"));
    assert_string_equal(err.message, expected);
    assert_null(journal);
    cso_identity id = identity_of("1");
    id.count = 1;
    assert_int_equal(cso_journal_open(&journal, in_folder("journal"), 3, &id, &err), CSO_ERR_USAGE);
    assert_non_null(strstr(err.message, "role.judge.model = a \"model\", which is nothing now"));
    id = identity_of("1");
    cso_identity_add(&id, "search.rounds", "4");
    assert_int_equal(cso_journal_open(&journal, in_folder("journal"), 3, &id, &err), CSO_ERR_USAGE);
    assert_non_null(strstr(err.message, "search.rounds = nothing, which is 4 now"));
    assert_int_equal(rename(in_folder("journal/000003.jsonl"), in_folder("journal/000004.jsonl")), 0);
    id = identity_of("1");
    assert_int_equal(cso_journal_open(&journal, in_folder("journal"), 4, &id, &err), CSO_ERR_INPUT);
    snprintf(expected, sizeof expected,
             "%s:1: damaged journal of search 4: it is that of another seed; remove the file to search this seed anew",
             in_folder("journal/000004.jsonl"));
    assert_string_equal(err.message, expected);
}

/* Cut after each of its bytes: the lines that are whole are there, and it goes on. On the disk at each byte of the last line, and at
 * some of the others, since each opening flushes. */
static void torn_anywhere(void **state) {
    (void)state;
    begin_anew();
    cso_journal *journal = open_ok();
    size_t size, whole_size;
    append_ok(journal, 0, CSO_ROLE_STRATEGY, "first");
    append_ok(journal, 1, CSO_ROLE_STRATEGY, "second");
    cso_journal_close(journal);
    char *whole = read_journal(&whole_size);
    for (size_t cut = 0; cut <= whole_size; cut++) {
        size_t lines = 0;
        size_t valid;
        for (size_t i = 0; i < cut; i++)
            lines += whole[i] == '\n';
        cso_journal *read = journal_new("text", 3);
        assert_int_equal(journal_take_all(read, whole, cut, &valid, NULL), CSO_OK);
        assert_true(read->lines == lines && valid <= cut && (!valid || whole[valid - 1] == '\n'));
        assert_null(memchr(whole + valid, '\n', cut - valid));
        cso_journal_close(read);
        if (lines < 2 && cut % 32 && cut > 2)
            continue;
        write_journal(whole, cut);
        journal = open_ok();
        assert_int_equal(cso_journal_sum(journal).answers, lines ? lines - 1 : 0);
        assert_int_equal(find(journal, 0, 0, CSO_ROLE_STRATEGY) != NULL, lines > 1);
        bool goes_on = cut % 16 == 0 || cut < 3 || whole[cut - 1] == '\n' || whole[cut - 2] == '\n';
        for (size_t call = lines ? lines - 1 : 0; goes_on && call < 2; call++)
            append_ok(journal, call, CSO_ROLE_STRATEGY, call ? "second" : "first");
        cso_journal_close(journal);
        char *text = read_journal(&size);
        if (goes_on)
            assert_int_equal(size, whole_size); /* what was lost was written again */
        assert_memory_equal(text, whole, size);
        free(text);
    }
    free(whole);
}

static void poke(size_t at, char byte) {
    FILE *file = fopen(in_folder("journal/000003.jsonl"), "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
    assert_int_equal(fputc((unsigned char)byte, file), (unsigned char)byte);
    assert_int_equal(fclose(file), 0);
}

/* Each byte in turn is another: an error that names file, line and search, or, in the last line's break, a torn line. */
static void damaged_anywhere(void **state) {
    (void)state;
    begin_anew();
    cso_journal *journal = open_ok();
    size_t size;
    append_ok(journal, 0, CSO_ROLE_STRATEGY, "first");
    append_ok(journal, 1, CSO_ROLE_SEEKER, "second");
    cso_journal_close(journal);
    char *text = read_journal(&size), place[160];
    for (size_t at = 0, line = 1; at < size; line += text[at++] == '\n') {
        static const char FLIPS[] = {1, 0x20, (char)0x80};
        for (size_t f = 0; f < sizeof FLIPS; f++) {
            cso_error err = {0};
            text[at] ^= FLIPS[f];
            poke(at, text[at]);
            cso_status status = open_as(&journal, "1", &err);
            if (at == size - 1) {
                assert_int_equal(status, CSO_OK);
                assert_int_equal(cso_journal_sum(journal).answers, 1);
                cso_journal_close(journal);
            } else {
                snprintf(place, sizeof place, "%s:%zu: damaged journal of search 3: ", in_folder("journal/000003.jsonl"), line);
                assert_int_equal(status, CSO_ERR_INPUT);
                assert_memory_equal(err.message, place, strlen(place));
                assert_non_null(strstr(err.message, "; remove the file to search this seed anew"));
                assert_null(journal);
                char *after = NULL;
                size_t after_size;
                after = read_journal(&after_size); /* it stays as it was */
                assert_int_equal(after_size, size);
                assert_memory_equal(after, text, size);
                free(after);
            }
            text[at] ^= FLIPS[f];
            at == size - 1 ? write_journal(text, size) : poke(at, text[at]); /* the last one's end was cut off */
        }
    }
    free(text);
}

/* Right checksums, wrong contents. */
static void wrong_lines(void **state) {
    (void)state;
    static const char FIRST[] =
        "{\"version\":1,\"index\":3,\"identity\":{\"search.c\":\"1\",\"role.judge.model\":\"a \\\"model\\\"\"}}";
#define ENTRY(role, question, rest)                                                                                                \
    "{\"call\":1,\"role\":\"" role "\",\"question\":\"" question                                                                   \
    "\",\"answer\":\"x\",\"prompt_tokens\":1,\"completion_tokens\":1," rest "}"
#define Q "00112233445566778899aabbccddeeff"
    static const struct {
        const char *first, *second, *message;
    } CASES[] = {
        {"[]", NULL, ":1: damaged journal of search 3: the line is no JSON object"},
        {"{", NULL, ":1: damaged journal of search 3: the line is no JSON object"},
        {"{}", NULL, ":1: damaged journal of search 3: the first line has no version"},
        {"{\"version\":2}", NULL, ":1: a journal of version 2 (expected version 1)"},
        {"{\"version\":1,\"index\":3}", NULL,
         ":1: damaged journal of search 3: the first line has not version, index and identity"},
        {"{\"version\":1,\"index\":3,\"identity\":{\"a\":1}}", NULL, ":1: damaged journal of search 3: the first line has not"},
        {FIRST, FIRST, ":2: damaged journal of search 3: the line is no entry"},
        {FIRST, ENTRY("jugde", Q, "\"cut\":true,\"tries\":1,\"cost\":0"), ":2: damaged journal of search 3: the line is no entry"},
        {FIRST, ENTRY("judge", "00", "\"cut\":true,\"tries\":1,\"cost\":0"), ":2: damaged"},
        {FIRST, ENTRY("judge", Q, "\"cut\":1,\"tries\":1,\"cost\":0"), ":2: damaged"},
        {FIRST, ENTRY("judge", Q, "\"cut\":true,\"tries\":1.5,\"cost\":0"), ":2: damaged"},
        {FIRST, ENTRY("judge", Q, "\"cut\":true,\"tries\":1,\"cost\":-1"), ":2: damaged"},
        {FIRST, ENTRY("judge", Q, "\"cut\":true,\"tries\":1,\"cost\":null"), ":2: damaged"},
        {FIRST, ENTRY("judge", Q, "\"cut\":true,\"tries\":1,\"cost\":0,\"more\":1"), ":2: damaged"},
        {FIRST, ENTRY("judge", Q, "\"cut\":true,\"cost\":0"), ":2: damaged"},
        {FIRST, ENTRY("judge", Q, "\"cut\":true,\"tries\":1,\"cost\":0"), NULL},
    };
    begin_anew();
    cso_journal_close(open_ok());
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        cso_text text = {0};
        const char *const lines[] = {CASES[i].first, CASES[i].second};
        for (size_t k = 0; k < 2 && lines[k]; k++) {
            char hex[CSO_DIGEST_HEX];
            cso_digest_bytes(lines[k], strlen(lines[k]), hex);
            cso_text_format(&text, "%s %s\n", hex, lines[k]);
        }
        save_in_folder("journal/000003.jsonl", text.data);
        free(text.data);
        cso_journal *journal;
        cso_error err = {0};
        cso_status status = open_as(&journal, "1", &err);
        assert_int_equal(status, CASES[i].message ? CSO_ERR_INPUT : CSO_OK);
        if (CASES[i].message && !strstr(err.message, CASES[i].message))
            fail_msg("expected %s\nfound %s", CASES[i].message, err.message);
        cso_journal_close(journal);
    }
}

/* The calls of a test under faults: opens, appends answers to the first calls until one fails, closes. Returns how many were taken. */
static size_t append_some(size_t from, size_t count, bool *opened) {
    cso_journal *journal;
    cso_error err = {0};
    size_t taken = 0;
    cso_status status = open_as(&journal, "1", &err);
    *opened = status == CSO_OK;
    if (status != CSO_OK) {
        assert_int_equal(status, CSO_ERR_SYSTEM);
        assert_non_null(strstr(err.message, "cso-test")); /* the journal or its folder */
        return 0;
    }
    for (; taken < count; taken++) {
        const cso_journal_entry entry = entry_of(from + taken, CSO_ROLE_SEEKER, "an answer"), *kept;
        status = cso_journal_append(journal, &entry, &kept, &err);
        if (status == CSO_OK)
            continue;
        assert_int_equal(status, CSO_ERR_SYSTEM);
        assert_null(kept);
        assert_null(find(journal, from + taken, 0, CSO_ROLE_SEEKER));
        assert_int_equal(cso_journal_append(journal, &entry, &kept, &err), CSO_ERR_SYSTEM); /* nothing more */
        assert_non_null(strstr(err.message, "takes nothing more after a failed write"));
        break;
    }
    cso_journal_close(journal);
    return taken;
}

/* Every system call fails in turn, once or from then on: what was taken is there when it is opened again, and no line is damaged. */
static void failing_calls(void **state) {
    (void)state;
    static const int ERRORS[] = {ENOSPC, FAULT_SHORT};
    for (size_t e = 0; e < sizeof ERRORS / sizeof *ERRORS; e++)
        for (int forever = 0; forever < 2; forever++) {
            bool failed = true, opened;
            for (size_t at = 1; failed; at++) {
                assert_true(at < 100);
                begin_anew();
                fault_io_begin((fault){.at = at, .forever = forever != 0, .error = ERRORS[e]});
                size_t taken = append_some(0, 3, &opened);
                failed = fault_io_end();
                assert_true(failed || taken == 3);
                assert_true(ERRORS[e] != FAULT_SHORT || taken == 3);
                cso_journal *journal = open_ok();
                assert_true(cso_journal_sum(journal).answers >= taken); /* a flush that failed may have written */
                assert_true(cso_journal_sum(journal).answers <= taken + 1);
                for (size_t call = 0; call < taken; call++)
                    assert_string_equal(find(journal, call, 0, CSO_ROLE_SEEKER)->answer, "an answer");
                cso_journal_close(journal);
            }
        }
}

/* The same at an end that must be cut off. */
static void failing_cut(void **state) {
    (void)state;
    bool failed = true, opened;
    for (size_t at = 1; failed; at++) {
        begin_anew();
        append_some(0, 2, &opened);
        size_t size;
        char *text = read_journal(&size);
        text[size - 5] = '\0';
        save_in_folder("journal/000003.jsonl", text);
        free(text);
        fault_io_begin((fault){.at = at, .error = EIO});
        size_t taken = append_some(1, 1, &opened);
        failed = fault_io_end();
        cso_journal *journal = open_ok();
        assert_non_null(find(journal, 0, 0, CSO_ROLE_SEEKER));
        assert_true(taken == 0 || find(journal, 1, 0, CSO_ROLE_SEEKER));
        cso_journal_close(journal);
    }
}

static void failing_memory(void **state) {
    (void)state;
    bool failed = true;
    for (size_t at = 1; failed; at++) {
        begin_anew();
        append_some(0, 1, &failed);
        cso_journal *journal;
        cso_error err = {0};
        const cso_journal_entry *kept = NULL;
        const cso_journal_entry entry = entry_of(1, CSO_ROLE_SEEKER, "more");
        fault_memory_begin(at, false);
        cso_status status = open_as(&journal, "1", &err);
        if (status == CSO_OK)
            status = cso_journal_append(journal, &entry, &kept, &err);
        failed = fault_memory_end();
        assert_int_equal(status, failed ? CSO_ERR_SYSTEM : CSO_OK);
        assert_true(failed == !kept);
        cso_journal_close(journal);
        journal = open_ok();
        assert_int_equal(cso_journal_sum(journal).answers, failed ? 1 : 2);
        cso_journal_close(journal);
    }
}

/* A link or a folder in its place is not followed. */
static void no_file(void **state) {
    (void)state;
    cso_journal *journal;
    cso_error err = {0};
    begin_anew();
    assert_int_equal(cso_make_folders(in_folder("journal/000003.jsonl"), NULL), CSO_OK);
    assert_int_not_equal(open_as(&journal, "1", &err), CSO_OK);
    begin_anew();
    assert_int_equal(cso_make_folders(in_folder("journal"), NULL), CSO_OK);
    save_in_folder("elsewhere", "mine");
    assert_int_equal(symlink(in_folder("elsewhere"), in_folder("journal/000003.jsonl")), 0);
    assert_int_equal(open_as(&journal, "1", &err), CSO_ERR_SYSTEM);
    assert_null(journal);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_and_reads), cmocka_unit_test(keeps_what_is_written), cmocka_unit_test(refuses_what_differs),
        cmocka_unit_test(torn_anywhere),     cmocka_unit_test(damaged_anywhere),      cmocka_unit_test(wrong_lines),
        cmocka_unit_test(failing_calls),     cmocka_unit_test(failing_cut),           cmocka_unit_test(failing_memory),
        cmocka_unit_test(no_file),
    };
    return cmocka_run_group_tests(tests, make_test_folder, remove_test_folder);
}

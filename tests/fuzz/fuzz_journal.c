/* fuzz_journal.c - journals of searches: whatever the file is, it is read or refused; what is read is sorted by call, and is the same
 * again when it is written and read.
 *
 * The input is read as it is, and then with a right checksum before each of its lines, which no fuzzer would find.
 */
#include "io/json.h"
#include "search/journal_parts.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                                                         \
    do {                                                                                                                           \
        if (!(condition))                                                                                                          \
            __builtin_trap();                                                                                                      \
    } while (0)

/* NULL: it was refused. */
static cso_journal *read_text(const char *text, size_t size) {
    cso_journal *journal = journal_new("fuzz", 1);
    cso_error err = {0};
    size_t valid = 0;
    REQUIRE(journal);
    cso_status status = journal_take_all(journal, text, size, &valid, &err);
    REQUIRE(valid <= size && (status == CSO_OK || (status == CSO_ERR_INPUT && err.message[0])));
    if (status == CSO_OK) {
        REQUIRE(valid == 0 || text[valid - 1] == '\n');
        REQUIRE(!memchr(text + valid, '\n', size - valid));
        REQUIRE(journal->count == (journal->lines ? journal->lines - 1 : 0));
        return journal;
    }
    cso_journal_close(journal);
    return NULL;
}

static bool is_same(const cso_journal_entry *a, const cso_journal_entry *b) {
    return a->call == b->call && a->role == b->role && !strcmp(a->question, b->question) && !strcmp(a->answer, b->answer) &&
           a->prompt_tokens == b->prompt_tokens && a->completion_tokens == b->completion_tokens && a->cut == b->cut &&
           a->tries == b->tries && a->cost == b->cost;
}

static void check(const char *text, size_t size) {
    cso_journal *journal = read_text(text, size);
    cso_text again = {0};
    if (!journal || !journal->lines) {
        cso_journal_close(journal);
        return;
    }
    journal_print_first(&again, 1, &journal->identity);
    for (size_t i = 0; i < journal->count; i++) {
        REQUIRE(i == 0 || journal->entries[i - 1]->call <= journal->entries[i]->call);
        journal_print_entry(&again, journal->entries[i]);
    }
    REQUIRE(!again.failed);
    cso_journal *second = read_text(again.data, again.size);
    REQUIRE(second && second->count == journal->count && second->identity.count == journal->identity.count);
    for (size_t i = 0; i < journal->count; i++)
        REQUIRE(is_same(journal->entries[i], second->entries[i]));
    free(again.data);
    cso_journal_close(second);
    cso_journal_close(journal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    cso_text lines = {0};
    check(text, size);
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t length = end ? (size_t)(end - text) - at : size - at;
        char hex[CSO_DIGEST_HEX];
        cso_digest_bytes(text + at, length, hex);
        cso_text_format(&lines, "%s ", hex);
        cso_text_add(&lines, text + at, length);
        cso_text_add(&lines, "\n", 1);
        at += length + 1;
    }
    REQUIRE(!lines.failed);
    check(lines.data ? lines.data : "", lines.size);
    free(lines.data);
    return 0;
}

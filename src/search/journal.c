/* journal.c - see journal.h. */
#include "journal_parts.h"

#include "base/file.h"
#include "base/io_calls.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void cso_journal_question(const char *system, const char *user, char hex[CSO_DIGEST_HEX]) {
    cso_digest digest;
    cso_digest_begin(&digest);
    cso_digest_add(&digest, system, strlen(system) + 1);
    cso_digest_add(&digest, user, strlen(user));
    cso_digest_hex(&digest, hex);
}

char *cso_journal_path(const char *folder, size_t index) {
    char name[40];
    snprintf(name, sizeof name, "%06zu.jsonl", index);
    return cso_path_join(folder, name);
}

void journal_free_entry(cso_journal_entry *entry) {
    free(entry->answer);
    free(entry);
}

size_t journal_lower(const cso_journal *journal, size_t call) {
    size_t low = 0, high = journal->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (journal->entries[middle]->call < call)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool journal_insert(cso_journal *journal, cso_journal_entry *entry) {
    if (!cso_grow(&journal->entries, &journal->capacity, journal->count + 1, sizeof *journal->entries))
        return false;
    size_t at = journal->count;
    if (at && journal->entries[at - 1]->call > entry->call) /* most come in their order */
        at = journal_lower(journal, entry->call + 1);
    memmove(journal->entries + at + 1, journal->entries + at, (journal->count - at) * sizeof *journal->entries);
    journal->entries[at] = entry;
    journal->count++;
    return true;
}

cso_journal *journal_new(const char *path, size_t index) {
    cso_journal *journal = cso_calloc(1, sizeof *journal);
    if (!journal)
        return NULL;
    journal->file = -1;
    journal->index = index;
    journal->path = cso_strdup(path);
    if (journal->path)
        return journal;
    free(journal);
    return NULL;
}

void cso_journal_close(cso_journal *journal) {
    if (!journal)
        return;
    if (journal->file >= 0)
        cso_io_close(journal->file);
    for (size_t i = 0; i < journal->count; i++)
        journal_free_entry(journal->entries[i]);
    free(journal->entries);
    free(journal->path);
    free(journal);
}

/* Writes all of it at the end, and to the disk. */
static cso_status write_out(cso_journal *journal, const char *text, size_t size, cso_error *err) {
    journal->failed = true; /* until all went well */
    for (size_t done = 0; done < size;) {
        ssize_t written = cso_io_write(journal->file, text + done, size - done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return cso_fail_errno(err, "write to", journal->path);
        done += (size_t)written;
    }
    if (cso_io_fsync(journal->file))
        return cso_fail_errno(err, "flush", journal->path);
    journal->failed = false;
    return CSO_OK;
}

/* The value of a name; NULL: it is not there. */
static const char *value_of(const cso_identity *identity, const char *key) {
    for (size_t i = 0; i < identity->count; i++)
        if (!strcmp(identity->items[i].key, key))
            return identity->items[i].value;
    return NULL;
}

static cso_status fail_differs(const cso_journal *journal, const char *key, const char *was, const char *is, cso_error *err) {
    return cso_fail(
        err, CSO_ERR_USAGE,
        "%s: search %zu began with %s = %.160s, which is %.160s now (set it back, choose another search.dir, or remove the "
        "file to search this seed anew)",
        journal->path, journal->index, key, was ? was : "nothing", is ? is : "nothing");
}

static cso_status check_identity(const cso_journal *journal, const cso_identity *now, cso_error *err) {
    const cso_identity *then = &journal->identity;
    for (size_t i = 0; i < now->count; i++) {
        const char *was = value_of(then, now->items[i].key);
        if (!was || strcmp(was, now->items[i].value) != 0)
            return fail_differs(journal, now->items[i].key, was, now->items[i].value, err);
    }
    for (size_t i = 0; i < then->count; i++)
        if (!value_of(now, then->items[i].key))
            return fail_differs(journal, then->items[i].key, then->items[i].value, NULL, err);
    return CSO_OK;
}

/* What is there: whole lines, which are taken, and perhaps a part of one, which is cut off. */
static cso_status take_file(cso_journal *journal, cso_error *err) {
    cso_map map;
    size_t valid = 0;
    CSO_TRY(cso_map_open(&map, journal->path, err));
    size_t size = map.size;
    cso_status status = journal_take_all(journal, (const char *)map.data, size, &valid, err);
    cso_map_close(&map);
    CSO_TRY(status);
    if (valid < size && cso_io_truncate(journal->file, (off_t)valid))
        return cso_fail_errno(err, "cut off the end of", journal->path);
    return CSO_OK;
}

static cso_status begin(cso_journal *journal, const cso_identity *identity, cso_error *err) {
    cso_text line = {0};
    if (journal->lines) {
        CSO_TRY(check_identity(journal, identity, err));
        return write_out(journal, "", 0, err); /* what another process wrote may not be on the disk yet */
    }
    journal->identity = *identity;
    journal_print_first(&line, journal->index, identity);
    cso_status status = line.failed ? cso_fail_memory(err, journal->path) : write_out(journal, line.data, line.size, err);
    free(line.data);
    journal->lines = 1;
    return status;
}

static cso_status open_in(cso_journal **journal, const char *folder, size_t index, const cso_identity *identity, cso_error *err) {
    char *path = cso_journal_path(folder, index);
    *journal = path ? journal_new(path, index) : NULL;
    free(path);
    if (!*journal)
        return cso_fail_memory(err, folder);
    CSO_TRY(cso_identity_check(identity, err));
    CSO_TRY(cso_make_folder(folder, err));
    cso_journal *j = *journal;
    j->file = cso_io_open(j->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (j->file < 0)
        return cso_fail_errno(err, "open", j->path);
    CSO_TRY(take_file(j, err));
    CSO_TRY(begin(j, identity, err));
    CSO_TRY(cso_folder_sync(folder, err));
    return cso_folder_sync_above(folder, err);
}

cso_status cso_journal_open(cso_journal **journal, const char *folder, size_t index, const cso_identity *identity, cso_error *err) {
    cso_status status = open_in(journal, folder, index, identity, err);
    if (status != CSO_OK) {
        cso_journal_close(*journal);
        *journal = NULL;
    }
    return status;
}

cso_status cso_journal_find(const cso_journal *journal, size_t call, size_t which, cso_role role, const char *question,
                            const cso_journal_entry **entry, cso_error *err) {
    size_t first = journal_lower(journal, call);
    *entry = NULL;
    if (which >= journal->count - first || journal->entries[first + which]->call != call)
        return CSO_OK;
    const cso_journal_entry *found = journal->entries[first + which];
    if (found->role != role || strcmp(found->question, question) != 0)
        return cso_fail(
            err, CSO_ERR_USAGE,
            "%s: search %zu: call %zu was another question to role.%s, so prompts or program have changed (choose another "
            "search.dir, or remove the file to search this seed anew)",
            journal->path, journal->index, call, cso_role_words[found->role]);
    *entry = found;
    return CSO_OK;
}

static void remove_entry(cso_journal *journal, cso_journal_entry *entry) {
    size_t at = journal_lower(journal, entry->call);
    while (journal->entries[at] != entry)
        at++;
    journal->count--;
    memmove(journal->entries + at, journal->entries + at + 1, (journal->count - at) * sizeof *journal->entries);
    journal_free_entry(entry);
}

cso_status cso_journal_append(cso_journal *journal, const cso_journal_entry *entry, const cso_journal_entry **kept,
                              cso_error *err) {
    cso_text line = {0};
    cso_journal_entry *read = NULL;
    *kept = NULL;
    if (journal->failed)
        return cso_fail(err, CSO_ERR_SYSTEM, "%s: takes nothing more after a failed write (expected to be opened anew)",
                        journal->path);
    if (!(entry->cost >= 0) || isinf(entry->cost))
        return cso_fail(err, CSO_ERR_INTERNAL, "%s: an answer that cost %g", journal->path, entry->cost);
    journal_print_entry(&line, entry);
    cso_status status = line.failed ? cso_fail_memory(err, journal->path) : CSO_OK;
    if (status == CSO_OK) /* what was written is what will be read */
        status = journal_take_line(journal, line.data, line.size - 1, &read, err);
    if (status == CSO_ERR_INPUT)
        status = cso_error_prefix(err, CSO_ERR_INTERNAL, "an entry that cannot be read again");
    if (status == CSO_OK)
        status = write_out(journal, line.data, line.size, err);
    free(line.data);
    if (status == CSO_OK)
        *kept = read;
    else if (read)
        remove_entry(journal, read);
    return status;
}

cso_journal_totals cso_journal_sum(const cso_journal *journal) {
    cso_journal_totals sum = {.answers = journal->count};
    for (size_t i = 0; i < journal->count; i++) {
        const cso_journal_entry *entry = journal->entries[i];
        sum.tries += entry->tries;
        sum.prompt_tokens += entry->prompt_tokens;
        sum.completion_tokens += entry->completion_tokens;
        sum.cost += entry->cost;
    }
    return sum;
}

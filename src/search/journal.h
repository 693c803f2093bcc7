/* journal.h - what a search was answered, so that it goes on without asking again after whatever stopped it.
 *
 * FOLDER/000001.jsonl is the journal of the search of the first seed; it is only ever appended to. A line is the XXH3-128 (32 hex
 * digits) of the rest, a blank, and a JSON object. The first line's object is {"version", "index", "identity"}, every other one's an
 * entry: {"call", "role", "question", "answer", "prompt_tokens", "completion_tokens", "cut", "tries", "cost"}. An entry is on the disk
 * before the function that appends it returns. A last line without line break was being written when the process or the machine
 * died; opening cuts it off. Any other damage is an error, since an answer that is lost or changed makes another search.
 *
 * A journal is for one thread at a time, and its file for one process (the run's folder is locked).
 */
#ifndef CSO_JOURNAL_H
#define CSO_JOURNAL_H

#include "base/digest.h"
#include "base/identity.h"
#include "base/status.h"
#include "policy.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cso_journal_entry {
    size_t call; /* the number of the question in its search; an answer that was not what was asked is followed by another */
    cso_role role;
    char question[CSO_DIGEST_HEX]; /* of cso_journal_question */
    char *answer;
    uint64_t prompt_tokens, completion_tokens;
    bool cut;
    size_t tries; /* requests that this answer took */
    double cost;  /* of all of them */
} cso_journal_entry;

/* What a journal's answers took together. */
typedef struct cso_journal_totals {
    size_t answers, tries;
    uint64_t prompt_tokens, completion_tokens;
    double cost;
} cso_journal_totals;

typedef struct cso_journal cso_journal;

/* XXH3-128 of the system text, a zero byte and the user text. */
void cso_journal_question(const char *system, const char *user, char hex[CSO_DIGEST_HEX]);

/* FOLDER/000001.jsonl for index 1; the caller frees. NULL: out of memory. */
char *cso_journal_path(const char *folder, size_t index);

/* Opens the journal of the search `index` (from 1), or makes it, and the folder in a folder that exists. When it returns, file and
 * folder are on the disk. identity: what must be as it was when the journal was made; a value that differs is CSO_ERR_USAGE with the
 * name, both values and what to do. Damage is CSO_ERR_INPUT with "PATH:LINE: ...", a failed system call CSO_ERR_SYSTEM. */
cso_status cso_journal_open(cso_journal **journal, const char *folder, size_t index, const cso_identity *identity, cso_error *err);
void cso_journal_close(cso_journal *journal); /* NULL is fine */

/* The answer number `which` (from 0, in the order they came) of a call; *entry is NULL if there is none, and lives as long as the
 * journal. An answer to another role or question means that prompts or program changed: CSO_ERR_USAGE with what to do. */
cso_status cso_journal_find(const cso_journal *journal, size_t call, size_t which, cso_role role, const char *question,
                            const cso_journal_entry **entry, cso_error *err);

/* Appends an entry, whose texts are copied; calls may come in any order. When it returns CSO_OK the entry is on the disk, and *kept is
 * the journal's own, with the answer as it will be read again (what is not UTF-8 became U+FFFD): use that one. After a failed write or
 * flush (CSO_ERR_SYSTEM) nobody knows what is on the disk, and the journal takes nothing more: open it anew. */
cso_status cso_journal_append(cso_journal *journal, const cso_journal_entry *entry, const cso_journal_entry **kept, cso_error *err);

cso_journal_totals cso_journal_sum(const cso_journal *journal);

#endif

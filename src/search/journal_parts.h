/* journal_parts.h - the lines of a journal and what is read of them; inside src/search only. */
#ifndef CSO_JOURNAL_PARTS_H
#define CSO_JOURNAL_PARTS_H

#include "io/json.h"
#include "journal.h"

struct cso_journal {
    char *path;
    size_t index;
    int file;                    /* -1: not open */
    bool failed;                 /* a write or flush did: takes nothing more */
    size_t lines;                /* that are there, the first one included */
    cso_identity identity;       /* of the first line */
    cso_journal_entry **entries; /* (count) by call, and of one call in the order they came */
    size_t count, capacity;
};

/* A journal without file and entries. The path is copied. */
cso_journal *journal_new(const char *path, size_t index);

/* Adds a line to a text: the first one, or an entry's. */
void journal_print_first(cso_text *line, size_t index, const cso_identity *identity);
void journal_print_entry(cso_text *line, const cso_journal_entry *entry);
/* Reads a line without its line break, and adds what it says to the journal; CSO_ERR_INPUT if it is damaged. */
cso_status journal_take_line(cso_journal *journal, const char *line, size_t size, cso_journal_entry **entry, cso_error *err);
/* Reads all whole lines of a file. *valid: the bytes that they are. */
cso_status journal_take_all(cso_journal *journal, const char *text, size_t size, size_t *valid, cso_error *err);

void journal_free_entry(cso_journal_entry *entry);
/* Where the entries of a call begin, or would. */
size_t journal_lower(const cso_journal *journal, size_t call);
/* Takes the entry over; what came later stands after the earlier of the same call. False: out of memory. */
bool journal_insert(cso_journal *journal, cso_journal_entry *entry);

#endif

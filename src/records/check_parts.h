/* check_parts.h - the checks of one record. */
#ifndef CSO_RECORDS_CHECK_PARTS_H
#define CSO_RECORDS_CHECK_PARTS_H

#include "check.h"
#include "data/record.h"
#include "seen_table.h"

typedef struct checker {
    const cso_check_options *options;
    cso_check_result *result;
    const char *const *paths;
    const char *path; /* for messages */
    size_t file, line, file_records;
    cso_data_form file_form;
    view_reader reader;
    seen_table seen;
    cso_record_cache *cache;
    char place[768];
} checker;

/* Counts a finding and gives it to the visitor; the text follows "FILE:LINE: ". */
cso_status check_found(checker *c, cso_finding_kind kind, bool warning, cso_error *err, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* What the messages of the record that was read are: roles, strategies, empty and equal replies. */
cso_status check_messages(checker *c, cso_error *err);

#endif

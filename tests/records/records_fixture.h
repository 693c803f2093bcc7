/* records_fixture.h - files in and texts out for the tests of the records layer. */
#ifndef CSO_TESTS_RECORDS_FIXTURE_H
#define CSO_TESTS_RECORDS_FIXTURE_H

#include "records/convert.h"
#include "records/record_sink.h"

#include <stddef.h>

/* A file of the test's own with this text; the path is static until the fourth next call. */
const char *records_file(const char *name, const char *text, size_t size);
/* A file of the large fixtures; NULL (and a line that says so) if it is not there. Static until the fourth next call. */
const char *records_shared(const char *name);
/* The whole of a file; the caller frees. */
char *records_read(const char *path, size_t *size);

/* A sink that keeps what is written, zero-terminated, in *out (to be freed). */
cso_record_sink records_sink(cso_text *out);

/* Converts a file; the caller frees the text, which is "" where nothing was written. */
char *records_convert(const char *path, cso_data_form to, bool keep, cso_convert_result *result, cso_status *status,
                      cso_error *err);
/* The same of a text, which must succeed. */
char *records_convert_text(const char *text, cso_data_form to, bool keep, cso_convert_result *result);

/* Fails the test unless both texts have the same JSON values, line by line, keys in the same order. */
void records_assert_same(const char *found, const char *expected);

/* Allocations fail from the n-th on; SIZE_MAX: none does. */
void records_fail_memory(size_t n);

#endif

/* record_key.h - records one by one, each with a hash that says which are the same. */
#ifndef CSO_RECORDS_RECORD_KEY_H
#define CSO_RECORDS_RECORD_KEY_H

#include "record_view.h"
#include "split.h"

/* Set the first four, zero the rest; free with key_reader_free. */
typedef struct key_reader {
    cso_same same;
    cso_status (*visit)(void *context, const char *text, size_t size, text_hash key, cso_error *err);
    void *context;
    size_t records; /* so far */
    const char *path;
    view_reader reader;
} key_reader;

/* Visits the records of a file in order; a bad one is CSO_ERR_INPUT with "FILE:LINE: ...". text is without white space around it. */
cso_status key_reader_file(key_reader *reader, const char *path, cso_error *err);
cso_status key_reader_files(key_reader *reader, const char *const *paths, size_t n_paths, cso_error *err);
void key_reader_free(key_reader *reader);

/* A number that depends on the seed and on the hash alone, uniform over all of 64 bits. */
uint64_t key_draw(uint64_t seed, text_hash key);

#endif

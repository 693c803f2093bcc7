/* split.h - data files in parts by dialogue, without doubles, and samples of them. Records keep their bytes. */
#ifndef CSO_SPLIT_H
#define CSO_SPLIT_H

#include "record_sink.h"

#include <stdint.h>

typedef enum cso_same {
    CSO_SAME_RECORD,  /* equal in every field; the order of keys, white space, escapes and the writing of numbers do not matter */
    CSO_SAME_CONTENT, /* equal in what training sees */
    CSO_SAME_DIALOGUE /* equal scene, description and first user message: all records of a search tree */
} cso_same;
extern const char *const cso_same_words[]; /* "record", "content", "dialogue", NULL */

typedef struct cso_part {
    const char *name;
    double fraction;
    cso_record_sink *sink;
    size_t dialogues, records; /* written */
} cso_part;

/* Shares the dialogues of the files out to parts: `fraction` of them each, all records of a dialogue to the same part. Which dialogue goes where
 * depends on the seed and on what the dialogues are, not on the order of the records. Reads the files twice; standard input is kept in a file
 * of `folder` without a name. At most 55 bytes a dialogue. A part that would be empty is CSO_ERR_INPUT. */
cso_status cso_split(const char *const *paths, size_t n_paths, cso_part *parts, size_t n_parts, uint64_t seed, const char *folder,
                     cso_error *err);

/* Writes what is not the same as an earlier record. At most 55 bytes a record. */
cso_status cso_dedup(const char *const *paths, size_t n_paths, cso_same same, cso_record_sink *sink, size_t *records,
                     cso_error *err);

typedef struct cso_sample_options {
    bool by_dialogue; /* dialogues are drawn, each with all its records; else records */
    size_t count;     /* so many, or all if there are fewer; 0: by fraction */
    double fraction;  /* each with this probability */
    uint64_t seed;
} cso_sample_options;

/* Writes a random part of the records, in their order. One pass; with a count the drawn records are in memory. */
cso_status cso_sample(const char *const *paths, size_t n_paths, const cso_sample_options *options, cso_record_sink *sink,
                      size_t *records, cso_error *err);

#endif

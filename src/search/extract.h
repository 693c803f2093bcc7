/* extract.h - from a tree to ESC-Pro records (docs/search.md). */
#ifndef CSO_EXTRACT_H
#define CSO_EXTRACT_H

#include "io/json.h"
#include "tree_file.h"

typedef struct cso_extract_options {
    double ended_q_min, ended_n_min; /* ends that count */
    double negative_q_max;           /* siblings that do */
} cso_extract_options;

/* What a node is to the records of its tree. */
typedef enum cso_extract_mark {
    CSO_MARK_NONE,
    CSO_MARK_PREFERRED, /* on the path to an end that counts */
    CSO_MARK_NEGATIVE   /* a negative of such a node */
} cso_extract_mark;

/* marks: (tree.count). */
void cso_extract_marks(const cso_search_result *result, const cso_extract_options *options, cso_extract_mark *marks);
/* Adds the records to the text, a line each. records, pairs: are counted up. */
cso_status cso_extract_records(const cso_search_result *result, const cso_extract_options *options, cso_text *text, size_t *records,
                               size_t *pairs, cso_error *err);

#endif

/* search_outputs.h - the files that a run has for people: pages and pictures of its trees, and an index of them. */
#ifndef CSO_SEARCH_OUTPUTS_H
#define CSO_SEARCH_OUTPUTS_H

#include "search/searches.h"

/* Makes DIR/pages. */
cso_status search_outputs_begin(const char *dir, cso_error *err);
/* Writes DIR/pages/000001.html and 000001.dot. */
cso_status search_outputs_tree(const char *dir, const cso_search_result *result, const cso_extract_mark *marks, cso_error *err);
/* Writes DIR/pages/index.html; summaries (count), seeds (count). */
cso_status search_outputs_index(const char *dir, const cso_search_summary *const *summaries, const cso_seed *seeds, size_t count,
                                cso_error *err);

#endif

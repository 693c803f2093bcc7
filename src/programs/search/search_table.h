/* search_table.h - the table of a run's searches, for people or as JSON. */
#ifndef CSO_SEARCH_TABLE_H
#define CSO_SEARCH_TABLE_H

#include "search/searches.h"

/* Prints it on standard output: reward, ended, turns, strategies, pairs and calls of each search, and all together. summaries (count). */
cso_status search_print_table(const cso_search_summary *const *summaries, size_t count, const char *method, bool json,
                              cso_error *err);

#endif

/* search_trees.h - the trees that a run has written. */
#ifndef CSO_SEARCH_TREES_H
#define CSO_SEARCH_TREES_H

#include "search/tree_file.h"

#include <stddef.h>

/* The numbers of the trees in DIR/trees, ascending; the caller frees. None is CSO_ERR_INPUT. */
cso_status search_list_trees(const char *dir, size_t **numbers, size_t *count, cso_error *err);
cso_status search_read_tree(const char *dir, size_t number, cso_search_result *result, cso_error *err);

#endif

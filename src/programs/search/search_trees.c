/* search_trees.c - see search_trees.h. */
#include "search_trees.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "search/searches.h"

#include <stdlib.h>
#include <string.h>

/* 12 of "000012.json"; 0: it is no tree's name. */
static size_t number_of(const char *name) {
    size_t digits = strspn(name, "0123456789");
    if (digits < 6 || digits > 15 || strcmp(name + digits, ".json") != 0)
        return 0;
    return (size_t)strtoull(name, NULL, 10);
}

cso_status search_list_trees(const char *dir, size_t **numbers, size_t *count, cso_error *err) {
    cso_names names = {0};
    char *folder = cso_path_join(dir, "trees");
    *numbers = NULL;
    *count = 0;
    cso_status status = folder ? CSO_OK : cso_fail_memory(err, "a path");
    if (status == CSO_OK && !cso_path_is_folder(folder))
        status = cso_fail(err, CSO_ERR_INPUT, "%s: is no run of cso-search (it has no folder trees)", dir);
    if (status == CSO_OK)
        status = cso_folder_list(folder, true, &names, err);
    if (status == CSO_OK && !(*numbers = cso_calloc(names.count, sizeof **numbers)))
        status = cso_fail_memory(err, "the trees");
    for (size_t i = 0; status == CSO_OK && i < names.count; i++)
        if (number_of(names.items[i]))
            (*numbers)[(*count)++] = number_of(names.items[i]);
    if (status == CSO_OK && !*count)
        status = cso_fail(err, CSO_ERR_INPUT, "%s: holds no trees yet", folder);
    cso_names_free(&names);
    free(folder);
    return status;
}

cso_status search_read_tree(const char *dir, size_t number, cso_search_result *result, cso_error *err) {
    char *path = cso_search_file(dir, "trees", number, ".json");
    cso_status status = path ? cso_tree_file_read(result, path, err) : cso_fail_memory(err, "a path");
    free(path);
    return status;
}

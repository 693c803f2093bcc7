/* search_outputs.c - see search_outputs.h. */
#include "search_outputs.h"

#include "base/file.h"
#include "base/memory.h"
#include "report/tree_page.h"

#include <stdlib.h>

cso_status search_outputs_begin(const char *dir, cso_error *err) {
    char *path = cso_path_join(dir, "pages");
    cso_status status = path ? cso_make_folder(path, err) : cso_fail_memory(err, "a path");
    free(path);
    return status;
}

/* Writes a text to a path; frees both. */
static cso_status save(char *path, cso_text *text, cso_error *err) {
    cso_status status = path && !text->failed ? cso_save_text(path, text->data, text->size, err) : cso_fail_memory(err, "a page");
    free(path);
    free(text->data);
    return status;
}

cso_status search_outputs_tree(const char *dir, const cso_search_result *result, const cso_extract_mark *marks, cso_error *err) {
    cso_text page = {0}, dot = {0};
    cso_tree_page(result, marks, &page);
    cso_tree_dot(result, marks, &dot);
    cso_status status = save(cso_search_file(dir, "pages", result->index, ".html"), &page, err);
    cso_status other = save(cso_search_file(dir, "pages", result->index, ".dot"), &dot, status == CSO_OK ? err : NULL);
    return status == CSO_OK ? other : status;
}

static cso_tree_summary page_row(const cso_search_summary *s, const cso_seed *seed) {
    cso_tree_summary row = {
        .index = seed->index,
        .state = cso_search_state_words[s->state],
        .scene = seed->scene,
        .description = seed->description,
        .iterations = s->iterations,
        .nodes = s->nodes,
        .ended = s->ended,
        .depth = s->depth,
        .records = s->records,
        .pairs = s->pairs,
        .best_q = s->best_q,
    };
    for (size_t i = 0; i < CSO_ROLES; i++)
        row.calls += s->calls[i];
    return row;
}

cso_status search_outputs_index(const char *dir, const cso_search_summary *const *summaries, const cso_seed *seeds, size_t count,
                                cso_error *err) {
    cso_tree_summary *rows = cso_calloc(count, sizeof *rows);
    cso_text text = {0};
    if (!rows)
        return cso_fail_memory(err, "the index page");
    size_t begun = 0;
    for (size_t i = 0; i < count; i++)
        if (summaries[i]->nodes) /* others have no page */
            rows[begun++] = page_row(summaries[i], &seeds[i]);
    cso_tree_index_page(rows, begun, "Searches", &text);
    free(rows);
    char *folder = cso_path_join(dir, "pages");
    cso_status status = save(folder ? cso_path_join(folder, "index.html") : NULL, &text, err);
    free(folder);
    return status;
}

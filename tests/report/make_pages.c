/* make_pages.c - writes the pages that scripts/check_pages.py opens: make_pages FOLDER. */
#include "report_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void save(const char *folder, const char *name, cso_text *text) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file || text->failed || fwrite(text->data, 1, text->size, file) != text->size || fclose(file)) {
        fprintf(stderr, "make_pages: %s: cannot write\n", path);
        exit(1);
    }
    free(text->data);
}

/* The page, DOT and terminal text of a tree. */
static void save_tree(const char *folder, const char *name, const report_tree *tree) {
    char file[64];
    cso_text page = {0}, dot = {0}, shown = {0};
    cso_tree_page(&tree->result, tree->marks, &page);
    snprintf(file, sizeof file, "%s.html", name);
    save(folder, file, &page);
    cso_tree_dot(&tree->result, tree->marks, &dot);
    snprintf(file, sizeof file, "%s.dot", name);
    save(folder, file, &dot);
    cso_tree_show(&tree->result, tree->marks, &(cso_tree_show_options){.columns = 80, .colour = true}, &shown);
    snprintf(file, sizeof file, "%s.txt", name);
    save(folder, file, &shown);
}

static void save_index(const char *folder, bool hostile) {
    enum { COUNT = 30 };
    static const char *const SCENES[] = {"work stress", "loss of a job", "a breakup", "exam nerves", "moving to a new city"};
    static const char *const WORDS[] = {"complete", "failed", "stopped"};
    cso_tree_summary lines[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        const char *text =
            hostile ? report_hostile[i % report_hostile_count]
                    : "I work nights and cannot sleep by day. I start to make mistakes, and my friends have stopped asking.";
        lines[i] = (cso_tree_summary){.index = i + 1,
                                      .state = WORDS[i % 11 == 4   ? 1
                                                     : i % 13 == 6 ? 2
                                                                   : 0],
                                      .scene = hostile ? text : SCENES[i % 5],
                                      .description = text,
                                      .iterations = 100 + i * 37 % 101,
                                      .nodes = 400 + i * 131 % 700,
                                      .ended = i * 7 % 26,
                                      .depth = 6 + i * 5 % 9,
                                      .records = i * 3 % 8,
                                      .pairs = i * 17 % 60,
                                      .calls = 1500 + i * 997 % 900,
                                      .best_q = i % 8 ? 0.5 + (double)(i * 13 % 40) / 80 : (double)NAN};
    }
    cso_text page = {0};
    cso_tree_index_page(lines, COUNT, hostile ? report_hostile[0] : "Search runs/night-shift", &page);
    save(folder, hostile ? "hostile-index.html" : "index.html", &page);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: make_pages FOLDER\n");
        return 2;
    }
    report_tree tree;
    report_tree_search(&tree, 500, false, 11);
    save_tree(argv[1], "000001", &tree);
    report_tree_free(&tree);
    report_tree_search(&tree, 500, true, 11);
    save_tree(argv[1], "hostile", &tree);
    report_tree_free(&tree);
    report_tree_search(&tree, 1, false, 1);
    save_tree(argv[1], "tiny", &tree);
    report_tree_free(&tree);
    report_tree_small(&tree, "That sounds hard.");
    save_tree(argv[1], "small", &tree);
    report_tree_free(&tree);
    save_index(argv[1], false);
    save_index(argv[1], true);
    return 0;
}

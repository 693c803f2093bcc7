/* search_show.c - cso-search show: a tree in the terminal. */
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "config/search_config.h"
#include "report/tree_page.h"
#include "search_commands.h"
#include "search_trees.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct show_options {
    bool lazy, no_colour;
} show_options;

/* The thresholds that the run's own configuration has, the usual ones where it has none that can be read. */
static cso_extract_options thresholds_of(const char *dir) {
    cso_extract_options options = {.ended_q_min = 0.5, .ended_n_min = 2, .negative_q_max = 0.5};
    cso_search_config config;
    char *path = cso_path_join(dir, "config.toml");
    if (path && cso_search_config_read(&config, path, NULL, 0, NULL) == CSO_OK) {
        options = config.extract;
        cso_search_config_free(&config);
    }
    free(path);
    return options;
}

static cso_status draw(const cso_search_result *result, const char *dir, const show_options *options, cso_error *err) {
    bool terminal = isatty(STDOUT_FILENO);
    const char *no_colour = getenv("NO_COLOR");
    const cso_extract_options thresholds = thresholds_of(dir);
    const cso_tree_show_options show = {
        .columns = cso_terminal_columns(STDOUT_FILENO),
        .colour = terminal && !options->no_colour && cso_terminal_replaces_lines(STDOUT_FILENO) && !(no_colour && *no_colour),
        .lazy = options->lazy,
    };
    cso_extract_mark *marks = cso_calloc(result->tree.count, sizeof *marks);
    cso_text text = {0};
    if (!marks)
        return cso_fail_memory(err, "the marks of a tree");
    cso_extract_marks(result, &thresholds, marks);
    cso_tree_show(result, marks, &show, &text);
    bool failed = text.failed;
    if (!failed)
        fwrite(text.data, 1, text.size, stdout);
    free(text.data);
    free(marks);
    return failed ? cso_fail_memory(err, "the drawing") : search_finish_output(err);
}

/* The number that was given, or the first that is there. */
static cso_status choose(const char *dir, const char *word, size_t *number, cso_error *err) {
    size_t *numbers, count;
    char *end = NULL;
    cso_status status = search_list_trees(dir, &numbers, &count, err);
    if (status != CSO_OK) {
        free(numbers);
        return status;
    }
    errno = 0;
    *number = word ? (size_t)strtoull(word, &end, 10) : numbers[0];
    bool found = !word && count;
    for (size_t i = 0; i < count; i++)
        found |= numbers[i] == *number;
    if (word && (!*word || *end || *word == '-' || errno || !found))
        status = cso_fail(err, CSO_ERR_USAGE, "INDEX: must be the number of a tree, %zu to %zu, got '%.100s'", numbers[0],
                          numbers[count - 1], word);
    else if (!word && count > 1)
        fprintf(stderr, "tree %zu of %zu; the others: cso-search show RUN INDEX\n", *number, count);
    free(numbers);
    return status;
}

static cso_status run(void *context, const cso_arg_list *rest, cso_error *err) {
    cso_search_result result;
    size_t number;
    if (!rest->count || rest->count > 2)
        return cso_fail(err, CSO_ERR_USAGE,
                        "expected the folder of a run, and the number of a tree or none (cso-search show RUN [INDEX])");
    CSO_TRY(choose(rest->items[0], rest->count > 1 ? rest->items[1] : NULL, &number, err));
    CSO_TRY(search_read_tree(rest->items[0], number, &result, err));
    cso_status status = draw(&result, rest->items[0], context, err);
    cso_search_result_free(&result);
    return status;
}

int search_show(int argc, char **argv) {
    show_options options = {0};
    const cso_arg args[] = {
        {"lazy", 0, CSO_ARG_FLAG, &options.lazy, NULL, "also the nodes that were never generated"},
        {"no-color", 0, CSO_ARG_FLAG, &options.no_colour, NULL, "no colours, also on a terminal"},
    };
    const cso_program program = {
        .name = "cso-search show",
        .summary = "Draws a tree of a run in the terminal.",
        .usage = "RUN [INDEX] [OPTIONS]",
        .args = args,
        .arg_count = sizeof args / sizeof *args,
    };
    return cso_command_main(&program, argc, argv, run, &options);
}

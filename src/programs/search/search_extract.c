/* search_extract.c - cso-search extract: the records of finished searches anew, with other thresholds. */
#include "base/file.h"
#include "base/folder_lock.h"
#include "base/memory.h"
#include "config/search_config.h"
#include "search_commands.h"
#include "search_table.h"
#include "search_trees.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct extract_options {
    const char *config, *output;
    cso_arg_list set;
    bool json;
} extract_options;

/* The summaries of all trees. */
typedef struct extracted {
    cso_search_summary *items; /* (count) */
    const cso_search_summary **pointers;
    size_t count;
    char *method;
} extracted;

static void extracted_free(extracted *x) {
    for (size_t i = 0; i < x->count; i++)
        cso_search_summary_free(&x->items[i]);
    free(x->items);
    free(x->pointers);
    free(x->method);
}

static cso_status extract_tree(extracted *x, const cso_search_config *config, size_t number, cso_error *err) {
    cso_search_result result;
    CSO_TRY(search_read_tree(config->search.dir, number, &result, err));
    cso_status status = cso_search_summarize(&result, &config->extract, &x->items[x->count], err);
    x->pointers[x->count] = &x->items[x->count];
    x->count++;
    if (status == CSO_OK && !x->method && !(x->method = cso_strdup(result.method)))
        status = cso_fail_memory(err, "the table");
    cso_search_result_free(&result);
    return status;
}

static cso_status extract_trees(extracted *x, const cso_search_config *config, cso_error *err) {
    size_t *numbers, count;
    cso_status status = search_list_trees(config->search.dir, &numbers, &count, err);
    x->items = cso_calloc(count, sizeof *x->items);
    x->pointers = cso_calloc(count, sizeof *x->pointers);
    if (status == CSO_OK && (!x->items || !x->pointers))
        status = cso_fail_memory(err, "the trees");
    for (size_t i = 0; status == CSO_OK && i < count; i++)
        status = extract_tree(x, config, numbers[i], err);
    free(numbers);
    return status;
}

/* Only complete searches have records. */
static cso_status write_records(const extracted *x, const char *path, cso_error *err) {
    cso_save *save;
    CSO_TRY(cso_save_begin(&save, path, err));
    cso_status status = CSO_OK;
    for (size_t i = 0; status == CSO_OK && i < x->count; i++)
        if (x->items[i].state == CSO_SEARCH_COMPLETE && x->items[i].text_size)
            status = cso_save_write(save, x->items[i].text, x->items[i].text_size, err);
    if (status == CSO_OK)
        return cso_save_commit(save, err);
    cso_save_abort(save);
    return status;
}

static cso_status extract(const cso_search_config *config, const extract_options *options, cso_error *err) {
    extracted x = {0};
    char *path = options->output ? cso_strdup(options->output) : cso_path_join(config->search.dir, "esc-pro.jsonl");
    cso_status status = path ? extract_trees(&x, config, err) : cso_fail_memory(err, "a path");
    if (status == CSO_OK)
        status = write_records(&x, path, err);
    if (status == CSO_OK)
        status = search_print_table(x.pointers, x.count, x.method, options->json, err);
    extracted_free(&x);
    free(path);
    return status;
}

static cso_status run(void *context, const cso_arg_list *rest, cso_error *err) {
    const extract_options *options = context;
    cso_search_config config;
    int lock;
    if (rest->count)
        return cso_fail(err, CSO_ERR_USAGE, "unexpected argument '%.100s' (expected options only)", rest->items[0]);
    if (!options->config)
        return cso_fail(err, CSO_ERR_USAGE, "no configuration is given (expected --config FILE)");
    CSO_TRY(cso_search_config_read(&config, options->config, options->set.items, options->set.count, err));
    cso_status status = CSO_OK;
    if (!cso_path_is_folder(config.search.dir))
        status = cso_fail(err, CSO_ERR_INPUT, "%s: there is no such folder (search.dir)", config.search.dir);
    if (status == CSO_OK)
        status = cso_folder_lock(config.search.dir, &cso_search_owner, &lock, err);
    if (status == CSO_OK) {
        status = extract(&config, options, err);
        close(lock);
    }
    cso_search_config_free(&config);
    return status;
}

int search_extract(int argc, char **argv) {
    extract_options options = {0};
    const cso_arg args[] = {
        {"config", 'c', CSO_ARG_STRING, &options.config, "FILE", "the search's configuration (TOML)"},
        {"set", 's', CSO_ARG_LIST, &options.set, "KEY=VALUE", "override a key, e.g. extract.negative_q_max=0; may be given often"},
        {"output", 'o', CSO_ARG_STRING, &options.output, "FILE", "the records; default: esc-pro.jsonl in search.dir"},
        {"json", 0, CSO_ARG_FLAG, &options.json, NULL, "print the table as one JSON object"},
    };
    const cso_program program = {
        .name = "cso-search extract",
        .summary = "Writes the records of finished searches anew, with the thresholds of [extract]. Asks nothing.",
        .usage = "--config FILE [--set KEY=VALUE]... [--output FILE] [--json]",
        .args = args,
        .arg_count = sizeof args / sizeof *args,
    };
    int code = cso_command_main(&program, argc, argv, run, &options);
    cso_arg_list_free(&options.set);
    return code;
}

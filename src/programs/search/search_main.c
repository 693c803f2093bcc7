/* search_main.c - cso-search: seeds in, ESC-Pro records out. The commands extract and show look at a run that is there. */
#include "config/search_config.h"
#include "programs/common/args.h"
#include "programs/common/start.h"
#include "search_commands.h"

#include <stdio.h>
#include <string.h>

/* An option that is a key. */
static void hint_key(const char *name, bool exact, char *text, size_t size) {
    cso_search_config_hint(name, "'--set ", "=VALUE'", exact, text, size);
}

static void print_line(void *context, const char *text) {
    (void)context;
    puts(text);
}

static cso_status run(void *context, const cso_arg_list *rest, cso_error *err) {
    search_options *options = context;
    if (rest->count)
        return cso_fail(err, CSO_ERR_USAGE,
                        "unknown command '%.100s' (expected extract or show as the first word, or options only)", rest->items[0]);
    if (options->help_config) {
        cso_search_config_help(print_line, NULL);
        return search_finish_output(err);
    }
    if (!options->config)
        return cso_fail(err, CSO_ERR_USAGE, "no configuration is given (expected --config FILE)");
    return search_run(options, err);
}

int main(int argc, char **argv) {
    program_start("cso-search");
    if (argc > 1 && !strcmp(argv[1], "extract"))
        return search_extract(argc - 1, argv + 1);
    if (argc > 1 && !strcmp(argv[1], "show"))
        return search_show(argc - 1, argv + 1);
    search_options options = {.resume = "auto"};
    const cso_arg args[] = {
        {"config", 'c', CSO_ARG_STRING, &options.config, "FILE", "the search's configuration (TOML)"},
        {"set", 's', CSO_ARG_LIST, &options.set, "KEY=VALUE", "override a key, e.g. search.parallel=2; may be given often"},
        {"resume", 0, CSO_ARG_STRING, &options.resume, "WHAT",
         "auto (default): go on where searches in search.dir stopped; never: it must hold none"},
        {"dry-run", 'n', CSO_ARG_FLAG, &options.dry_run, NULL,
         "check everything, ask no endpoint, change nothing, print calls, tokens and price, and exit; with models on this machine "
         "alone, search for a minute and print how long the run takes"},
        {"json", 0, CSO_ARG_FLAG, &options.json, NULL, "print the plan or the table as one JSON object"},
        {"quiet", 'q', CSO_ARG_FLAG, &options.quiet, NULL, "print warnings, errors and the table only"},
        {"help-config", 0, CSO_ARG_FLAG, &options.help_config, NULL, "list the keys of a configuration, and exit"},
    };
    const cso_program program = {
        .name = "cso-search",
        .summary = "Builds preference data by tree search over the strategies of a support dialogue.",
        .usage = "--config FILE [--set KEY=VALUE]... [OPTIONS]",
        .details =
            "Plays a supporter, a seeker, a judge and a chooser of strategies with models on this machine or OpenAI-compatible "
            "endpoints, and grows a "
            "tree for each seed (docs/search.md). Writes to search.dir: esc-pro.jsonl, which cso-train takes as it is, trees/, "
            "journal/, and pages/ with search.html = true. Prints a table of the searches on standard output.\n"
            "The same command again goes on where it stopped: what was answered is never asked again. SIGINT (Ctrl-C) and "
            "SIGTERM stop at once, and nothing that was answered is lost.\n"
            "Commands, as the first word:\n"
            "  extract --config FILE   writes esc-pro.jsonl anew with other thresholds\n"
            "  show RUN [INDEX]        draws a tree in the terminal\n"
            "cso-search COMMAND --help says more.\n\n"
            "Exit codes: 0 done; 1 internal error; 2 wrong use or configuration; 3 bad input file; 4 the system or an endpoint "
            "failed, or search.max_cost is reached; 128+n stopped by signal n. After 4 and 128+n the same command goes on.",
        .args = args,
        .arg_count = sizeof args / sizeof *args,
        .hint = hint_key,
    };
    int code = cso_command_main(&program, argc, argv, run, &options);
    cso_arg_list_free(&options.set);
    return code;
}

/* data_split.c - cso-data split: parts for training and evaluation, by dialogue. */
#include "data_command.h"
#include "data_output.h"

#include "base/memory.h"
#include "records/split.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_SEED = 42, MAX_PARTS = 64 };

typedef struct options {
    const char *parts, *folder;
    size_t seed;
    bool force;
} options;

typedef struct split_files {
    char *names; /* the parts' names, zero-terminated each */
    cso_part parts[MAX_PARTS];
    char *paths[MAX_PARTS];
    data_output outputs[MAX_PARTS];
    size_t count, opened;
} split_files;

static cso_status check_part(const split_files *files, const cso_part *part, const char *number, const char *end, cso_error *err) {
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    const char *name = part->name;
    if (!*name || name[0] == '.' || name[strspn(name, ALLOWED)])
        return cso_fail(err, CSO_ERR_USAGE, "--parts: \"%s\" is no name (expected letters, digits, '-', '_' and '.')", name);
    for (size_t i = 0; i < files->count; i++)
        if (!strcmp(files->parts[i].name, name))
            return cso_fail(err, CSO_ERR_USAGE, "--parts: %s is named twice", name);
    if (end == number || *end || !(part->fraction > 0 && part->fraction <= 1))
        return cso_fail(err, CSO_ERR_USAGE, "--parts: %s: must be a number > 0 and <= 1, got %s", name, number);
    return CSO_OK;
}

/* "train=0.9,eval=0.1" */
static cso_status read_parts(split_files *files, const char *text, cso_error *err) {
    char *next = files->names = cso_strdup(text);
    double sum = 0;
    if (!next)
        return cso_fail_memory(err, "the parts");
    while (next) {
        char *name = next, *number, *end;
        if ((next = strchr(name, ',')))
            *next++ = '\0';
        if (!(number = strchr(name, '=')))
            return cso_fail(err, CSO_ERR_USAGE, "--parts: \"%s\": expected NAME=FRACTION, as in train=0.9,eval=0.1", name);
        *number++ = '\0';
        if (files->count == MAX_PARTS)
            return cso_fail(err, CSO_ERR_USAGE, "--parts: expected at most %d parts", MAX_PARTS);
        cso_part part = {.name = name, .fraction = strtod(number, &end)};
        CSO_TRY(check_part(files, &part, number, end, err));
        sum += part.fraction;
        files->parts[files->count++] = part;
    }
    if (fabs(sum - 1) > 1e-6)
        return cso_fail(err, CSO_ERR_USAGE, "--parts: the fractions sum to %g (expected 1)", sum);
    return CSO_OK;
}

static cso_status open_parts(split_files *files, const options *opts, cso_error *err) {
    CSO_TRY(cso_make_folders(opts->folder, err));
    for (size_t i = 0; i < files->count; i++) {
        char *name = cso_format("%s.jsonl", files->parts[i].name);
        files->paths[i] = name ? cso_path_join(opts->folder, name) : NULL;
        free(name);
        if (!files->paths[i])
            return cso_fail_memory(err, "a path");
        if (!opts->force && cso_path_exists(files->paths[i]))
            return cso_fail(err, CSO_ERR_USAGE, "%s: exists (--force replaces it)", files->paths[i]);
    }
    for (; files->opened < files->count; files->opened++) {
        CSO_TRY(data_output_open(&files->outputs[files->opened], files->paths[files->opened], err));
        files->parts[files->opened].sink = &files->outputs[files->opened].sink;
    }
    return CSO_OK;
}

static cso_status split(void *context, const cso_arg_list *list, cso_error *err) {
    const options *opts = context;
    if (!opts->folder)
        return cso_fail(err, CSO_ERR_USAGE, "--output-dir DIR is needed");
    const data_inputs inputs = data_inputs_of(list);
    split_files *files = cso_calloc(1, sizeof *files);
    cso_status status;
    if (!files)
        return cso_fail_memory(err, "the parts");
    CSO_TRY_DONE(read_parts(files, opts->parts, err));
    CSO_TRY_DONE(open_parts(files, opts, err));
    CSO_TRY_DONE(cso_split(inputs.paths, inputs.count, files->parts, files->count, opts->seed, opts->folder, err));
    for (size_t i = 0; i < files->count; i++)
        CSO_TRY_DONE(data_output_flush(&files->outputs[i], err));
done:
    for (size_t i = 0; i < files->opened; i++)
        status = data_output_close(&files->outputs[i], status, err);
    for (size_t i = 0; i < files->count; i++) {
        if (status == CSO_OK)
            fprintf(stderr, "note: %s: %zu dialogues, %zu records\n", files->paths[i], files->parts[i].dialogues,
                    files->parts[i].records);
        free(files->paths[i]);
    }
    free(files->names);
    free(files);
    return status;
}

int data_split(int argc, char **argv) {
    options opts = {.parts = "train=0.9,eval=0.1", .seed = DEFAULT_SEED};
    const cso_arg args[] = {
        {"parts", 0, CSO_ARG_STRING, &opts.parts, "LIST", "names and fractions (default train=0.9,eval=0.1)"},
        {"seed", 0, CSO_ARG_SIZE, &opts.seed, "N", "of the draw (default 42)"},
        {"output-dir", 'd', CSO_ARG_STRING, &opts.folder, "DIR", "gets NAME.jsonl for each part"},
        {"force", 0, CSO_ARG_FLAG, &opts.force, NULL, "replace files that exist"},
    };
    const cso_program program = {
        .name = "cso-data",
        .summary = "Splits records into parts by dialogue, so that nothing of a dialogue is in two parts.",
        .usage = "split --output-dir DIR [OPTIONS] [FILE|-]...",
        .details =
            "A dialogue is what has equal scene, description and first user message: all records of a search tree. Each part gets "
            "its "
            "fraction of the dialogues. Which dialogue goes where depends on the seed and on the dialogues, not on the order of "
            "the "
            "records or on how they are spread over files. Records keep their bytes and their order; files appear whole or not at "
            "all.\n\n"
            "Examples:\n"
            "  cso-data split --output-dir parts data/train.tree.jsonl\n"
            "  cso-data split --parts train=0.8,eval=0.1,test=0.1 --seed 7 -d parts *.jsonl\n\n"
            "Exit codes: 0 done; 2 wrong use; 3 a bad record or file; 4 the system failed; 128+n stopped by signal n.\n",
        .args = args,
        .arg_count = sizeof args / sizeof *args,
    };
    return cso_command_main(&program, argc, argv, split, &opts);
}

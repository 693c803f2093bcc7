/* data_check.c - cso-data check: what is wrong with records, each with its line. */
#include "data_command.h"
#include "data_output.h"

#include "programs/common/amounts.h"
#include "records/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 20 };

typedef struct check_job {
    size_t most, shown[CSO_FINDING_KINDS]; /* findings of a kind to show, and shown */
    bool json, any;
    cso_error first; /* the first error, for the program's last line */
} check_job;

static cso_status print_text(const cso_text *text, cso_error *err) {
    if (text->failed)
        return cso_fail_memory(err, "a line of output");
    if (fwrite(text->data, 1, text->size, stdout) != text->size)
        return cso_fail_errno(err, "write", "standard output");
    return CSO_OK;
}

static cso_status show(void *context, const cso_finding *finding, cso_error *err) {
    check_job *job = context;
    cso_text text = {0};
    if (!finding->warning && !job->first.status)
        cso_fail(&job->first, CSO_ERR_INPUT, "%s", finding->text);
    if (job->shown[finding->kind]++ >= job->most)
        return CSO_OK;
    if (job->json) {
        cso_text_format(&text, "%s{\"file\": ", job->any ? ", " : "");
        cso_text_json_string(&text, finding->file, strlen(finding->file));
        cso_text_format(&text, ", \"line\": %zu, \"level\": \"%s\", \"kind\": \"%s\", \"message\": ", finding->line,
                        finding->warning ? "warning" : "error", cso_finding_words[finding->kind]);
        cso_text_json_string(&text, finding->text, strlen(finding->text));
        cso_text_add(&text, "}", 1);
    } else {
        cso_text_format(&text, "%s\n", finding->text);
    }
    job->any = true;
    cso_status status = print_text(&text, err);
    free(text.data);
    return status;
}

static void add_spread(cso_text *text, const char *name, const cso_spread *spread) {
    cso_text_format(text, ", \"%s\": ", name);
    if (!spread->records) {
        cso_text_add(text, "null", 4);
        return;
    }
    cso_text_format(text, "{\"least\": %zu, \"mean\": ", spread->least);
    cso_text_json_number(text, spread->sum / (double)spread->records);
    cso_text_format(text, ", \"most\": %zu, \"sum\": ", spread->most);
    cso_text_json_number(text, spread->sum);
    cso_text_add(text, "}", 1);
}

static void add_json(cso_text *text, const cso_check_result *r) {
    cso_text_format(text, "], \"records\": %zu, \"errors\": %zu, \"warnings\": %zu, \"kinds\": {", r->records, r->errors,
                    r->warnings);
    for (int i = 0; i < CSO_FINDING_KINDS; i++)
        cso_text_format(text, "%s\"%s\": %zu", i ? ", " : "", cso_finding_words[i], r->found[i]);
    cso_text_add(text, "}, \"forms\": {", 13);
    for (int i = 0, some = 0; i < CSO_FORM_COUNT; i++)
        if (r->forms[i])
            cso_text_format(text, "%s\"%s\": %zu", some++ ? ", " : "", cso_data_form_words[i], r->forms[i]);
    cso_text_format(text, "}, \"turns\": %zu, \"bare_turns\": %zu, \"replies\": %zu", r->turns, r->bare_turns, r->replies);
    add_spread(text, "messages", &r->messages);
    add_spread(text, "characters", &r->characters);
    add_spread(text, "tokens", &r->tokens);
    cso_text_format(text, ", \"uncounted\": %zu}\n", r->uncounted);
}

static void add_row(cso_text *text, const char *name, const cso_spread *spread) {
    if (spread->records)
        cso_text_format(text, "%-28s%12zu to %zu, mean %.1f\n", name, spread->least, spread->most,
                        spread->sum / (double)spread->records);
}

static void add_summary(cso_text *text, const check_job *job, const cso_check_result *r) {
    for (int i = 0; i < CSO_FINDING_KINDS; i++)
        if (job->shown[i] > job->most)
            cso_text_format(text, "and %zu more of the kind %s (--all shows them)\n", job->shown[i] - job->most,
                            cso_finding_words[i]);
    cso_text_format(text, "%-28s%12zu", "records", r->records);
    for (int i = 0; i < CSO_FORM_COUNT; i++)
        if (r->forms[i])
            cso_text_format(text, "  %s: %zu", view_form_name((cso_data_form)i), r->forms[i]);
    cso_text_format(text, "\n%-28s%12zu", "errors", r->errors);
    cso_text_format(text, "\n%-28s%12zu\n", "warnings", r->warnings);
    if (r->turns)
        cso_text_format(text, "%-28s%12zu  %zu with one reply alone\n%-28s%12zu\n", "turns with replies", r->turns, r->bare_turns,
                        "replies", r->replies);
    add_row(text, "messages of a record", &r->messages);
    add_row(text, "characters of a sequence", &r->characters);
    add_row(text, "tokens of a sequence", &r->tokens);
    if (r->uncounted)
        cso_text_format(text, "%-28s%12zu\n", "records without token count", r->uncounted);
    if (r->doubles_missed)
        cso_text_format(text, "so many records that some doubles may not have been found (cso-data dedup finds all)\n");
}

static cso_status check(const data_source *source, check_job *job, size_t max_length, const cso_arg_list *files, cso_error *err) {
    const data_inputs inputs = data_inputs_of(files);
    cso_check_result result;
    cso_text text = {0};
    const cso_check_options options = {
        .data = {.max_length = max_length,
                 .parse_special = source->parse_special,
                 .strategies = source->strategies,
                 .system_prompt = source->system_prompt},
        .tokenizer = source->tokenizer,
        .chat = source->chat,
        .visit = show,
        .context = job,
    };
    if (job->json)
        printf("{\"findings\": [");
    cso_status status = cso_check(&options, inputs.paths, inputs.count, &result, err);
    if (status == CSO_OK) {
        if (job->json)
            add_json(&text, &result);
        else
            add_summary(&text, job, &result);
        status = print_text(&text, err);
    }
    free(text.data);
    if (fflush(stdout) && status == CSO_OK)
        status = cso_fail_errno(err, "write", "standard output");
    if (status == CSO_OK && result.errors > 1)
        return cso_fail(err, CSO_ERR_INPUT, "%.800s (and %zu more errors)", job->first.message, result.errors - 1);
    if (status == CSO_OK && result.errors)
        return cso_fail(err, CSO_ERR_INPUT, "%s", job->first.message);
    return status;
}

static const char DETAILS[] =
    "Each finding is a line, FILE:LINE: what is wrong (what was expected), and reading goes on. Errors: no JSON object; no known "
    "form, a "
    "field that is missing or of a wrong type; user and assistant that do not take turns; a strategy that is not known; an empty "
    "reply; "
    "equal chosen and rejected replies; a record that came before; more tokens than --max-length; a chat that the template "
    "refuses. "
    "Warnings: an unknown strategy or none in ESC-Pro pairs, an empty message of a prompt, two equal negatives.\n\n"
    "With --model or --tokenizer tokens are counted, as training renders them.\n\n"
    "Examples:\n"
    "  cso-data check data/train.tree.jsonl\n"
    "  cso-data check --tokenizer tokenizer.json --max-length 2048 train.jsonl\n"
    "  zcat pairs.jsonl.gz | cso-data check --json\n\n"
    "Exit codes: 0 no errors; 2 wrong use; 3 errors; 4 the system failed; 128+n stopped by signal n.\n";

int data_check(int argc, char **argv) {
    data_source source = {0};
    check_job job = {.most = SHOWN};
    size_t max_length = 0;
    bool all = false;
    const cso_arg args[] = {
        DATA_SOURCE_ARGS(source),
        {"max-length", 0, CSO_ARG_COUNT, &max_length, "N", "tokens that a sequence may have; needs a tokenizer"},
        {"show", 0, CSO_ARG_COUNT, &job.most, "N", "findings of a kind to show (default 20); all are counted"},
        {"all", 0, CSO_ARG_FLAG, &all, NULL, "show all of them"},
        {"json", 0, CSO_ARG_FLAG, &job.json, NULL, "print one JSON object"},
    };
    const cso_program program = {
        .name = "cso-data",
        .summary = "Says what is wrong with records, each with its line, and how long they are.",
        .usage = "check [OPTIONS] [FILE|-]...",
        .details = DETAILS,
        .args = args,
        .arg_count = sizeof args / sizeof *args,
    };
    cso_error err = {0};
    cso_arg_list files;
    bool done;
    cso_status status = cso_args_parse(&program, argc, argv, &files, &done, &err);
    if (all)
        job.most = SIZE_MAX;
    if (status == CSO_OK && !done && max_length && !source.model && !source.tokenizer_path)
        status = cso_fail(&err, CSO_ERR_USAGE, "--max-length counts tokens: --model PATH or --tokenizer PATH is needed");
    if (status == CSO_OK && !done)
        status = data_source_open_any(&source, &err);
    if (status == CSO_OK && !done)
        status = check(&source, &job, max_length, &files, &err);
    data_source_close(&source);
    cso_arg_list_free(&files);
    return cso_program_exit(&program, status, &err);
}

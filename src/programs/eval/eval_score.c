/* eval_score.c - see eval_score.h. */
#include "eval_score.h"

#include "io/json.h"
#include "loss/loss.h"
#include "programs/common/busy_line.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* Where the results go: a line for each item, or sums for one object at the end. */
typedef struct printer {
    FILE *out;
    busy_line line;
    bool summary, adapted; /* with an adapter */
    double beta;
    size_t pairs, texts, lists, dropped;
    double best; /* lists whose first completion has the highest log-probability */
    double logps[2], rewards[2], margin, accuracy, loss, text_logp, text_tokens;
} printer;

static cso_status print_line(printer *p, cso_text *line, const char *what, cso_error *err) {
    cso_status status = CSO_OK;
    if (line->failed)
        status = cso_fail_memory(err, what);
    else if (fwrite(line->data, 1, line->size, p->out) != line->size)
        status = cso_fail_errno(err, "write", "standard output");
    free(line->data);
    return status;
}

static void add_logps(cso_text *line, const cso_score_logps *logps) {
    cso_text_format(line, "{\"logp\": ");
    cso_text_json_number(line, logps->logp);
    cso_text_format(line, ", \"token_logps\": [");
    for (size_t k = 0; k < logps->n_tokens; k++) {
        if (k)
            cso_text_format(line, ", ");
        cso_text_json_number(line, logps->token_logps[k]);
    }
    cso_text_format(line, "]}");
}

static cso_status print_item(printer *p, const cso_score_item *item, cso_error *err) {
    static const char *const NOTHING[] = {
        [CSO_SCORE_PAIR] = "{\"chosen\": null, \"rejected\": null}",
        [CSO_SCORE_LIST] = "{\"completions\": null}",
        [CSO_SCORE_TEXT] = "{\"logp\": null, \"token_logps\": null}",
    };
    cso_text line = {0};
    if (item->count == 0) {
        cso_text_format(&line, "%s", NOTHING[item->kind]);
    } else if (item->kind == CSO_SCORE_TEXT) {
        add_logps(&line, &item->sequence[0]);
    } else if (item->kind == CSO_SCORE_LIST) {
        for (size_t i = 0; i < item->count; i++) {
            cso_text_format(&line, "%s", i ? ", " : "{\"completions\": [");
            add_logps(&line, &item->sequence[i]);
        }
        cso_text_format(&line, "]}");
    } else {
        cso_text_format(&line, "{\"chosen\": ");
        add_logps(&line, &item->sequence[0]);
        cso_text_format(&line, ", \"rejected\": ");
        add_logps(&line, &item->sequence[1]);
        cso_text_format(&line, "}");
    }
    cso_text_format(&line, "\n");
    return print_line(p, &line, "a line of output", err);
}

static void add_list(printer *p, const cso_score_item *list) {
    bool best = true;
    for (size_t i = 1; i < list->count; i++)
        best = best && list->sequence[0].logp > list->sequence[i].logp;
    p->lists++;
    p->best += best;
}

static void add_pair(printer *p, const cso_score_logps pair[2]) {
    double reward[2], loss = 0, d[2] = {0, 0};
    p->pairs++;
    for (int side = 0; side < 2; side++) {
        p->logps[side] += pair[side].logp;
        reward[side] = p->beta * (pair[side].logp - pair[side].base_logp);
        p->rewards[side] += reward[side];
    }
    p->margin += reward[0] - reward[1];
    p->accuracy += reward[0] > reward[1];
    cso_loss_options options = cso_loss_default_options();
    options.beta = p->beta;
    const double policy[] = {pair[0].logp, pair[1].logp}, reference[] = {pair[0].base_logp, pair[1].base_logp};
    const cso_loss_batch one = {.n = 1,
                                .first = (const size_t[]){0, 2},
                                .token_first = (const size_t[]){0, 1, 2},
                                .policy = policy,
                                .reference = reference};
    cso_loss_find("cso")->compute(&options, &one, &(cso_loss_result){.loss = &loss, .d_policy = d});
    p->loss += loss;
}

static cso_status visit(void *context, const cso_score_item *item, cso_error *err) {
    printer *p = context;
    p->line.done++;
    if (!p->summary)
        return print_item(p, item, err);
    if (item->count == 0) {
        p->dropped++;
    } else if (item->kind == CSO_SCORE_LIST) {
        add_list(p, item);
    } else if (item->kind == CSO_SCORE_TEXT) {
        p->texts++;
        p->text_logp += item->sequence[0].logp;
        p->text_tokens += (double)item->sequence[0].n_tokens;
    } else {
        add_pair(p, item->sequence);
    }
    return CSO_OK;
}

static void member(cso_text *line, const char *name, double value) {
    cso_text_format(line, ", \"%s\": ", name);
    cso_text_json_number(line, value);
}

static cso_status print_summary(printer *p, const cso_score_counts *counts, cso_error *err) {
    cso_text line = {0};
    double n = (double)p->pairs;
    cso_text_format(&line, "{\"pairs\": %zu, \"texts\": %zu, \"dropped\": %zu", p->pairs, p->texts, p->dropped);
    if (p->pairs) {
        member(&line, "logps/chosen", p->logps[0] / n);
        member(&line, "logps/rejected", p->logps[1] / n);
    }
    if (p->pairs && p->adapted) {
        member(&line, "beta", p->beta);
        member(&line, "loss", p->loss / n);
        member(&line, "rewards/chosen", p->rewards[0] / n);
        member(&line, "rewards/rejected", p->rewards[1] / n);
        member(&line, "rewards/accuracies", p->accuracy / n);
        member(&line, "rewards/margins", p->margin / n);
    }
    if (p->lists) {
        cso_text_format(&line, ", \"lists\": %zu", p->lists);
        member(&line, "first_is_likeliest", p->best / (double)p->lists);
    }
    if (p->text_tokens > 0) {
        member(&line, "logp_per_token", p->text_logp / p->text_tokens);
        member(&line, "perplexity", exp(-p->text_logp / p->text_tokens));
    }
    cso_text_format(&line, ", \"tokens\": %zu, \"tokens_unshared\": %zu}\n", counts->tokens, counts->tokens_unshared);
    return print_line(p, &line, "the summary", err);
}

/* What the numbers leave out. */
static void warn(const score_options *options, const cso_score_counts *counts) {
    if (counts->cut)
        fprintf(stderr, "warning: %zu pairs are cut to --max-length %zu: %zu of their turns are left out\n", counts->cut,
                options->max_length, counts->turns_cut);
    if (counts->too_long)
        fprintf(stderr, "warning: %zu pairs are longer than --max-length %zu and not scored (%s)\n", counts->too_long,
                options->max_length, options->summary ? "dropped" : "null");
    if (counts->empty)
        fprintf(stderr, "warning: %zu texts have no token after their first, so nothing is scored\n", counts->empty);
}

cso_status score_file(FILE *out, const score_options *options, const opened_model *base, cso_engine *engine,
                      const cso_adapter *adapter, cso_error *err) {
    printer p = {.out = out, .summary = options->summary, .adapted = adapter != NULL, .beta = options->beta};
    const cso_score_job job = {
        .engine = engine,
        .tokenizer = base->tokenizer,
        .chat_template = options->chat_template,
        .place = options->place,
        .adapter = adapter,
        .with_base = options->summary,
        .max_length = options->max_length,
        .parse_special = options->parse_special,
        .strategies = options->strategies,
        .visit = visit,
        .context = &p,
    };
    cso_score_counts counts;
    bool quiet = !options->summary && isatty(fileno(out)); /* the results are on the same terminal */
    busy_line_start(&p.line, cso_engine_context(engine)->pool, "scoring", "done", quiet);
    cso_status status = cso_score_file(&job, options->file, &counts, err);
    busy_line_end(&p.line);
    CSO_TRY(status);
    if (options->summary)
        CSO_TRY(print_summary(&p, &counts, err));
    warn(options, &counts);
    return fflush(out) ? cso_fail_errno(err, "write", "standard output") : CSO_OK;
}

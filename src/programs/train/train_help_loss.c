/* train_help_loss.c - see train_help_loss.h. */
#include "train_help_loss.h"

#include "loss/objective.h"

#include <string.h>

enum { WIDTH = 80 };

/* What records become examples of a kind: docs/data.md. */
static const char *records_of(cso_example_kind kind) {
    switch (kind) {
    case CSO_EXAMPLE_PAIR:
        return "pairs: ESC-Pro trees and pairs; prompt, chosen and rejected";
    case CSO_EXAMPLE_TEXT:
        return "texts: messages; prompt and completion; text; of ESC-Pro trees, pairs and lists the preferred replies";
    case CSO_EXAMPLE_LIST:
        return "lists: all replies of a turn of ESC-Pro trees and pairs; prompt and completions, the best first; prompt, chosen "
               "and "
               "rejected";
    case CSO_EXAMPLE_LABELED:
        return "replies with a label: messages and label; prompt, completion and label";
    }
    return "";
}

static const char *reference_of(const cso_loss *loss) {
    if (!(loss->needs & CSO_LOSS_REFERENCE))
        return "none: no reference pass is made";
    return loss->needs & CSO_LOSS_MISMATCHED ? "loss.reference; in part computed in every step" : "loss.reference; computed once";
}

static const cso_option *find_option(const char *name) {
    for (size_t i = 0; i < cso_loss_option_list.count; i++)
        if (!strcmp(strchr(cso_loss_option_list.rows[i].name, '.') + 1, name))
            return &cso_loss_option_list.rows[i];
    return NULL;
}

/* Breaks a text between words; "\n" in it begins a new line. */
static void print_wrapped(FILE *out, const char *text, int indent) {
    size_t width = (size_t)(WIDTH - indent);
    while (*text) {
        size_t length = strcspn(text, "\n");
        while (length > width) {
            size_t fits = width;
            while (fits && text[fits] != ' ')
                fits--;
            fits = fits ? fits : width;
            fprintf(out, "%*s%.*s\n", indent, "", (int)fits, text);
            text += fits + (text[fits] == ' ');
            length = strcspn(text, "\n");
        }
        fprintf(out, "%*s%.*s\n", indent, "", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static void print_part(FILE *out, const char *title, const char *text) {
    fprintf(out, "\n%s\n", title);
    print_wrapped(out, text, 4);
}

static void print_option(FILE *out, const char *name) {
    const cso_option *row = find_option(name);
    fprintf(out, "    %s = %s\n", row->name, row->fallback);
    print_wrapped(out, row->help, 8);
}

static void print_loss(FILE *out, const cso_loss *loss) {
    fprintf(out, "loss.type = \"%s\"", loss->name);
    for (size_t k = 0; loss->aliases && loss->aliases[k]; k++)
        fprintf(out, "%s\"%s\"", k ? ", " : ", also ", loss->aliases[k]);
    fputs("\n\n", out);
    print_wrapped(out, loss->what, 4);
    print_part(out, "Formula, a mean over the examples of the step", loss->formula);
    print_part(out, "where", cso_loss_symbols());
    print_part(out, "Source", loss->source);
    print_part(out, "Records (docs/data.md)", records_of(loss->takes));
    print_part(out, "Reference", reference_of(loss));
    if (loss->note)
        print_part(out, "Note", loss->note);
    fputs("\nOptions\n", out);
    print_option(out, "beta");
    print_option(out, "label_smoothing");
    for (size_t k = 0; loss->uses[k]; k++)
        print_option(out, loss->uses[k]);
}

static void list_losses(FILE *out) {
    for (const cso_loss *const *loss = cso_loss_all(); *loss; loss++) {
        fprintf(out, "%s\n", (*loss)->name);
        print_wrapped(out, (*loss)->what, 4);
    }
    fputs("\ncso-train --help-loss NAME says more; docs/losses.md has all of them.\n", out);
}

/* Each line of a text as code, so that nothing in it is markup. */
static void markdown_code(FILE *out, const char *text) {
    fputs("```\n", out);
    fputs(text, out);
    fputs("\n```\n\n", out);
}

static void markdown_loss(FILE *out, const cso_loss *loss) {
    fprintf(out, "## %s\n\n", loss->name);
    for (size_t k = 0; loss->aliases && loss->aliases[k]; k++)
        fprintf(out, "%s`%s`%s", k ? ", " : "Also called ", loss->aliases[k], loss->aliases[k + 1] ? "" : ".\n\n");
    fprintf(out, "%c%s.\n\n", loss->what[0] >= 'a' && loss->what[0] <= 'z' ? loss->what[0] - 'a' + 'A' : loss->what[0],
            loss->what + 1);
    markdown_code(out, loss->formula);
    if (loss->note)
        fprintf(out, "%s\n\n", loss->note);
    fprintf(out, "- Source: %s\n- Records: %s\n- Reference: %s\n- Options: `beta`, `label_smoothing`", loss->source,
            records_of(loss->takes), reference_of(loss));
    for (size_t k = 0; loss->uses[k]; k++)
        fprintf(out, ", `%s`", loss->uses[k]);
    fputs("\n\n", out);
}

static const char INTRODUCTION[] =
    "# Losses\n\n"
    "`cso-train --help-loss markdown` writes this page; `--help-loss NAME` says the same of one loss.\n\n"
    "`loss.type` names a loss; `loss.types` with `loss.weights` several, whose weighted sum is minimized: RPO is\n"
    "`types = [\"cso\", \"sft\"]`, MPO is `types = [\"cso\", \"bco_pair\", \"sft\"], weights = [0.8, 0.2, 1.0]`. Losses of a mix "
    "need the same\n"
    "records; `sft` beside pairs or lists takes the preferred reply. Values equal TRL's on the same log-probabilities (relative "
    "difference\n"
    "below 1e-9); where TRL differs from the papers, the note says so. The letters in the formulas:\n\n";

static const char OPTIONS[] = "## Options\n\n"
                              "Every loss accepts `beta` and `label_smoothing`, also one whose formula does not have them. Any "
                              "other option that a loss ignores is\n"
                              "refused when it has not its default.\n\n"
                              "| key | default | meaning |\n| --- | --- | --- |\n";

static const char WEIGHTS[] =
    "\n`f_divergence_type` changes the score s of a reply with the log-ratio l: `reverse_kl`: l; `forward_kl`: -exp(-l);\n"
    "`js_divergence`: log sigmoid(l); `alpha_divergence`: exp((a - 1) l) / (a - 1), a = `f_alpha_divergence_coef` (Wang et al. "
    "2023,\n"
    "arXiv 2309.16240).\n\n"
    "`ld_alpha` (LD-DPO, Liu et al. 2024, arXiv 2409.06411): of a pair, tokens past the length of the shorter reply "
    "count\n"
    "`ld_alpha` times. `strategy_weight`: tokens of `(Strategy)` at the beginning of a reply count so many times. Both in policy "
    "and\n"
    "reference; lengths (T) stay plain numbers of tokens.\n\n"
    "`use_weighting` (WPO, Zhou et al. 2024, arXiv 2406.11827, equation 2): the loss of a pair is multiplied by w(chosen) "
    "w(rejected),\n"
    "w = exp(mean over the reply's tokens of log p(token) - log sum over the vocabulary of p(v)^2) under the policy, without "
    "gradient.\n\n"
    "Weights of examples. Each factor is 1 on average over the data that it is known of, and 1 for other examples; the loss of an "
    "example\n"
    "is multiplied by all of them:\n\n"
    "```\n"
    "balance = \"strategy\"   N / (K n_s): N examples with a strategy, K strategies, n_s examples that prefer this one\n"
    "q_weighting = true     max(0, q of the preferred reply - mean q of the others) / its mean\n"
    "visit_smoothing = k    n / (n + k) / its mean, n the visits of the least visited reply\n"
    "```\n\n"
    "`balance` aims at the preference bias: a strategy that is preferred often counts no more than one that is preferred rarely. "
    "`q` and `n`\n"
    "are what the search knew of a reply ([data.md](data.md)).\n\n"
    "metrics.jsonl has, beside the loss and the rewards, `pairs/NAME`, `rewards/accuracies/NAME` and `rewards/margins/NAME` for "
    "each\n"
    "strategy NAME of a preferred reply, and of a mix `loss/NAME` for each loss.\n";

static void write_markdown(FILE *out) {
    fputs(INTRODUCTION, out);
    markdown_code(out, cso_loss_symbols());
    for (const cso_loss *const *loss = cso_loss_all(); *loss; loss++)
        markdown_loss(out, *loss);
    fputs(OPTIONS, out);
    for (size_t i = 0; i < cso_loss_option_list.count; i++) {
        const cso_option *row = &cso_loss_option_list.rows[i];
        fprintf(out, "| `%s` | `%s` | %s |\n", row->name, row->fallback, row->help);
    }
    fputs(WEIGHTS, out);
}

cso_status help_loss(FILE *out, const char *name, cso_error *err) {
    cso_objective unused;
    const cso_loss_options options = cso_loss_default_options();
    const cso_loss *loss = cso_loss_find(name);
    if (!strcmp(name, "all"))
        list_losses(out);
    else if (!strcmp(name, "markdown"))
        write_markdown(out);
    else if (!loss) /* says what there is */
        return cso_error_prefix(err, cso_objective_make(&unused, &name, NULL, 1, &options, err), "--help-loss");
    else
        print_loss(out, loss);
    return CSO_OK;
}

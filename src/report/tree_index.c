/* tree_index.c - the page that lists the dialogues of a run. Its table is plain HTML, which tree_index.js makes sortable. */
#include "page_parts.h"
#include "tree_page.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const page_asset *const CSS[] = {&asset_page_base_css, &asset_tree_index_css, NULL};
static const page_asset *const SCRIPTS[] = {&asset_tree_index_js, NULL};

/* The columns of counts, in order. */
static const struct {
    const char *name;
    size_t offset;
} COUNTS[] = {
    {"Iterations", offsetof(cso_tree_summary, iterations)}, {"Nodes", offsetof(cso_tree_summary, nodes)},
    {"Ended", offsetof(cso_tree_summary, ended)},           {"Depth", offsetof(cso_tree_summary, depth)},
    {"Records", offsetof(cso_tree_summary, records)},       {"Pairs", offsetof(cso_tree_summary, pairs)},
    {"Calls", offsetof(cso_tree_summary, calls)},
};
enum { COLUMNS = sizeof COUNTS / sizeof *COUNTS };

static size_t count_of(const cso_tree_summary *summary, size_t column) {
    size_t value;
    memcpy(&value, (const char *)summary + COUNTS[column].offset, sizeof value);
    return value;
}

/* Digits in groups of three. */
static void add_count(cso_text *text, size_t value) {
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%zu", value);
    for (int i = 0; i < length; i++) {
        cso_text_add(text, digits + i, 1);
        if ((length - 1 - i) % 3 == 0 && i + 1 < length)
            page_add(text, ",");
    }
}

/* The word that a style sheet knows, of any state. */
static const char *state_class(const char *state) {
    static const char *const KNOWN[] = {"complete", "failed", "stopped"};
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (!strncmp(state, KNOWN[i], strlen(KNOWN[i])))
            return KNOWN[i];
    return "other";
}

static void add_row(cso_text *text, const cso_tree_summary *summary) {
    const char *state = summary->state ? summary->state : "";
    cso_text_format(text,
                    "<tr><th scope=\"row\" data-value=\"%zu\"><a href=\"%06zu.html\">%zu</a></th>"
                    "<td class=\"talk\"><a href=\"%06zu.html\" dir=\"auto\">",
                    summary->index, summary->index, summary->index, summary->index);
    page_add_text(text, summary->scene && *summary->scene ? summary->scene : "without a scene");
    page_add(text, "</a><p dir=\"auto\">");
    page_add_text(text, summary->description ? summary->description : "");
    cso_text_format(text, "</p></td><td data-name=\"State\"><span class=\"state %s\">", state_class(state));
    page_add_text(text, state);
    page_add(text, "</span></td>");
    for (size_t i = 0; i < COLUMNS; i++) {
        cso_text_format(text, "<td class=\"number\" data-name=\"%s\" data-value=\"%zu\">", COUNTS[i].name, count_of(summary, i));
        add_count(text, count_of(summary, i));
        page_add(text, "</td>");
    }
    if (isfinite(summary->best_q))
        cso_text_format(text, "<td class=\"number\" data-name=\"Best Q\" data-value=\"%.17g\">%.2f</td></tr>\n", summary->best_q,
                        summary->best_q);
    else
        page_add(text, "<td class=\"number\" data-name=\"Best Q\" data-value=\"\">\xE2\x80\x93</td></tr>\n");
}

/* Sums of the counts; of the depth and of Q the highest. */
static void add_totals(cso_text *text, const cso_tree_summary *summaries, size_t count) {
    double best = NAN;
    for (size_t i = 0; i < count; i++)
        best = fmax(best, summaries[i].best_q);
    page_add(text, "</tbody>\n<tfoot><tr><th scope=\"row\" colspan=\"3\">");
    add_count(text, count);
    page_add(text, count == 1 ? " dialogue</th>" : " dialogues</th>");
    for (size_t column = 0; column < COLUMNS; column++) {
        bool depth = COUNTS[column].offset == offsetof(cso_tree_summary, depth);
        size_t total = 0;
        for (size_t i = 0; i < count; i++) {
            size_t value = count_of(&summaries[i], column);
            total = !depth ? total + value : value > total ? value : total;
        }
        cso_text_format(text, "<td class=\"number\" data-name=\"%s\">", depth ? "Depth, at most" : COUNTS[column].name);
        add_count(text, total);
        page_add(text, "</td>");
    }
    if (isfinite(best))
        cso_text_format(text, "<td class=\"number\" data-name=\"Best Q\">%.2f</td>", best);
    else
        page_add(text, "<td class=\"number\" data-name=\"Best Q\">\xE2\x80\x93</td>");
    page_add(text, "</tr></tfoot>\n");
}

void cso_tree_index_page(const cso_tree_summary *summaries, size_t count, const char *title, cso_text *text) {
    page_begin(text, title, CSS, SCRIPTS);
    page_add(text, "<header><h1 dir=\"auto\">");
    page_add_text(text, title);
    page_add(text, "</h1></header>\n<main>\n<table>\n<thead><tr><th scope=\"col\" data-number>#</th>"
                   "<th scope=\"col\">Dialogue</th><th scope=\"col\">State</th>");
    for (size_t i = 0; i < COLUMNS; i++)
        cso_text_format(text, "<th scope=\"col\" class=\"number\" data-number>%s</th>", COUNTS[i].name);
    page_add(text, "<th scope=\"col\" class=\"number\" data-number>Best Q</th></tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < count && !text->failed; i++)
        add_row(text, &summaries[i]);
    add_totals(text, summaries, count);
    page_add(text, "</table>\n</main>\n");
    page_end(text, SCRIPTS);
}

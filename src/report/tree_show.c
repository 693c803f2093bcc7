/* tree_show.c - a tree for a terminal.
 *
 * Columns of numbers, then the branches. An only child stands under its parent, not beside it: dialogues are long, and only forks
 * need room. The column of turns tells the depth.
 */
#include "base/printable.h"
#include "base/utf8.h"
#include "strategy_colour.h"
#include "tree_walk.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

enum { LEVELS = 64 }; /* the most forks that are drawn before a node */
static const char BOLD[] = "\033[1m", FAINT[] = "\033[2m", PLAIN[] = "\033[0m", ELLIPSIS[] = "\xE2\x80\xA6";

/* The line that is being written. */
typedef struct show_line {
    cso_text *text;
    size_t columns, used; /* columns: 0, not cut */
    bool colour;
} show_line;

/* What stands for the character at text[0]. */
typedef struct glyph {
    char bytes[5];
    size_t size, taken; /* bytes of it, and of the text */
    size_t width;
} glyph;

/* marks: zero-width characters just before, is kept up to date. A few are accents and joiners; more would never reach the cut. */
static glyph next_glyph(const char *text, size_t *marks) {
    glyph g = {.taken = cso_printable_length(text, strnlen(text, 4))};
    if (g.taken) {
        int32_t point = (int32_t)cso_utf8_code_point(text, g.taken), width = utf8proc_charwidth(point);
        memcpy(g.bytes, text, g.taken);
        g.size = g.taken;
        *marks = width > 0 ? 0 : *marks + 1;
        g.width = width > 0 ? (size_t)width : point == 0xFE0F || *marks > 4; /* U+FE0F may widen the character before it to two */
        return g;
    }
    *marks = 0;
    g.taken = 1;
    if (*text == '\n' || *text == '\t' || *text == '\r')
        g.size = g.width = (size_t)snprintf(g.bytes, sizeof g.bytes, " ");
    else
        g.size = g.width = (size_t)snprintf(g.bytes, sizeof g.bytes, "\\x%02x", (unsigned char)*text);
    return g;
}

static void paint(show_line *line, const char *escape) {
    if (line->colour)
        cso_text_add(line->text, escape, strlen(escape));
}

/* Whether the texts fit into the rest of the line. */
static bool fit(const show_line *line, const char *const *texts, size_t count) {
    size_t used = line->used;
    for (size_t i = 0, marks = 0; i < count; i++)
        for (const char *text = texts[i]; *text && used <= line->columns;) {
            glyph g = next_glyph(text, &marks);
            used += g.width;
            text += g.taken;
        }
    return used <= line->columns;
}

/* Adds texts; what does not fit is cut, and the line is then full. */
static void put_all(show_line *line, const char *const *texts, size_t count) {
    bool cut = line->columns && !fit(line, texts, count);
    for (size_t i = 0, marks = 0; i < count; i++)
        for (const char *text = texts[i]; *text && !line->text->failed;) {
            glyph g = next_glyph(text, &marks);
            if (cut && line->used + g.width > line->columns - 1) {
                if (line->used < line->columns)
                    cso_text_add(line->text, ELLIPSIS, sizeof ELLIPSIS - 1);
                line->used = line->columns;
                return;
            }
            cso_text_add(line->text, g.bytes, g.size);
            line->used += g.width;
            text += g.taken;
        }
}

static void put(show_line *line, const char *text) {
    put_all(line, &text, 1);
}

/* Adds a short text of our own. */
static void put_format(show_line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put_format(show_line *line, const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put(line, text);
}

/* Adds a strategy's name, cut on a narrow terminal: the reply needs the room, and the colour tells the name. */
static void put_name(show_line *line, const char *name) {
    size_t columns = line->columns, most = line->used + columns / 6;
    if (columns && columns < 120 && most < columns)
        line->columns = most;
    put(line, name);
    line->columns = columns;
}

static void end_line(show_line *line) {
    cso_text_add(line->text, "\n", 1);
    line->used = 0;
}

static void show_head(show_line *line, const cso_search_result *result, const tree_walk_totals *totals) {
    paint(line, BOLD);
    put_format(line, "seed %zu", result->index);
    paint(line, PLAIN);
    put_format(line, ": %s, ", tree_walk_state(result->state));
    put(line, result->method ? result->method : "");
    put(line, ", mode ");
    put(line, result->mode ? result->mode : "");
    put_format(line, ", %zu iterations, %zu calls", result->iterations, tree_walk_calls(result));
    end_line(line);
    put_format(line, "%zu nodes, %zu generated, %zu ended, %zu of them count", result->tree.count, totals->generated, totals->ended,
               totals->counted);
    if (!isnan(totals->best_q))
        put_format(line, ", best Q %.2f", totals->best_q);
    end_line(line);
    if (result->scene && *result->scene) {
        put(line, "scene: ");
        put(line, result->scene);
        end_line(line);
    }
    if (result->description && *result->description) {
        put(line, "situation: ");
        put(line, result->description);
        end_line(line);
    }
}

/* Draws the branches that lead to a node: a level for each fork above it, the nearest `most` of them. */
static void show_branches(show_line *line, const cso_search_tree *tree, size_t node, bool lazy, size_t most) {
    static const char *const STEMS[] = {"\xE2\x94\x82 ", "  "}; /* past a fork: it goes on, or not */
    static const char *const FORKS[] = {"\xE2\x94\x9C\xE2\x94\x80", "\xE2\x94\x94\xE2\x94\x80"}; /* at the node's own */
    const char *levels[LEVELS];
    size_t count = 0;
    bool own = true;
    for (size_t up = node; tree->nodes[up].parent != CSO_NO_NODE && count <= most; up = tree->nodes[up].parent) {
        size_t first = tree_walk_child(tree, tree->nodes[up].parent, lazy), after = tree_walk_sibling(tree, up, lazy);
        if (first != up || after != CSO_NO_NODE) {
            if (count < most)
                levels[count] = (own ? FORKS : STEMS)[after == CSO_NO_NODE];
            count++;
        }
        own = false;
    }
    paint(line, FAINT);
    if (count > most) {
        put(line, ELLIPSIS);
        count = most;
    }
    while (count)
        put(line, levels[--count]);
    paint(line, PLAIN);
}

static void show_node(show_line *line, const cso_search_tree *tree, size_t node, cso_extract_mark mark, size_t depth, bool lazy) {
    const cso_search_node *at = &tree->nodes[node];
    bool root = at->parent == CSO_NO_NODE;
    put_format(line, "%4zu %c", depth, mark == CSO_MARK_PREFERRED ? '+' : mark == CSO_MARK_NEGATIVE ? '-' : ' ');
    if (at->generated)
        put_format(line, "%6.2f%6llu", at->q, (unsigned long long)at->n);
    else
        put_format(line, "%6s%6s", "", "");
    put_format(line, root ? "        " : "%6.2f  ", at->prior);
    size_t levels = line->columns ? line->columns / 4 : LEVELS;
    show_branches(line, tree, node, lazy, levels < LEVELS ? levels : LEVELS);
    char escape[32];
    if (root)
        snprintf(escape, sizeof escape, "%s", BOLD);
    else
        snprintf(escape, sizeof escape, "\033[%s38;5;%dm", mark == CSO_MARK_PREFERRED ? "1;" : "",
                 strategy_colour_of(at->strategy).terminal);
    paint(line, escape);
    put(line, at->ended ? "\xE2\x96\xA0 " : at->generated ? "\xE2\x97\x8F " : "\xE2\x97\x8B "); /* square, disc, circle */
    put_name(line, tree_walk_strategy(tree, node));
    paint(line, PLAIN);
    if (at->generated) {
        const char *answer = at->answer ? at->answer : "";
        put_all(line, (const char *const[]){": ", at->reply ? at->reply : "", *answer ? " / " : "", answer}, 4);
    }
    end_line(line);
}

void cso_tree_show(const cso_search_result *result, const cso_extract_mark *marks, const cso_tree_show_options *options,
                   cso_text *text) {
    const cso_search_tree *tree = &result->tree;
    show_line line = {.text = text, .columns = options->columns, .colour = options->colour};
    tree_walk_totals totals = tree_walk_count(tree, marks);
    show_head(&line, result, &totals);
    if (!tree->count)
        return;
    end_line(&line);
    put(&line, "turn       Q     N prior");
    end_line(&line);
    for (size_t node = 0, depth = 0; node != CSO_NO_NODE && !text->failed;) {
        show_node(&line, tree, node, marks[node], depth, options->lazy);
        size_t next = tree_walk_next(tree, node, options->lazy);
        if (next != CSO_NO_NODE) /* a child, or a sibling of the node or of one above it */
            for (depth++; tree->nodes[next].parent != node; node = tree->nodes[node].parent)
                depth--;
        node = next;
    }
    end_line(&line);
    put(&line, "+ preferred  - negative  \xE2\x97\x8F generated  \xE2\x96\xA0 ended");
    put(&line, options->lazy ? "  \xE2\x97\x8B not generated" : "");
    end_line(&line);
}

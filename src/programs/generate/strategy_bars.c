/* strategy_bars.c - see strategy_bars.h. */
#include "strategy_bars.h"

#include "screen_text.h"

#include <stdio.h>
#include <string.h>

/* "* NAME  BAR 100 %" */
enum { MARK_COLUMNS = 2, GAP_COLUMNS = 2, PERCENT_COLUMNS = 6, MOST_BAR = 40, LEAST_BAR = 4, LEAST_NAME = 10 };

typedef struct bar_layout {
    size_t name, bar; /* columns; bar 0: none */
} bar_layout;

static bar_layout lay_out(const cso_strategies *strategies, size_t columns) {
    size_t longest = 0, fixed = MARK_COLUMNS + GAP_COLUMNS + PERCENT_COLUMNS;
    for (size_t i = 0; i < strategies->count; i++) {
        const char *name = strategies->items[i].name;
        size_t own = screen_columns(name, strlen(name));
        longest = own > longest ? own : longest;
    }
    size_t room = columns > fixed + 1 ? columns - fixed - 1 : 0, most = room * 6 / 10; /* a terminal may wrap at its last column */
    most = most < LEAST_NAME ? LEAST_NAME : most;
    most = most < room ? most : room;
    bar_layout layout = {.name = longest < most ? longest : most};
    layout.bar = room > layout.name ? room - layout.name : 0;
    layout.bar = layout.bar > MOST_BAR ? MOST_BAR : layout.bar < LEAST_BAR ? 0 : layout.bar;
    return layout;
}

static void add_blanks(cso_text *text, size_t count) {
    cso_text_format(text, "%*s", (int)count, "");
}

static void add_bar(cso_text *text, double probability, size_t columns, bool blocks) {
    static const char *const EIGHTHS[] = {"", "\u258F", "\u258E", "\u258D", "\u258C", "\u258B", "\u258A", "\u2589"};
    size_t eighths = (size_t)(probability * 8 * (double)columns + 0.5), full = eighths / 8, used = 0;
    for (; used < full && used < columns; used++)
        cso_text_add(text, blocks ? "\u2588" : "#", blocks ? 3 : 1);
    const char *rest = blocks ? EIGHTHS[eighths % 8] : "";
    if (used < columns && *rest) {
        cso_text_add(text, rest, strlen(rest));
        used++;
    }
    add_blanks(text, columns - used);
}

static void add_percent(cso_text *text, double probability) {
    if (probability > 0 && probability < 0.005)
        cso_text_format(text, "%*s", PERCENT_COLUMNS, "<1 %");
    else
        cso_text_format(text, "%*.0f %%", PERCENT_COLUMNS - 2, 100 * probability);
}

void strategy_bars_add(cso_text *text, const cso_strategies *strategies, const double *probabilities, size_t picked,
                       const bar_style *style) {
    bar_layout layout = lay_out(strategies, style->columns);
    for (size_t i = 0; i < strategies->count; i++) {
        const char *name = strategies->items[i].name;
        bool bold = style->bold && i == picked;
        double probability = probabilities[i] > 0 && probabilities[i] <= 1 ? probabilities[i] : probabilities[i] > 1;
        cso_text_format(text, "%s%c ", bold ? "\033[1m" : "", i == picked ? '*' : ' ');
        size_t used = screen_add_cut(text, name, strlen(name), layout.name);
        add_blanks(text, layout.name - used + GAP_COLUMNS);
        if (layout.bar)
            add_bar(text, probability, layout.bar, style->blocks);
        add_percent(text, probability);
        cso_text_format(text, "%s\n", bold ? "\033[0m" : "");
    }
}

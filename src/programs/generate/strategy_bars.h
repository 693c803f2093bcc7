/* strategy_bars.h - the probabilities of strategies as bars, a line each. */
#ifndef CSO_STRATEGY_BARS_H
#define CSO_STRATEGY_BARS_H

#include "data/strategies.h"
#include "io/json.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct bar_style {
    size_t columns; /* of the terminal */
    bool bold;      /* the picked one is bold */
    bool blocks;    /* bars of eighths of blocks; else of '#' */
} bar_style;

/* Adds the lines, in the order of the strategies. probabilities (strategies->count) sum to 1; picked: index, marked by '*'. */
void strategy_bars_add(cso_text *text, const cso_strategies *strategies, const double *probabilities, size_t picked,
                       const bar_style *style);

#endif

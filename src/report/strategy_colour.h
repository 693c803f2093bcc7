/* strategy_colour.h - colours of strategies, the same on pages, in Graphviz and on terminals. */
#ifndef CSO_STRATEGY_COLOUR_H
#define CSO_STRATEGY_COLOUR_H

#include <stddef.h>

typedef struct strategy_colour {
    char fill[8]; /* "#rrggbb" */
    char ink[8];  /* of text on it: black or white, at a contrast of 4.5 and more (WCAG AA) */
    int terminal; /* of xterm's 256 colours */
} strategy_colour;

/* The first eight are told apart with all common colour deficiencies (Okabe and Ito 2002, grey for their black, which a dark page
 * would swallow). The hues of further ones are a golden angle apart. */
strategy_colour strategy_colour_of(size_t strategy);

#endif

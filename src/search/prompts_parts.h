/* prompts_parts.h - the placeholders of the prompts' texts; inside src/search only. */
#ifndef CSO_PROMPTS_PARTS_H
#define CSO_PROMPTS_PARTS_H

#include "prompts.h"

typedef enum prompts_placeholder {
    PLACE_HISTORY,
    PLACE_STRATEGIES,
    PLACE_STRATEGY,
    PLACE_STRATEGY_DESCRIPTION,
    PLACE_SITUATION,
    PLACE_EMOTION,
    PLACE_COUNT
} prompts_placeholder;

/* "{history}" and so on, with braces. */
extern const char *const prompts_placeholder_words[PLACE_COUNT];
/* The placeholder that the text begins with, PLACE_COUNT if it begins with none. */
prompts_placeholder prompts_placeholder_at(const char *text);
/* Bits 1 << placeholder of those in a text. */
unsigned prompts_placeholders_in(const char *text);

#endif
